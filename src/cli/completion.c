// Makes completion scripts from the table of commands. Identifiers are completed with the newest executions, which the
// script asks the server for.
#include "cli/cli_private.h"

static const char *const shells[] = {"bash", "zsh", "fish"};

static bool takes_execution(const struct cli_command *command)
{
    return strncmp(command->usage, "ID", 2) == 0 || strncmp(command->usage, "[ID", 3) == 0;
}

// If the first operand of a command is one of a few words, its usage says so, as in "create|list|revoke …". Appends
// these words, each after a space.
static bool append_operand_words(struct buf *out, const struct cli_command *command)
{
    struct str usage = str_of(command->usage), words = str_split(&usage, ' ');
    bool some = str_find(words, '|');
    while (some && words.len > 0) {
        struct str word = str_split(&words, '|');
        buf_printf(out, " %.*s", STR_ARGS(word));
    }
    return some;
}

enum value_kind { VALUE_WORDS, VALUE_FILE, VALUE_FOLDER, VALUE_OTHER };

static enum value_kind value_kind(const struct cli_option *option)
{
    if (option_values(option))
        return VALUE_WORDS;
    bool file =
        strcmp(option->argument, "FILE") == 0 || strcmp(option->argument, "TEXT") == 0; // usually a setting's path
    return file ? VALUE_FILE : strcmp(option->argument, "DIR") == 0 ? VALUE_FOLDER : VALUE_OTHER;
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

// Appends a `case` of the shell for each option that takes a value.
static void bash_values(struct buf *out, const char *command, const struct cli_option *options)
{
    for (; options->long_name; options++) {
        if (options->kind == CLI_FLAG || !options->help)
            continue;
        buf_printf(out, "    %s:--", command);
        option_append_name(out, options->long_name);
        if (options->short_name)
            buf_printf(out, " | %s:-%c", command, options->short_name);
        buf_append_text(out, ") COMPREPLY=(");
        enum value_kind kind = value_kind(options);
        if (kind == VALUE_WORDS)
            buf_printf(out, "$(compgen -W '%s' -- \"$word\")", option_values(options));
        else if (kind != VALUE_OTHER)
            buf_printf(out, "$(compgen -%c -- \"$word\")", kind == VALUE_FILE ? 'f' : 'd');
        buf_append_text(out, "); return ;;\n");
    }
}

static void bash_operands(struct buf *out, const struct cli_command *const *commands)
{
    buf_append_text(out, "    if [[ $word != -* ]]; then\n        case $command in\n        ");
    for (size_t i = 0, first = 1; commands[i]; i++) {
        if (takes_execution(commands[i])) {
            buf_printf(out, "%s%s", first ? "" : " | ", commands[i]->name);
            first = 0;
        }
    }
    buf_printf(out, ") options=$(%s) ;;\n", list_ids);
    for (size_t i = 0; commands[i]; i++) {
        CLEANUP(buf_release) struct buf words = {0};
        if (append_operand_words(&words, commands[i]))
            buf_printf(out, "        %s) options='%s' ;;\n", commands[i]->name, buf_cstr(&words));
    }
    buf_append_text(out, "        help) options='");
    for (size_t i = 0; commands[i]; i++)
        buf_printf(out, " %s", commands[i]->name);
    buf_append_text(out, "' ;;\n        ?*) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
                         "        esac\n    fi\n");
}

// Completes the command that is run, and its words, as the shell would without us.
static void bash_wrapped(struct buf *out)
{
    buf_append_text(out, "    if [[ $wrapped ]]; then\n"
                         "        if declare -F _command_offset >/dev/null; then\n"
                         "            _command_offset \"$wrapped\"\n"
                         "        elif ((COMP_CWORD == wrapped)); then\n"
                         "            COMPREPLY=($(compgen -c -- \"$word\"))\n"
                         "        else\n"
                         "            COMPREPLY=($(compgen -f -- \"$word\"))\n"
                         "        fi\n        return\n    fi\n");
}

static void bash_script(struct buf *out, const struct cli_command *const *commands)
{
    buf_append_text(out, "# bash completion for runnel; made by `runnel completion bash`\n"
                         "_runnel() {\n"
                         "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
                         "    local command= options= wrapped= i\n"
                         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                         "        case $command:${COMP_WORDS[i]} in\n"
                         "        wrap:--) wrapped=$((i + 1)); break ;;\n"
                         "        :-*) ;;\n"
                         "        :*) command=${COMP_WORDS[i]} ;;\n"
                         "        esac\n"
                         "    done\n"
                         "    if [[ $word == = ]]; then word=; elif [[ $previous == = ]]; then "
                         "previous=${COMP_WORDS[COMP_CWORD - 2]}; fi\n");
    bash_wrapped(out);
    buf_append_text(out, "    case $command:$previous in\n");
    for (size_t i = 0; commands[i]; i++)
        bash_values(out, commands[i]->name, commands[i]->options);
    bash_values(out, "*", cli_global_options);
    buf_append_text(out, "    esac\n    case $command in\n");
    for (size_t i = 0; commands[i]; i++) {
        buf_printf(out, "    %s) options='", commands[i]->name);
        append_long_options(out, commands[i]->options);
        append_long_options(out, cli_global_options);
        buf_append_text(out, "' ;;\n");
    }
    buf_append_text(out, "    '') options='");
    for (size_t i = 0; commands[i]; i++)
        buf_printf(out, " %s", commands[i]->name);
    append_long_options(out, cli_global_options);
    buf_append_text(out, "' ;;\n    esac\n");
    bash_operands(out, commands);
    buf_append_text(out, "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\n"
                         "complete -F _runnel runnel\n");
}

static void zsh_value(struct buf *out, const struct cli_option *option)
{
    if (option->kind == CLI_FLAG)
        return;
    buf_append_byte(out, ':');
    append_quoted(out, option->argument, "[]:");
    switch (value_kind(option)) {
    case VALUE_WORDS:
        buf_printf(out, ":(%s)", option_values(option));
        break;
    case VALUE_FILE:
        buf_append_text(out, ":_files");
        break;
    case VALUE_FOLDER:
        buf_append_text(out, ":_files -/");
        break;
    case VALUE_OTHER:
        buf_append_byte(out, ':');
    }
}

static void zsh_operands(struct buf *out, const struct cli_command *command)
{
    CLEANUP(buf_release) struct buf words = {0};
    if (takes_execution(command))
        buf_append_text(out, " \\\n            '*:execution:_runnel_executions'");
    else if (command->takes_command)
        buf_append_text(out, " \\\n            '(-)1:command:_command_names -e' '*::argument:_normal'");
    else if (append_operand_words(&words, command))
        buf_printf(out, " \\\n            '1:what:(%s)'", buf_cstr(&words) + 1);
    else if (strcmp(command->name, "help") == 0)
        buf_append_text(out, " \\\n            '1:command:(${subcommands%%:*})'");
    else
        buf_append_text(out, " \\\n            '*:: :_files'");
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
        zsh_value(out, options);
        buf_append_byte(out, '\'');
        if (options->short_name) {
            buf_printf(out, " \\\n            '-%c%s[", options->short_name, *value ? "+" : "");
            append_quoted(out, options->help, "[]:");
            buf_append_byte(out, ']');
            zsh_value(out, options);
            buf_append_byte(out, '\'');
        }
    }
}

