#include "cli/cli_private.h"
#include "client/url.h"
#include "util/file.h"

#include <errno.h>
#include <unistd.h>

// The name has the time in it, so that a timer needs no name.
static char *default_name(void)
{
    int64_t now_ms = clock_real_ms();
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm;
    char stamp[32];
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
    return xasprintf("runnel-%s.%03dZ.db", stamp, (int)(now_ms % 1000));
}

static char *absolute_path(const char *path)
{
    if (path[0] == '/')
        return xstrdup(path);
    CLEANUP(free_ptr) char *folder = getcwd(NULL, 0);
    return folder ? xasprintf("%s/%s", folder, path) : NULL;
}

// The server writes only into its own folder. If the copy must lie elsewhere, the user must be able to read and write
// there.
static int wanted_path(struct cli *cli, char **ret)
{
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    *ret = NULL;
    if (count > 1 || (count == 1 && !*operands[0]))
        return cli_usage_error(cli, "name one file to write, or none");
    if (count == 0)
        return 0;
    const struct client_options *server = cli_server(cli);
    if (!server)
        return error_exit_code(ERR_INVALID);
    if (!url_is_loopback(server->url))
        return cli_usage_error(
            cli, "%s is another machine: run this where the server runs, or name no file, and it is left there",
            server->url);
    *ret = absolute_path(operands[0]);
    if (!*ret)
        return cli_fail(cli, ERR_IO, "the working folder: %s", strerror(errno));
    if (access(*ret, F_OK) == 0)
        return cli_fail(cli, ERR_CONFLICT, "%s exists already; name a new file", *ret);
    return 0;
}

// *ret_others: how many copies of other stores lie beside it.
static int ask_server(struct cli *cli, char **ret_path, size_t *ret_others)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *made = NULL;
    CLEANUP(buf_release) struct buf body = {0};
    CLEANUP(free_ptr) char *name = default_name();
    int code = cli_connect(cli, &client);
    if (code)
        return code;
    buf_append_text(&body, "{\"path\":");
    buf_append_json_string(&body, str_of(name));
    buf_append_byte(&body, '}');
    code = cli_call_json(cli, client, "POST", "/api/v1/backup", buf_str(&body), &made);
    if (code)
        return code;
    const char *path = json_string_value(json_object_get(made, "path"));
    if (!path)
        return cli_fail(cli, ERR_MALFORMED, "the server's answer has no path");
    *ret_path = xstrdup(path);
    *ret_others = json_array_size(json_object_get(made, "others"));
    return 0;
}

static char *path_of(const char *path, size_t number)
{
    return number == 0 ? xstrdup(path) : xasprintf("%s.%zu", path, number);
}

static int move_one(struct cli *cli, const char *made, const char *wanted, size_t number)
{
    CLEANUP(free_ptr) char *from = path_of(made, number), *to = path_of(wanted, number);
    int err = file_move(from, to);
    if (err == 0)
        return 0;
    return cli_fail(cli, err == -EEXIST ? ERR_CONFLICT : ERR_IO,
                    "the backup is %s on the server's machine, and cannot be moved to %s: %s", from, to,
                    strerror(-err));
}

static void tell_paths(const struct cli *cli, const char *path, size_t others, struct buf *out)
{
    for (size_t i = 0; i <= others; i++) {
        CLEANUP(free_ptr) char *one = path_of(path, i);
        if (!cli_json(cli)) {
            buf_printf(out, "%s\n", one);
            continue;
        }
        buf_append_text(out, i == 0 ? "{\"path\":" : i == 1 ? ",\"others\":[" : ",");
        buf_append_json_string(out, str_of(one));
    }
    if (cli_json(cli))
        buf_append_text(out, others > 0 ? "]}\n" : "}\n");
}

static int run_backup(struct cli *cli)
{
    CLEANUP(free_ptr) char *wanted = NULL, *made = NULL;
    CLEANUP(buf_release) struct buf out = {0};
    size_t others = 0;
    int code = wanted_path(cli, &wanted);
    if (code == 0)
        code = ask_server(cli, &made, &others);
    for (size_t i = 0; i <= others && wanted && code == 0; i++)
        code = move_one(cli, made, wanted, i);
    if (code)
        return code;
    tell_paths(cli, wanted ? wanted : made, others, &out);
    return cli_print(cli, &out);
}

const struct cli_command cmd_backup = {
    .name = "backup",
    .summary = "write a consistent copy of a running server's store",
    .usage = "[FILE]",
    .description =
        "The server writes a consistent copy of its store while it goes on serving, without the room that "
        "purged logs have left: beneath the folder "
        "that its setting backup_dir names, DATA/backups unless it says otherwise, named after the time. "
        "With FILE the copy is then moved there. "
        "What is printed is its path. An existing file is left alone. Of a server with several stores (shards) "
        "all are copied, the others as FILE.1, FILE.2 and so on.\n\n"
        "Files in S3 and logs that were moved there (cold) are not in it, only where they lie: keep the "
        "bucket too.\n\n"
        "`runnel restore` puts a copy in the place of the store (of several, each in its own). A server that is "
        "started on one knows that "
        "it is one: producers and followers are "
        "told what is not in it, nothing goes missing silently.",
    .options =
        (const struct cli_option[]){
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel backup", "DATA/backups/runnel-20251115T103015.123Z.db"},
            {"runnel backup /mnt/backups/runnel-$(date +%F).db", "a copy for every day, on another disk"},
            {0},
        },
    .run = run_backup,
};
