// The line that begins each chunk of a chunked body: size and extensions, as RFC 9112, 7.1 defines them. Extensions are
// checked, counted and thrown away here, and the parser never sees them, because it does not know all their forms.
#pragma once

#include "util/attrs.h"

enum chunk_line_state {
    CHUNK_SIZE,        // hexadecimal digits
    CHUNK_BEFORE_SEMI, // white space; only an extension may follow
    CHUNK_BEFORE_NAME, // after ';'
    CHUNK_NAME,
    CHUNK_BEFORE_EQUALS, // white space after a name
    CHUNK_BEFORE_VALUE,  // after '='
    CHUNK_VALUE,         // a token
    CHUNK_QUOTED,        // within '"'
    CHUNK_ESCAPED,       // after '\' within '"'
    CHUNK_QUOTED_END,    // after the closing '"'
    CHUNK_LF,            // after CR
};

struct chunk_line {
    enum chunk_line_state state;
    unsigned digits;
    uint64_t size;
    size_t extra; // bytes beside the sizes, in all lines of this body
};

enum chunk_line_result { CHUNK_LINE_MORE, CHUNK_LINE_END };

// Takes bytes until the line ends; *ret_used of them belong to the line. At CHUNK_LINE_END, `size` is the size of the
// chunk; chunk_line_next begins the next line. The bytes may be split anywhere. Errors: ERR_MALFORMED; ERR_TOO_LARGE
// when the extensions of the whole body are longer than `extra_max`.
int chunk_line_feed(struct chunk_line *line, const uint8_t *data, size_t len, size_t extra_max, size_t *ret_used);
void chunk_line_next(struct chunk_line *line);
