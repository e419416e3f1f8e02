#include "auth/verifier.h"

#include "auth/auth_private.h"
#include "auth/jwks.h"
#include "util/clock.h"

#include <stdatomic.h>

#define REMEMBER_MS 60000
#define TRIES_MAX   8 // keys that are tried for a token that names none
#define WAITERS_MAX 1000

#define BAD_TOKEN     "the token's issuer is not known here"
#define BAD_SIGNATURE "no key of the token's issuer verifies its signature"
#define NO_KEYS       "the keys of the token's issuer cannot be fetched now; try again later"

// The issuers of a file. A check that is under way holds a reference.
struct issuer_set {
    _Atomic unsigned refs;
    struct issuer_file file;
};

struct verifier {
    pthread_mutex_t lock;          // protects everything below; never held while another room is called
    struct issuer_set *set;        // NULL: no issuers
    struct jwks jwks[ISSUERS_MAX]; // of the issuers of the set
    struct auth_fetch fetch;
    uint64_t last_id, version; // `version` grows when keys or issuers change
    uint64_t *known;           // what verifier_knows says yes to
    size_t known_count, waiter_count;
    struct list_node waiters;
    struct key_cache verified;
};

static void set_unref(struct issuer_set **set_ptr)
{
    struct issuer_set *set = TAKE_PTR(*set_ptr);
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    issuer_file_release(&set->file);
    free(set);
}

struct verifier *verifier_new(void)
{
    struct verifier *verifier = xcalloc(1, sizeof(*verifier));
    pthread_mutex_init(&verifier->lock, NULL);
    list_init(&verifier->waiters);
    key_cache_init(&verifier->verified, REMEMBER_MS);
    return verifier;
}

void verifier_free(struct verifier **verifier_ptr)
{
    struct verifier *verifier = TAKE_PTR(*verifier_ptr);
    if (!verifier)
        return;
    for (size_t i = 0; i < ISSUERS_MAX; i++)
        jwks_release(&verifier->jwks[i]);
    set_unref(&verifier->set);
    key_cache_release(&verifier->verified);
    free(verifier->known);
    pthread_mutex_destroy(&verifier->lock);
    free(verifier);
}

// --- Keys and issuers that change. All with the lock.

static uint64_t key_of(const struct issuer *issuer, const struct jose_key *key)
{
    uint64_t number;
    uint8_t digest[32];
    struct sha256_stream *stream = sha256_begin();
    sha256_add(stream, issuer->print, sizeof(issuer->print));
    sha256_add(stream, key->print, sizeof(key->print));
    sha256_end(&stream, digest);
    memcpy(&number, digest, sizeof(number));
    return number ? number : 1;
}

static void know(struct verifier *verifier, const struct issuer *issuer, const struct jose_keys *keys)
{
    verifier->known = xrealloc(verifier->known, (verifier->known_count + keys->count + 1) * sizeof(*verifier->known));
    for (size_t i = 0; i < keys->count; i++)
        verifier->known[verifier->known_count++] = key_of(issuer, &keys->items[i]);
}

static void know_all(struct verifier *verifier)
{
    size_t count = verifier->set ? verifier->set->file.count : 0;
    verifier->known_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct issuer *issuer = verifier->set->file.items[i];
        const struct key_set *fetched = verifier->jwks[i].set;
        know(verifier, issuer, &issuer->keys);
        if (fetched)
            know(verifier, issuer, &fetched->keys);
    }
}

// Returns whether what is known differs from before.
static bool renew(struct verifier *verifier)
{
    size_t former_count = verifier->known_count;
    CLEANUP(free_ptr) uint64_t *former = TAKE_PTR(verifier->known);
    know_all(verifier);
    bool same = former_count == verifier->known_count &&
                (former_count == 0 || memcmp(former, verifier->known, former_count * sizeof(*former)) == 0);
    if (same)
        return false;
    verifier->version++;
    key_cache_clear(&verifier->verified);
    return true;
}

static bool same_source(const struct issuer *a, const struct issuer *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->jwks_url, b->jwks_url) == 0 &&
           strcmp(a->ca_file, b->ca_file) == 0;
}

