// The command line. One file per command (cmd_*.c) exports one const entry; commands.c lists them. Help, man pages,
// completion and option parsing come from these tables.
#pragma once

#include "client/client.h"

struct cli;

enum cli_option_kind { CLI_FLAG, CLI_VALUE, CLI_VALUE_MANY };

struct cli_option {
    char short_name; // 0: no short name
    const char *long_name;
    enum cli_option_kind kind;
    const char *argument; // name of the value in help, such as "N"
    const char *help;
};

struct cli_example {
    const char *line, *text;
};

struct cli_command {
    const char *name;
    const char *summary;                // one line
    const char *usage;                  // "ID [-f] [OPTIONS]"
    const char *description;            // for help and the man page; paragraphs separated by blank lines
    const struct cli_option *options;   // ends with an entry without long_name
    const struct cli_example *examples; // ends with an entry without line
    bool takes_command;                 // options end at the first operand or at "--" (wrap)
    // It handles SIGINT and SIGPIPE itself; otherwise SIGINT ends the program with 130, and SIGPIPE is ignored.
    bool own_signals;
    int (*run)(struct cli *cli); // returns the exit code
};

extern const struct cli_command *const cli_commands[]; // NULL-terminated

// What a command asks for: its parsed options and operands.
bool cli_flag(const struct cli *cli, const char *long_name);
const char *cli_value(const struct cli *cli, const char *long_name); // the last one that was given, or NULL
size_t cli_values(const struct cli *cli, const char *long_name, const char *const **ret);
size_t cli_operands(const struct cli *cli, char *const **ret); // NULL-terminated
// Found in flags, environment, context file and admin.key. NULL if that fails; then stderr says why, and the exit code
// is 2.
const struct client_options *cli_server(struct cli *cli);
const char *cli_data_dir(const struct cli *cli); // --data, RUNNEL_DATA, or else $XDG_STATE_HOME/runnel
bool cli_json(const struct cli *cli);            // -o json
bool cli_colour(const struct cli *cli);          // for stdout

// Writes "runnel: …" to stderr; the text says what to do. Returns the exit code of `err`.
int cli_fail(const struct cli *cli, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
int cli_usage_error(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3); // returns 2

int cli_main(const struct cli_command *const *commands, int argc, char **argv);
