#include "util/payload.h"

#include <stdatomic.h>

static struct payload *payload_make(size_t inside, const char *data, size_t len)
{
    struct payload *payload = xmalloc(sizeof(*payload) + inside);
    atomic_init(&payload->refs, 1);
    payload->len = len;
    payload->data = data;
    payload->let_go = NULL;
    payload->owner = NULL;
    return payload;
}

struct payload *payload_new(const void *data, size_t len)
{
    struct payload *payload = payload_make(len, NULL, len);
    payload->data = (char *)(payload + 1);
    if (len > 0)
        memcpy(payload + 1, data, len);
    return payload;
}

struct payload *payload_of(struct str bytes, void (*let_go)(void *owner), void *owner)
{
    struct payload *payload = payload_make(0, bytes.data, bytes.len);
    payload->let_go = let_go;
    payload->owner = owner;
    return payload;
}

struct payload *payload_take(struct buf *buf)
{
    size_t len = buf->len;
    char *data = buf->cap > len ? xrealloc(buf->data, MAX(len, (size_t)1)) : buf->data;
    *buf = (struct buf){0};
    return payload_of(str_n(data, len), free, data);
}

struct payload *payload_ref(struct payload *payload)
{
    // Only an owner can add another owner, so the order of memory accesses does not matter.
    atomic_fetch_add_explicit(&payload->refs, 1, memory_order_relaxed);
    return payload;
}

void payload_unref(struct payload **owner)
{
    struct payload *payload = TAKE_PTR(*owner);
    // Before the last owner frees, it must see what the others did.
    if (!payload || atomic_fetch_sub_explicit(&payload->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (payload->let_go)
        payload->let_go(payload->owner);
    free(payload);
}