// The set of the issuer's URL as it was so far, or an empty one.
static struct jwks take_over(struct verifier *verifier, const struct issuer *issuer)
{
    size_t count = verifier->set ? verifier->set->file.count : 0;
    for (size_t i = 0; i < count; i++) {
        if (!same_source(verifier->set->file.items[i], issuer))
            continue;
        struct jwks taken = verifier->jwks[i];
        verifier->jwks[i] = (struct jwks){0};
        return taken;
    }
    return (struct jwks){.id = ++verifier->last_id};
}

bool verifier_set(struct verifier *verifier, struct issuer_file *file, const struct auth_fetch *fetch)
{
    struct issuer_set *set = xcalloc(1, sizeof(*set));
    struct jwks jwks[ISSUERS_MAX] = {0};
    set->refs = 1;
    set->file = *file;
    *file = (struct issuer_file){0};
    pthread_mutex_lock(&verifier->lock);
    for (size_t i = 0; i < set->file.count; i++)
        jwks[i] = take_over(verifier, set->file.items[i]);
    for (size_t i = 0; i < ISSUERS_MAX; i++) {
        jwks_release(&verifier->jwks[i]);
        verifier->jwks[i] = jwks[i];
    }
    struct issuer_set *former = verifier->set;
    verifier->set = set;
    verifier->fetch = *fetch;
    bool changed = renew(verifier);
    pthread_mutex_unlock(&verifier->lock);
    set_unref(&former);
    return changed;
}

bool verifier_knows(struct verifier *verifier, uint64_t key)
{
    bool known = false;
    pthread_mutex_lock(&verifier->lock);
    for (size_t i = 0; i < verifier->known_count && !known; i++)
        known = verifier->known[i] == key;
    pthread_mutex_unlock(&verifier->lock);
    return known;
}

// --- Fetching

struct wanted { // what is to be fetched, by copies, as the lock is not held then
    struct auth_fetch fetch;
    uint64_t id;
    char *url, *ca_file;
};

static struct wanted want(struct verifier *verifier, size_t i)
{
    const struct issuer *issuer = verifier->set->file.items[i];
    jwks_begin(&verifier->jwks[i], clock_boot_ms());
    return (struct wanted){.fetch = verifier->fetch,
                           .id = verifier->jwks[i].id,
                           .url = xstrdup(issuer->jwks_url),
                           .ca_file = xstrdup(issuer->ca_file)};
}

static void fetch_wanted(const struct wanted *wanted)
{
    wanted->fetch.begin(wanted->fetch.arg, wanted->id, wanted->url, wanted->ca_file);
    free(wanted->url);
    free(wanted->ca_file);
}

void verifier_refresh(struct verifier *verifier)
{
    struct wanted wanted[ISSUERS_MAX];
    size_t count = 0;
    pthread_mutex_lock(&verifier->lock);
    for (size_t i = 0; verifier->set && i < verifier->set->file.count; i++)
        if (jwks_due(&verifier->jwks[i], verifier->set->file.items[i], false, clock_boot_ms()))
            wanted[count++] = want(verifier, i);
    pthread_mutex_unlock(&verifier->lock);
    for (size_t i = 0; i < count; i++)
        fetch_wanted(&wanted[i]);
}

static struct jwks *jwks_of(struct verifier *verifier, uint64_t id, size_t *ret_at)
{
    size_t count = verifier->set ? verifier->set->file.count : 0;
    for (size_t i = 0; i < count; i++) {
        if (verifier->jwks[i].id != id)
            continue;
        *ret_at = i;
        return &verifier->jwks[i];
    }
    return NULL;
}

static void wake(struct verifier *verifier, uint64_t id)
{
    LIST_FOR_EACH_SAFE(node, next, &verifier->waiters) {
        struct verifier_waiter *waiter = CONTAINER_OF(node, struct verifier_waiter, node);
        if (waiter->id != id)
            continue;
        list_remove(&waiter->node);
        verifier->waiter_count--;
        loop_post(waiter->reply_to, &waiter->mail);
    }
}

