// A set of keys that is fetched from an issuer's URL: when it is good, and when to fetch it. No I/O, no clock.
#pragma once

#include "auth/issuer.h"

struct key_set { // immutable; for any thread
    _Atomic unsigned refs;
    struct jose_keys keys;
};
int key_set_read(struct str json, struct buf *ret_error, struct key_set **ret);
struct key_set *key_set_ref(struct key_set *set); // NULL is fine
void key_set_unref(struct key_set **set);

struct jwks { // a zeroed one was never fetched
    uint64_t id;
    struct key_set *set; // NULL: none was fetched so far
    uint64_t fetched_ms, tried_ms;
    bool tried, fetching;
};
void jwks_release(struct jwks *jwks);

// Whether its keys may be used.
bool jwks_fresh(const struct jwks *jwks, const struct issuer *issuer, uint64_t now_ms);
// Whether to fetch it now: it is missing, or half of its time is over, or `unknown`: a token names a key that it does
// not have. Never while a fetch is under way, and never within refetch_seconds of the last one.
bool jwks_due(const struct jwks *jwks, const struct issuer *issuer, bool unknown, uint64_t now_ms);
void jwks_begin(struct jwks *jwks, uint64_t now_ms);
// Takes over the set. NULL: the fetch has failed; the former set stays until its time is over.
void jwks_end(struct jwks *jwks, struct key_set **set, uint64_t now_ms);
