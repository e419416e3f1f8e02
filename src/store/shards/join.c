// Which place each store has among the others: it is written into it at the first time, and the same ever after.
#include "store/catalogue/catalogue.h"
#include "store/shards/shards_private.h"
#include "util/clock.h"
#include "util/map.h"

#define MARGIN_MS (3600 * 1000LL) // for clocks that differ

// --- One store is asked, and waited for

void awaiting_end(struct awaiting *awaiting)
{
    pthread_mutex_lock(&awaiting->mutex);
    awaiting->over = true;
    pthread_cond_signal(&awaiting->done);
    pthread_mutex_unlock(&awaiting->mutex);
}

void awaiting_wait(struct awaiting *awaiting, struct store *store, struct store_op *op)
{
    store_submit(store, op);
    pthread_mutex_lock(&awaiting->mutex);
    while (!awaiting->over)
        pthread_cond_wait(&awaiting->done, &awaiting->mutex);
    pthread_mutex_unlock(&awaiting->mutex);
    pthread_cond_destroy(&awaiting->done);
    pthread_mutex_destroy(&awaiting->mutex);
}

struct joining {
    struct store_shard_join join;
    struct awaiting awaiting;
};

static void joined(struct store_op *op)
{
    awaiting_end(&CONTAINER_OF(op, struct joining, join.op)->awaiting);
}

static int run(struct store *store, struct store_shard_join *join)
{
    struct joining joining = {.join = *join, .awaiting = AWAITING};
    joining.join.op.done = joined;
    awaiting_wait(&joining.awaiting, store, &joining.join.op);
    *join = joining.join;
    return join->op.err;
}

// --- Places

static void tell_conflict(const struct shards *shards, const struct member *member, const char *set,
                          const struct store_shard_join *join, struct buf *ret_error)
{
    const char *name = member->name;
    if (!join->ret_set[0] && member->number > 0 && member->number < shards->known)
        buf_printf(
            ret_error,
            "%s does not know that it is store %u of several, which was there before: is it another database, or "
            "a disk that is not mounted? Give the place where that store is now, or restore it there; if it is lost "
            "for good, with all its executions, write empty: before this one once",
            name, member->number);
    else if (!join->ret_set[0])
        buf_printf(ret_error,
                   "%s has executions or accounts of its own, and cannot become store %u of several: take an empty one",
                   name, member->number);
    else if (set[0] && strcmp(set, join->ret_set) != 0)
        buf_printf(ret_error, "%s belongs to other stores than %s: the setting shards mixes them", name,
                   shards->members[0].name);
    else if (join->ret_number < member->number) // those before it are in their places
        buf_printf(ret_error, "%s is the same store as %s: give each of them once", name,
                   shards->members[join->ret_number].name);
    else if (join->ret_number != member->number)
        buf_printf(ret_error,
                   "%s is store %u of several, and here it would be %u: they must be given in the order in which they "
                   "came, the first one as store, and none may be missing",
                   name, join->ret_number, member->number);
    else
        buf_printf(ret_error, "%s is the home of %u stores, and %u are given: the last ones are missing in shards",
                   name, join->ret_stores, shards->count);
}

// What else it says but that it is another's place.
static int told(const struct shards *shards, const struct member *member, const char *set,
                const struct store_shard_join *join, int err, struct buf *ret_error)
{
    if (ret_error->len > 0)
        return err;
    if (err == ERR_CONFLICT)
        tell_conflict(shards, member, set, join, ret_error);
    else if (err < 0)
        buf_printf(ret_error, "%s does not say which of several stores it is: %s", member->name, error_text(err));
    return err;
}

// The home is asked first; how many there are it only hears when all have come.
static int ask_home(struct shards *shards, struct buf *ret_error)
{
    struct member *home = home_of(shards);
    struct store_shard_join join = {.op.kind = STORE_SHARD_JOIN, .asks = true, .stores = 1};
    int err = run(home->store, &join);
    if (err == ERR_NOT_FOUND) {
        join.asks = false;
        err = run(home->store, &join);
    }
    if (err == 0 && (join.ret_number != 0 || join.ret_stores > shards->count))
        err = ERR_CONFLICT;
    snprintf(shards->set, SHARD_SET_MAX, "%s", join.ret_set);
    shards->known = join.ret_stores;
    return told(shards, home, shards->set, &join, err, ret_error);
}

// Else the home would give their numbers to others, who would have what lies there.
static int check_accounts(const struct member *member, int64_t highest, struct buf *ret_error)
{
    struct store_shard_join join = {.op.kind = STORE_SHARD_JOIN, .asks = true};
    const struct member *home = home_of(member->shards);
    int err = run(home->store, &join);
    if (err < 0 || highest <= join.ret_account)
        return err;
    buf_printf(ret_error,
               "%s has accounts that %s does not know, which was restored from an older copy, it seems: restore both "
               "from copies that were made together, or the first one from a later copy",
               member->name, home->name);
    return ERR_CONFLICT;
}

