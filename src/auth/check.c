// The kinds of credentials, and how each is checked.
#include "auth/auth_private.h"
#include "auth/jwt.h"
#include "util/clock.h"
#include "util/id.h"

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
        err = auth_judge(auth, &check->principal);
        if (err == 0) {
            struct principal cached;
            key_cache_add(&auth->keys, check->find.hash, clock_mono_ms(), &check->principal);
            key_cache_find(&auth->keys, check->find.hash, clock_mono_ms(), &cached, &touch);
        }
        pthread_mutex_unlock(&auth->lock);
    }
    struct loop *loop = op->reply_to;
    int64_t row = check->principal.key_row;
    store_op_release(op);
    if (touch)
        touch_key(auth, loop, row);
    if (err == ERR_NOT_FOUND || err == ERR_UNAUTHORIZED || err == ERR_TOKEN_EXPIRED)
        check_finish_failed(check);
    else
        check_finish(check, err && err != ERR_SUSPENDED ? ERR_UNAVAILABLE : err);
}

// --- The kinds of credentials. Each function answers the check, now or later.

static void check_ticket(struct auth *auth, struct auth_check *check, const struct credential *credential,
                         struct loop *reply_to)
{
    uint8_t hash[32];
    sha256(credential->text.data, credential->text.len, hash);
    if (!store_alone(auth->store)) {
        shared_ticket_check(auth, check, hash, &credential->use, reply_to);
        return;
    }
    pthread_mutex_lock(&auth->lock);
    int err = tickets_use(&auth->tickets, hash, &credential->use, clock_mono_ms(), &check->principal);
    if (err == 0)
        err = auth_judge(auth, &check->principal);
    pthread_mutex_unlock(&auth->lock);
    if (err == ERR_NOT_FOUND)
        check_finish_failed(check);
    else
        check_finish(check, err);
}

static bool check_known_key(struct auth *auth, struct auth_check *check, const uint8_t hash[32], struct loop *loop)
{
    bool touch = false;
    pthread_mutex_lock(&auth->lock);
    bool known = key_cache_find(&auth->keys, hash, clock_mono_ms(), &check->principal, &touch);
    int err = known ? auth_judge(auth, &check->principal) : 0;
    pthread_mutex_unlock(&auth->lock);
    if (!known)
        return false;
    if (err == ERR_UNAUTHORIZED || err == ERR_TOKEN_EXPIRED) {
        check_finish_failed(check);
        return true;
    }
    if (touch)
        touch_key(auth, loop, check->principal.key_row);
    check_finish(check, err);
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
        err = auth_judge(auth, &check->principal);
        pthread_mutex_unlock(&auth->lock);
    }
    store_op_release(op);
    if (err == ERR_NOT_FOUND)
        check_finish_failed(check);
    else
        check_finish(check, err);
}

static void check_run(struct auth *auth, struct auth_check *check, const struct credential *credential,
                      struct loop *reply_to)
{
    if (!secret_read(credential->text, check->token)) {
        check_finish_failed(check);
        return;
    }
    struct run_name run = run_token_name(check->token);
    check->run = (struct store_run_find){
        .op = {.kind = STORE_RUN_FIND, .reply_to = reply_to, .done = run_found, .account = run.account},
        .row = run.row,
    };
    store_submit(auth->store, &check->run.op);
}

static bool jwt_good(struct str text, struct str prefix)
{
    (void)prefix;
    return jwt_looks_so(text);
}

static const struct credential_kind {
    const char *prefix;
    bool (*well_formed)(struct str text, struct str prefix);
    unsigned places;                          // bits of enum credential_place: where it may be sent
    const char *not_in_url, *not_in_protocol; // what to tell when it is sent in a wrong place; may be NULL
    // The first use of a ticket binds it to one stream.
    void (*check)(struct auth *auth, struct auth_check *check, const struct credential *credential,
                  struct loop *reply_to);
} kinds[] = {
    {.prefix = API_KEY_PREFIX,
     .well_formed = secret_well_formed,
     .places = CREDENTIAL_IN_HEADER,
     .not_in_url = "an API key must not be sent in a URL; get a ticket from POST /api/v1/tickets",
     .not_in_protocol = "an API key must not be sent as a subprotocol; get a ticket from POST /api/v1/tickets",
     .check = check_key},
    {.prefix = TICKET_PREFIX,
     .well_formed = secret_well_formed,
     .places = CREDENTIAL_IN_URL | CREDENTIAL_IN_PROTOCOL,
     .check = check_ticket},
    {.prefix = RUN_TOKEN_PREFIX,
     .well_formed = secret_well_formed,
     .places = CREDENTIAL_IN_HEADER,
     .not_in_url = "a run token must not be sent in a URL",
     .not_in_protocol = "a run token must not be sent as a subprotocol",
     .check = check_run},
    {.prefix = JWT_PREFIX,
     .well_formed = jwt_good,
     .places = CREDENTIAL_IN_HEADER | CREDENTIAL_IN_URL,
     .not_in_protocol = "a JSON Web Token goes into ?access_token=, or into Authorization",
     .check = check_jwt},
};

// Returns NULL if it is not a credential, or if it was sent where its kind must not be sent.
static const struct credential_kind *kind_of(const struct credential *credential)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].places & credential->place && kinds[i].well_formed(credential->text, str_of(kinds[i].prefix)))
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
        check_finish(check, ERR_UNAUTHORIZED);
        return;
    }
    if (!kind) {
        check_finish_failed(check);
        return;
    }
    kind->check(auth, check, credential, reply_to);
}
