// The option parser: POSIX and GNU habits (bundled short flags, -n5, --name=value, "--", options after operands), from
// tables alone.
#pragma once

#include "cli/cli.h"
#include "util/arena.h"

struct parsed_option {
    const struct cli_option *option;
    const char *value; // NULL for a flag
};

struct parsed {
    struct parsed_option *options; // in the order given
    size_t option_count;
    char **operands; // NULL-terminated
    size_t operand_count;
    bool operands_ended; // by "--"
};

// `tables` ends with NULL; the first table that has a name wins. With `stop_at_operand` everything from the first
// operand on is one. What comes out points into argv and the arena. ERR_INVALID with a text in *ret_error that names
// the nearest option if there is one.
int options_parse(const struct cli_option *const *tables, bool stop_at_operand, size_t argc, char **argv,
                  struct arena *arena, struct parsed *ret, struct buf *ret_error);

// Names in tables may be spelled with '_' for '-'.
bool option_name_eq(const char *a, const char *b);
void option_append_name(struct buf *out, const char *long_name); // with '-'

// The words that the value of an option may be, between spaces, by the name of its argument; NULL: anything.
const char *option_values(const struct cli_option *option);

// The nearest of the names to what was written, or NULL if none is near enough to be meant.
struct nearest {
    const char *wanted, *best;
    size_t distance;
};
void nearest_init(struct nearest *nearest, const char *wanted);
void nearest_offer(struct nearest *nearest, const char *name);
