#include "auth/auth_private.h"
#include "model/config_limits.h"
#include "util/clock.h"
#include "util/id.h"

#include <stdatomic.h>

struct auth {
    struct store *store;
    _Atomic uint64_t generation;
    pthread_mutex_t lock; // protects everything below; never held while another room is called
    struct tickets tickets;
    struct failures failures;
    struct key_cache keys;
    struct revoked_rows revoked;
    struct account_states accounts;
};

int auth_new(struct store *store, const struct auth_options *options, struct auth **ret)
{
    struct auth *auth = xcalloc(1, sizeof(*auth));
    auth->store = store;
    pthread_mutex_init(&auth->lock, NULL);
    tickets_init(&auth->tickets, options->tickets_max ? options->tickets_max : LIMIT_TICKETS);
    failures_init(&auth->failures, options->failed_logins_max);
    key_cache_init(&auth->keys);
    revoked_rows_init(&auth->revoked);
    account_states_init(&auth->accounts);
    *ret = auth;
    return 0;
}

void auth_free(struct auth **auth)
{
    if (!*auth)
        return;
    struct auth *gone = TAKE_PTR(*auth);
    tickets_release(&gone->tickets);
    failures_release(&gone->failures);
    key_cache_release(&gone->keys);
    revoked_rows_release(&gone->revoked);
    account_states_release(&gone->accounts);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

static int standing(struct auth *auth, const struct principal *principal)
{
    if (principal->expires_ms && (uint64_t)clock_real_ms() >= principal->expires_ms)
        return ERR_UNAUTHORIZED;
    if (principal->key_row && revoked_rows_has(&auth->revoked, principal->key_row))
        return ERR_UNAUTHORIZED;
    enum account_state otherwise = principal->suspended ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE;
    switch (account_states_get(&auth->accounts, principal->account, otherwise)) {
    case ACCOUNT_SUSPENDED:
        return ERR_SUSPENDED;
    case ACCOUNT_DELETED:
        return ERR_UNAUTHORIZED;
    case ACCOUNT_AS_IT_IS:
    case ACCOUNT_ACTIVE:
        break;
    }
    return 0;
}

// The generation is read before the judgement. If a change comes in between, the principal's generation is older than
// the change, so it is judged again.
static int judge(struct auth *auth, struct principal *principal)
{
    principal->generation = auth_generation(auth);
    return standing(auth, principal);
}

struct touch {
    struct store_key_used used;
};

static void touch_done(struct store_op *op)
{
    struct touch *touch = CONTAINER_OF(op, struct touch, used.op);
    store_op_release(op);
    free(touch);
}

// Stores when a key was last used. Nobody waits for that.
static void touch_key(struct auth *auth, struct loop *loop, int64_t row)
{
    struct touch *touch = xcalloc(1, sizeof(*touch));
    touch->used.op = (struct store_op){.kind = STORE_KEY_USED, .reply_to = loop, .done = touch_done};
    touch->used.row = row;
    touch->used.used_ms = clock_real_ms();
    store_submit(auth->store, &touch->used.op);
}

static void finish(struct auth_check *check, int err)
{
    check->err = err;
    if (err)
        check->principal = (struct principal){0};
    check->done(check);
}

// Counts a failed login of the peer. Above the limit the answer is ERR_RATE. A good credential never comes here, so it
// passes whatever others at the same address do.
static void finish_failed_login(struct auth *auth, struct auth_check *check)
{
    uint64_t now_ms = clock_mono_ms();
    pthread_mutex_lock(&auth->lock);
    bool too_many = failures_too_many(&auth->failures, check->peer, now_ms);
    if (!too_many)
        failures_count(&auth->failures, check->peer, now_ms);
    pthread_mutex_unlock(&auth->lock);
    finish(check, too_many ? ERR_RATE : ERR_UNAUTHORIZED);
}

static void principal_of_key(const struct api_key *key, struct principal *ret)
{
    *ret = (struct principal){
        .role = key->role,
        .account = key->account,
        .key_row = key->row,
        .expires_ms = key->expires_ms > 0 ? (uint64_t)key->expires_ms : 0,
        .suspended = key->account_suspended,
    };
    if (key->role == ROLE_USER)
        snprintf(ret->user, sizeof(ret->user), "%s", key->key_id);
}

static void key_found(struct store_op *op)
{
    struct auth_check *check = CONTAINER_OF(op, struct auth_check, find.op);
    struct auth *auth = check->auth;
    const struct api_key *key = &check->find.ret_key;
    int err = op->err;
    bool touch = false;
    if (err == 0 && (key->revoked_ms || !secret_eq(key->hash, check->find.hash, sizeof(key->hash))))
        err = ERR_NOT_FOUND;
    if (err == 0) {
        principal_of_key(key, &check->principal);
        pthread_mutex_lock(&auth->lock);
        // A revocation may have happened while the query ran.
        err = judge(auth, &check->principal);
        if (err == 0) {
            struct principal cached;
            key_cache_add(&auth->keys, check->find.hash, &check->principal);
            key_cache_find(&auth->keys, check->find.hash, clock_mono_ms(), &cached, &touch);
        }
        pthread_mutex_unlock(&auth->lock);
    }
    struct loop *loop = op->reply_to;
    int64_t row = check->principal.key_row;
    store_op_release(op);
    if (touch)
        touch_key(auth, loop, row);
    if (err == ERR_NOT_FOUND || err == ERR_UNAUTHORIZED)
        finish_failed_login(auth, check);
    else
        finish(check, err && err != ERR_SUSPENDED ? ERR_UNAVAILABLE : err);
}

// --- The kinds of credentials. Each function answers the check, now or later.

static void check_ticket(struct auth *auth, struct auth_check *check, const struct credential *credential,
                         struct loop *reply_to)
{
    uint8_t hash[32];
    (void)reply_to;
    sha256(credential->text.data, credential->text.len, hash);
    pthread_mutex_lock(&auth->lock);
    int err = tickets_use(&auth->tickets, hash, &credential->use, clock_mono_ms(), &check->principal);
    if (err == 0)
        err = judge(auth, &check->principal);
    pthread_mutex_unlock(&auth->lock);
    if (err == ERR_NOT_FOUND)
        finish_failed_login(auth, check);
    else
        finish(check, err);
}

static bool check_known_key(struct auth *auth, struct auth_check *check, const uint8_t hash[32], struct loop *loop)
{
    bool touch = false;
    pthread_mutex_lock(&auth->lock);
    bool known = key_cache_find(&auth->keys, hash, clock_mono_ms(), &check->principal, &touch);
    int err = known ? judge(auth, &check->principal) : 0;
    pthread_mutex_unlock(&auth->lock);
    if (!known)
        return false;
    if (err == ERR_UNAUTHORIZED) {
        finish_failed_login(auth, check);
        return true;
    }
    if (touch)
        touch_key(auth, loop, check->principal.key_row);
    finish(check, err);
    return true;
}

static void check_key(struct auth *auth, struct auth_check *check, const struct credential *credential,
                      struct loop *reply_to)
{
    uint8_t hash[32];
    sha256(credential->text.data, credential->text.len, hash);
    if (check_known_key(auth, check, hash, reply_to))
        return;
    check->find.op = (struct store_op){.kind = STORE_KEY_FIND, .reply_to = reply_to, .done = key_found};
    memcpy(check->find.hash, hash, sizeof(check->find.hash));
    store_submit(auth->store, &check->find.op);
}

// The MAC is over the execution's identifier too, which the store knows.
static void run_found(struct store_op *op)
{
    struct auth_check *check = CONTAINER_OF(op, struct auth_check, run.op);
    struct auth *auth = check->auth;
    struct run_name run = run_token_name(check->token);
    int err = op->err && op->err != ERR_NOT_FOUND ? ERR_UNAVAILABLE : op->err;
    if (err == 0) {
        run.execution_id = str_of(check->run.ret_execution_id);
        err = run_token_good(auth->store, check->token, &run) ? 0 : ERR_NOT_FOUND;
    }
    if (err == 0)
        err = run_judge(&run, &check->run, clock_real_ms(), &check->principal);
    if (err == 0) {
        pthread_mutex_lock(&auth->lock);
        err = judge(auth, &check->principal);
        pthread_mutex_unlock(&auth->lock);
    }
    store_op_release(op);
    if (err == ERR_NOT_FOUND)
        finish_failed_login(auth, check);
    else
        finish(check, err);
}

static void check_run(struct auth *auth, struct auth_check *check, const struct credential *credential,
                      struct loop *reply_to)
{
    if (!secret_read(credential->text, check->token)) {
        finish_failed_login(auth, check);
        return;
    }
    struct run_name run = run_token_name(check->token);
    check->run = (struct store_run_find){
        .op = {.kind = STORE_RUN_FIND, .reply_to = reply_to, .done = run_found, .account = run.account},
        .row = run.row,
    };
    store_submit(auth->store, &check->run.op);
}

static const struct credential_kind {
    const char *prefix;
    unsigned places;                          // bits of enum credential_place: where it may be sent
    const char *not_in_url, *not_in_protocol; // what to tell when it is sent in a wrong place; may be NULL
    // The first use of a ticket binds it to one stream.
    void (*check)(struct auth *auth, struct auth_check *check, const struct credential *credential,
                  struct loop *reply_to);
} kinds[] = {
    {.prefix = API_KEY_PREFIX,
     .places = CREDENTIAL_IN_HEADER,
     .not_in_url = "an API key must not be sent in a URL; get a ticket from POST /api/v1/tickets",
     .not_in_protocol = "an API key must not be sent as a subprotocol; get a ticket from POST /api/v1/tickets",
     .check = check_key},
    {.prefix = TICKET_PREFIX, .places = CREDENTIAL_IN_URL | CREDENTIAL_IN_PROTOCOL, .check = check_ticket},
    {.prefix = RUN_TOKEN_PREFIX,
     .places = CREDENTIAL_IN_HEADER,
     .not_in_url = "a run token must not be sent in a URL",
     .not_in_protocol = "a run token must not be sent as a subprotocol",
     .check = check_run},
};

// Returns NULL if it is not a credential, or if it was sent where its kind must not be sent.
static const struct credential_kind *kind_of(const struct credential *credential)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].places & credential->place && secret_well_formed(credential->text, str_of(kinds[i].prefix)))
            return &kinds[i];
    return NULL;
}

