#include "server/config.h"

#include "util/settings_file.h"

#include <assert.h>
#include <ctype.h>

#define VALUE_MAX 4096
#define ITEMS_MAX 1000

enum setting_index {
#define SETTING_ENUM(kind, name, def, least, most, reload, help) SETTING_##name,
    CONFIG_SETTINGS(SETTING_ENUM)
#undef SETTING_ENUM
        SETTING_COUNT
};

// The names of flags and of environment variables follow from the settings' names; spelled once, before main.
static char flag_names[SETTING_COUNT][40], environment_names[SETTING_COUNT][48];

#define DEFAULT_T(def) def
#define DEFAULT_L(def) def
#define DEFAULT_N(def) #def
#define DEFAULT_B(def) (def ? "yes" : "no")

const struct config_setting config_settings[] = {
#define SETTING_ENTRY(kind_, name_, def, least_, most_, reload_, help_) \
    {.name = #name_,                                                    \
     .flag = flag_names[SETTING_##name_],                               \
     .env = environment_names[SETTING_##name_],                         \
     .default_text = DEFAULT_##kind_(def),                              \
     .help = help_,                                                     \
     .kind = #kind_[0],                                                 \
     .reload = reload_,                                                 \
     .least = least_,                                                   \
     .most = most_},
    CONFIG_SETTINGS(SETTING_ENTRY)
#undef SETTING_ENTRY
        {.name = NULL},
};

static const size_t setting_offsets[] = {
#define SETTING_OFFSET(kind, name, def, least, most, reload, help) offsetof(struct config, name),
    CONFIG_SETTINGS(SETTING_OFFSET)
#undef SETTING_OFFSET
};

__attribute__((constructor)) static void spell_names(void)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *name = config_settings[i].name;
        snprintf(flag_names[i], sizeof(flag_names[i]), "%s", name);
        snprintf(environment_names[i], sizeof(environment_names[i]), "RUNNEL_%s", name);
        for (char *c = flag_names[i]; *c; c++)
            *c = *c == '_' ? '-' : *c;
        for (char *c = environment_names[i]; *c; c++)
            *c = (char)toupper((unsigned char)*c);
    }
}

static void *field_of(struct config *config, size_t setting)
{
    return (char *)config + setting_offsets[setting];
}

static void text_list_release(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list){0};
}

static void text_list_add(struct text_list *list, struct str item)
{
    list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count++] = str_dup(item);
}

static void set_text(char **field, const char *value)
{
    free(*field);
    *field = xstrdup(value);
}

static bool parse_yes_no(const char *value, bool *ret)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        for (int which = 0; which < 2; which++) {
            if (strcasecmp(value, words[i][which]) == 0) {
                *ret = which;
                return true;
            }
        }
    }
    return false;
}

static int set_number(const struct config_setting *setting, int64_t *field, const char *value, struct buf *ret_error)
{
    int64_t number;
    if (!str_to_i64(str_of(value), &number) || number < setting->least || number > setting->most) {
        buf_printf(ret_error, "%s must be a whole number from %lld to %lld, not \"%s\"", setting->name,
                   (long long)setting->least, (long long)setting->most, value);
        return ERR_INVALID;
    }
    *field = number;
    return 0;
}

static int set_list(const struct config_setting *setting, struct text_list *field, const char *value,
                    struct buf *ret_error)
{
    struct text_list list = {0};
    struct str rest = str_of(value);
    while (rest.len > 0) {
        struct str item = str_trim(str_split(&rest, ','));
        if (item.len > 0)
            text_list_add(&list, item);
        if (list.count > ITEMS_MAX) {
            buf_printf(ret_error, "%s may have at most %d items", setting->name, ITEMS_MAX);
            text_list_release(&list);
            return ERR_INVALID;
        }
    }
    text_list_release(field);
    *field = list;
    return 0;
}

static bool log_level_known(const char *value)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (strcmp(value, levels[i]) == 0)
            return true;
    return false;
}

static int set_setting(struct config *config, size_t i, const char *value, struct buf *ret_error)
{
    const struct config_setting *setting = &config_settings[i];
    if (strlen(value) > VALUE_MAX) {
        buf_printf(ret_error, "%s may have at most %d bytes", setting->name, VALUE_MAX);
        return ERR_INVALID;
    }
    switch (setting->kind) {
    case 'N':
        return set_number(setting, field_of(config, i), value, ret_error);
    case 'L':
        return set_list(setting, field_of(config, i), value, ret_error);
    case 'B':
        if (parse_yes_no(value, field_of(config, i)))
            return 0;
        buf_printf(ret_error, "%s must be yes or no, not \"%s\"", setting->name, value);
        return ERR_INVALID;
    default:
        if (i == SETTING_log_level && !log_level_known(value)) {
            buf_printf(ret_error, "log_level must be debug, info, warning or error, not \"%s\"", value);
            return ERR_INVALID;
        }
        set_text(field_of(config, i), value);
        return 0;
    }
}

void config_init(struct config *config)
{
    CLEANUP(buf_release) struct buf error = {0};
    *config = (struct config){0};
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        int err = set_setting(config, i, config_settings[i].default_text, &error);
        assert(err == 0);
        (void)err;
    }
}

void config_release(struct config *config)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (config_settings[i].kind == 'T')
            free_ptr(field_of(config, i));
        else if (config_settings[i].kind == 'L')
            text_list_release(field_of(config, i));
    }
    *config = (struct config){0};
}

int config_set(struct config *config, const char *name, const char *value, struct buf *ret_error)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(name, config_settings[i].name) == 0)
            return set_setting(config, i, value, ret_error);
    buf_printf(ret_error, "there is no setting named %s", name);
    return ERR_INVALID;
}

struct file_reading {
    struct config *config;
    struct buf *error;
};

static int set_from_file(void *arg, const char *title, const char *name, const char *const *values, size_t count)
{
    struct file_reading *reading = arg;
    CLEANUP(buf_release) struct buf joined = {0};
    (void)title;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(&joined, ',');
        buf_append_text(&joined, values[i]);
    }
    return config_set(reading->config, name, buf_cstr(&joined), reading->error);
}

int config_load_file(struct config *config, const char *path, struct buf *ret_error)
{
    struct settings_name names[SETTING_COUNT + 1] = {0};
    for (size_t i = 0; i < SETTING_COUNT; i++)
        names[i] = (struct settings_name){.name = config_settings[i].name, .is_list = config_settings[i].kind == 'L'};
    const struct settings_form form = {.top = names};

    CLEANUP(buf_release) struct buf error = {0};
    struct file_reading reading = {.config = config, .error = &error};
    int err = settings_file_read(path, &form, set_from_file, &reading, ret_error);
    // What set_from_file refused does not know of the file yet.
    if (err && error.len > 0)
        buf_printf(ret_error, "%s: %.*s", path, STR_ARGS(buf_str(&error)));
    return err ? ERR_INVALID : 0;
}

int config_load_environment(struct config *config, struct buf *ret_error)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *value = getenv(config_settings[i].env);
        CLEANUP(buf_release) struct buf error = {0};
        if (!value || !*value || set_setting(config, i, value, &error) == 0)
            continue;
        buf_printf(ret_error, "%s: %.*s", config_settings[i].env, STR_ARGS(buf_str(&error)));
        return ERR_INVALID;
    }
    return 0;
}
