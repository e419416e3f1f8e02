// Arrays in the text form, which unnest(CAST(?1 AS bigint[])) takes as a parameter. One begins as an empty buffer, and
// ends with array_end.
#pragma once

#include "util/buf.h"

static inline void array_add(struct buf *array)
{
    buf_append_byte(array, array->len == 0 ? '{' : ',');
}

static inline void array_add_i64(struct buf *array, int64_t value)
{
    array_add(array);
    buf_append_i64(array, value);
}

static inline void array_add_u64(struct buf *array, uint64_t value) // bit for bit
{
    array_add_i64(array, (int64_t)value);
}

static inline void array_add_text(struct buf *array, struct str text)
{
    array_add(array);
    buf_append_byte(array, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_append_byte(array, '\\');
        buf_append_byte(array, text.data[i]);
    }
    buf_append_byte(array, '"');
}

static inline void array_end(struct buf *array)
{
    if (array->len == 0)
        buf_append_byte(array, '{');
    buf_append_byte(array, '}');
}
