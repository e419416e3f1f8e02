#include "cli/cli_private.h"
#include "cli/serve_config.h"
#include "server/server.h"
#include "util/clock.h"

#include <unistd.h>

static int fail(struct cli *cli, int err, struct buf *error)
{
    return cli_fail(cli, err > ERR_FIRST_ && err < ERR_END_ ? err : ERR_IO, "%s", buf_cstr(error));
}

static int load_config(struct cli *cli, struct config *config)
{
    CLEANUP(buf_release) struct buf error = {0};
    config_init(config);
    return serve_config_load(cli, config, &error) ? cli_usage_error(cli, "%s", buf_cstr(&error)) : 0;
}

static int show_store(struct cli *cli, struct client *client, const char *operand)
{
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0}, out = {0};
    (void)client;
    (void)operand;
    int code = load_config(cli, &config);
    if (code)
        return code;
    int err = server_store_show(&config, &out, &error);
    return err < 0 ? fail(cli, err, &error) : cli_print(cli, &out);
}

static int migrate_store(struct cli *cli, struct client *client, const char *operand)
{
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0}, out = {0};
    const char *wanted = cli_value(cli, "to");
    uint64_t to = 0;
    (void)client;
    (void)operand;
    int code = load_config(cli, &config);
    if (code)
        return code;
    if (wanted && (!str_to_u64(str_of(wanted), &to) || to < 1 || to > INT32_MAX))
        return cli_usage_error(cli, "--to must be the number of a schema, not \"%s\"", wanted);
    int err = server_store_migrate(&config, (int)to, &out, &error);
    return err < 0 ? fail(cli, err, &error) : cli_print(cli, &out);
}

// --- Copying

#define SHOWN_EVERY_MS 100

struct shown {
    uint64_t at_ms; // when the last line was shown
    bool any;
};

static void show_progress(void *arg, const char *line)
{
    struct shown *shown = arg;
    uint64_t now_ms = clock_mono_ns() / 1000000;
    if (shown->any && now_ms - shown->at_ms < SHOWN_EVERY_MS)
        return;
    *shown = (struct shown){now_ms, true};
    fprintf(stderr, "\r\033[K%s", line);
}

static int copy_store(struct cli *cli, struct client *client, const char *operand)
{
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0}, out = {0};
    char *const *operands;
    struct shown shown = {0};
    (void)client;
    int code = load_config(cli, &config);
    if (code)
        return code;
    cli_operands(cli, &operands);
    server_progress_fn *progress = isatty(STDERR_FILENO) ? show_progress : NULL;
    int err = server_store_copy(&config, operand, operands[2], cli_json(cli), progress, &shown, &out, &error);
    if (shown.any)
        fprintf(stderr, "\r\033[K");
    return err < 0 ? fail(cli, err, &error) : cli_print(cli, &out);
}

static int check_copy(struct cli *cli, const char *operand)
{
    (void)operand;
    return cli_value(cli, "to") ? cli_usage_error(cli, "name both stores: `runnel store copy FROM TO`") : 0;
}

static int check_show(struct cli *cli, const char *operand)
{
    (void)operand;
    return cli_value(cli, "to") ? cli_usage_error(cli, "--to is for `runnel store migrate`") : 0;
}

static int run_store(struct cli *cli)
{
    static const struct cli_action actions[] = {
        {"show", NULL, .offline = true, .check = check_show, .run = show_store},
        {"migrate", NULL, .offline = true, .run = migrate_store},
        {"copy", "name the store to copy, and the one to copy it to", .more = 1, .offline = true, .check = check_copy,
         .run = copy_store},
        {0},
    };
    return cli_run_action(cli, actions);
}

const struct cli_command cmd_store = {
    .name = "store",
    .summary = "show and migrate the schema of the store, or copy the store",
    .usage = "show|migrate|copy [FROM TO] [--to N] [--data DIR]",
    .description =
        "A store has a schema, which has a number. A server that starts migrates its store to the newest "
        "schema that it knows, so nobody needs this command for an update.\n\n"
        "`show` says which schema the store has, which ones this program knows, and which of them can be "
        "taken back. `migrate` brings the store to the newest one, or to N. N may also be one less than the "
        "store has: the one step back to the former version of the program. It is refused where something "
        "would be lost by it; what one goes back to then is a backup.\n\n"
        "No server may run on the data folder while it is migrated. Each step is there as a whole or not at "
        "all, whenever the power fails.\n\n"
        "`copy` copies the store FROM into the empty store TO, from SQLite to PostgreSQL, back, or to the "
        "same: each is a data folder, or what the setting `store` may be. All logs and all rows are read back "
        "and compared. No server may run on either. When it was ended, the same command goes on with it; "
        "until it is finished no server starts on TO. Logs of FROM that lie in S3 (cold) are read from there, with "
        "the settings of its server, and written into TO. What else is to be moved, it says at the end.",
    .options =
        (const struct cli_option[]){
            {'c', "config", CLI_VALUE, "FILE",
             "configuration file of the server; else as `runnel serve` finds it, for the data folder"},
            {.long_name = "data", .kind = CLI_VALUE, .argument = "DIR", .help = "data folder"},
            {'o', "output", CLI_VALUE, "FORMAT", "with copy: text or json"},
            {.long_name = "to", .kind = CLI_VALUE, .argument = "N", .help = "with migrate: the schema to go to"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel store show", "which schema there is"},
            {"runnel store migrate", "before the server is started, to have it done"},
            {"runnel store copy /var/lib/runnel postgres://runnel@db.example/runnel", "from the file to PostgreSQL"},
            {0},
        },
    .run = run_store,
};
