// Help, man pages and docs/cli.md, all from the table of commands.
#include "cli/cli_private.h"
#include "cli/output.h"

#define WIDTH_USUAL    80  // where there is no terminal
#define WIDTH_MOST     100 // longer lines are hard to read
#define WIDTH_LEAST    40
#define WIDTH_NARROW   60 // with fewer columns an option's text begins on a line of its own
#define TEXT_INDENT    30 // of what stands beside an option
#define NARROW_INDENT  10
#define NAME_INDENT    15 // of what stands beside a command
#define EXAMPLE_INDENT 6  // of what an example does

static const char overview[] = "Runnel shows every line of every run: once, in order, live and afterwards.";

struct topic {
    const char *name, *text;
};

static const struct topic environment[] = {
    {"RUNNEL_URL", "the server; default http://127.0.0.1:7117"},
    {"RUNNEL_TOKEN", "the credential"},
    {"RUNNEL_CONTEXT", "the context of $XDG_CONFIG_HOME/runnel/config to use"},
    {"RUNNEL_CA_FILE", "PEM file of further certificate authorities"},
    {"RUNNEL_DATA", "the data folder; default $XDG_STATE_HOME/runnel"},
    {"NO_COLOR, CLICOLOR_FORCE", "never, or always, use colours; --color beats both"},
};

static const struct topic exit_codes[] = {
    {"0", "done"},
    {"1", "failed"},
    {"2", "used wrongly"},
    {"3", "no such execution"},
    {"4", "the credential is missing, or not good for this"},
    {"5", "the server was never reached"},
    {"124", "the job took longer than it may"},
    {"126, 127", "under wrap: the command cannot be run; there is no such command"},
    {"130", "interrupted"},
    {"others", "the job's own, under wrap, and under --exit-status of logs and status"},
};

static const char contexts[] =
    "Servers that are used often may have names, in `$XDG_CONFIG_HOME/runnel/config` (`~/.config/runnel/config`). As "
    "it has\n"
    "credentials, nobody else should be able to read it:\n\n"
    "    current = \"team\"\n\n"
    "    context \"team\" {\n"
    "        url = \"https://runnel.example:7117\"\n"
    "        token = \"rnl_KEY\"\n"
    "        ca_file = \"/etc/ssl/our-ca.pem\"\n"
    "    }\n\n"
    "    context \"here\" {\n"
    "        url = \"http://127.0.0.1:7117\"\n"
    "    }\n\n"
    "`--context here` uses one, else RUNNEL_CONTEXT names it, else `current`, if there is such a line. `url`, `token` "
    "and\n"
    "`ca_file` may each be left out. A context's token goes to its own URL alone. Values are written as in the\n"
    "[server's file](configuration.md), also `${NAME}`. A variable that is not set is an error only if the context is "
    "used.\n";

// --- Plain text

// Breaks `text` at spaces into lines that begin at column `indent`. The first line has begun already.
static void append_folded(struct buf *out, const char *text, size_t indent, size_t width)
{
    size_t column = indent;
    while (*text) {
        size_t len = strcspn(text, " \n");
        if (column > indent && column + 1 + len > width) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buf_append_byte(out, ' ');
            column++;
        }
        buf_append(out, text, len);
        column += len;
        text += len;
        if (*text == '\n') {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        text += *text ? 1 : 0;
    }
    buf_append_byte(out, '\n');
}

static void append_paragraphs(struct buf *out, const char *text, size_t width)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        CLEANUP(free_ptr) char *paragraph = xstrndup(text, len);
        append_folded(out, paragraph, 0, width);
        buf_append_byte(out, '\n');
        text += len + (end ? 2 : 0);
    }
}

static void append_option_names(struct buf *out, const struct cli_option *option, const char *indent_without_short)
{
    if (option->short_name)
        buf_printf(out, "-%c, ", option->short_name);
    else
        buf_append_text(out, indent_without_short);
    buf_append_text(out, "--");
    option_append_name(out, option->long_name);
    if (option->kind != CLI_FLAG)
        buf_printf(out, " %s", option->argument);
}

static bool is_global(const char *long_name)
{
    for (const struct cli_option *option = cli_global_options; option->long_name; option++)
        if (option_name_eq(option->long_name, long_name))
            return true;
    return false;
}

// A name and, from column `indent` on, what is told about it.
static void append_entry(struct buf *out, const char *name, const char *text, size_t indent, size_t width)
{
    size_t room = indent - 3;
    buf_printf(out, "  %-*s", (int)room, name);
    if (strlen(name) > room)
        buf_printf(out, "\n%*s", (int)indent, "");
    else
        buf_append_byte(out, ' ');
    append_folded(out, text, indent, width);
}

static size_t text_indent(size_t width)
{
    return width < WIDTH_NARROW ? NARROW_INDENT : TEXT_INDENT;
}

static void append_options(struct buf *out, const struct cli_option *options, size_t width)
{
    for (; options->long_name; options++) {
        if (options != cli_global_options && !options->help)
            continue;
        CLEANUP(buf_release) struct buf names = {0};
        append_option_names(&names, options, "    ");
        append_entry(out, buf_cstr(&names), options->help, text_indent(width), width);
    }
}

