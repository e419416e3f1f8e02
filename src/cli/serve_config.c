#include "cli/serve_config.h"

#include "cli/cli_private.h"

#include <unistd.h>

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

static int refuse_renamed_flags(const struct cli *cli, struct config *config, struct buf *ret_error)
{
    static const char *const names[] = {
#define RENAMED_NAME(old, now) #old,
        CONFIG_RENAMED(RENAMED_NAME)
#undef RENAMED_NAME
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (cli_flag(cli, names[i]))
            return config_set(config, names[i], "", ret_error);
    return 0;
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

int serve_config_load(struct cli *cli, struct config *ret, struct buf *ret_error)
{
    const char *file = config_file(cli);
    int err = file ? config_load_file(ret, file, ret_error) : 0;
    if (err == 0)
        err = config_load_environment(ret, ret_error);
    for (const struct config_setting *setting = config_settings; setting->name && err == 0; setting++)
        err = load_flag(cli, ret, setting, ret_error);
    if (err == 0)
        err = refuse_renamed_flags(cli, ret, ret_error);
    if (err == 0 && !*ret->data)
        err = config_set(ret, "data", cli_data_dir(cli), ret_error);
    return err;
}
