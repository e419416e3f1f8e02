// Who asks: API keys, tickets, principals, and the one table of route × role. Thread-safe.
#pragma once

#include "net/digest.h"
#include "store/store.h"

struct principal {
    enum role role;
    int64_t account;
    int64_t key_row;     // 0: none
    uint64_t expires_ms; // realtime; 0: never. A stream ends then.
    uint64_t ticket;     // by which it came; 0: by a key
    uint64_t generation; // as of which it was judged, see auth_generation
    bool suspended;      // as the store had it; see auth_standing
    char user[128];      // name of a `user` principal: what it owns; "" otherwise. For API keys: the key's key_id.
};

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

// --- Credentials: a prefix that tells the kind, and 43 characters (base 64 url of 256 bits). The kinds are one table,
// in auth.c.
#define API_KEY_PREFIX "rnl_"
#define TICKET_PREFIX  "rnt_"
#define API_KEY_LEN    47 // of each kind
void api_key_make(char out_key[API_KEY_LEN + 1], uint8_t out_hash[32]);

struct auth;

struct auth_options {
    unsigned failed_logins_max; // per minute and address
    unsigned tickets_max;       // outstanding, per account; 0: LIMIT_TICKETS
};

int auth_new(struct store *store, const struct auth_options *options, struct auth **ret);
void auth_free(struct auth **auth);

// What a ticket is used for. Its first use binds it to that.
struct ticket_use {
    unsigned kind; // of stream; not 0
    struct str execution_id;
};

// Where a credential came. Each kind may stand in some of them only.
enum credential_place {
    CREDENTIAL_IN_HEADER = 1,
    CREDENTIAL_IN_URL = 2, // what stands in URLs stands in histories and in proxies' logs
    CREDENTIAL_IN_PROTOCOL = 4,
};
struct credential {
    struct str text;
    enum credential_place place;
    struct ticket_use use; // what it is shown for; for kinds that are bound to it
};
// What to tell a caller whose credential is of a kind that may not stand there; NULL if it may, or if there is nothing
// to tell.
const char *auth_misplaced(const struct credential *credential);

// Checks a credential by its kind. Answers at once from a bounded cache of found
// keys (revocations take effect at once on this node), else asks the store. `done` runs on `reply_to`'s thread,
// possibly before auth_check returns. err: 0; ERR_UNAUTHORIZED (unknown, revoked, expired; a ticket that has ended or
// is for another stream); ERR_SUSPENDED; ERR_RATE (the same as unknown, after too many failures from `peer`; a good
// credential always passes); ERR_UNAVAILABLE.
struct auth_check {
    struct store_key_find find; // private
    struct auth *auth;          // private
    void (*done)(struct auth_check *check);
    int err;
    struct principal principal;
    char peer[64]; // private: address without the port
};
void auth_check(struct auth *auth, struct auth_check *check, struct loop *reply_to, const struct credential *credential,
                const char *peer, void (*done)(struct auth_check *check));

// A ticket for the principal: "rnt_…". Its first use within 30 s binds it to one stream; then it is good for that one
// as long as it is used: until it was unused for 5 min, an open stream counting as use. It ends with its key. ERR_RATE
// when the account has tickets_max of them.
int auth_ticket_make(struct auth *auth, const struct principal *principal, char out_ticket[API_KEY_LEN + 1]);
// A stream of this principal was opened; it is closed by the same principal. Nothing if it did not come by a ticket.
void auth_stream_opened(struct auth *auth, const struct principal *principal);
void auth_stream_closed(struct auth *auth, const struct principal *principal);

// Forget the key at once, with its tickets, and tell the watchers below, so that its streams end.
void auth_revoked(struct auth *auth, int64_t key_row);
// The same for all of an account. `change` as the store gave it: what comes late does not undo what was newer.
void auth_account_changed(struct auth *auth, int64_t account, enum account_state state, uint64_t change);
// A number that grows with each of these. A principal that was judged by another one is to be judged again.
uint64_t auth_generation(const struct auth *auth);
// 0 if the principal is still good; ERR_UNAUTHORIZED, ERR_SUSPENDED.
int auth_standing(struct auth *auth, const struct principal *principal);
