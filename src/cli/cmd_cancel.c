#include "cli/cli_private.h"
#include "model/status.h"

static int cancel_one(struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s", id);
    CLEANUP(json_free) json_t *answer = NULL;
    enum execution_status status;
    int code = cli_call_json(cli, client, "DELETE", path, str_n(NULL, 0), &answer);
    if (code)
        return code;
    const char *word = json_string_value(json_object_get(answer, "status"));
    bool ended = word && status_parse(str_of(word), &status) && status_terminal(status);
    if (cli_json(cli)) {
        json_append_line(out, answer);
    } else if (ended) {
        buf_printf(out, "%s: %s\n", id, word);
    } else {
        buf_printf(out, "%s: its runner is told to end the job (%s)\n", id, word ? word : "");
    }
    return 0;
}

static int run_cancel(struct cli *cli)
{
    char *const *operands;
    if (cli_operands(cli, &operands) == 0 && !cli_flag(cli, "last"))
        return cli_usage_error(cli, "name an execution: runnel cancel ID, or --last");
    return cli_each_execution(cli, cancel_one);
}

const struct cli_command cmd_cancel = {
    .name = "cancel",
    .summary = "ask that executions end",
    .usage = "ID… [-o json]",
    .description = "Asks that executions end. A runner that is connected sends its job a signal; one that is not will "
                   "be told when it comes back. What "
                   "waits, or is lost, is cancelled at once. What has ended stays as it is.\n\n"
                   "A beginning of an identifier will do, if no other has it. If one of several cannot be cancelled, "
                   "the others still are; the exit code is that of the first failure.",
    .options =
        (const struct cli_option[]){
            {0, "last", CLI_FLAG, NULL, "the latest execution"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json, one object a line"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel cancel exec_abc123", "end its job"},
            {0},
        },
    .run = run_cancel,
};
