#include "auth/jwks.h"

#include <stdatomic.h>

int key_set_read(struct str json, struct buf *ret_error, struct key_set **ret)
{
    struct key_set *set = xcalloc(1, sizeof(*set));
    set->refs = 1;
    int err = jose_keys_add_set(&set->keys, json, false, ret_error);
    if (err)
        key_set_unref(&set);
    else
        *ret = set;
    return err;
}

struct key_set *key_set_ref(struct key_set *set)
{
    if (set)
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void key_set_unref(struct key_set **set_ptr)
{
    struct key_set *set = TAKE_PTR(*set_ptr);
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    jose_keys_release(&set->keys);
    free(set);
}

void jwks_release(struct jwks *jwks)
{
    key_set_unref(&jwks->set);
    *jwks = (struct jwks){0};
}

bool jwks_fresh(const struct jwks *jwks, const struct issuer *issuer, uint64_t now_ms)
{
    return jwks->set && now_ms - jwks->fetched_ms < (uint64_t)issuer->keep_seconds * 1000;
}

bool jwks_due(const struct jwks *jwks, const struct issuer *issuer, bool unknown, uint64_t now_ms)
{
    if (!issuer->jwks_url[0] || jwks->fetching)
        return false;
    if (jwks->tried && now_ms - jwks->tried_ms < (uint64_t)issuer->refetch_seconds * 1000)
        return false;
    return unknown || !jwks->set || now_ms - jwks->fetched_ms >= (uint64_t)issuer->keep_seconds * 1000 / 2;
}

void jwks_begin(struct jwks *jwks, uint64_t now_ms)
{
    jwks->tried = jwks->fetching = true;
    jwks->tried_ms = now_ms;
}

void jwks_end(struct jwks *jwks, struct key_set **set, uint64_t now_ms)
{
    jwks->fetching = false;
    if (!*set)
        return;
    key_set_unref(&jwks->set);
    jwks->set = TAKE_PTR(*set);
    jwks->fetched_ms = now_ms;
}
