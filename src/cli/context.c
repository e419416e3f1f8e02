#include "cli/cli_private.h"
#include "client/url.h"
#include "util/file.h"
#include "util/settings_file.h"

#include <errno.h>
#include <unistd.h>

#define DEFAULT_URL  "http://127.0.0.1:7117"
#define ADMIN_KEY    "admin.key"
#define KEY_FILE_MAX 4096

struct setting {
    const char *value;
    struct str unset; // a variable that it names and that is not set; .data == NULL if there is none
};

struct context {
    const char *name;
    struct setting url, token, ca_file;
    struct context *next;
};

struct contexts {
    struct arena *arena;
    struct context *first;
    struct setting current;
};

char *config_home_path(struct arena *arena, const char *name)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    if (config && *config)
        return arena_printf(arena, "%s/runnel/%s", config, name);
    const char *home = getenv("HOME");
    return arena_printf(arena, "%s/.config/runnel/%s", home && *home ? home : "", name);
}

static struct context *context_find(const struct contexts *contexts, const char *name)
{
    struct context *context = contexts->first;
    while (context && strcmp(context->name, name) != 0)
        context = context->next;
    return context;
}

static int take_setting(void *arg, const struct settings_value *value, struct buf *ret_error)
{
    struct contexts *contexts = arg;
    (void)ret_error;
    const char *title = value->title;
    struct setting setting = {.value = arena_dup(contexts->arena, str_of(value->values[0]))};
    if (value->unset.data)
        setting.unset = str_of(arena_dup(contexts->arena, value->unset));
    if (!title) {
        contexts->current = setting;
        return 0;
    }
    struct context *context = context_find(contexts, title);
    if (!context) {
        context = arena_alloc(contexts->arena, sizeof(*context));
        context->name = arena_dup(contexts->arena, str_of(title));
        context->next = contexts->first;
        contexts->first = context;
    }
    if (strcmp(value->name, "url") == 0)
        context->url = setting;
    else if (strcmp(value->name, "token") == 0)
        context->token = setting;
    else
        context->ca_file = setting;
    return 0;
}

// A variable that is not set is an error only where its value is used: the other contexts may be for other places.
static int check_used(const struct context_inputs *inputs, const struct setting *setting, const char *used,
                      struct buf *ret_error)
{
    if (!setting->unset.data || used != setting->value)
        return 0;
    buf_printf(ret_error, "%s: ", inputs->config_path);
    return settings_refuse_unset(setting->unset, ret_error);
}

// A flag beats all; the environment beats the context, unless that one was named by a flag.
static const char *choose(const char *flag, const char *environment, const char *context, bool by_flag)
{
    return flag ? flag : by_flag && context ? context : environment ? environment : context;
}

static int contexts_read(const char *path, struct contexts *ret, struct buf *ret_error)
{
    static const struct settings_name top[] = {{.name = "current"}, {0}};
    static const struct settings_name inner[] = {{.name = "url"}, {.name = "token"}, {.name = "ca_file"}, {0}};
    static const struct settings_form form = {.top = top, .section = "context", .in_section = inner};
    if (!path || (access(path, F_OK) != 0 && errno == ENOENT))
        return 0;
    return settings_file_read(path, &form, take_setting, ret, ret_error) ? ERR_INVALID : 0;
}

static const char *admin_key(const char *data_dir, struct arena *arena)
{
    CLEANUP(buf_release) struct buf key = {0};
    CLEANUP(free_ptr) char *path = xasprintf("%s/" ADMIN_KEY, data_dir);
    if (file_read_all(path, KEY_FILE_MAX, &key))
        return NULL;
    struct str trimmed = str_trim(buf_str(&key));
    return trimmed.len > 0 ? arena_dup(arena, trimmed) : NULL;
}

static int check_url(const char *url, struct buf *ret_error)
{
    bool known = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    if (known && url_host(url).len > 0)
        return 0;
    buf_printf(ret_error,
               "the server's URL must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], not \"%s\"", url);
    return ERR_INVALID;
}

static int find_context(const struct context_inputs *inputs, const struct contexts *contexts, struct context *ret,
                        struct buf *ret_error)
{
    const char *name = choose(inputs->context_flag, inputs->context_env, contexts->current.value, false);
    int err = check_used(inputs, &contexts->current, name, ret_error);
    if (err || !name)
        return err;
    const struct context *context = context_find(contexts, name);
    if (!context) {
        buf_printf(ret_error, "there is no context named \"%s\" in %s", name,
                   inputs->config_path ? inputs->config_path : "the configuration");
        return ERR_INVALID;
    }
    *ret = *context;
    return 0;
}

static int check_token(const char *token, struct buf *ret_error)
{
    if (!token || client_token_valid(token))
        return 0;
    buf_append_text(ret_error,
                    "the token has characters that no credential has, such as a space or a newline in its middle");
    return ERR_INVALID;
}

int context_resolve(const struct context_inputs *inputs, struct arena *arena, struct client_options *ret,
                    struct buf *ret_error)
{
    struct contexts contexts = {.arena = arena};
    struct context context = {0};
    int err = contexts_read(inputs->config_path, &contexts, ret_error);
    if (!err)
        err = find_context(inputs, &contexts, &context, ret_error);
    if (err)
        return err;
    bool by_flag = inputs->context_flag != NULL;
    const char *url = choose(inputs->url_flag, inputs->url_env, context.url.value, by_flag);
    // The token of a context is only for the server of that context.
    bool own_server = context.url.value && strcmp(context.url.value, url) == 0;
    const char *own_token = own_server ? context.token.value : NULL;
    const char *token = choose(inputs->token_flag, inputs->token_env, own_token, by_flag);
    const char *ca_file = choose(inputs->ca_flag, inputs->ca_env, context.ca_file.value, false);
    err = check_used(inputs, &context.url, url, ret_error);
    if (!err)
        err = check_used(inputs, &context.token, token, ret_error);
    if (!err)
        err = check_used(inputs, &context.ca_file, ca_file, ret_error);
    url = url ? url : DEFAULT_URL;
    if (!err)
        err = check_url(url, ret_error);
    if (err)
        return err;
    if (!token && inputs->data_dir && url_is_loopback(url))
        token = admin_key(inputs->data_dir, arena);
    if (token)
        token = arena_dup(arena, str_trim(str_of(token))); // a file often ends with a newline
    err = check_token(token, ret_error);
    if (!err)
        *ret = (struct client_options){.url = arena_dup(arena, str_of(url)), .token = token, .ca_file = ca_file};
    return err;
}

void append_shell_word(struct buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,";
    if (*word && !word[strspn(word, plain)]) {
        buf_append_text(out, word);
        return;
    }
    buf_append_byte(out, '\'');
    for (; *word; word++)
        buf_append_text(out, *word == '\'' ? "'\\''" : (char[]){*word, 0});
    buf_append_byte(out, '\'');
}
