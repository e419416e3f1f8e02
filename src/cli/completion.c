// Completion scripts from the table of commands. Identifiers are completed by asking the server for the newest executions.
#include "cli/cli_private.h"

static const char *const shells[] = {"bash", "zsh", "fish"};

static bool takes_execution(const struct cli_command *command)
{
    return strncmp(command->usage, "ID", 2) == 0;
}

static void append_long_options(struct buf *out, const struct cli_option *options)
{
    for (; options->long_name; options++) {
        if (!options->help)
            continue;
        buf_append_text(out, " --");
        option_append_name(out, options->long_name);
    }
}

static void append_quoted(struct buf *out, const char *text, const char *also)
{
    for (; *text; text++) {
        if (*text == '\'')
            buf_append_text(out, "'\\''");
        else if (strchr(also, *text))
            buf_printf(out, "\\%c", *text);
        else
            buf_append_byte(out, *text);
    }
}

static const char list_ids[] =
    "runnel list --limit 50 -o json 2>/dev/null | sed -n 's/.*\"execution_id\":\"\\([^\"]*\\)\".*/\\1/p'";

static void bash_script(struct buf *out)
{
    buf_append_text(out, "# bash completion for runnel; made by `runnel completion bash`\n"
                         "_runnel() {\n"
                         "    local word=${COMP_WORDS[COMP_CWORD]} command= options= i\n"
                         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                         "        case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac\n"
                         "    done\n"
                         "    case $command in\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        buf_printf(out, "    %s) options='", cli_commands[i]->name);
        append_long_options(out, cli_commands[i]->options);
        append_long_options(out, cli_global_options);
        buf_append_text(out, "' ;;\n");
    }
    buf_append_text(out, "    '') options='");
    for (size_t i = 0; cli_commands[i]; i++)
        buf_printf(out, " %s", cli_commands[i]->name);
    append_long_options(out, cli_global_options);
    buf_append_text(out, "' ;;\n    esac\n    if [[ $word != -* ]]; then\n        case $command in\n        ");
    for (size_t i = 0, first = 1; cli_commands[i]; i++) {
        if (takes_execution(cli_commands[i])) {
            buf_printf(out, "%s%s", first ? "" : " | ", cli_commands[i]->name);
            first = 0;
        }
    }
    buf_printf(out, ") options=$(%s) ;;\n        help) options='", list_ids);
    for (size_t i = 0; cli_commands[i]; i++)
        buf_printf(out, " %s", cli_commands[i]->name);
    buf_append_text(out, "' ;;\n        completion) options='bash zsh fish' ;;\n"
                         "        ?*) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
                         "        esac\n    fi\n"
                         "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\n"
                         "complete -F _runnel runnel\n");
}

static void zsh_options(struct buf *out, const struct cli_option *options)
{
    for (; options->long_name; options++) {
        if (!options->help)
            continue;
        CLEANUP(buf_release) struct buf name = {0};
        option_append_name(&name, options->long_name);
        const char *value = options->kind == CLI_FLAG ? "" : "=";
        buf_append_text(out, " \\\n            '");
        if (options->kind == CLI_VALUE_MANY)
            buf_append_byte(out, '*');
        buf_printf(out, "--%s%s[", buf_cstr(&name), value);
        append_quoted(out, options->help, "[]:");
        buf_append_byte(out, ']');
        if (options->kind != CLI_FLAG) {
            buf_append_byte(out, ':');
            append_quoted(out, options->argument, "[]:");
            buf_append_text(out, strcmp(options->argument, "FILE") == 0 ? ":_files" : ":");
        }
        buf_append_byte(out, '\'');
        if (options->short_name) {
            buf_printf(out, " \\\n            '-%c%s[", options->short_name, *value ? "+" : "");
            append_quoted(out, options->help, "[]:");
            buf_append_text(out, *value ? "]:value:'" : "]'");
        }
    }
}

