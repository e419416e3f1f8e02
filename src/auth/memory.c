// What the process remembers about credentials. Each kind has a limit. The caller holds the lock.
#include "auth/auth_private.h"

#define PEERS_MAX     65536
#define KEYS_MAX      10000
#define WINDOW_MS     60000
#define TOUCH_EACH_MS 60000

// --- Failed logins

struct failure {
    struct map_node by_peer;
    struct list_node order;
    uint64_t since_ms;
    unsigned count;
    char peer[64];
};

void failures_init(struct failures *failures, unsigned max)
{
    failures->max = max;
    map_init(&failures->by_peer);
    list_init(&failures->oldest_first);
    tally_init(&failures->elsewhere);
}

static void failure_drop(struct failures *failures, struct failure *failure)
{
    map_remove(&failures->by_peer, &failure->by_peer);
    list_remove(&failure->order);
    free(failure);
}

void failures_release(struct failures *failures)
{
    LIST_FOR_EACH_SAFE(it, next, &failures->oldest_first)
        failure_drop(failures, CONTAINER_OF(it, struct failure, order));
    map_release(&failures->by_peer);
    tally_release(&failures->elsewhere);
}

static void failures_expire(struct failures *failures, uint64_t now_ms)
{
    LIST_FOR_EACH_SAFE(it, next, &failures->oldest_first) {
        struct failure *failure = CONTAINER_OF(it, struct failure, order);
        if (now_ms - failure->since_ms < WINDOW_MS)
            break;
        failure_drop(failures, failure);
    }
}

static struct failure *failure_find(struct failures *failures, const char *peer, uint64_t now_ms)
{
    failures_expire(failures, now_ms);
    struct map_node *node = map_find(&failures->by_peer, str_of(peer));
    return node ? CONTAINER_OF(node, struct failure, by_peer) : NULL;
}

void failures_count(struct failures *failures, const char *peer, uint64_t now_ms)
{
    struct failure *failure = failure_find(failures, peer, now_ms);
    if (!failure) {
        if (failures->by_peer.count >= PEERS_MAX)
            failure_drop(failures, CONTAINER_OF(failures->oldest_first.next, struct failure, order));
        failure = xcalloc(1, sizeof(*failure));
        failure->since_ms = now_ms;
        snprintf(failure->peer, sizeof(failure->peer), "%s", peer);
        map_insert(&failures->by_peer, &failure->by_peer, str_of(failure->peer));
        list_push_back(&failures->oldest_first, &failure->order);
    }
    failure->count++;
}

bool failures_too_many(struct failures *failures, const char *peer, uint64_t now_ms)
{
    struct failure *failure = failure_find(failures, peer, now_ms);
    return (failure ? failure->count : 0) + tally_get(&failures->elsewhere, str_of(peer)) >= failures->max;
}

void failures_tally(struct failures *failures, unsigned least, uint64_t now_ms, struct tally *tally)
{
    failures_expire(failures, now_ms);
    for (struct list_node *it = failures->oldest_first.next; it != &failures->oldest_first; it = it->next) {
        const struct failure *failure = CONTAINER_OF(it, struct failure, order);
        if (failure->count >= least)
            tally_add(tally, str_of(failure->peer), failure->count);
    }
}

// --- Keys

struct cached_key {
    struct map_node by_hash;
    struct list_node order;
    uint8_t hash[32];
    bool touched;
    uint64_t touched_ms, added_ms;
    struct principal principal;
};

void key_cache_init(struct key_cache *cache, uint64_t keep_ms)
{
    cache->keep_ms = keep_ms;
    map_init(&cache->by_hash);
    list_init(&cache->least_recent_first);
}

static void cached_key_drop(struct key_cache *cache, struct cached_key *key)
{
    map_remove(&cache->by_hash, &key->by_hash);
    list_remove(&key->order);
    free(key);
}

void key_cache_clear(struct key_cache *cache)
{
    LIST_FOR_EACH_SAFE(it, next, &cache->least_recent_first)
        cached_key_drop(cache, CONTAINER_OF(it, struct cached_key, order));
}

void key_cache_release(struct key_cache *cache)
{
    key_cache_clear(cache);
    map_release(&cache->by_hash);
}

