// Looks at the bytes of a request's head before the parser does: finds its end and refuses what the parser would let
// pass or would not bound: bare CR or LF, NUL, folded lines, headers without a name, runs of spaces, and a head over
// its limits. A method that is not served is told from what is no HTTP: ERR_NOT_IMPLEMENTED, ERR_MALFORMED. Works on
// any split of the bytes alike.
#pragma once

#include "util/attrs.h"

#define HEAD_METHOD_MAX 16

struct head_scan {
    size_t line_len; // without CR and LF
    size_t url_len;
    size_t headers_len; // all bytes after the request line
    unsigned spaces;    // of the request line
    uint8_t previous;
    bool in_headers, after_space;
    char method[HEAD_METHOD_MAX];
    uint8_t method_len;
};

enum head_scan_result { HEAD_MORE, HEAD_END }; // or a negative error

// Looks at `data` up to the end of the head; *ret_len bytes are fine and go to the parser, once the method is whole:
// until then `method` has them all.
int head_scan_feed(struct head_scan *scan, const uint8_t *data, size_t len, size_t url_max, size_t headers_max,
                   size_t *ret_len);
