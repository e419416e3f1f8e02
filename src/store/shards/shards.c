// The adapter: opening, what is told of changes, figures, and the end.
#include "store/shards/shards.h"

#include "store/shards/awaited.h"
#include "store/shards/shards_private.h"

#define AGAIN_MS          1000
#define COLD_MEMORY_LEAST ((size_t)16 << 20) // for what one query wants at once

static void shards_submit(struct store *store, struct store_op *op)
{
    shards_routes[op->kind].go(shards_of(store), op);
}

// --- Changes and news, of each store on its own thread

#define CHANGES_AT_ONCE 64

static void changed(void *arg, const struct store_change *changes, size_t count)
{
    const struct member *member = arg;
    struct store_change outside[CHANGES_AT_ONCE];
    if (member->number == 0) {
        store_publish(&member->shards->base, changes, count);
        return;
    }
    for (size_t at = 0; at < count; at += CHANGES_AT_ONCE) {
        size_t some = MIN(count - at, (size_t)CHANGES_AT_ONCE);
        for (size_t i = 0; i < some; i++) {
            outside[i] = changes[at + i];
            outside[i].row = row_outside(member, outside[i].row);
            outside[i].batch = row_outside(member, outside[i].batch);
        }
        store_publish(&member->shards->base, outside, some);
    }
}

static void heard(void *arg, const struct store_news *news)
{
    const struct member *member = arg;
    struct store_news outside = *news;
    if (news->kind == NEWS_CANCEL)
        outside.subject = row_outside(member, news->subject);
    store_announce(&member->shards->base, &outside);
}

// --- What is asked of a store

// The figures that add up; the others follow below.
#define SUM(name) offsetof(struct store_stats, name)
static const size_t sums[] = {
    SUM(commits),       SUM(mutations), SUM(records),        SUM(commit_ns_sum),      SUM(bytes),
    SUM(wal_lost),      SUM(queue),     SUM(fsync_ns_sum),   SUM(read_ns_sum),        SUM(seals),
    SUM(summaries),     SUM(journaled), SUM(summary_chunks), SUM(seals_with_records), SUM(sealed_records),
    SUM(journals_lost),
};
#undef SUM

static void add_stats(struct store_stats *all, const struct store_stats *one)
{
    for (size_t i = 0; i < ARRAY_LEN(sums); i++)
        *(uint64_t *)((char *)all + sums[i]) += *(const uint64_t *)((const char *)one + sums[i]);
    for (size_t i = 0; i < STORE_BUCKETS; i++) {
        all->commit_buckets[i] += one->commit_buckets[i];
        all->fsync_buckets[i] += one->fsync_buckets[i];
        all->read_buckets[i] += one->read_buckets[i];
    }
    all->in_files = all->in_files || one->in_files;
}

static void shards_stats(struct store *store, struct store_stats *ret)
{
    struct shards *shards = shards_of(store);
    for (unsigned i = 0; i < shards->count; i++) {
        struct store_stats one;
        store_stats(shards->members[i].store, &one);
        add_stats(ret, &one);
        if (i > 0) // of these shards_away tells
            continue;
        ret->write_error = one.write_error;
        ret->commit_age_ns = one.commit_age_ns;
    }
}

static const char *shards_bus_away(struct store *store)
{
    struct shards *shards = shards_of(store);
    const char *away = NULL;
    for (unsigned i = 0; i < shards->count && !away; i++)
        away = store_bus_away(shards->members[i].store);
    return away;
}

static uint64_t shards_version(const struct store *store, int64_t row)
{
    struct shards *shards = CONTAINER_OF(store, struct shards, base);
    const struct member *member = member_at(shards, row);
    return member ? store_version(member->store, store_row_within(row)) : 1;
}

static int shards_cold_serve(struct store *store, const struct store_cold_source *source)
{
    struct shards *shards = shards_of(store);
    struct store_cold_source each = *source;
    int err = 0;
    each.memory_max = MAX(source->memory_max / shards->count, MIN(source->memory_max, COLD_MEMORY_LEAST));
    each.cache_max = source->cache_max / shards->count;
    for (unsigned i = 0; i < shards->count && err == 0; i++)
        err = store_cold_serve(shards->members[i].store, &each);
    return err;
}

// What it lacks; NULL: nothing.
static const char *lack_of(struct member *member)
{
    struct store_stats stats;
    store_stats(member->store, &stats);
    uint64_t probed_ms = atomic_load(&member->probed_ms), now_ms = clock_mono_ms();
    int err = stats.write_error ? stats.write_error : atomic_load(&member->away);
    if (err < 0)
        return error_text(err);
    if (probed_ms > 0 && now_ms > probed_ms + STORE_PATIENCE_MS)
        return "it does not answer";
    return stats.commit_age_ns > STORE_COMMIT_AGE_MAX_NS ? "it does not write" : NULL;
}

