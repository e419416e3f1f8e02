#include "cli/cli_private.h"

// Asks the server to delete what `path` names. The answer is the caller's.
static int delete_of(struct cli *cli, struct client *client, const char *id, const char *path,
                     struct client_response *ret)
{
    int err = client_request(client, "DELETE", path, str_n(NULL, 0), NULL, ret);
    if (err)
        return cli_fail(cli, err, "%s: %s", client_url(client), client_cause(ret, err));
    if (ret->status == 409)
        return cli_fail(cli, ERR_CONFLICT, "%s goes on: its log is not closed; `runnel cancel %s` ends it", id, id);
    return ret->status < 200 || ret->status >= 300 ? cli_fail_response(cli, ret) : 0;
}

static int purge_one(struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s?purge=true", id);
    CLEANUP(client_response_release) struct client_response response = {0};
    int code = delete_of(cli, client, id, path, &response);
    if (code == 0)
        buf_printf(out, "%s: purged\n", id);
    return code;
}

static int purge_artifacts(struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/artifacts", id);
    CLEANUP(client_response_release) struct client_response response = {0};
    int code = delete_of(cli, client, id, path, &response);
    if (code)
        return code;
    CLEANUP(json_free) json_t *answer = json_loadb(response.body.data, response.body.len, 0, NULL);
    json_int_t count = json_integer_value(json_object_get(answer, "purged_count"));
    buf_printf(out, "%s: %lld artifact%s purged\n", id, (long long)count, count == 1 ? "" : "s");
    return 0;
}

static int run_purge(struct cli *cli)
{
    char *const *operands;
    if (cli_operands(cli, &operands) == 0)
        return cli_usage_error(cli, "name an execution: runnel purge ID");
    return cli_each_execution(cli, cli_flag(cli, "artifacts") ? purge_artifacts : purge_one);
}

const struct cli_command cmd_purge = {
    .name = "purge",
    .summary = "remove the logs of executions, or their artifacts alone",
    .usage = "ID… [--artifacts]",
    .description = "Removes the records and the artifacts of executions that have ended. It cannot be undone. Their "
                   "identifiers stay taken; asking for them says that they have expired.\n\n"
                   "With --artifacts it removes the files that they have left, and nothing else: their logs stay.\n\n"
                   "A beginning of an identifier will do, if no other has it. If one of several cannot be purged, the "
                   "others still are; the exit code is that of the first failure.",
    .options = (const struct cli_option[]){{0, "artifacts", CLI_FLAG, NULL, "only the files that they have left"}, {0}},
    .examples =
        (const struct cli_example[]){
            {"runnel purge exec_abc123", "remove its log"},
            {"runnel purge --artifacts exec_abc123", "remove its files, and keep its log"},
            {"runnel list -as failed -o json | jq -r .execution_id | xargs -r runnel purge",
             "those of all that failed"},
            {0},
        },
    .run = run_purge,
};
