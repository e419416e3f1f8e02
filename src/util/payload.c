#include "util/payload.h"

#include <stdatomic.h>

struct payload *payload_new(const void *data, size_t len)
{
    struct payload *payload = xmalloc(sizeof(*payload) + len);
    atomic_init(&payload->refs, 1);
    payload->len = len;
    if (len > 0)
        memcpy(payload->data, data, len);
    return payload;
}

struct payload *payload_ref(struct payload *payload)
{
    // Whoever adds an owner is one, so nothing needs to be ordered.
    atomic_fetch_add_explicit(&payload->refs, 1, memory_order_relaxed);
    return payload;
}

void payload_unref(struct payload **owner)
{
    struct payload *payload = TAKE_PTR(*owner);
    // The last owner must see what the others did before it frees.
    if (payload && atomic_fetch_sub_explicit(&payload->refs, 1, memory_order_acq_rel) == 1)
        free(payload);
}
