#include "cli/cli_private.h"

static int run_status(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *status = NULL;
    CLEANUP(buf_release) struct buf text = {0};
    const char *id;
    int code = cli_read_status(cli, &client, &id, &status);
    if (code)
        return code;
    if (cli_json(cli))
        json_append_line(&text, status);
    else
        format_status(status, clock_real_ms(), cli_colour(cli), cli_flag(cli, "utc"), &text);
    code = cli_print(cli, &text);
    if (code || !cli_flag(cli, "exit-status"))
        return code;
    return cli_exit_as_job(cli, status);
}

const struct cli_command cmd_status = {
    .name = "status",
    .summary = "show what became of an execution",
    .usage = "ID [-o json]",
    .description = "Shows the status of an execution, when it was started and how long it took, where it ran and, once "
                   "it is known, what it cost.\n\n"
                   "What is not known is left out; with -o json it is null.",
    .options =
        (const struct cli_option[]){
            {0, "last", CLI_FLAG, NULL, "the latest execution"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0, "exit-status", CLI_FLAG, NULL, "exit with the job's exit code; 1 while it goes on"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel status exec_abc123", "the status in words"},
            {"runnel status exec_abc123 -o json | jq .status", "for scripts"},
            {0},
        },
    .run = run_status,
};
