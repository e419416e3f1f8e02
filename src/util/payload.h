// Immutable bytes that many owners and threads share. They are made once and then only referenced. The count is atomic.
#pragma once

#include "util/buf.h"

struct payload {
    _Atomic uint32_t refs;
    size_t len;
    const char *data;
    void (*let_go)(void *owner); // releases the owner of the bytes; NULL: the bytes follow this struct
    void *owner;
};

struct payload *payload_new(const void *data, size_t len); // copies the bytes
// Takes the buffer's own memory, without the unused rest. Leaves the buffer empty.
struct payload *payload_take(struct buf *buf);
// Makes a payload of bytes that live as long as `owner` does. The last unref calls let_go(owner), on its thread.
struct payload *payload_of(struct str bytes, void (*let_go)(void *owner), void *owner);
struct payload *payload_ref(struct payload *payload);
void payload_unref(struct payload **payload); // *payload may be NULL; sets it to NULL