// One that came before, and knows nothing of it, is another one, such as the folder where a disk is not mounted.
static int join_one(const struct member *member, struct store *store, bool *ret_changed, struct buf *ret_error)
{
    const struct shards *shards = member->shards;
    struct store_shard_join join = {.op.kind = STORE_SHARD_JOIN,
                                    .asks = member->number < shards->known && !member->empty,
                                    .number = member->number,
                                    .stores = STORE_SHARDS_MAX,
                                    .set = str_of(shards->set)};
    int err = run(store, &join);
    if (join.asks && err == ERR_NOT_FOUND)
        err = ERR_CONFLICT;
    join.asks = false;
    if (err == 0)
        err = run(store, &join);
    if (err == 0)
        err = check_accounts(member, join.ret_account, ret_error);
    *ret_changed = err == 0 && strcmp(join.ret_incarnation, store_incarnation(store)) != 0;
    return told(shards, member, shards->set, &join, err, ret_error);
}

static int tell_home(struct shards *shards, struct buf *ret_error)
{
    struct member *home = home_of(shards);
    struct store_shard_join join = {.op.kind = STORE_SHARD_JOIN, .stores = shards->count, .set = str_of(shards->set)};
    for (unsigned i = 0; i < shards->count; i++)
        join.closed |= (unsigned)shards->members[i].closed << i;
    int err = run(home->store, &join);
    int64_t kept_ms = join.ret_changed_ms + CATALOGUE_IDEMPOTENCY_MS + MARGIN_MS - join.ret_now_ms;
    shards->moved_until_ms = clock_mono_ms() + (uint64_t)MAX(kept_ms, 0);
    return told(shards, home, shards->set, &join, err, ret_error);
}

// The home's; another one if a store that has come to it has one that it had not then, because it was restored from a
// copy. A store that comes changes nothing.
static void set_incarnation(struct shards *shards, const struct buf *changed)
{
    struct store *base = &shards->base;
    snprintf(base->incarnation, sizeof(base->incarnation), "%s", store_incarnation(home_of(shards)->store));
    if (changed->len == 0)
        return;
    static const uint64_t seeds[2][2] = {{1, 2}, {3, 4}};
    CLEANUP(buf_release) struct buf all = {0};
    char hex[33];
    uint64_t hash[2];
    buf_printf(&all, "%s%.*s", base->incarnation, STR_ARGS(buf_str(changed)));
    for (size_t i = 0; i < ARRAY_LEN(hash); i++)
        hash[i] = siphash(seeds[i], all.data, all.len);
    hex_encode(hash, sizeof(hash), hex);
    snprintf(base->incarnation, sizeof(base->incarnation), "%.26s", hex);
}

int shards_join(struct shards *shards, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf changed = {0};
    int err = ask_home(shards, ret_error);
    for (unsigned i = 1; i < shards->count && err == 0; i++) {
        struct member *member = &shards->members[i];
        bool restored = false;
        if (member->awaited && i >= shards->known) {
            buf_printf(ret_error, "%s is away, and comes to the others for the first time: it must be there%s%s",
                       member->name, member->why ? "; " : "", member->why ? member->why : "");
            err = ERR_UNAVAILABLE;
        } else if (!member->awaited) {
            err = join_one(member, member->store, &restored, ret_error);
        }
        if (restored)
            buf_printf(&changed, " %s", store_incarnation(member->store));
    }
    if (err == 0)
        err = tell_home(shards, ret_error);
    if (err == 0)
        set_incarnation(shards, &changed);
    return err;
}

int shards_join_late(struct member *member, struct store *store, struct buf *ret_error)
{
    bool restored = false;
    int err = join_one(member, store, &restored, ret_error);
    if (!restored)
        return err;
    buf_printf(ret_error,
               "%s was restored since it came; readers are told of that, and it is served, when this server "
               "starts again",
               member->name);
    return ERR_CONFLICT;
}

int shards_check_alone(struct store *store, const char *name, struct buf *ret_error)
{
    struct store_shard_join join = {.op.kind = STORE_SHARD_JOIN, .asks = true};
    int err = run(store, &join);
    if (err == ERR_NOT_FOUND || (err == 0 && join.ret_number == 0 && join.ret_stores <= 1))
        return 0;
    if (err < 0)
        buf_printf(ret_error, "%s does not say whether it is one of several stores: %s", name, error_text(err));
    else if (join.ret_number > 0)
        buf_printf(ret_error, "%s is store %u of several: give the first one as store, and the others in shards", name,
                   join.ret_number);
    else
        buf_printf(ret_error, "%s is the home of %u stores: give the others in shards, in the order in which they came",
                   name, join.ret_stores);
    return err < 0 ? err : ERR_CONFLICT;
}
