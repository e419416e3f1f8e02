// Immutable bytes shared by many owners and threads: made once, then only referenced. The count is atomic.
#pragma once

#include "util/buf.h"

struct payload {
    _Atomic uint32_t refs;
    size_t len;
    const char *data;
    void (*let_go)(void *owner); // of what the bytes belong to; NULL: they lie behind this struct
    void *owner;
};

struct payload *payload_new(const void *data, size_t len); // a copy
// The buffer's own memory, less what it held in reserve. Leaves the buffer empty.
struct payload *payload_take(struct buf *buf);
// Bytes that live as long as `owner` does. The last one calls let_go(owner), on its thread.
struct payload *payload_of(struct str bytes, void (*let_go)(void *owner), void *owner);
struct payload *payload_ref(struct payload *payload);
void payload_unref(struct payload **payload); // takes NULL inside; sets NULL