int verifier_fetched(struct verifier *verifier, uint64_t id, struct str json, bool *ret_changed, struct buf *ret_error)
{
    size_t at;
    struct key_set *set = NULL;
    int err = json.data ? key_set_read(json, ret_error, &set) : ERR_UNAVAILABLE;
    *ret_changed = false;
    pthread_mutex_lock(&verifier->lock);
    struct jwks *jwks = jwks_of(verifier, id, &at);
    if (jwks)
        jwks_end(jwks, &set, clock_boot_ms());
    if (jwks && err == 0)
        *ret_changed = renew(verifier);
    wake(verifier, id);
    pthread_mutex_unlock(&verifier->lock);
    key_set_unref(&set);
    return err;
}

int verifier_wait(struct verifier *verifier, struct verifier_waiter *waiter)
{
    size_t at;
    struct wanted wanted = {0};
    pthread_mutex_lock(&verifier->lock);
    const struct jwks *jwks = jwks_of(verifier, waiter->id, &at);
    bool begins = jwks && jwks_due(jwks, verifier->set->file.items[at], true, clock_boot_ms());
    int err = !jwks || (!begins && !jwks->fetching)   ? ERR_CONFLICT
              : verifier->waiter_count >= WAITERS_MAX ? ERR_UNAVAILABLE
                                                      : 0;
    if (err == 0) {
        list_push_back(&verifier->waiters, &waiter->node);
        verifier->waiter_count++;
    }
    if (err == 0 && begins)
        wanted = want(verifier, at);
    pthread_mutex_unlock(&verifier->lock);
    if (wanted.url)
        fetch_wanted(&wanted);
    return err;
}

// --- Judging

struct candidate { // an issuer that the token may be of
    const struct issuer *issuer;
    struct key_set *fetched; // NULL: none that is young enough
    uint64_t id;
    bool waits; // a fetch is under way, or may be begun
};

struct trial {
    const struct jwt *jwt;
    struct issuer_set *set;
    struct candidate items[ISSUERS_MAX];
    size_t count;
};

static void trial_begin(struct verifier *verifier, const struct jwt *jwt, struct trial *ret, uint64_t *ret_version)
{
    uint64_t now_ms = clock_boot_ms();
    *ret = (struct trial){.jwt = jwt};
    pthread_mutex_lock(&verifier->lock);
    *ret_version = verifier->version;
    ret->set = verifier->set;
    if (ret->set)
        atomic_fetch_add_explicit(&ret->set->refs, 1, memory_order_relaxed);
    for (size_t i = 0; ret->set && i < ret->set->file.count; i++) {
        const struct issuer *issuer = ret->set->file.items[i];
        const struct jwks *jwks = &verifier->jwks[i];
        if (!issuer_claims(issuer, jwt))
            continue;
        ret->items[ret->count++] = (struct candidate){
            .issuer = issuer,
            .fetched = jwks_fresh(jwks, issuer, now_ms) ? key_set_ref(jwks->set) : NULL,
            .id = jwks->id,
            .waits = jwks->fetching || jwks_due(jwks, issuer, true, now_ms),
        };
    }
    pthread_mutex_unlock(&verifier->lock);
}

static void trial_end(struct trial *trial)
{
    for (size_t i = 0; i < trial->count; i++)
        key_set_unref(&trial->items[i].fetched);
    set_unref(&trial->set);
}

static bool named(const struct jwt *jwt, const struct jose_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (jwt->kid.len > 0 && str_eq(jwt->kid, str_of(keys->items[i].kid)))
            return true;
    return false;
}

// A token that names a key is verified by that one alone. If nobody knows it, keys without a name may be meant.
static bool may_try(const struct jwt *jwt, const struct jose_key *key, bool by_name)
{
    if (key->alg != jwt->alg)
        return false;
    return by_name ? str_eq(jwt->kid, str_of(key->kid)) : jwt->kid.len == 0 || !key->kid[0];
}