const char *auth_misplaced(const struct credential *credential)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].places & credential->place || !str_starts(credential->text, str_of(kinds[i].prefix)))
            continue;
        return credential->place == CREDENTIAL_IN_URL        ? kinds[i].not_in_url
               : credential->place == CREDENTIAL_IN_PROTOCOL ? kinds[i].not_in_protocol
                                                             : NULL;
    }
    return NULL;
}

static void copy_address(const char *peer, char *out, size_t size)
{
    const char *colon = peer ? strrchr(peer, ':') : NULL;
    size_t len = colon ? (size_t)(colon - peer) : peer ? strlen(peer) : 0;
    snprintf(out, size, "%.*s", (int)MIN(len, size - 1), peer ? peer : "");
}

void auth_check(struct auth *auth, struct auth_check *check, struct loop *reply_to, const struct credential *credential,
                const char *peer, void (*done)(struct auth_check *check))
{
    const struct credential_kind *kind = kind_of(credential);

    *check = (struct auth_check){.auth = auth, .done = done};
    copy_address(peer, check->peer, sizeof(check->peer));
    // A request without a credential is not a failed login.
    if (credential->text.len == 0) {
        finish(check, ERR_UNAUTHORIZED);
        return;
    }
    if (!kind) {
        finish_failed_login(auth, check);
        return;
    }
    kind->check(auth, check, credential, reply_to);
}

