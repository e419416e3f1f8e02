// What the files of this room share.
#pragma once

#include "auth/auth.h"
#include "util/list.h"
#include "util/map.h"

#include <pthread.h>

// --- "rnl_" or "rnt_", and 256 random bits in base 64 url.
void secret_make(const char *prefix, char out[API_KEY_LEN + 1]);
bool secret_well_formed(struct str secret, struct str prefix);

// --- Tickets: kept by their hash, as all of them live equally long the list is in order of expiry.
struct tickets {
    struct map by_hash;
    struct list_node oldest_first;
};
void tickets_init(struct tickets *tickets);
void tickets_release(struct tickets *tickets);
int tickets_add(struct tickets *tickets, const uint8_t hash[32], const struct principal *principal, uint64_t now_ms);
bool tickets_use(struct tickets *tickets, const uint8_t hash[32], uint64_t now_ms, struct principal *ret);

// --- Failed logins by address, in windows of a minute.
struct failures {
    unsigned max;
    struct map by_peer;
    struct list_node oldest_first; // by start of the window
};
void failures_init(struct failures *failures, unsigned max);
void failures_release(struct failures *failures);
void failures_count(struct failures *failures, const char *peer, uint64_t now_ms);
bool failures_too_many(struct failures *failures, const char *peer, uint64_t now_ms);

// --- Keys that were found, by their hash; the one not used for longest goes when there are too many.
struct key_cache {
    struct map by_hash;
    struct list_node least_recent_first;
};
void key_cache_init(struct key_cache *cache);
void key_cache_release(struct key_cache *cache);
void key_cache_add(struct key_cache *cache, const uint8_t hash[32], const struct principal *principal);
// *ret_touch: its use should be written down, as that was not done for a minute.
bool key_cache_find(struct key_cache *cache, const uint8_t hash[32], uint64_t now_ms, struct principal *ret,
                    bool *ret_touch);
void key_cache_drop_row(struct key_cache *cache, int64_t key_row);

// --- The rows of keys that were revoked while this process runs.
struct revoked_rows {
    struct map by_row;
};
void revoked_rows_init(struct revoked_rows *rows);
void revoked_rows_release(struct revoked_rows *rows);
void revoked_rows_add(struct revoked_rows *rows, int64_t row);
bool revoked_rows_has(const struct revoked_rows *rows, int64_t row);
