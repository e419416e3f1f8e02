#include "runner/describe.h"

#include "util/clock.h"
#include "util/id.h"

// Each run is a producer of its own. Another run that takes over the execution counts from 0 again.
#define PRODUCER_WRAP "wrap-%016llx"
#define PRODUCER_PIPE "pipe-%016llx"

#define COMMAND_ARGUMENTS_MAX 4096 // as many as a server takes
#define COMMAND_BYTES_MAX     ((size_t)128 * 1024)
#define SCRIPT_NAME_MAX       255
#define CUT_MARK              "…"

// Programs whose first argument that is not an option is what runs. After one of the listed options that is not so:
// then the program is in the arguments.
static const struct {
    const char *name, *inline_options;
} interpreters[] = {
    {"python", "cm"}, {"bash", "c"}, {"sh", "c"},    {"dash", "c"}, {"zsh", "c"},
    {"node", "ep"},   {"ruby", "e"}, {"perl", "eE"}, {"php", "r"},  {"Rscript", "e"},
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

// "python3.11" counts as "python".
static bool is_named(const char *base, const char *name)
{
    size_t len = strlen(name);
    return strncmp(base, name, len) == 0 && strspn(base + len, "0123456789.") == strlen(base + len);
}

static const char *script_of(char *const *command)
{
    const char *base = base_name(command[0]);
    for (size_t i = 0; i < ARRAY_LEN(interpreters); i++) {
        if (!is_named(base, interpreters[i].name))
            continue;
        for (char *const *argument = command + 1; *argument; argument++) {
            if ((*argument)[0] != '-')
                return base_name(*argument);
            if ((*argument)[1] && strchr(interpreters[i].inline_options, (*argument)[1]))
                break;
        }
    }
    return base;
}

// A command may be longer than a server takes (a shell's pattern, a script as an argument). Then its beginning is used.
static char *command_json(char *const *command)
{
    CLEANUP(buf_release) struct buf json = {0};
    size_t left = COMMAND_BYTES_MAX;
    for (size_t i = 0; command[i]; i++) {
        struct str argument = str_of(command[i]);
        bool cut = argument.len > left || (i == COMMAND_ARGUMENTS_MAX - 1 && command[i + 1]);
        CLEANUP(buf_release) struct buf beginning = {0};
        if (cut) {
            buf_append(&beginning, argument.data, utf8_prefix(argument.data, argument.len, left));
            buf_append_text(&beginning, CUT_MARK);
        }
        buf_append_byte(&json, i == 0 ? '[' : ',');
        buf_append_json_string(&json, cut ? buf_str(&beginning) : argument);
        if (cut)
            break;
        left -= argument.len;
    }
    buf_append_byte(&json, ']');
    return buf_take(&json);
}

static char *script_name(char *const *command)
{
    const char *script = script_of(command);
    return xstrndup(script, utf8_prefix(script, strlen(script), SCRIPT_NAME_MAX));
}

struct arguments {
    char **all; // NULL-terminated, owned
};

static void arguments_release(struct arguments *arguments)
{
    for (size_t i = 0; arguments->all && arguments->all[i]; i++)
        free(arguments->all[i]);
    free(arguments->all);
}

// What is masked in the log is masked in what is told of the command, too: a shell may have put it there.
static struct arguments shown_arguments(const struct runner_options *options)
{
    struct arguments shown = {0};
    size_t count = 0;
    while (options->command && options->command[count])
        count++;
    shown.all = xcalloc(count + 1, sizeof(*shown.all));
    for (size_t i = 0; i < count; i++) {
        struct buf text = {0};
        if (options->mask)
            mask_text(options->mask, str_of(options->command[i]), &text);
        else
            buf_append_text(&text, options->command[i]);
        shown.all[i] = buf_take(&text);
    }
    return shown;
}

void run_describe(const struct runner_options *options, const char *execution_id, struct run_file *ret)
{
    bool wrap = options->command != NULL;
    unsigned long long run = random_u64();
    CLEANUP(arguments_release) struct arguments shown = shown_arguments(options);
    *ret = (struct run_file){
        .execution_id = xstrdup(execution_id),
        .url = xstrdup(options->server.url),
        .producer = wrap ? xasprintf(PRODUCER_WRAP, run) : xasprintf(PRODUCER_PIPE, run),
        .script_filename = wrap ? script_name(shown.all) : NULL,
        .command_json = wrap ? command_json(shown.all) : NULL,
        .started_ms = clock_real_ms(),
        .metadata_json = options->metadata_json ? xstrdup(options->metadata_json) : NULL,
    };
    run_file_boot(ret->boot);
}
