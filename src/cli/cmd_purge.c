#include "cli/cli_private.h"

static int purge_one(struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s?purge=true", id);
    CLEANUP(client_response_release) struct client_response response = {0};
    int err = client_request(client, "DELETE", path, str_n(NULL, 0), NULL, &response);
    if (err)
        return cli_fail(cli, err, "%s: %s", client_url(client), client_cause(&response, err));
    if (response.status == 409)
        return cli_fail(cli, ERR_CONFLICT, "%s goes on: its log is not closed; `runnel cancel %s` ends it", id, id);
    if (response.status < 200 || response.status >= 300)
        return cli_fail_response(cli, &response);
    buf_printf(out, "%s: purged\n", id);
    return 0;
}

static int run_purge(struct cli *cli)
{
    char *const *operands;
    if (cli_operands(cli, &operands) == 0)
        return cli_usage_error(cli, "name an execution: runnel purge ID");
    return cli_each_execution(cli, purge_one);
}

const struct cli_command cmd_purge = {
    .name = "purge",
    .summary = "remove the logs of executions",
    .usage = "ID…",
    .description = "Removes the records of executions that have ended. It cannot be undone. Their identifiers stay "
                   "taken; asking for them says that "
                   "they have expired.\n\n"
                   "A beginning of an identifier will do, if no other has it. If one of several cannot be purged, the "
                   "others still are; the exit code is that of the first failure.",
    .options = (const struct cli_option[]){{0}},
    .examples =
        (const struct cli_example[]){
            {"runnel purge exec_abc123", "remove its log"},
            {"runnel list -as failed -o json | jq -r .execution_id | xargs -r runnel purge",
             "those of all that failed"},
            {0},
        },
    .run = run_purge,
};
