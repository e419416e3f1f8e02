// Shows records as lines for people: `[10:30:15] [stdout] message`, with the structured fields beside the message. A
// line that consists of several records is shown as one line: later parts are appended.
#pragma once

#include "model/record.h"
#include "util/when.h"

struct log_line {
    bool colour;
    bool terminal; // control sequences are shown and not obeyed, dates are lines of their own, fields are shown
    struct when_lines clock; // with dates_apart if `terminal`
    struct buf scratch;
    bool open; // the last line has not ended yet; then:
    enum record_stream stream;
};

void log_line_init(struct log_line *line, bool colour, bool terminal, bool utc);
void log_line_release(struct log_line *line);
// `prefix` goes before each line; it may be empty.
void log_line_append(struct log_line *line, const struct record *record, struct str prefix, struct buf *out);
// Ends an open line. Call it before writing something else to the same place.
void log_line_end(struct log_line *line, struct buf *out);
