// Scans the bytes of a request's head before the parser gets them. It finds the end of the head. It refuses what the
// parser would accept or would not limit: a bare CR or LF, NUL, folded lines, headers without a name, runs of spaces,
// and a head over its limits. A method that the server does not have gives ERR_NOT_IMPLEMENTED; what is not HTTP gives
// ERR_MALFORMED. The bytes may be split anywhere.
#pragma once

#include "util/attrs.h"

#define HEAD_METHOD_MAX 16

struct head_scan {
    size_t line_len; // without CR and LF
    size_t url_len;
    size_t headers_len; // all bytes after the request line
    unsigned spaces;    // in the request line
    uint8_t previous;
    bool in_headers, after_space;
    char method[HEAD_METHOD_MAX];
    uint8_t method_len;
};

enum head_scan_result { HEAD_MORE, HEAD_END }; // or a negative error

// Scans `data` up to the end of the head. The first *ret_len bytes are fine and may go to the parser. While the method
// is not complete, `method` holds all bytes so far.
int head_scan_feed(struct head_scan *scan, const uint8_t *data, size_t len, size_t url_max, size_t headers_max,
                   size_t *ret_len);
