// Ranges of bytes (RFC 9110, 14): which part of a thing is asked for, or sent. Values without I/O; any thread.
#pragma once

#include "util/str.h"

enum http_range {
    HTTP_RANGE_WHOLE,   // no range, several, one of another unit, or one that is malformed: all of it
    HTTP_RANGE_PART,    // *ret_first and *ret_len, which is not 0
    HTTP_RANGE_OUTSIDE, // nothing of it lies within: 416
};
// Reads the header Range for a thing of `size` bytes.
enum http_range http_range_parse(struct str header, uint64_t size, uint64_t *ret_first, uint64_t *ret_len);
// Reads "bytes A-B/N", with A <= B < N. Returns false for anything else.
bool http_content_range_parse(struct str header, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_size);
