#include "cli/cli_private.h"
#include "server/server.h"

#include <unistd.h>

#define SYSTEM_CONFIG "/etc/runnel/server.conf"

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
        {0},
};

static int load_flag(const struct cli *cli, struct config *config, const struct config_setting *setting,
                     struct buf *ret_error)
{
    const char *const *values;
    size_t count = cli_values(cli, setting->name, &values);
    CLEANUP(buf_release) struct buf joined = {0};
    if (count == 0)
        return 0;
    if (setting->kind == 'B')
        return config_set(config, setting->name, "yes", ret_error);
    if (setting->kind != 'L')
        return config_set(config, setting->name, values[count - 1], ret_error);
    for (size_t i = 0; i < count; i++)
        buf_printf(&joined, "%s%s", i > 0 ? "," : "", values[i]);
    return config_set(config, setting->name, buf_cstr(&joined), ret_error);
}

static const char *config_file(struct cli *cli)
{
    const char *file = cli_value(cli, "config");
    if (file)
        return file;
    file = config_home_path(&cli->arena, "server.conf");
    if (access(file, F_OK) == 0)
        return file;
    return access(SYSTEM_CONFIG, F_OK) == 0 ? SYSTEM_CONFIG : NULL;
}

// Over the defaults that *ret holds. Also for SIGHUP: everything is read anew, in the same order.
static int load(void *arg, struct config *ret, struct buf *ret_error)
{
    struct cli *cli = arg;
    const char *file = config_file(cli);
    int err = file ? config_load_file(ret, file, ret_error) : 0;
    if (err == 0)
        err = config_load_environment(ret, ret_error);
    for (const struct config_setting *setting = config_settings; setting->name && err == 0; setting++)
        err = load_flag(cli, ret, setting, ret_error);
    if (err == 0 && !*ret->data)
        err = config_set(ret, "data", cli_data_dir(cli), ret_error);
    return err;
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
    int err = server_run(&config, load, cli);
    return err ? error_exit_code(err) : 0;
}

const struct cli_command cmd_serve = {
    .name = "serve",
    .summary = "run the server",
    .usage = "[--listen ADDR] [--data DIR] [OPTIONS]",
    .description =
        "Takes in the output of executions, makes it durable and shows it to followers. At its first start it makes the account `default` and "
        "writes an operator's key to DATA/admin.key, which the other commands find on the same machine.\n\n"
        "Each option is also a setting of the configuration file (tls_cert = \"…\") and an environment variable (RUNNEL_TLS_CERT); flags beat the "
        "environment, which beats the file. SIGHUP reads the configuration again, SIGTERM ends the server in good order.",
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
