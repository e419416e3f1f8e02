#include "cli/cli_private.h"
#include "cli/terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

const struct cli_option cli_global_options[] = {
    {'h', "help", CLI_FLAG, NULL, "show help and end"},
    {0, "url", CLI_VALUE, "URL", "the server; else RUNNEL_URL, the context, http://127.0.0.1:7117"},
    {0, "token", CLI_VALUE, "TOKEN",
     "the credential; else RUNNEL_TOKEN, the context, DATA/admin.key if the server is on this machine"},
    {0, "context", CLI_VALUE, "NAME", "a context of the configuration file; else RUNNEL_CONTEXT, its `current`"},
    {0, "ca-file", CLI_VALUE, "FILE", "PEM file of further certificate authorities; else RUNNEL_CA_FILE, the context"},
    {0, "data", CLI_VALUE, "DIR", "data folder; else RUNNEL_DATA, $XDG_STATE_HOME/runnel"},
    {0, "color", CLI_VALUE, "WHEN", "auto, always or never"},
    {0, "utc", CLI_FLAG, NULL, "show and read times in UTC, instead of local time"},
    {0, NULL, CLI_FLAG, NULL, NULL},
};

// --- What a command asks for

static const struct parsed_option *last_option(const struct cli *cli, const char *long_name)
{
    for (size_t i = cli->parsed.option_count; i > 0; i--)
        if (option_name_eq(cli->parsed.options[i - 1].option->long_name, long_name))
            return &cli->parsed.options[i - 1];
    return NULL;
}

bool cli_flag(const struct cli *cli, const char *long_name)
{
    return last_option(cli, long_name) != NULL;
}

const char *cli_value(const struct cli *cli, const char *long_name)
{
    const struct parsed_option *option = last_option(cli, long_name);
    return option ? option->value : NULL;
}

size_t cli_values(const struct cli *cli, const char *long_name, const char *const **ret)
{
    // The arena is memory for the command; `const` is about the rest.
    struct arena *arena = (struct arena *)(uintptr_t)&cli->arena;
    const char **values = arena_alloc(arena, (cli->parsed.option_count + 1) * sizeof(*values));
    size_t count = 0;
    for (size_t i = 0; i < cli->parsed.option_count; i++)
        if (option_name_eq(cli->parsed.options[i].option->long_name, long_name))
            values[count++] = cli->parsed.options[i].value;
    *ret = values;
    return count;
}

size_t cli_operands(const struct cli *cli, char *const **ret)
{
    *ret = cli->parsed.operands;
    return cli->parsed.operand_count;
}

const struct cli_command *cli_command_find(const struct cli *cli, const char *name)
{
    for (size_t i = 0; cli->commands[i]; i++)
        if (strcmp(cli->commands[i]->name, name) == 0)
            return cli->commands[i];
    return NULL;
}

const char *cli_data_dir(const struct cli *cli)
{
    return cli->data_dir;
}

bool cli_json(const struct cli *cli)
{
    const char *output = cli_value(cli, "output");
    return output && strcmp(output, "json") == 0;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool cli_colour(const struct cli *cli)
{
    const char *when = cli_value(cli, "color");
    if (when && strcmp(when, "auto") != 0)
        return strcmp(when, "always") == 0;
    if (environment("NO_COLOR"))
        return false;
    const char *force = environment("CLICOLOR_FORCE");
    if (force && strcmp(force, "0") != 0)
        return true;
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

static char *find_data_dir(struct cli *cli)
{
    const char *data = cli_value(cli, "data");
    if (!data)
        data = environment("RUNNEL_DATA");
    if (data)
        return arena_dup(&cli->arena, str_of(data));
    const char *state = environment("XDG_STATE_HOME");
    if (state)
        return arena_printf(&cli->arena, "%s/runnel", state);
    const char *home = environment("HOME");
    return arena_printf(&cli->arena, "%s/.local/state/runnel", home ? home : "");
}

void cli_find_data_dir(struct cli *cli)
{
    cli->data_dir = find_data_dir(cli);
}

const struct client_options *cli_server(struct cli *cli)
{
    if (cli->server_known)
        return &cli->server;
    CLEANUP(buf_release) struct buf error = {0};
    const struct context_inputs inputs = {
        .url_flag = cli_value(cli, "url"),
        .token_flag = cli_value(cli, "token"),
        .context_flag = cli_value(cli, "context"),
        .ca_flag = cli_value(cli, "ca-file"),
        .url_env = environment("RUNNEL_URL"),
        .token_env = environment("RUNNEL_TOKEN"),
        .context_env = environment("RUNNEL_CONTEXT"),
        .ca_env = environment("RUNNEL_CA_FILE"),
        .config_path = config_home_path(&cli->arena, "config"),
        .data_dir = cli->data_dir,
    };
    if (context_resolve(&inputs, &cli->arena, &cli->server, &error)) {
        cli_usage_error(cli, "%s", buf_cstr(&error));
        return NULL;
    }
    cli->server_known = true;
    return &cli->server;
}

void cli_append_again(const struct cli *cli, struct buf *out)
{
    static const char *const names[] = {"url", "context", "ca-file", "data"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = cli_value(cli, names[i]);
        if (!value)
            continue;
        buf_printf(out, " --%s ", names[i]);
        append_shell_word(out, value);
    }
    if (cli_value(cli, "token"))
        buf_append_text(out, " --token TOKEN");
}

// --- Saying what is wrong

struct hint {
    int err;
    const char *text;
};

static const struct hint hints[] = {
    {ERR_UNAUTHORIZED, "pass a key by --token, RUNNEL_TOKEN or a context; `runnel key create` makes one"},
    {ERR_TOKEN_EXPIRED, "pass a new one by --token, RUNNEL_TOKEN or a context"},
    {ERR_FORBIDDEN, "use a key with a role that may do this; see `runnel help key`"},
    {ERR_UNREACHABLE, "is it running there? `runnel serve` starts one; --url or RUNNEL_URL names another"},
};

PRINTF_LIKE(1, 0) static void say(const char *fmt, va_list args)
{
    CLEANUP(free_ptr) char *text = NULL;
    CLEANUP(buf_release) struct buf shown = {0};
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    terminal_append_plain(&shown, str_of(text)); // names of files, and what servers say, may hold anything
    fprintf(stderr, "runnel: %s\n", buf_cstr(&shown));
}

int cli_fail(const struct cli *cli, int err, const char *fmt, ...)
{
    (void)cli;
    va_list args;
    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (hints[i].err == err)
            fprintf(stderr, "runnel: %s\n", hints[i].text);
    return error_exit_code(err);
}

int cli_usage_error(const struct cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    if (cli && cli->command)
        fprintf(stderr, "runnel: `runnel help %s` tells how it is used\n", cli->command->name);
    else
        fprintf(stderr, "runnel: `runnel help` lists the commands\n");
    return CLI_EXIT_USAGE;
}

int cli_finish(const struct cli *cli, struct output *output)
{
    output_finish(output);
    return output->err ? cli_fail(cli, ERR_IO, "writing the output: %s", strerror(-output->err)) : 0;
}

int cli_print(const struct cli *cli, struct buf *text)
{
    CLEANUP(output_release) struct output output;
    output_init(&output, STDOUT_FILENO);
    buf_append_str(&output.buf, buf_str(text));
    return cli_finish(cli, &output);
}
