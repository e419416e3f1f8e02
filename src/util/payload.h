// Immutable bytes shared by many owners and threads: made once, then only referenced. The count is atomic.
#pragma once

#include "util/buf.h"

struct payload {
    _Atomic uint32_t refs;
    size_t len;
    char data[];
};

struct payload *payload_new(const void *data, size_t len);
struct payload *payload_ref(struct payload *payload);
void payload_unref(struct payload **payload); // takes NULL inside; sets NULL
