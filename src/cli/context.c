#include "cli/cli_private.h"
#include "client/url.h"
#include "util/file.h"
#include "util/settings_file.h"

#include <errno.h>
#include <unistd.h>

#define DEFAULT_URL  "http://127.0.0.1:7117"
#define ADMIN_KEY    "admin.key"
#define KEY_FILE_MAX 4096

struct context {
    const char *name, *url, *token, *ca_file;
    struct context *next;
};

struct contexts {
    struct arena *arena;
    struct context *first;
    const char *current;
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

static int take_setting(void *arg, const struct settings_value *setting, struct buf *ret_error)
{
    struct contexts *contexts = arg;
    (void)ret_error;
    const char *title = setting->title, *value = arena_dup(contexts->arena, str_of(setting->values[0]));
    if (!title) {
        contexts->current = value;
        return 0;
    }
    struct context *context = context_find(contexts, title);
    if (!context) {
        context = arena_alloc(contexts->arena, sizeof(*context));
        context->name = arena_dup(contexts->arena, str_of(title));
        context->next = contexts->first;
        contexts->first = context;
    }
    if (strcmp(setting->name, "url") == 0)
        context->url = value;
    else if (strcmp(setting->name, "token") == 0)
        context->token = value;
    else
        context->ca_file = value;
    return 0;
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

int context_resolve(const struct context_inputs *inputs, struct arena *arena, struct client_options *ret,
                    struct buf *ret_error)
{
    struct contexts contexts = {.arena = arena};
    int err = contexts_read(inputs->config_path, &contexts, ret_error);
    if (err)
        return err;
    const char *name = inputs->context_flag  ? inputs->context_flag
                       : inputs->context_env ? inputs->context_env
                                             : contexts.current;
    const struct context *context = name ? context_find(&contexts, name) : NULL;
    if (name && !context) {
        buf_printf(ret_error, "there is no context named \"%s\" in %s", name,
                   inputs->config_path ? inputs->config_path : "the configuration");
        return ERR_INVALID;
    }
    bool by_flag = inputs->context_flag != NULL;
    const char *context_url = context ? context->url : NULL;
    const char *url = inputs->url_flag         ? inputs->url_flag
                      : by_flag && context_url ? context_url
                      : inputs->url_env        ? inputs->url_env
                      : context_url            ? context_url
                                               : DEFAULT_URL;
    err = check_url(url, ret_error);
    if (err)
        return err;
    // The token of a context is only for the server of that context.
    const char *context_token = context_url && strcmp(context_url, url) == 0 ? context->token : NULL;
    const char *token = inputs->token_flag         ? inputs->token_flag
                        : by_flag && context_token ? context_token
                        : inputs->token_env        ? inputs->token_env
                                                   : context_token;
    if (!token && inputs->data_dir && url_is_loopback(url))
        token = admin_key(inputs->data_dir, arena);
    if (token)
        token = arena_dup(arena, str_trim(str_of(token))); // a file often ends with a newline
    if (token && !client_token_valid(token)) {
        buf_append_text(ret_error,
                        "the token has characters that no credential has, such as a space or a newline in its middle");
        return ERR_INVALID;
    }
    *ret = (struct client_options){
        .url = arena_dup(arena, str_of(url)),
        .token = token,
        .ca_file = inputs->ca_flag  ? inputs->ca_flag
                   : inputs->ca_env ? inputs->ca_env
                   : context        ? context->ca_file
                                    : NULL,
    };
    return 0;
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
