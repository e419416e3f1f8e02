// What a job leaves as its result, if one is wanted: the whole of its standard output if that is JSON, or else its last
// line that is not empty. Kept as the text that it is, without the white space around its values: no number is rounded.
// Pure.
#pragma once

#include "util/buf.h"

#define RESULT_MAX       ((size_t)64 * 1024) // bytes; more is no result
#define RESULT_DEPTH_MAX 32                  // of objects and lists within each other

struct result_reader { // zero is one that has read nothing
    struct buf whole, line, last;
    bool whole_over, line_over, last_over; // longer than RESULT_MAX
};

// A record of standard output; the record after a `partial` one continues its line.
void result_read(struct result_reader *reader, struct str message, bool partial);
// Appends the result. False if there is none; *ret_reason then says why, for people.
bool result_take(struct result_reader *reader, struct buf *ret, const char **ret_reason);
void result_reader_release(struct result_reader *reader);

// Appends `text` without the white space around its values. Appends nothing and returns false if it is no JSON, or too
// long, or too deep; *ret_reason says which.
bool result_compact(struct str text, struct buf *ret, const char **ret_reason);
