#include "cli/cli_private.h"

static int run_version(struct cli *cli)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (cli_json(cli))
        buf_append_text(&text, "{\"version\":\"" RUNNEL_VERSION "\"}\n");
    else
        buf_append_text(&text, "runnel " RUNNEL_VERSION "\n");
    return cli_print(cli, &text);
}

const struct cli_command cmd_version = {
    .name = "version",
    .summary = "show the version",
    .usage = "[-o json]",
    .description = "Shows the version of this program.",
    .options =
        (const struct cli_option[]){
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples = (const struct cli_example[]){{0}},
    .run = run_version,
};