static const struct jose_key *try_keys(const struct jwt *jwt, const struct jose_keys *keys, bool by_name,
                                       unsigned *tries)
{
    for (size_t i = 0; i < keys->count && *tries < TRIES_MAX; i++) {
        if (!may_try(jwt, &keys->items[i], by_name))
            continue;
        ++*tries;
        if (jose_verify(&keys->items[i], jwt->text, jwt->signature, jwt->signature_len))
            return &keys->items[i];
    }
    return NULL;
}

static const struct jose_keys no_keys;

static const struct jose_keys *fetched_keys(const struct candidate *it)
{
    return it->fetched ? &it->fetched->keys : &no_keys;
}

static bool is_named(const struct candidate *it, const struct jwt *jwt)
{
    return named(jwt, &it->issuer->keys) || named(jwt, fetched_keys(it));
}

static const struct jose_key *find_key(const struct candidate *it, const struct jwt *jwt)
{
    unsigned tries = 0;
    bool by_name = is_named(it, jwt);
    const struct jose_key *key = try_keys(jwt, &it->issuer->keys, by_name, &tries);
    return key ? key : try_keys(jwt, fetched_keys(it), by_name, &tries);
}

// Whether a newer set may have the key. Secrets are in no set that is fetched.
static bool may_come(const struct candidate *it, const struct jwt *jwt)
{
    return it->issuer->jwks_url[0] && jwt->alg != JOSE_HS256 && !is_named(it, jwt);
}

static enum verifier_answer refuse(struct verified *ret, int err, const char *reason)
{
    ret->verdict = (struct issuer_verdict){.err = err};
    snprintf(ret->verdict.reason, sizeof(ret->verdict.reason), "%s", reason);
    return VERIFIER_REFUSED;
}

static enum verifier_answer judge_unverified(const struct trial *trial, bool waited, struct verified *ret)
{
    bool missing = false;
    for (size_t i = 0; i < trial->count; i++) {
        const struct candidate *it = &trial->items[i];
        if (!may_come(it, trial->jwt))
            continue;
        if (it->waits && !waited) {
            ret->id = it->id;
            return VERIFIER_WAIT;
        }
        missing = missing || !it->fetched;
    }
    if (missing)
        return refuse(ret, ERR_UNAVAILABLE, NO_KEYS);
    return refuse(ret, ERR_UNAUTHORIZED, trial->count > 0 ? BAD_SIGNATURE : BAD_TOKEN);
}

static enum verifier_answer judge(const struct trial *trial, int64_t now_ms, bool waited, struct verified *ret)
{
    for (size_t i = 0; i < trial->count; i++) {
        const struct candidate *it = &trial->items[i];
        const struct jose_key *key = find_key(it, trial->jwt);
        if (!key)
            continue;
        ret->key = key_of(it->issuer, key);
        issuer_judge(it->issuer, trial->jwt, now_ms, &ret->verdict);
        return VERIFIER_JUDGED;
    }
    return judge_unverified(trial, waited, ret);
}

enum verifier_answer verifier_judge(struct verifier *verifier, struct str token, int64_t now_ms, bool waited,
                                    struct verified *ret)
{
    CLEANUP(jwt_release) struct jwt jwt;
    CLEANUP(trial_end) struct trial trial = {0};
    *ret = (struct verified){0};
    const char *problem = jwt_parse(token, &jwt);
    if (problem)
        return refuse(ret, ERR_UNAUTHORIZED, problem);
    trial_begin(verifier, &jwt, &trial, &ret->version);
    return judge(&trial, now_ms, waited, ret);
}

// --- What was verified a moment ago

bool verifier_recall(struct verifier *verifier, const uint8_t hash[32], struct principal *ret)
{
    bool touch;
    pthread_mutex_lock(&verifier->lock);
    bool found = key_cache_find(&verifier->verified, hash, clock_mono_ms(), ret, &touch);
    pthread_mutex_unlock(&verifier->lock);
    return found;
}

void verifier_remember(struct verifier *verifier, const uint8_t hash[32], const struct verified *verified,
                       const struct principal *principal)
{
    pthread_mutex_lock(&verifier->lock);
    if (verifier->version == verified->version)
        key_cache_add(&verifier->verified, hash, clock_mono_ms(), principal);
    pthread_mutex_unlock(&verifier->lock);
}