static void zsh_script(struct buf *out, const struct cli_command *const *commands)
{
    buf_append_text(out, "#compdef runnel\n# made by `runnel completion zsh`\n"
                         "_runnel_executions() {\n    local -a ids\n    ids=(${(f)\"$(");
    buf_append_text(out, list_ids);
    buf_append_text(
        out, ")\"})\n    compadd -a ids\n}\n"
             "_runnel() {\n    local -a subcommands # zsh has a parameter `commands` of its own\n    subcommands=(\n");
    for (size_t i = 0; commands[i]; i++) {
        buf_printf(out, "        '%s:", commands[i]->name);
        append_quoted(out, commands[i]->summary, "");
        buf_append_text(out, "'\n");
    }
    buf_append_text(
        out, "    )\n    if ((CURRENT == 2)); then\n        _describe command subcommands\n        return\n    fi\n"
             "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n    case $command in\n");
    for (size_t i = 0; commands[i]; i++) {
        buf_printf(out, "    %s)\n        _arguments -S", commands[i]->name);
        zsh_options(out, commands[i]->options);
        zsh_options(out, cli_global_options);
        zsh_operands(out, commands[i]);
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
            buf_append_text(out,
                            value_kind(options) == VALUE_FILE || value_kind(options) == VALUE_FOLDER ? " -rF" : " -x");
        if (options->kind != CLI_FLAG && option_values(options))
            buf_printf(out, " -a '%s'", option_values(options));
        buf_append_text(out, " -d ");
        fish_append_quoted(out, options->help);
        buf_append_byte(out, '\n');
    }
}

static void fish_script(struct buf *out, const struct cli_command *const *commands)
{
    buf_append_text(out, "# fish completion for runnel; made by `runnel completion fish`\n");
    for (size_t i = 0; commands[i]; i++) {
        const struct cli_command *command = commands[i];
        CLEANUP(buf_release) struct buf condition = {0};
        buf_printf(out, "complete -c runnel -f -n __fish_use_subcommand -a %s -d ", command->name);
        fish_append_quoted(out, command->summary);
        buf_append_byte(out, '\n');
        buf_printf(&condition, " -n '__fish_seen_subcommand_from %s'", command->name);
        fish_options(out, buf_cstr(&condition), command->options);
        CLEANUP(buf_release) struct buf words = {0};
        if (append_operand_words(&words, command))
            buf_printf(out, "complete -c runnel -f%s -a '%s'\n", buf_cstr(&condition), buf_cstr(&words) + 1);
        if (command->takes_command)
            buf_printf(out, "complete -c runnel%s -x -a '(__fish_complete_subcommand --fcs-skip=2)'\n",
                       buf_cstr(&condition));
        if (takes_execution(command))
            buf_printf(out, "complete -c runnel -f%s -a \"(%s)\"\n", buf_cstr(&condition),
                       "runnel list --limit 50 -o json 2>/dev/null | string match -rg "
                       "'\\\"execution_id\\\":\\\"([^\\\"]*)\\\"'");
    }
    fish_options(out, "", cli_global_options);
}

// Returns false if the shell is unknown.
static bool completion_script(struct buf *out, const char *shell, const struct cli_command *const *commands)
{
    void (*const scripts[])(struct buf *, const struct cli_command *const *) = {bash_script, zsh_script, fish_script};
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        if (strcmp(shell, shells[i]) == 0) {
            scripts[i](out, commands);
            return true;
        }
    }
    return false;
}

static int run_completion(struct cli *cli)
{
    CLEANUP(buf_release) struct buf text = {0};
    char *const *operands;
    if (cli_operands(cli, &operands) != 1 || !completion_script(&text, operands[0], cli->commands))
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
