// Records as lines for people: `[10:30:15] [stdout] message`, with what a record says beside its message. A line that
// is in several records is shown as one: what goes on with it is appended.
#pragma once

#include "model/record.h"
#include "util/when.h"

struct log_line {
    bool colour;
    bool terminal; // control sequences are shown instead of obeyed, dates are lines of their own, fields are shown
    struct when_lines clock; // dates_apart as `terminal`
    struct buf scratch;
    bool open; // the last line has not ended yet:
    enum record_stream stream;
};

void log_line_init(struct log_line *line, bool colour, bool terminal, bool utc);
void log_line_release(struct log_line *line);
// `prefix` (may be empty) goes before each line.
void log_line_append(struct log_line *line, const struct record *record, struct str prefix, struct buf *out);
// Ends a line that is open; before something else is written there.
void log_line_end(struct log_line *line, struct buf *out);
