// Authentication and authorization: API keys, tickets, principals, and the table of role × action. Thread-safe.
#pragma once

#include "net/digest.h"
#include "store/store.h"

struct principal {
    enum role role;
    int64_t account;
    int64_t key_row;     // 0: no key
    uint64_t expires_ms; // realtime; 0: never. Its streams end then.
    uint64_t ticket;     // the ticket that was used; 0: none
    uint64_t jwt_key;    // the key that has signed its JSON Web Token; 0: it came by another credential
    uint64_t generation; // the generation at which it was judged, see auth_generation
    bool suspended;      // as the store said; see auth_standing
    // The name of the user whose executions a `user` principal owns: of an API key its key_id, of a JSON Web Token what
    // its subject says, whatever its role is. Otherwise "". No user has the name of a key.
    char user[256];
    // Of a run token: its execution and epoch. `run_late`: the execution is sealed, and only what it leaves is taken.
    int64_t run_row;
    uint64_t run_epoch;
    bool run_late;
};

// --- What each role may do. The comments list the roles that may.
enum action {
    ACTION_READ,   // viewer user service admin operator
    ACTION_SUBMIT, // user service admin operator
    ACTION_CANCEL, // user (own) service admin operator
    ACTION_WRITE,  // records and states: service admin operator; user on its own executions (for `wrap`)
    ACTION_RECORD, // what a run tells of itself, records and that it waits: the same, and a run token
    // What a run takes: its inputs, its log with the answers: viewer user service admin operator, and a run token
    ACTION_INPUT,
    ACTION_BLOB,    // content that executions take or leave: user service admin operator, and a run token
    ACTION_LEAVE,   // what an execution leaves: user (own) service admin operator, and a run token
    ACTION_WORK,    // service admin operator: a worker's socket
    ACTION_PURGE,   // admin operator
    ACTION_KEYS,    // admin operator
    ACTION_SECRETS, // admin operator: makes and deletes them; whoever may submit uses them
    ACTION_OPERATE, // operator
    ACTION_PUBLIC,  // needs no credential
    ACTION_COUNT
};
bool role_may(enum role role, enum action action);
// A `user` principal sees only what it owns; other principals see everything of the account.
bool principal_owns(const struct principal *principal, const struct execution *execution);

// --- Credentials. The text is a prefix that tells the kind, and 43 characters (256 bits in base64url). The kinds are
// one table, in auth.c.
#define API_KEY_PREFIX   "rnl_"
#define TICKET_PREFIX    "rnt_"
#define RUN_TOKEN_PREFIX "rnr_"
#define API_KEY_LEN      47 // length of every kind
void api_key_make(char out_key[API_KEY_LEN + 1], uint8_t out_hash[32]);

// --- Run tokens: one for each claim of a job. Nothing is kept about them: the text holds the account, the execution,
// its epoch, and a MAC over these and the execution's identifier, by a key that is made of the store's secret. So every
// server of the store can judge it, also after a restart or a restore. It ends when another epoch begins, and with the
// seal; what the execution leaves may come until ARTIFACT_GRACE_MS later.
struct run_name {
    int64_t account, row;
    uint64_t epoch;
    struct str execution_id;
};
void run_token_make(const struct store *store, const struct run_name *run, char out_token[API_KEY_LEN + 1]);

// --- JSON Web Tokens of issuers (auth/issuer.h), whose sets of keys may have to be fetched.
struct issuer_file;
struct auth_fetch {
    // Fetches a set on another thread, without blocking, and without following redirects. auth_keys_fetched must be
    // called once for it. The texts are valid during the call.
    void (*begin)(void *arg, uint64_t id, const char *url, const char *ca_file);
    void *arg;
};

struct auth;

struct auth_options {
    unsigned failed_logins_max; // per minute and address
    unsigned tickets_max;       // not yet ended, per account; 0: LIMIT_TICKETS
};

int auth_new(struct store *store, const struct auth_options *options, struct auth **ret);
void auth_free(struct auth **auth);

// The stream that a ticket opens. Its first use binds the ticket to that stream.
struct ticket_use {
    unsigned kind;           // kind of stream; not 0
    struct str execution_id; // empty: of a stream that is about none in particular
};

// The place where a credential was sent. Each kind may be sent only in some of them.
enum credential_place {
    CREDENTIAL_IN_HEADER = 1,
    CREDENTIAL_IN_URL = 2, // URLs are kept in histories and in the logs of proxies
    CREDENTIAL_IN_PROTOCOL = 4,
};
struct credential {
    struct str text;
    enum credential_place place;
    struct ticket_use use; // what it is used for; only for kinds that get bound to it
};
// Returns what to tell a caller whose credential was sent in a place that its kind forbids. NULL if the place is right,
// or if there is nothing to tell.
const char *auth_misplaced(const struct credential *credential);

