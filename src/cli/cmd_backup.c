#include "cli/cli_private.h"

#include "client/url.h"

#include <errno.h>
#include <unistd.h>

static char *absolute_path(const char *path)
{
    if (path[0] == '/')
        return xstrdup(path);
    CLEANUP(free_ptr) char *folder = getcwd(NULL, 0);
    return folder ? xasprintf("%s/%s", folder, path) : NULL;
}

static int run_backup(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(buf_release) struct buf body = {0}, out = {0};
    char *const *operands;
    if (cli_operands(cli, &operands) != 1 || !*operands[0])
        return cli_usage_error(cli, "name the file to write");
    CLEANUP(free_ptr) char *path = absolute_path(operands[0]);
    if (!path)
        return cli_fail(cli, ERR_IO, "the working folder: %s", strerror(errno));
    const struct client_options *server = cli_server(cli);
    if (!server)
        return error_exit_code(ERR_INVALID);
    if (!url_is_loopback(server->url))
        return cli_usage_error(
            cli, "%s is another machine; run this where the server runs, as the server writes the file", server->url);
    int code = cli_connect(cli, &client);
    if (code)
        return code;
    buf_append_text(&body, "{\"path\":");
    buf_append_json_string(&body, str_of(path));
    buf_append_byte(&body, '}');
    code = cli_call(cli, client, "POST", "/api/v1/backup", buf_str(&body), &response);
    if (code)
        return code;
    if (cli_json(cli)) {
        buf_append_str(&out, buf_str(&body));
        buf_append_byte(&out, '\n');
    } else {
        buf_printf(&out, "%s\n", path);
    }
    return cli_print(cli, &out);
}

const struct cli_command cmd_backup = {
    .name = "backup",
    .summary = "write a consistent copy of a running server's store",
    .usage = "FILE",
    .description =
        "The server writes a consistent copy of its store to FILE while it goes on serving. An existing file is left alone.\n\n"
        "A server that is started on a copy knows that it is one: producers and followers are told what is not in it, nothing goes missing silently.",
    .options =
        (const struct cli_option[]){
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel backup /var/backups/runnel-$(date +%F).db", "a copy for every day"},
            {0},
        },
    .run = run_backup,
};
