#include "cli/cli_private.h"
#include "server/server.h"

#include <unistd.h>

static int run_help(struct cli *cli)
{
    CLEANUP(buf_release) struct buf text = {0};
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    if (count > 1)
        return cli_usage_error(cli, "name one command, or none");
    const struct cli_command *command = count == 1 ? cli_command_find(cli, operands[0]) : NULL;
    if (count == 1 && !command)
        return cli_usage_error(NULL, "there is no command \"%s\"", operands[0]);
    const char *document = cli_value(cli, "document");
    if (document && strcmp(document, "runnel.env") == 0)
        help_environment_example(&text);
    if (document && !server_document(document, &text))
        return cli_usage_error(cli, "there is no document \"%s\"", document);
    if (document)
        return cli_print(cli, &text);
    if (cli_flag(cli, "markdown"))
        help_markdown(&text, cli->commands);
    else if (cli_flag(cli, "man"))
        help_man(&text, cli->commands, command);
    else if (command)
        help_command(&text, command, help_width(STDOUT_FILENO));
    else
        help_overview(&text, cli->commands, help_width(STDOUT_FILENO));
    return cli_print(cli, &text);
}

const struct cli_command cmd_help = {
    .name = "help",
    .summary = "show help",
    .usage = "[COMMAND]",
    .description = "Shows what the commands are, or how one is used.",
    .options =
        (const struct cli_option[]){
            // Without a help text: only the build uses them.
            {0, "man", CLI_FLAG, NULL, NULL},
            {0, "markdown", CLI_FLAG, NULL, NULL},
            {0, "document", CLI_VALUE, NULL, NULL},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel help logs", "how to read and follow logs"},
            {0},
        },
    .run = run_help,
};
