#include "server/config.h"

#include "model/cost.h"
#include "util/clock.h"
#include "util/settings_file.h"

#include <assert.h>

#define VALUE_MAX    4096
#define CURRENCY_MAX 8
#define ITEMS_MAX    1000

enum setting_index {
#define SETTING_ENUM(kind, name, def, least, most, reload, help) SETTING_##name,
    CONFIG_SETTINGS(SETTING_ENUM)
#undef SETTING_ENUM
        SETTING_COUNT
};

// The names of flags and environment variables follow from the names of the settings. They are written before main.
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

// Writes "RUNNEL_NAME", in capitals.
static void spell_environment_name(char *out, size_t size, const char *name)
{
    snprintf(out, size, "RUNNEL_%s", name);
    for (char *c = out; *c; c++)
        *c = ascii_upper(*c);
}

__attribute__((constructor)) static void spell_names(void)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *name = config_settings[i].name;
        snprintf(flag_names[i], sizeof(flag_names[i]), "%s", name);
        spell_environment_name(environment_names[i], sizeof(environment_names[i]), name);
        for (char *c = flag_names[i]; *c; c++)
            *c = *c == '_' ? '-' : *c;
    }
}

struct renamed {
    const char *old, *now;
};

static const struct renamed renamed[] = {
#define RENAMED_ENTRY(old_, now_) {.old = #old_, .now = #now_},
    CONFIG_RENAMED(RENAMED_ENTRY)
#undef RENAMED_ENTRY
};

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
    static const struct str words[] = {STR("no"),  STR("yes"), STR("false"), STR("true"),
                                       STR("off"), STR("on"),  STR("0"),     STR("1")};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_eq_nocase(str_of(value), words[i]))
            continue;
        *ret = i % 2 != 0;
        return true;
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

// Settings whose value is one of a few words.
static const struct {
    enum setting_index setting;
    const char *words; // as help and errors write them
} choices[] = {
    {SETTING_log_level, "debug, info, warning or error"},
    {SETTING_log_form, "auto, text or json"},
    {SETTING_s3_style, "auto, path or host"},
    {SETTING_loki_labels, "few or run"},
};

const char *config_choices(const struct config_setting *setting)
{
    for (size_t i = 0; i < ARRAY_LEN(choices); i++)
        if (setting == &config_settings[choices[i].setting])
            return choices[i].words;
    return NULL;
}

static bool choice_known(const char *words, const char *value)
{
    struct str rest = str_of(words);
    while (rest.len > 0) {
        struct str word = str_split(&rest, ' ');
        if (word.len > 0 && word.data[word.len - 1] == ',')
            word.len--;
        if (str_eq(word, str_of(value)) && !str_eq(word, STR("or")))
            return true;
    }
    return false;
}

// Settings whose text has a form.
static bool is_rate(struct str text)
{
    int64_t micros;
    return cost_rate_parse(text, &micros);
}

static bool is_currency(struct str text)
{
    return text.len > 0 && text.len <= CURRENCY_MAX && utf8_valid(text.data, text.len);
}

static bool is_retention(struct str text)
{
    struct retention retention = {0};
    return retention_parse(text, &retention);
}

static bool is_own_retention(struct str text)
{
    struct retention_own own;
    return retention_own_parse(text, &own);
}

static bool is_time(struct str text)
{
    int64_t ms;
    return duration_parse(text, &ms);
}

static const struct {
    enum setting_index setting;
    bool (*good)(struct str text);
    const char *must;
} forms[] = {
    {SETTING_cost_rate, is_rate, "an amount such as 0.86"},
    {SETTING_currency, is_currency, "1 to 8 bytes of UTF-8"},
    {SETTING_retention, is_retention, RETENTION_MUST},
    {SETTING_source_retention, is_own_retention, RETENTION_OWN_MUST},
    {SETTING_cold_after, is_time, "a time such as 2d, 12h or 30m"},
};

static int set_choice(const struct config_setting *setting, char **field, const char *value, struct buf *ret_error)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (setting != &config_settings[forms[i].setting] || forms[i].good(str_of(value)))
            continue;
        buf_printf(ret_error, "%s must be %s, not \"%s\"", setting->name, forms[i].must, value);
        return ERR_INVALID;
    }
    const char *words = config_choices(setting);
    if (words && !choice_known(words, value)) {
        buf_printf(ret_error, "%s must be %s, not \"%s\"", setting->name, words, value);
        return ERR_INVALID;
    }
    set_text(field, value);
    return 0;
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
        return set_choice(setting, field_of(config, i), value, ret_error);
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
    for (size_t i = 0; i < ARRAY_LEN(renamed); i++) {
        if (strcmp(name, renamed[i].old) == 0) {
            buf_printf(ret_error, "%s is called %s now", name, renamed[i].now);
            return ERR_INVALID;
        }
    }
    buf_printf(ret_error, "there is no setting named %s", name);
    return ERR_INVALID;
}

static int set_from_file(void *arg, const struct settings_value *value, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf joined = {0};
    if (value->unset.data)
        return settings_refuse_unset(value->unset, ret_error);
    for (size_t i = 0; i < value->count; i++) {
        if (i > 0)
            buf_append_byte(&joined, ',');
        buf_append_text(&joined, value->values[i]);
    }
    return config_set(arg, value->name, buf_cstr(&joined), ret_error);
}

int config_load_file(struct config *config, const char *path, struct buf *ret_error)
{
    struct settings_name names[SETTING_COUNT + ARRAY_LEN(renamed) + 1] = {0};
    for (size_t i = 0; i < SETTING_COUNT; i++)
        names[i] = (struct settings_name){.name = config_settings[i].name, .is_list = config_settings[i].kind == 'L'};
    for (size_t i = 0; i < ARRAY_LEN(renamed); i++)
        names[SETTING_COUNT + i].name = renamed[i].old;
    const struct settings_form form = {.top = names};
    return settings_file_read(path, &form, set_from_file, config, ret_error) ? ERR_INVALID : 0;
}

static int refuse_renamed_variables(struct buf *ret_error)
{
    for (size_t i = 0; i < ARRAY_LEN(renamed); i++) {
        char old[48], now[48];
        spell_environment_name(old, sizeof(old), renamed[i].old);
        spell_environment_name(now, sizeof(now), renamed[i].now);
        const char *value = getenv(old);
        if (!value || !*value)
            continue;
        buf_printf(ret_error, "%s is called %s now", old, now);
        return ERR_INVALID;
    }
    return 0;
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
    return refuse_renamed_variables(ret_error);
}

static bool same_list(const struct text_list *a, const struct text_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

bool config_same(const struct config *a, const struct config *b, const struct config_setting *setting)
{
    size_t offset = setting_offsets[setting - config_settings];
    const void *left = (const char *)a + offset, *right = (const char *)b + offset;
    switch (setting->kind) {
    case 'N':
        return *(const int64_t *)left == *(const int64_t *)right;
    case 'B':
        return *(const bool *)left == *(const bool *)right;
    case 'L':
        return same_list(left, right);
    default:
        return strcmp(*(char *const *)left, *(char *const *)right) == 0;
    }
}
