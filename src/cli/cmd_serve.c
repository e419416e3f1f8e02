#include "cli/cli_private.h"
#include "cli/serve_config.h"
#include "server/logging.h"
#include "server/server.h"

#include <unistd.h>

#define OPTION_KIND_T CLI_VALUE
#define OPTION_KIND_N CLI_VALUE
#define OPTION_KIND_B CLI_FLAG
#define OPTION_KIND_L CLI_VALUE_MANY
#define ARGUMENT_T    "TEXT"
#define ARGUMENT_N    "N"
#define ARGUMENT_B    NULL
#define ARGUMENT_L    "LIST"

static const struct cli_option serve_options[] = {
    {'c', "config", CLI_VALUE, "FILE", "configuration file; else $XDG_CONFIG_HOME/runnel/server.conf, " SYSTEM_CONFIG},
#define SERVE_OPTION(kind_, name_, def, least, most, reload, help_) \
    {.long_name = #name_, .kind = OPTION_KIND_##kind_, .argument = ARGUMENT_##kind_, .help = help_},
    CONFIG_SETTINGS(SERVE_OPTION)
#undef SERVE_OPTION
// Without a help text: these only tell a renamed option from one that never existed.
#define RENAMED_OPTION(old, now) {.long_name = #old, .kind = CLI_VALUE, .argument = "N"},
        CONFIG_RENAMED(RENAMED_OPTION)
#undef RENAMED_OPTION
            {0},
};

// Called for SIGHUP, too: everything is read again, in the same order.
static int load(void *arg, struct config *ret, struct buf *ret_error)
{
    return serve_config_load(arg, ret, ret_error);
}

#define PREFIX "RUNNEL_"

// What the other commands, and jobs, go by.
static const char *const others[] = {"API_KEY", "ATTEMPT", "BATCH_ID", "CONTEXT", "EXECUTION_ID", "INPUTS",
                                     "OUTPUTS", "SOCKET",  "TOKEN",    "URL",     "VERSION",      "CA_FILE"};

// Returns the setting that is meant by a variable that is none; NULL if it is one, or nothing is near.
static const char *meant_by(const char *name)
{
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(name, others[i]) == 0)
            return NULL;
    for (const struct config_setting *setting = config_settings; setting->name; setting++) {
        const char *known = setting->env + strlen(PREFIX);
        if (strcmp(name, known) == 0)
            return NULL;
        nearest_offer(&nearest, known);
    }
    return nearest.best;
}

// Others in the environment may have names of this kind, too: so none is an error.
static void tell_of_misspelt(const struct config *config)
{
    const struct logger logger = logging_of(config);
    for (char *const *variable = environ; *variable; variable++) {
        if (strncmp(*variable, PREFIX, strlen(PREFIX)) != 0)
            continue;
        CLEANUP(free_ptr) char *name = xstrndup(*variable, strcspn(*variable, "="));
        const char *meant = meant_by(name + strlen(PREFIX));
        CLEANUP(free_ptr) char *setting = meant ? xasprintf(PREFIX "%s", meant) : NULL;
        if (setting)
            log_warn(&logger, "an environment variable is no setting and changes nothing; one is called similarly",
                     LOG_S("variable", name), LOG_S("setting", setting));
    }
}

static int run_serve(struct cli *cli)
{
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0};
    char *const *operands;
    config_init(&config);
    if (cli_operands(cli, &operands) > 0)
        return cli_usage_error(cli, "it takes options only, not \"%s\"", operands[0]);
    if (load(cli, &config, &error))
        return cli_usage_error(cli, "%s", buf_cstr(&error));
    tell_of_misspelt(&config);
    int err = server_run(&config, load, cli);
    return err ? error_exit_code(err) : 0;
}

const struct cli_command cmd_serve = {
    .name = "serve",
    .summary = "run the server",
    .usage = "[--listen ADDR] [--data DIR] [OPTIONS]",
    .description = "Takes in the output of executions, makes it durable and shows it to followers. At its first start "
                   "it makes the account `default` and "
                   "writes an operator's key to DATA/admin.key, which the other commands find on the same machine.\n\n"
                   "Each option is also a setting of the configuration file (tls_cert = \"…\") and an environment "
                   "variable (RUNNEL_TLS_CERT); flags beat the "
                   "environment, which beats the file. SIGHUP reads the configuration again, SIGTERM ends the server "
                   "in good order, and so does the end of the terminal that it was started in.",
    .options = serve_options,
    .examples =
        (const struct cli_example[]){
            {"runnel serve", "on 127.0.0.1:7117, with its data in $XDG_STATE_HOME/runnel"},
            {"runnel serve --listen 0.0.0.0:7117 --tls-cert cert.pem --tls-key key.pem", "for other machines"},
            {0},
        },
    .own_signals = true,
    .run = run_serve,
};
