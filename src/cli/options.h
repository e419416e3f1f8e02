// The option parser, with the habits of POSIX and GNU: bundled short flags, -n5, --name=value, "--", options after
// operands. It works from tables alone.
#pragma once

#include "cli/cli.h"
#include "util/arena.h"

struct parsed_option {
    const struct cli_option *option;
    const char *value; // NULL for a flag
};

struct parsed {
    struct parsed_option *options; // in the order in which they were given
    size_t option_count;
    char **operands; // NULL-terminated
    size_t operand_count;
    bool operands_ended;        // by "--"
    size_t operands_before_end; // as many stand before it; all of them without it
};

// `tables` ends with NULL; the first table that has a name is used. With `stop_at_operand`, everything from the first
// operand on is an operand. The results point into argv and the arena. Returns ERR_INVALID with a text in *ret_error,
// which names the most similar option if there is one.
int options_parse(const struct cli_option *const *tables, bool stop_at_operand, size_t argc, char **argv,
                  struct arena *arena, struct parsed *ret, struct buf *ret_error);

// Names in tables may be written with '_' instead of '-'.
bool option_name_eq(const char *a, const char *b);
void option_append_name(struct buf *out, const char *long_name); // writes '-' for '_'

// Returns the words that the value of an option may be, with spaces between them. The name of the argument decides.
// NULL: anything.
const char *option_values(const struct cli_option *option);

// Finds the name that is most similar to what was written. NULL if none is similar enough.
struct nearest {
    const char *wanted, *best;
    size_t distance;
};
void nearest_init(struct nearest *nearest, const char *wanted);
void nearest_offer(struct nearest *nearest, const char *name);
