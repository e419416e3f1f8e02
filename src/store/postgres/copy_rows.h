// Rows in the binary form of COPY, each of which begins with how many columns it has. For sql_postgres_copy.
#pragma once

#include "util/buf.h"

#include <endian.h>

static inline void copy_row(struct buf *out, uint16_t columns)
{
    uint16_t big = htobe16(columns);
    buf_append(out, &big, sizeof(big));
}

static inline void copy_size(struct buf *out, size_t size)
{
    uint32_t big = htobe32((uint32_t)size);
    buf_append(out, &big, sizeof(big));
}

#define COPY_NULL UINT32_MAX // the size of what is NULL
static inline void copy_null(struct buf *out)
{
    copy_size(out, COPY_NULL);
}

static inline void copy_int8(struct buf *out, uint64_t value)
{
    uint64_t big = htobe64(value);
    copy_size(out, sizeof(big));
    buf_append(out, &big, sizeof(big));
}

static inline void copy_int4(struct buf *out, uint32_t value)
{
    uint32_t big = htobe32(value);
    copy_size(out, sizeof(big));
    buf_append(out, &big, sizeof(big));
}

static inline void copy_bytes(struct buf *out, struct str bytes)
{
    copy_size(out, bytes.len);
    buf_append_str(out, bytes);
}
