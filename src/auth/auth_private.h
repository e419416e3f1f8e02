// What the files of this room share. Who uses whom: check.c uses check_jwt.c, and both use finish.c and auth.c.
#pragma once

#include "auth/auth.h"
#include "util/list.h"
#include "util/map.h"
#include "util/tally.h"

#include <pthread.h>
#include <stdatomic.h>

// --- Text of a secret: the prefix of its kind, and 256 random bits in base64url.
void secret_make(const char *prefix, char out[API_KEY_LEN + 1]);
void secret_write(const char *prefix, const uint8_t bits[32], char out[API_KEY_LEN + 1]);
bool secret_read(struct str secret, uint8_t out[32]); // of a well-formed one
bool secret_well_formed(struct str secret, struct str prefix);

// --- run.c, with the bits of a run token
struct run_name run_token_name(const uint8_t token[32]); // what it says of itself, without the execution's identifier
bool run_token_good(const struct store *store, const uint8_t token[32], const struct run_name *run);
// Judges a token that is good by what the store says of its execution.
int run_judge(const struct run_name *run, const struct store_run_find *found, int64_t now_ms, struct principal *ret);

// --- Tickets, kept by their hash. All tickets of a list live equally long from the moment at which they were put at
// its end. So each list is in the order of expiry.
struct tickets {
    unsigned max; // per account
    struct map by_hash, by_id, accounts;
    struct list_node unused, idle, open; // never used; used, without an open stream; with open streams
    uint64_t last_id;
};

void tickets_init(struct tickets *tickets, unsigned max);
void tickets_release(struct tickets *tickets);
int tickets_add(struct tickets *tickets, const uint8_t hash[32], const struct principal *principal, uint64_t now_ms);
// Notes a use that the store has allowed, so that it is known while its streams are open.
void tickets_adopt(struct tickets *tickets, const uint8_t hash[32], const struct ticket_use *use,
                   const struct principal *principal, uint64_t now_ms, struct principal *ret);
void tickets_open_ids(const struct tickets *tickets, struct buf *out_json); // of those with open streams
// Returns ERR_NOT_FOUND, or ERR_UNAUTHORIZED if it is bound to another stream.
int tickets_use(struct tickets *tickets, const uint8_t hash[32], const struct ticket_use *use, uint64_t now_ms,
                struct principal *ret);
// `id` is the principal's `ticket`. Does nothing if the ticket has ended.
void tickets_stream_opened(struct tickets *tickets, uint64_t id);
void tickets_stream_closed(struct tickets *tickets, uint64_t id, uint64_t now_ms);
void tickets_drop_row(struct tickets *tickets, int64_t key_row);

// --- shared_tickets.c: tickets that the store keeps
void shared_ticket_check(struct auth *auth, struct auth_check *check, const uint8_t hash[32],
                         const struct ticket_use *use, struct loop *reply_to);

// --- Failed logins by address, counted per minute.
struct failures {
    unsigned max;
    struct map by_peer;
    struct list_node oldest_first; // by the start of the minute
    struct tally elsewhere;        // at other servers, as far as is known
};
void failures_init(struct failures *failures, unsigned max);
void failures_release(struct failures *failures);
void failures_count(struct failures *failures, const char *peer, uint64_t now_ms);
bool failures_too_many(struct failures *failures, const char *peer, uint64_t now_ms);
// Adds the addresses with `least` of them in their minute, or more.
void failures_tally(struct failures *failures, unsigned least, uint64_t now_ms, struct tally *tally);

// --- Credentials that were found good, by their hash. When there are too many, the one that was not used for longest
// goes.
struct key_cache {
    struct map by_hash;
    struct list_node least_recent_first;
    uint64_t keep_ms; // 0: for ever
};
void key_cache_init(struct key_cache *cache, uint64_t keep_ms);
void key_cache_clear(struct key_cache *cache);
void key_cache_release(struct key_cache *cache);
void key_cache_add(struct key_cache *cache, const uint8_t hash[32], uint64_t now_ms, const struct principal *principal);
// Sets *ret_touch if the store should note the use, because it did not within the last minute.
bool key_cache_find(struct key_cache *cache, const uint8_t hash[32], uint64_t now_ms, struct principal *ret,
                    bool *ret_touch);
void key_cache_drop_row(struct key_cache *cache, int64_t key_row);

// --- Rows of keys that were revoked while this process runs.
struct revoked_rows {
    struct map by_row;
};
void revoked_rows_init(struct revoked_rows *rows);
void revoked_rows_release(struct revoked_rows *rows);
void revoked_rows_add(struct revoked_rows *rows, int64_t row);
bool revoked_rows_has(const struct revoked_rows *rows, int64_t row);

// --- States of accounts that were changed while this process runs. There are as many as changed accounts.
struct account_states {
    struct map by_account;
};

void account_states_init(struct account_states *states);
void account_states_release(struct account_states *states);
void account_states_set(struct account_states *states, int64_t account, enum account_state state, uint64_t change);
// Returns the present state, or `otherwise` if it has not changed.
enum account_state account_states_get(const struct account_states *states, int64_t account,
                                      enum account_state otherwise);

// --- The whole
struct auth {
    struct store *store;
    struct verifier *verifier;   // has a lock of its own
    _Atomic uint64_t generation; // from 1 on
    pthread_mutex_t lock;        // protects everything below; never held while the store is called
    struct tickets tickets;
    struct failures failures;
    struct key_cache keys;
    struct revoked_rows revoked;
    struct account_states accounts;
    uint64_t floor; // a principal that was judged before this generation is good no more
};

// With the lock: 0, or why the principal is good no more. Sets its generation.
int auth_judge(struct auth *auth, struct principal *principal);
void check_finish(struct auth_check *check, int err);
// Counts a failed login of the peer. Above the limit the answer is ERR_RATE. A good credential never comes here, so it
// passes whatever others at the same address do.
void check_finish_failed(struct auth_check *check);
// JSON Web Tokens
void check_jwt(struct auth *auth, struct auth_check *check, const struct credential *credential, struct loop *reply_to);
