#include "cli/cli_private.h"

static int purge_one(struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s?purge=true", id);
    CLEANUP(client_response_release) struct client_response response = {0};
    int err = client_request(client, "DELETE", path, str_n(NULL, 0), NULL, &response);
    if (err)
        return cli_fail(cli, err, "%s: %s", client_url(client), error_text(err));
    if (response.status == 409)
        return cli_fail(cli, ERR_CONFLICT, "%s goes on: its log is not closed; `runnel cancel %s` ends it", id, id);
    if (response.status < 200 || response.status >= 300)
        return cli_fail_response(cli, &response);
    buf_printf(out, "%s: purged\n", id);
    return 0;
}

static int run_purge(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(buf_release) struct buf out = {0};
    const char *const *ids;
    char *const *operands;
    size_t count;
    if (cli_operands(cli, &operands) == 0)
        return cli_usage_error(cli, "name an execution: runnel purge ID");
    int code = cli_find_executions(cli, &ids, &count);
    if (code == 0)
        code = cli_connect(cli, &client);
    for (size_t i = 0; i < count && code == 0; i++)
        code = purge_one(cli, client, ids[i], &out);
    int written = cli_print(cli, &out);
    return code ? code : written;
}

const struct cli_command cmd_purge = {
    .name = "purge",
    .summary = "remove the logs of executions",
    .usage = "ID…",
    .description = "Removes the records of executions that have ended. It cannot be undone. Their identifiers stay "
                   "taken; asking for them says that "
                   "they have expired.\n\n"
                   "A beginning of an identifier will do, if no other has it.",
    .options = (const struct cli_option[]){{0}},
    .examples =
        (const struct cli_example[]){
            {"runnel purge exec_abc123", "remove its log"},
            {"runnel list -a --status failed -o json | jq -r .execution_id | xargs -r runnel purge",
             "those of all that failed"},
            {0},
        },
    .run = run_purge,
};