static void append_topics(struct buf *out, const struct topic *topics, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++)
        append_entry(out, topics[i].name, topics[i].text, text_indent(width), width);
}

size_t help_width(int fd)
{
    size_t width, height;
    output_terminal_size(fd, &width, &height);
    return width ? MIN(MAX(width, (size_t)WIDTH_LEAST), (size_t)WIDTH_MOST) : WIDTH_USUAL;
}

void help_overview(struct buf *out, const struct cli_command *const *commands, size_t width)
{
    append_folded(out, overview, 0, width);
    buf_append_text(out, "\nUsage: runnel COMMAND [OPTIONS]\n\nCommands:\n");
    for (size_t i = 0; commands[i]; i++)
        append_entry(out, commands[i]->name, commands[i]->summary, NAME_INDENT, width);
    buf_append_text(out, "\nOptions of every command:\n");
    append_options(out, cli_global_options, width);
    buf_append_text(out, "\nEnvironment:\n");
    append_topics(out, environment, ARRAY_LEN(environment), width);
    buf_append_text(out, "\nExit codes:\n");
    append_topics(out, exit_codes, ARRAY_LEN(exit_codes), width);
    buf_append_byte(out, '\n');
    append_folded(out, "`runnel help COMMAND` tells more, with examples.", 0, width);
}

void help_command(struct buf *out, const struct cli_command *command, size_t width)
{
    static const char usage[] = "Usage: ";
    CLEANUP(free_ptr)
    char *line = xasprintf("runnel %s%s%s", command->name, *command->usage ? " " : "", command->usage);
    buf_append_text(out, usage);
    append_folded(out, line, sizeof(usage) - 1, width);
    buf_append_byte(out, '\n');
    append_paragraphs(out, command->description, width);
    if (command->options->long_name) {
        buf_append_text(out, "Options:\n");
        append_options(out, command->options, width);
        buf_append_byte(out, '\n');
    }
    if (command->examples->line)
        buf_append_text(out, "Examples:\n");
    for (const struct cli_example *example = command->examples; example->line; example++) {
        buf_printf(out, "  %s\n%*s", example->line, EXAMPLE_INDENT, ""); // not folded: it is to be copied
        append_folded(out, example->text, EXAMPLE_INDENT, width);
    }
    buf_append_byte(out, '\n');
    append_folded(out, "Options of every command, the environment and exit codes: `runnel help`", 0, width);
}

// --- troff

static void man_append(struct buf *out, const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            buf_append_text(out, "\\&");
        line_start = *text == '\n';
        if (*text == '\\')
            buf_append_text(out, "\\e");
        else if (*text == '-')
            buf_append_text(out, "\\-");
        else
            buf_append_byte(out, *text);
    }
}

static void man_paragraphs(struct buf *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        CLEANUP(free_ptr) char *paragraph = xstrndup(text, len);
        buf_append_text(out, ".PP\n");
        man_append(out, paragraph);
        buf_append_byte(out, '\n');
        text += len + (end ? 2 : 0);
    }
}

static void man_item(struct buf *out, const char *name, const char *text)
{
    buf_append_text(out, ".TP\n\\fB");
    man_append(out, name);
    buf_append_text(out, "\\fR\n");
    man_append(out, text);
    buf_append_byte(out, '\n');
}

static void man_options(struct buf *out, const struct cli_option *options)
{
    for (; options->long_name; options++) {
        if (!options->help)
            continue;
        CLEANUP(buf_release) struct buf names = {0};
        append_option_names(&names, options, "");
        man_item(out, buf_cstr(&names), options->help);
    }
}

static void man_topics(struct buf *out, const char *title, const struct topic *topics, size_t count)
{
    buf_printf(out, ".SH %s\n", title);
    for (size_t i = 0; i < count; i++)
        man_item(out, topics[i].name, topics[i].text);
}

static void man_program(struct buf *out, const struct cli_command *const *commands)
{
    buf_append_text(out, ".TH RUNNEL 1 \"\" \"runnel " RUNNEL_VERSION "\" \"Runnel\"\n"
                         ".SH NAME\nrunnel \\- record runs and follow their logs\n"
                         ".SH SYNOPSIS\n\\fBrunnel\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n");
    man_append(out, overview);
    buf_append_text(out, "\n.SH COMMANDS\n");
    for (size_t i = 0; commands[i]; i++) {
        buf_printf(out, ".TP\n\\fBrunnel\\-%s\\fR(1)\n", commands[i]->name);
        man_append(out, commands[i]->summary);
        buf_append_byte(out, '\n');
    }
    buf_append_text(out, ".SH OPTIONS OF EVERY COMMAND\n");
    man_options(out, cli_global_options);
    man_topics(out, "ENVIRONMENT", environment, ARRAY_LEN(environment));
    man_topics(out, "EXIT STATUS", exit_codes, ARRAY_LEN(exit_codes));
    buf_append_text(out, ".SH FILES\n");
    man_item(out, "$XDG_CONFIG_HOME/runnel/config",
             "contexts: current = \"NAME\", context \"NAME\" { url = \"…\" token = \"…\" ca_file = \"…\" }");
    man_item(out, "$XDG_CONFIG_HOME/runnel/server.conf, /etc/runnel/server.conf",
             "settings of the server; see runnel-serve(1)");
}

