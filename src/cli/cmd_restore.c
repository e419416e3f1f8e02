#include "cli/cli_private.h"
#include "cli/serve_config.h"
#include "server/server.h"

static int run_restore(struct cli *cli)
{
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0}, out = {0};
    char *const *operands;
    config_init(&config);
    if (cli_operands(cli, &operands) != 1 || !*operands[0])
        return cli_usage_error(cli, "name the backup to restore");
    if (serve_config_load(cli, &config, &error))
        return cli_usage_error(cli, "%s", buf_cstr(&error));
    bool discard = cli_flag(cli, "discard-former");
    int err = server_restore(&config, operands[0], discard, &out, &error);
    if (err)
        return cli_fail(cli, err > ERR_FIRST_ && err < ERR_END_ ? err : ERR_IO, "%s", buf_cstr(&error));
    return cli_print(cli, &out);
}

const struct cli_command cmd_restore = {
    .name = "restore",
    .summary = "put a backup in the place of the store",
    .usage = "FILE [--data DIR]",
    .description =
        "Checks that FILE is a whole store of this program, copies it into the data folder, and puts it in "
        "the place of the store in one step: "
        "whenever the power fails, the former store is there or the new one. The former one stays beside "
        "it, as DATA/runnel.db.before-TIME, with "
        "what belongs to it.\n\n"
        "No server may run on the data folder meanwhile. The one that is started then knows that its store "
        "was restored: producers and followers "
        "are told what is not in it, and runners that still have it deliver it again. DATA/admin.key stays; "
        "keys that were made after the backup "
        "are gone.\n\n"
        "Logs that were moved to S3 (cold) are not in a backup, only where they lie: they are read from there.",
    .options =
        (const struct cli_option[]){
            {'c', "config", CLI_VALUE, "FILE",
             "configuration file of the server; else as `runnel serve` finds it, for the data folder"},
            {.long_name = "data", .kind = CLI_VALUE, .argument = "DIR", .help = "data folder"},
            {.long_name = "discard-former", .kind = CLI_FLAG, .help = "do not keep the former store"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel restore /var/lib/runnel/backups/monday.db", "after the server was stopped"},
            {0},
        },
    .run = run_restore,
};
