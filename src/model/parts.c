#include "model/parts.h"

static uint64_t read_le(const char *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | (uint8_t)at[i];
    return value;
}

void part_append(struct buf *out, const struct part *part)
{
    buf_append_le32(out, part->stream);
    buf_append_le32(out, (uint32_t)part->chunk.len);
    buf_append_le64(out, part->first);
    buf_append_str(out, part->chunk);
}

// False if no whole part is at the front.
static bool take(struct str *frame, struct part *ret)
{
    if (frame->len < PART_HEADER)
        return false;
    uint64_t length = read_le(frame->data + 4, 4);
    if (length > frame->len - PART_HEADER)
        return false;
    *ret = (struct part){
        .stream = (uint32_t)read_le(frame->data, 4),
        .first = read_le(frame->data + 8, 8),
        .chunk = str_n(frame->data + PART_HEADER, (size_t)length),
    };
    *frame = str_n(frame->data + PART_HEADER + length, frame->len - PART_HEADER - (size_t)length);
    return true;
}

int parts_check(struct str frame)
{
    struct part part;
    if (frame.len == 0)
        return ERR_MALFORMED;
    while (frame.len > 0)
        if (!take(&frame, &part) || part.stream == 0 || part.chunk.len == 0)
            return ERR_MALFORMED;
    return 0;
}

bool parts_next(struct str *frame, struct part *ret)
{
    return take(frame, ret);
}