void help_man(struct buf *out, const struct cli_command *const *commands, const struct cli_command *command)
{
    if (!command) {
        man_program(out, commands);
        return;
    }
    buf_append_text(out, ".TH RUNNEL\\-");
    for (const char *c = command->name; *c; c++)
        buf_append_byte(out, (char)(*c - 'a' + 'A'));
    buf_printf(out, " 1 \"\" \"runnel " RUNNEL_VERSION "\" \"Runnel\"\n.SH NAME\nrunnel\\-%s \\- ", command->name);
    man_append(out, command->summary);
    buf_printf(out, "\n.SH SYNOPSIS\n\\fBrunnel %s\\fR ", command->name);
    man_append(out, command->usage);
    buf_append_text(out, "\n.SH DESCRIPTION\n");
    man_paragraphs(out, command->description);
    if (command->options->long_name) {
        buf_append_text(out, ".SH OPTIONS\n");
        man_options(out, command->options);
    }
    if (command->examples->line)
        buf_append_text(out, ".SH EXAMPLES\n");
    for (const struct cli_example *example = command->examples; example->line; example++)
        man_item(out, example->line, example->text);
    buf_append_text(out, ".SH SEE ALSO\n.BR runnel (1)\n");
}

// --- Markdown

static void markdown_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_append_byte(out, '\\');
        buf_append_byte(out, *text);
    }
}

static void markdown_options(struct buf *out, const struct cli_option *options)
{
    buf_append_text(out, "| option | meaning |\n|---|---|\n");
    for (; options->long_name; options++) {
        if (!options->help)
            continue;
        buf_append_text(out, "| `");
        append_option_names(out, options, "");
        buf_append_text(out, "` | ");
        markdown_cell(out, options->help);
        buf_append_text(out, " |\n");
    }
    buf_append_byte(out, '\n');
}

static void markdown_topics(struct buf *out, const char *head, const struct topic *topics, size_t count)
{
    buf_printf(out, "| %s | meaning |\n|---|---|\n", head);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "| `%s` | %s |\n", topics[i].name, topics[i].text);
    buf_append_byte(out, '\n');
}

static void markdown_command(struct buf *out, const struct cli_command *command)
{
    buf_printf(out, "## runnel %s\n\n    runnel %s%s%s\n\n%s\n\n", command->name, command->name,
               *command->usage ? " " : "", command->usage, command->description);
    bool own = false;
    for (const struct cli_option *option = command->options; option->long_name; option++)
        own |= option->help && !is_global(option->long_name);
    if (own)
        markdown_options(out, command->options);
    for (const struct cli_example *example = command->examples; example->line; example++)
        buf_printf(out, "- `%s`: %s\n", example->line, example->text);
    if (command->examples->line)
        buf_append_byte(out, '\n');
}

void help_markdown(struct buf *out, const struct cli_command *const *commands)
{
    buf_printf(out, "# The command line\n\n<!-- made by `runnel help --markdown` -->\n\n%s\n\n", overview);
    for (size_t i = 0; commands[i]; i++)
        markdown_command(out, commands[i]);
    buf_append_text(out, "## Options of every command\n\n");
    markdown_options(out, cli_global_options);
    buf_append_text(out, "## Environment\n\nFlags beat the environment, which beats files.\n\n");
    markdown_topics(out, "variable", environment, ARRAY_LEN(environment));
    buf_printf(out, "## Contexts\n\n%s\n", contexts);
    buf_append_text(out, "## Exit codes\n\n");
    markdown_topics(out, "code", exit_codes, ARRAY_LEN(exit_codes));
    while (out->len > 1 && out->data[out->len - 2] == '\n')
        out->len--;
}

void help_environment_example(struct buf *out)
{
    buf_append_text(
        out, "# Environment of runnel, for a shell (`set -a; . ./runnel.env`) or a service (EnvironmentFile=). Take "
             "the # away\n"
             "# from what is to be set. Made by `runnel help --document runnel.env`.\n\n"
             "# --- Every command. Flags beat these, these beat the contexts of $XDG_CONFIG_HOME/runnel/config.\n");
    for (size_t i = 0; i < ARRAY_LEN(environment); i++) {
        const struct topic *topic = &environment[i];
        bool of_the_server_too = strcmp(topic->name, "RUNNEL_DATA") == 0; // the server lists it
        if (strncmp(topic->name, "RUNNEL_", 7) == 0 && !of_the_server_too)
            buf_printf(out, "\n# %c%s.\n#%s=\n", ascii_upper(*topic->text), topic->text + 1, topic->name);
    }
}
