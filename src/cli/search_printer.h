// Shows the hits of a search as grep does: a line each, with where it stands, its matches coloured.
#pragma once

#include "cli/cli_private.h"

struct search_printer {
    bool colour;
    bool terminal; // control sequences are shown and not obeyed; executions are headings
    bool one;      // of one execution, which is not named
    struct buf *out;
    struct buf heading; // the execution that was named last
};

void search_printer_release(struct search_printer *printer);
// `hit` is an object as the server sends it. With `match` false it is a line of the context.
void search_printer_line(struct search_printer *printer, const char *execution_id, const json_t *hit, bool match);
void search_printer_gap(struct search_printer *printer); // lines are left out before the next one
// Returns the byte of a text that a place in UTF-16 code units means.
size_t utf16_to_byte(struct str text, uint64_t units);
