// Finds the command that the words of a call name.
#include "cli/cli_private.h"

#include <signal.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 130

static int unknown_command(const struct cli *cli, const char *name)
{
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (size_t i = 0; cli->commands[i]; i++)
        nearest_offer(&nearest, cli->commands[i]->name);
    if (nearest.best)
        return cli_usage_error(NULL, "there is no command \"%s\"; did you mean %s?", name, nearest.best);
    return cli_usage_error(NULL, "there is no command \"%s\"", name);
}

static void interrupted(int signum)
{
    (void)signum;
    _exit(EXIT_INTERRUPTED);
}

static void set_signals(void)
{
    struct sigaction interrupt = {.sa_handler = interrupted};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static bool words_have(const char *words, const char *word)
{
    struct str rest = str_of(words);
    while (rest.len > 0)
        if (str_eq(str_split(&rest, ' '), str_of(word)))
            return true;
    return false;
}

static int check_values(const struct cli *cli)
{
    for (size_t i = 0; i < cli->parsed.option_count; i++) {
        const struct parsed_option *parsed = &cli->parsed.options[i];
        const char *name = parsed->option->long_name, *values = option_values(parsed->option);
        bool closed = strcmp(name, "color") == 0 || strcmp(name, "output") == 0;
        if (closed && !words_have(values, parsed->value))
            return cli_usage_error(cli, "--%s must be one of %s, not \"%s\"", name, values, parsed->value);
    }
    return 0;
}

static int run_command(struct cli *cli, size_t argc, char **argv)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct cli_option *const tables[] = {cli->command->options, cli_global_options, NULL};
    // Options of the program that `wrap` runs are not ours, but global options may stand before the command's name.
    if (options_parse(tables, cli->command->takes_command, argc, argv, &cli->arena, &cli->parsed, &error))
        return cli_usage_error(cli, "%s", buf_cstr(&error));
    if (cli_flag(cli, "help")) {
        help_command(&error, cli->command, help_width(STDOUT_FILENO));
        return cli_print(cli, &error);
    }
    int code = check_values(cli);
    if (code)
        return code;
    cli_find_data_dir(cli);
    if (!cli->command->own_signals)
        set_signals();
    return cli->command->run(cli);
}

static int run(struct cli *cli, size_t argc, char **argv)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct cli_option version = {0, "version", CLI_FLAG, NULL, NULL};
    const struct cli_option more[] = {version, {0}};
    const struct cli_option *const tables[] = {cli_global_options, more, NULL};
    struct parsed before;
    if (options_parse(tables, true, argc, argv, &cli->arena, &before, &text))
        return cli_usage_error(NULL, "%s", buf_cstr(&text));
    for (size_t i = 0; i < before.option_count; i++) {
        if (strcmp(before.options[i].option->long_name, "version") == 0) {
            cli->command = cli_command_find(cli, "version");
            return cli->command->run(cli);
        }
    }
    if (before.operand_count == 0) {
        bool asked =
            before.option_count > 0 && strcmp(before.options[before.option_count - 1].option->long_name, "help") == 0;
        help_overview(&text, cli->commands, help_width(asked ? STDOUT_FILENO : STDERR_FILENO));
        if (asked)
            return cli_print(cli, &text);
        fputs(buf_cstr(&text), stderr);
        return CLI_EXIT_USAGE;
    }
    cli->command = cli_command_find(cli, before.operands[0]);
    if (!cli->command)
        return unknown_command(cli, before.operands[0]);
    // The words before and after the command's name are parsed again together, now with the command's options.
    size_t at = argc - before.operand_count;
    char **words = arena_alloc(&cli->arena, (argc + 1) * sizeof(*words));
    memcpy(words, argv, at * sizeof(*words));
    memcpy(words + at, argv + at + 1, (argc - at - 1) * sizeof(*words));
    return run_command(cli, argc - 1, words);
}

int cli_main(const struct cli_command *const *commands, int argc, char **argv)
{
    struct cli cli = {.commands = commands};
    int code = argc > 0 ? run(&cli, (size_t)argc - 1, argv + 1) : CLI_EXIT_USAGE;
    arena_release(&cli.arena);
    return code;
}
