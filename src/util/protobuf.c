#include "util/protobuf.h"

#include "util/error.h"

#define VARINT_MAX 10 // bytes

static bool take_varint(struct str *in, uint64_t *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < VARINT_MAX && i < in->len; i++) {
        uint8_t byte = (uint8_t)in->data[i];
        if (i == VARINT_MAX - 1 && byte > 1)
            return false; // more than 64 bits
        *ret |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *in = str_n(in->data + i + 1, in->len - i - 1);
            return true;
        }
    }
    return false;
}

static bool take_fixed(struct str *in, size_t len, uint64_t *ret)
{
    if (in->len < len)
        return false;
    *ret = 0;
    for (size_t i = 0; i < len; i++)
        *ret |= (uint64_t)(uint8_t)in->data[i] << (8 * i);
    *in = str_n(in->data + len, in->len - len);
    return true;
}

static bool take_bytes(struct str *in, struct str *ret)
{
    uint64_t len;
    if (!take_varint(in, &len) || len > in->len)
        return false;
    *ret = str_n(in->data, (size_t)len);
    *in = str_n(in->data + len, in->len - (size_t)len);
    return true;
}

static bool take_value(struct str *in, struct protobuf_field *field)
{
    switch (field->wire) {
    case PROTOBUF_VARINT:
        return take_varint(in, &field->value);
    case PROTOBUF_FIXED64:
        return take_fixed(in, 8, &field->value);
    case PROTOBUF_FIXED32:
        return take_fixed(in, 4, &field->value);
    case PROTOBUF_BYTES:
        return take_bytes(in, &field->bytes);
    }
    return false;
}

int protobuf_next(struct str *message, struct protobuf_field *ret)
{
    uint64_t tag;
    if (message->len == 0)
        return 0;
    if (!take_varint(message, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return ERR_MALFORMED;
    *ret = (struct protobuf_field){.number = (uint32_t)(tag >> 3), .wire = (enum protobuf_wire)(tag & 7)};
    return take_value(message, ret) ? 1 : ERR_MALFORMED;
}

bool protobuf_is(const struct protobuf_field *field, uint32_t number, enum protobuf_wire wire)
{
    return field->number == number && field->wire == wire;
}

static void append_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_append_byte(out, (char)(value | 0x80));
    buf_append_byte(out, (char)value);
}

void protobuf_append_varint(struct buf *out, uint32_t number, uint64_t value)
{
    append_varint(out, (uint64_t)number << 3 | PROTOBUF_VARINT);
    append_varint(out, value);
}

void protobuf_append_bytes(struct buf *out, uint32_t number, struct str bytes)
{
    append_varint(out, (uint64_t)number << 3 | PROTOBUF_BYTES);
    append_varint(out, bytes.len);
    buf_append_str(out, bytes);
}