static void zsh_script(struct buf *out)
{
    buf_append_text(out, "#compdef runnel\n# made by `runnel completion zsh`\n"
                         "_runnel_executions() {\n    local -a ids\n    ids=(${(f)\"$(");
    buf_append_text(out, list_ids);
    buf_append_text(out, ")\"})\n    compadd -a ids\n}\n"
                         "_runnel() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        buf_printf(out, "        '%s:", cli_commands[i]->name);
        append_quoted(out, cli_commands[i]->summary, "");
        buf_append_text(out, "'\n");
    }
    buf_append_text(out,
                    "    )\n    if ((CURRENT == 2)); then\n        _describe command commands\n        return\n    fi\n"
                    "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n    case $command in\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        buf_printf(out, "    %s)\n        _arguments", cli_commands[i]->name);
        zsh_options(out, cli_commands[i]->options);
        zsh_options(out, cli_global_options);
        if (takes_execution(cli_commands[i]))
            buf_append_text(out, " \\\n            '1:execution:_runnel_executions'");
        else
            buf_append_text(out, " \\\n            '*:: :_files'");
        buf_append_text(out, "\n        ;;\n");
    }
    buf_append_text(out, "    esac\n}\n_runnel \"$@\"\n");
}

static void fish_append_quoted(struct buf *out, const char *text)
{
    buf_append_byte(out, '\'');
    for (; *text; text++)
        buf_printf(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    buf_append_byte(out, '\'');
}

static void fish_options(struct buf *out, const char *condition, const struct cli_option *options)
{
    for (; options->long_name; options++) {
        if (!options->help)
            continue;
        CLEANUP(buf_release) struct buf name = {0};
        option_append_name(&name, options->long_name);
        buf_printf(out, "complete -c runnel%s -l %s", condition, buf_cstr(&name));
        if (options->short_name)
            buf_printf(out, " -s %c", options->short_name);
        if (options->kind != CLI_FLAG)
            buf_append_text(out, " -r");
        buf_append_text(out, " -d ");
        fish_append_quoted(out, options->help);
        buf_append_byte(out, '\n');
    }
}

static void fish_script(struct buf *out)
{
    buf_append_text(out, "# fish completion for runnel; made by `runnel completion fish`\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        const struct cli_command *command = cli_commands[i];
        CLEANUP(buf_release) struct buf condition = {0};
        buf_printf(out, "complete -c runnel -f -n __fish_use_subcommand -a %s -d ", command->name);
        fish_append_quoted(out, command->summary);
        buf_append_byte(out, '\n');
        buf_printf(&condition, " -n '__fish_seen_subcommand_from %s'", command->name);
        fish_options(out, buf_cstr(&condition), command->options);
        if (takes_execution(command))
            buf_printf(
                out, "complete -c runnel -f%s -a \"(%s)\"\n", buf_cstr(&condition),
                "runnel list --limit 50 -o json 2>/dev/null | string match -rg '\\\"execution_id\\\":\\\"([^\\\"]*)\\\"'");
    }
    fish_options(out, "", cli_global_options);
}

bool completion_script(struct buf *out, const char *shell)
{
    void (*const scripts[])(struct buf *) = {bash_script, zsh_script, fish_script};
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        if (strcmp(shell, shells[i]) == 0) {
            scripts[i](out);
            return true;
        }
    }
    return false;
}

static int run_completion(struct cli *cli)
{
    CLEANUP(buf_release) struct buf text = {0};
    char *const *operands;
    if (cli_operands(cli, &operands) != 1 || !completion_script(&text, operands[0]))
        return cli_usage_error(cli, "name one shell: bash, zsh or fish");
    return cli_print(cli, &text);
}

const struct cli_command cmd_completion = {
    .name = "completion",
    .summary = "print a completion script for a shell",
    .usage = "bash|zsh|fish",
    .description = "Prints a script that teaches the shell to complete commands, options and identifiers.",
    .options = (const struct cli_option[]){{0}},
    .examples =
        (const struct cli_example[]){
            {"source <(runnel completion bash)", "for this bash"},
            {"runnel completion fish > ~/.config/fish/completions/runnel.fish", "for every fish from now on"},
            {0},
        },
    .run = run_completion,
};
