// Reads the wire format of Protocol Buffers (protobuf.dev, "Encoding"), one field after another, without memory of its
// own. Pure. There is no recursion here: who descends into messages counts how deep (a library that unpacks whole
// messages, protobuf-c, does so without a limit, on a client's word).
#pragma once

#include "util/buf.h"

enum protobuf_wire { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_BYTES = 2, PROTOBUF_FIXED32 = 5 };

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t value;   // of a number
    struct str bytes; // of text, bytes and messages
};

// Takes the next field of a message off its front. 1: *ret is it; 0: there is no more; ERR_MALFORMED. Groups, which are
// no longer in use, are malformed.
int protobuf_next(struct str *message, struct protobuf_field *ret);
bool protobuf_is(const struct protobuf_field *field, uint32_t number, enum protobuf_wire wire);

void protobuf_append_varint(struct buf *out, uint32_t number, uint64_t value);
void protobuf_append_bytes(struct buf *out, uint32_t number, struct str bytes);
