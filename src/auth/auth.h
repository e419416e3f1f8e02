// Who asks: API keys, tickets, principals, and the one table of route × role. Thread-safe.
#pragma once

#include "net/digest.h"
#include "store/store.h"

struct principal {
    enum role role;
    int64_t account;
    int64_t key_row;     // 0: none
    uint64_t expires_ms; // realtime; 0: never. A stream ends then.
    char user[128];      // name of a `user` principal: what it owns; "" otherwise. For API keys: the key's key_id.
};

const char *role_name(enum role role);
bool role_parse(struct str s, enum role *ret);

// --- What each role may do. X(action, roles from … as a list)
enum action {
    ACTION_READ,    // viewer user service admin operator
    ACTION_SUBMIT,  // user service admin operator
    ACTION_CANCEL,  // user (own) service admin operator
    ACTION_WRITE,   // service admin operator: records, states; user: on its own executions (it runs `wrap`)
    ACTION_PURGE,   // admin operator
    ACTION_KEYS,    // admin operator
    ACTION_OPERATE, // operator
    ACTION_PUBLIC,  // no credential
    ACTION_COUNT
};
bool role_may(enum role role, enum action action);
// A `user` principal sees only what it owns; others the account.
bool principal_owns(const struct principal *principal, const struct execution *execution);

// --- Keys: "rnl_" + 43 characters (base 64 url of 256 bits).
#define API_KEY_LEN 47
void api_key_make(char out_key[API_KEY_LEN + 1], uint8_t out_hash[32]);

struct auth;
struct auth_options {
    unsigned failed_logins_max; // per minute and address
};
int auth_new(struct store *store, const struct auth_options *options, struct auth **ret);
void auth_free(struct auth **auth);

// Checks a bearer credential (an API key; a ticket where `ticket_allowed`). Answers at once from a bounded cache of found keys (revocations
// take effect at once on this node), else asks the store. `done` runs on `reply_to`'s thread, possibly before auth_check returns.
// err: 0, ERR_UNAUTHORIZED (unknown, revoked, expired, used ticket), ERR_RATE (too many failures from `peer`), ERR_UNAVAILABLE.
struct auth_check {
    struct store_key_find find; // private
    struct auth *auth;          // private
    void (*done)(struct auth_check *check);
    int err;
    struct principal principal;
    char peer[64]; // private: address without the port
};
void auth_check(struct auth *auth, struct auth_check *check, struct loop *reply_to, struct str credential,
                bool ticket_allowed, const char *peer, void (*done)(struct auth_check *check));

// A single-use ticket of 30 s for the principal: "rnt_…". ERR_RATE when 100,000 are outstanding.
int auth_ticket_make(struct auth *auth, const struct principal *principal, char out_ticket[API_KEY_LEN + 1]);
// Forget the key at once and tell the watchers below, so that its streams end.
void auth_revoked(struct auth *auth, int64_t key_row);
// A number that grows with each revocation; streams compare it once a second and then ask auth_key_revoked.
uint64_t auth_generation(const struct auth *auth);
bool auth_key_revoked(struct auth *auth, int64_t key_row);