void key_cache_add(struct key_cache *cache, const uint8_t hash[32], uint64_t now_ms, const struct principal *principal)
{
    if (map_find(&cache->by_hash, str_n((const char *)hash, 32)))
        return;
    if (cache->by_hash.count >= KEYS_MAX)
        cached_key_drop(cache, CONTAINER_OF(cache->least_recent_first.next, struct cached_key, order));
    struct cached_key *key = xcalloc(1, sizeof(*key));
    memcpy(key->hash, hash, sizeof(key->hash));
    key->principal = *principal;
    key->added_ms = now_ms;
    map_insert(&cache->by_hash, &key->by_hash, str_n((const char *)key->hash, sizeof(key->hash)));
    list_push_back(&cache->least_recent_first, &key->order);
}

bool key_cache_find(struct key_cache *cache, const uint8_t hash[32], uint64_t now_ms, struct principal *ret,
                    bool *ret_touch)
{
    struct map_node *node = map_find(&cache->by_hash, str_n((const char *)hash, 32));
    if (!node)
        return false;
    struct cached_key *key = CONTAINER_OF(node, struct cached_key, by_hash);
    if (cache->keep_ms && now_ms - key->added_ms >= cache->keep_ms) {
        cached_key_drop(cache, key);
        return false;
    }
    list_remove(&key->order);
    list_push_back(&cache->least_recent_first, &key->order);
    *ret = key->principal;
    *ret_touch = !key->touched || now_ms - key->touched_ms >= TOUCH_EACH_MS;
    if (*ret_touch) {
        key->touched = true;
        key->touched_ms = now_ms;
    }
    return true;
}

void key_cache_drop_row(struct key_cache *cache, int64_t key_row)
{
    LIST_FOR_EACH_SAFE(it, next, &cache->least_recent_first) {
        struct cached_key *key = CONTAINER_OF(it, struct cached_key, order);
        if (key->principal.key_row == key_row)
            cached_key_drop(cache, key);
    }
}

// --- Revoked rows. There are at most as many as keys, and an admin makes each key.

struct revoked_row {
    struct map_node by_row;
    int64_t row;
};

void revoked_rows_init(struct revoked_rows *rows)
{
    map_init(&rows->by_row);
}

static void revoked_row_free(struct map_node *node, void *arg)
{
    (void)arg;
    free(CONTAINER_OF(node, struct revoked_row, by_row));
}

void revoked_rows_release(struct revoked_rows *rows)
{
    map_each(&rows->by_row, revoked_row_free, NULL);
    map_release(&rows->by_row);
}

void revoked_rows_add(struct revoked_rows *rows, int64_t row)
{
    if (revoked_rows_has(rows, row))
        return;
    struct revoked_row *revoked = xcalloc(1, sizeof(*revoked));
    revoked->row = row;
    map_insert(&rows->by_row, &revoked->by_row, str_n((const char *)&revoked->row, sizeof(revoked->row)));
}

bool revoked_rows_has(const struct revoked_rows *rows, int64_t row)
{
    return map_find(&rows->by_row, str_n((const char *)&row, sizeof(row))) != NULL;
}

// --- States of accounts

struct changed_account {
    struct map_node by_account;
    int64_t account;
    enum account_state state;
    uint64_t change;
};

void account_states_init(struct account_states *states)
{
    map_init(&states->by_account);
}

static void changed_account_free(struct map_node *node, void *arg)
{
    (void)arg;
    free(CONTAINER_OF(node, struct changed_account, by_account));
}

void account_states_release(struct account_states *states)
{
    map_each(&states->by_account, changed_account_free, NULL);
    map_release(&states->by_account);
}

static struct changed_account *changed_account_find(const struct account_states *states, int64_t account)
{
    struct map_node *node = map_find(&states->by_account, str_n((const char *)&account, sizeof(account)));
    return node ? CONTAINER_OF(node, struct changed_account, by_account) : NULL;
}

void account_states_set(struct account_states *states, int64_t account, enum account_state state, uint64_t change)
{
    struct changed_account *changed = changed_account_find(states, account);
    if (!changed) {
        changed = xcalloc(1, sizeof(*changed));
        changed->account = account;
        map_insert(&states->by_account, &changed->by_account,
                   str_n((const char *)&changed->account, sizeof(changed->account)));
    }
    if (change <= changed->change)
        return;
    changed->state = state;
    changed->change = change;
}

enum account_state account_states_get(const struct account_states *states, int64_t account,
                                      enum account_state otherwise)
{
    const struct changed_account *changed = changed_account_find(states, account);
    return changed ? changed->state : otherwise;
}
