// The line that begins each chunk of a chunked body: size and extensions, as RFC 9112, 7.1 writes them. Extensions are
// checked, counted and thrown away: the parser below never sees them, as it knows fewer forms of them than there are.
#pragma once

#include "util/attrs.h"

enum chunk_line_state {
    CHUNK_SIZE,        // hexadecimal digits
    CHUNK_BEFORE_SEMI, // white space, of which only a further extension may come
    CHUNK_BEFORE_NAME, // behind ';'
    CHUNK_NAME,
    CHUNK_BEFORE_EQUALS, // white space behind a name
    CHUNK_BEFORE_VALUE,  // behind '='
    CHUNK_VALUE,         // a token
    CHUNK_QUOTED,        // within '"'
    CHUNK_ESCAPED,       // behind '\' within '"'
    CHUNK_QUOTED_END,    // behind the closing '"'
    CHUNK_LF,            // behind CR
};

struct chunk_line {
    enum chunk_line_state state;
    unsigned digits;
    uint64_t size;
    size_t extra; // bytes beside the size, of all lines of this body
};

enum chunk_line_result { CHUNK_LINE_MORE, CHUNK_LINE_END };

// *ret_used bytes belong to the line. At CHUNK_LINE_END `size` is that of the chunk; chunk_line_next begins another.
// ERR_MALFORMED; ERR_TOO_LARGE when the extensions of the body are longer than `extra_max` together. Works on any split
// of the bytes alike.
int chunk_line_feed(struct chunk_line *line, const uint8_t *data, size_t len, size_t extra_max, size_t *ret_used);
void chunk_line_next(struct chunk_line *line);
