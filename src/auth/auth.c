#include "auth/auth_private.h"
#include "auth/verifier.h"
#include "model/config_limits.h"
#include "util/clock.h"

// A key that another server has revoked is heard of; for so long it would be good if it were not.
#define SHARED_KEEP_MS 60000

int auth_new(struct store *store, const struct auth_options *options, struct auth **ret)
{
    struct auth *auth = xcalloc(1, sizeof(*auth));
    auth->store = store;
    pthread_mutex_init(&auth->lock, NULL);
    tickets_init(&auth->tickets, options->tickets_max ? options->tickets_max : LIMIT_TICKETS);
    failures_init(&auth->failures, options->failed_logins_max);
    key_cache_init(&auth->keys, store_alone(store) ? 0 : SHARED_KEEP_MS);
    revoked_rows_init(&auth->revoked);
    account_states_init(&auth->accounts);
    auth->verifier = verifier_new();
    auth->generation = 1;
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
    verifier_free(&gone->verifier);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

static int standing(struct auth *auth, const struct principal *principal)
{
    if (principal->expires_ms && (uint64_t)clock_real_ms() >= principal->expires_ms)
        return ERR_TOKEN_EXPIRED;
    if (principal->generation < auth->floor)
        return ERR_UNAUTHORIZED;
    if (principal->jwt_key && !verifier_knows(auth->verifier, principal->jwt_key))
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
int auth_judge(struct auth *auth, struct principal *principal)
{
    principal->generation = auth_generation(auth);
    return standing(auth, principal);
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

void auth_set_issuers(struct auth *auth, struct issuer_file *file, const struct auth_fetch *fetch)
{
    if (verifier_set(auth->verifier, file, fetch))
        next_generation(auth);
    verifier_refresh(auth->verifier);
}

int auth_keys_fetched(struct auth *auth, uint64_t id, struct str json, struct buf *ret_error)
{
    bool changed;
    int err = verifier_fetched(auth->verifier, id, json, &changed, ret_error);
    if (changed)
        next_generation(auth);
    return err;
}

void auth_refresh_keys(struct auth *auth)
{
    verifier_refresh(auth->verifier);
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

void auth_cut_off(struct auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    key_cache_clear(&auth->keys);
    tickets_drop_row(&auth->tickets, 0);
    account_states_release(&auth->accounts);
    account_states_init(&auth->accounts);
    auth->floor = auth_generation(auth) + 1;
    pthread_mutex_unlock(&auth->lock);
    next_generation(auth);
}

void auth_failures(struct auth *auth, struct tally *tally)
{
    pthread_mutex_lock(&auth->lock);
    unsigned least = (unsigned)tally_worth(auth->failures.max);
    failures_tally(&auth->failures, least, clock_mono_ms(), tally);
    pthread_mutex_unlock(&auth->lock);
}

void auth_failures_elsewhere(struct auth *auth, struct tally *elsewhere)
{
    pthread_mutex_lock(&auth->lock);
    tally_take(&auth->failures.elsewhere, elsewhere);
    pthread_mutex_unlock(&auth->lock);
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