// Checks a credential by its kind. Answers at once if the key is in a bounded cache, otherwise asks the store.
// Revocations on this node take effect at once. `done` runs on the thread of `reply_to`, perhaps before auth_check
// returns. Its err is 0; ERR_UNAUTHORIZED (unknown, revoked, expired; or a ticket that has ended or is for another
// stream); ERR_TOKEN_EXPIRED (a JSON Web Token; or a ticket of one); ERR_FORBIDDEN (a JSON Web Token that is genuine,
// and worth nothing here); ERR_SUSPENDED; ERR_RATE (wrong, after too many failures from `peer`; a good credential
// always passes); ERR_FENCED and ERR_SEALED (a run token whose time is over); ERR_UNAVAILABLE.
struct auth_check {
    struct store_key_find find;     // private
    struct store_run_find run;      // private
    struct store_ticket_use ticket; // private
    char *ticket_execution;         // private
    uint8_t token[32];              // private
    struct auth *auth;              // private
    void (*done)(struct auth_check *check);
    int err;
    const char *reason; // with err: for the caller; NULL: the error's own text. Valid until `done` returns.
    bool strange;       // with err: the administrator should hear of the reason
    struct principal principal;
    char peer[64]; // private: the address without the port
};
void auth_check(struct auth *auth, struct auth_check *check, struct loop *reply_to, const struct credential *credential,
                const char *peer, void (*done)(struct auth_check *check));

// Makes a ticket "rnt_…" for the principal. Its first use must come within 30 s, and binds it to one stream. Then it is
// good for that stream until it was unused for 5 min; an open stream counts as use. It ends together with its key.
// `done` runs on the thread of `reply_to`, perhaps before auth_ticket_make returns. Its err is 0; ERR_RATE if the
// account has tickets_max of them; ERR_UNAVAILABLE. Where servers share the store, tickets are kept there, and each
// server takes them; else in memory.
struct auth_ticket {
    struct store_ticket_add add; // private
    struct buf principal;        // private
    void (*done)(struct auth_ticket *ticket);
    int err;
    char text[API_KEY_LEN + 1];
};
void auth_ticket_make(struct auth *auth, struct auth_ticket *ticket, const struct principal *principal,
                      struct loop *reply_to, void (*done)(struct auth_ticket *ticket));
// Tells the store which tickets have open streams here; to be called once a minute. Does nothing where it has none.
void auth_keep_tickets(struct auth *auth, struct loop *loop);
// A stream of this principal was opened. Whoever calls this must also report the close, for the same principal. Does
// nothing if it did not come by a ticket.
void auth_stream_opened(struct auth *auth, const struct principal *principal);
void auth_stream_closed(struct auth *auth, const struct principal *principal);

// Forgets the key and its tickets at once, and raises the generation, so that its streams end.
void auth_revoked(struct auth *auth, int64_t key_row);
// Does the same for everything of an account. `change` is the number that the store gave: an older change that comes
// late does not undo a newer one.
void auth_account_changed(struct auth *auth, int64_t account, enum account_state state, uint64_t change);
// This server was cut off from the others, and has not heard what they changed: every principal must sign in again, so
// all streams end.
void auth_cut_off(struct auth *auth);
// A number that grows with each of these changes. A principal that was judged at another number must be judged again.
uint64_t auth_generation(const struct auth *auth);
// Returns 0 if the principal is still good; otherwise ERR_UNAUTHORIZED, ERR_TOKEN_EXPIRED or ERR_SUSPENDED.
int auth_standing(struct auth *auth, const struct principal *principal);

// Adds to `tally` the addresses that fail so often that other servers should know of it, with the failed logins of
// their minute; and takes what others have counted, instead of what was known of that: `elsewhere` is empty then. Both
// any thread.
struct tally;
void auth_failures(struct auth *auth, struct tally *tally);
void auth_failures_elsewhere(struct auth *auth, struct tally *elsewhere);

// Takes over what the file holds, in place of what was there. Streams end whose issuer or key is gone.
void auth_set_issuers(struct auth *auth, struct issuer_file *file, const struct auth_fetch *fetch);
// What was fetched; NULL data: nothing. Returns 0, or an error with a text for people in *ret_error. Any thread.
int auth_keys_fetched(struct auth *auth, uint64_t id, struct str json, struct buf *ret_error);
void auth_refresh_keys(struct auth *auth); // begins the fetches that are due; to be called every few seconds