int auth_ticket_make(struct auth *auth, const struct principal *principal, char out_ticket[API_KEY_LEN + 1])
{
    uint8_t hash[32];
    secret_make(TICKET_PREFIX, out_ticket);
    sha256(out_ticket, API_KEY_LEN, hash);
    pthread_mutex_lock(&auth->lock);
    int err = tickets_add(&auth->tickets, hash, principal, clock_mono_ms());
    pthread_mutex_unlock(&auth->lock);
    return err;
}

void auth_stream_opened(struct auth *auth, const struct principal *principal)
{
    if (!principal->ticket)
        return;
    pthread_mutex_lock(&auth->lock);
    tickets_stream_opened(&auth->tickets, principal->ticket);
    pthread_mutex_unlock(&auth->lock);
}

void auth_stream_closed(struct auth *auth, const struct principal *principal)
{
    if (!principal->ticket)
        return;
    pthread_mutex_lock(&auth->lock);
    tickets_stream_closed(&auth->tickets, principal->ticket, clock_mono_ms());
    pthread_mutex_unlock(&auth->lock);
}

// Call it after the change is stored, so that a reader of the new generation finds the change.
static void next_generation(struct auth *auth)
{
    atomic_fetch_add_explicit(&auth->generation, 1, memory_order_release);
}

void auth_revoked(struct auth *auth, int64_t key_row)
{
    pthread_mutex_lock(&auth->lock);
    revoked_rows_add(&auth->revoked, key_row);
    key_cache_drop_row(&auth->keys, key_row);
    tickets_drop_row(&auth->tickets, key_row);
    pthread_mutex_unlock(&auth->lock);
    next_generation(auth);
}

void auth_account_changed(struct auth *auth, int64_t account, enum account_state state, uint64_t change)
{
    pthread_mutex_lock(&auth->lock);
    account_states_set(&auth->accounts, account, state, change);
    pthread_mutex_unlock(&auth->lock);
    next_generation(auth);
}

uint64_t auth_generation(const struct auth *auth)
{
    return atomic_load_explicit(&auth->generation, memory_order_acquire);
}

int auth_standing(struct auth *auth, const struct principal *principal)
{
    pthread_mutex_lock(&auth->lock);
    int err = standing(auth, principal);
    pthread_mutex_unlock(&auth->lock);
    return err;
}
