// A scanner of JSON text (RFC 8259). It finds where values end and whether they are well-formed. It does not copy them.
#pragma once

#include "util/buf.h"

struct scan {
    const char *at, *end;
};

// Skips white space. Returns false at the end of the text.
static inline bool scan_skip_space(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
    return scan->at < scan->end;
}

// Takes `byte`, after white space. Returns false if something else is next.
static inline bool scan_take(struct scan *scan, char byte)
{
    if (!scan_skip_space(scan) || *scan->at != byte)
        return false;
    scan->at++;
    return true;
}

// Each takes one token or value at scan->at, and returns false if it is malformed. For a string, *ret is the text
// between the quotes; UTF-8 is checked, and *ret_escaped tells whether it contains a backslash. For a value, *ret is
// all of it with quotes or brackets; it may be nested at most `depth` deep.
bool scan_string(struct scan *scan, struct str *ret, bool *ret_escaped);
bool scan_value(struct scan *scan, unsigned depth, struct str *ret);

// Decodes the text between the quotes of a valid string. The result is never longer than `body`; `out` must have room
// for that. Lone surrogates become U+FFFD.
size_t scan_decode(struct str body, char *out);
// Appends a valid value without white space between tokens. Its strings get the form of buf_append_json_string.
void scan_append_canonical(struct buf *out, struct str value, struct buf *scratch);