static bool shards_away(struct store *store, struct buf *out)
{
    struct shards *shards = shards_of(store);
    bool any = false;
    for (unsigned i = 1; i < shards->count; i++) {
        const char *lack = lack_of(&shards->members[i]);
        if (!lack)
            continue;
        buf_printf(out, "%s%s: %s", any ? "; " : "", shards->members[i].name, lack);
        any = true;
    }
    return any;
}

// --- Life

// A task goes on in the others when one has stopped, and ends when all have.
static void shards_stop(struct store *store)
{
    struct shards *shards = shards_of(store);
    for (unsigned i = 0; i < shards->count; i++)
        if (shards->members[i].store)
            store_stop(shards->members[i].store);
}

static void shards_free(struct store *store)
{
    struct shards *shards = shards_of(store);
    shards_stop(store);
    for (unsigned i = 0; i < shards->count; i++) {
        store_free(&shards->members[i].store);
        free(shards->members[i].name);
        free(shards->members[i].why);
    }
    pthread_mutex_destroy(&shards->base.watch_mutex);
    pthread_mutex_destroy(&shards->counted_mutex);
    free(shards);
}

static const struct store_vtable vtable = {
    .name = "shards",
    .submit = shards_submit,
    .backup = shards_submit,
    .stats = shards_stats,
    .bus_away = shards_bus_away,
    .version = shards_version,
    .cold_serve = shards_cold_serve,
    .away = shards_away,
    .stop = shards_stop,
    .free = shards_free,
};

static struct shards *shards_new(const struct shards_options *options)
{
    struct shards *shards = xcalloc(1, sizeof(*shards));
    shards->base = (struct store){
        .vtable = &vtable, .logger = options->logger, .watch_mutex = PTHREAD_MUTEX_INITIALIZER, .one_writer = true};
    shards->base.alone = true;
    pthread_mutex_init(&shards->counted_mutex, NULL);
    shards->routes = shards_routes;
    shards->count = (unsigned)options->count;
    for (unsigned i = 0; i < shards->count; i++) {
        struct member *member = &shards->members[i];
        *member = (struct member){.shards = shards,
                                  .store = options->members[i].store,
                                  .name = xstrdup(options->members[i].name),
                                  .why = options->members[i].why,
                                  .number = i,
                                  .closed = options->members[i].closed,
                                  .empty = options->members[i].empty,
                                  .awaited = !options->members[i].store,
                                  .behind = true};
        shards->base.one_writer = shards->base.one_writer && member->store && member->store->one_writer;
        shards->base.alone = shards->base.alone && member->store && member->store->alone;
    }
    return shards;
}

static int listen_to(struct member *member, struct store *store)
{
    store_hear(store, heard, member);
    return store_watch(store, changed, member);
}

static int take_in(void *arg, struct store *store, struct buf *ret_error)
{
    struct member *member = arg;
    int err = shards_join_late(member, store, ret_error);
    if (err == 0)
        err = node_place_late(member, store);
    return err < 0 ? err : listen_to(member, store);
}

// It begins to be waited for when all else is known that it must keep to.
static int await(struct member *member, const struct shards_options *options)
{
    const struct awaited_options awaited = {.name = member->name,
                                            .logger = options->logger,
                                            .again_ms = options->again_ms ? options->again_ms : AGAIN_MS,
                                            .open = options->members[member->number].open,
                                            .open_arg = options->members[member->number].open_arg,
                                            .take_in = take_in,
                                            .take_in_arg = member};
    atomic_store(&member->away, ERR_UNAVAILABLE);
    return awaited_new(&awaited, &member->store);
}

// What was not taken over by who waits.
static void forget_args(const struct shards *shards, const struct shards_options *options)
{
    for (unsigned i = 0; i < shards->count; i++)
        if (!shards->members[i].awaited || !shards->members[i].store)
            free(options->members[i].open_arg);
}

int shards_open(const struct shards_options *options, struct buf *ret_error, struct store **ret)
{
    struct shards *shards = shards_new(options);
    int err = shards_join(shards, ret_error);
    for (unsigned i = 0; i < shards->count && err == 0; i++) {
        struct member *member = &shards->members[i];
        err = member->awaited ? await(member, options) : listen_to(member, member->store);
    }
    forget_args(shards, options);
    if (err < 0) {
        shards_free(&shards->base);
        return err;
    }
    memcpy(shards->base.secret, store_secret(home_of(shards)->store), STORE_SECRET_LEN);
    accounts_place_behind(shards);
    *ret = &shards->base;
    return 0;
}
