#include "store/cold.h"

#include "loop/pool.h"
#include "metrics/metrics.h"
#include "store/cold_cache.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdatomic.h>

#define ROUNDS_MAX   32 // fetches for one query, each of up to COLD_WANTED_MAX bodies
#define MISSING_MAX  3
#define GAP_MAX      ((uint64_t)64 * 1024) // between two bodies that are read together
#define TOGETHER_MAX ((uint64_t)8 * 1024 * 1024)

struct cold_reads {
    struct store_cold_source source;
    pthread_mutex_t lock; // of the following
    struct pool *pool;    // NULL: at the end
    struct log_limiter wrong;
    atomic_bool stopping;
    _Atomic size_t held;
    struct cold_cache cache;
};

struct cold_wants {
    struct job job;
    struct cold_reads *reads; // NULL before it was put aside
    struct store *store;
    struct store_op *op;
    struct cold_body bodies[COLD_WANTED_MAX];
    size_t count, held;
    unsigned rounds, missing; // missing: rounds in which an object was not there
    bool away;                // what is wanted cannot be had now
};

// --- What a query has

static void forget_bodies(struct cold_wants *wants)
{
    for (size_t i = 0; i < wants->count; i++)
        free(wants->bodies[i].bytes);
    if (wants->reads)
        atomic_fetch_sub(&wants->reads->held, wants->held);
    wants->count = wants->held = 0;
}

void cold_wants_forget(struct store_op *op)
{
    if (!op->cold)
        return;
    forget_bodies(op->cold);
    free(TAKE_PTR(op->cold));
}

static struct cold_body *body_of(struct cold_wants *wants, int64_t row, uint64_t first)
{
    for (size_t i = 0; i < wants->count; i++)
        if (wants->bodies[i].row == row && wants->bodies[i].first == first)
            return &wants->bodies[i];
    return NULL;
}

int cold_wants_find(struct store_op *op, int64_t row, uint64_t first, struct str *ret)
{
    const struct cold_body *body = op->cold ? body_of(op->cold, row, first) : NULL;
    if (!body || !body->bytes)
        return ERR_COLD;
    *ret = str_n(body->bytes, body->place.len);
    return 0;
}

bool cold_wants_may(const struct store_op *op)
{
    return !op->cold || !op->cold->away;
}

static bool is_wanted(const struct cold_body *body)
{
    return !body->bytes && !body->wrong;
}

bool cold_wants_any(const struct store_op *op)
{
    bool any = false;
    for (size_t i = 0; op->cold && !op->cold->away && i < op->cold->count && !any; i++)
        any = is_wanted(&op->cold->bodies[i]);
    return any;
}

void cold_wants_add(struct store_op *op, const struct cold_body *body)
{
    if (!op->cold)
        op->cold = xcalloc(1, sizeof(*op->cold));
    struct cold_wants *wants = op->cold;
    if (body_of(wants, body->row, body->first))
        return;
    bool has_any = wants->held > 0;
    if (wants->count == COLD_WANTED_MAX && has_any)
        forget_bodies(wants); // it has gone on behind them, or reads them again
    if (wants->count < COLD_WANTED_MAX)
        wants->bodies[wants->count++] = *body;
}

// --- Fetching

// What the cache may have: it gives way to those that wait.
static size_t cache_room(struct cold_reads *reads)
{
    size_t held = atomic_load(&reads->held), most = reads->source.memory_max;
    return MIN(reads->source.cache_max, most - MIN(most, held));
}

static void tell_cached(struct cold_reads *reads)
{
    if (reads->source.metrics)
        metrics_set(reads->source.metrics, METRIC_cold_cache_bytes, (int64_t)cold_cache_bytes(&reads->cache));
}

static void take_cached(struct cold_wants *wants)
{
    struct cold_reads *reads = wants->reads;
    int64_t found = 0;
    for (size_t i = 0; i < wants->count; i++) {
        struct cold_body *body = &wants->bodies[i];
        if (!is_wanted(body))
            continue;
        body->bytes = cold_cache_find(&reads->cache, body);
        found += body->bytes != NULL;
    }
    if (reads->source.metrics)
        metrics_add(reads->source.metrics, 0, METRIC_cold_cache_hits_total, found);
}

// A search goes through everything once, and would leave nothing of what others read.
static void keep_body(struct cold_wants *wants, const struct cold_body *body)
{
    struct cold_reads *reads = wants->reads;
    if (!wants->op->scan && reads->source.cache_max > 0)
        cold_cache_keep(&reads->cache, body, cache_room(reads));
}

// Returns how many bodies from `at` on are read together.
static size_t run_length(const struct cold_wants *wants, size_t at)
{
    const struct cold_body *first = &wants->bodies[at];
    size_t n = 1;
    for (; at + n < wants->count && is_wanted(&first[n]); n++) {
        uint64_t end = first[n - 1].place.at + first[n - 1].place.len, next = first[n].place.at;
        bool follows = strcmp(first[n].object, first->object) == 0 && next >= end && next - end <= GAP_MAX;
        if (!follows || next + first[n].place.len - first->place.at > TOGETHER_MAX)
            break;
    }
    return n;
}

static int read_range(struct cold_wants *wants, const struct cold_body *first, const struct cold_body *last,
                      struct buf *ret)
{
    const struct store_cold_source *source = &wants->reads->source;
    size_t len = (size_t)(last->place.at + last->place.len - first->place.at);
    int err = source->read(source->arg, first->object, first->place.at, len, ret);
    if (err == 0 && source->metrics) {
        metrics_add(source->metrics, 0, METRIC_cold_reads_total, 1);
        metrics_add(source->metrics, 0, METRIC_cold_read_bytes_total, (int64_t)ret->len);
    }
    return err;
}

static bool take_body(struct cold_body *body, uint64_t begin, const struct buf *range)
{
    uint64_t at = body->place.at - begin;
    bool whole = at + body->place.len <= range->len;
    struct str bytes = whole ? str_n(range->data + at, body->place.len) : str_n(NULL, 0);
    if (!whole || cold_checksum(bytes) != body->place.checksum)
        return false;
    body->bytes = xmalloc(MAX(bytes.len, (size_t)1));
    memcpy(body->bytes, bytes.data, bytes.len);
    return true;
}

static void tell_wrong(struct cold_reads *reads, const struct cold_body *body)
{
    uint64_t left_out = 0;
    pthread_mutex_lock(&reads->lock);
    bool tells = log_limiter_pass(&reads->wrong, clock_mono_ms(), &left_out);
    pthread_mutex_unlock(&reads->lock);
    if (reads->source.metrics)
        metrics_add(reads->source.metrics, 0, METRIC_cold_read_failures_total, 1);
    if (tells && reads->source.logger)
        log_error(reads->source.logger, "a body of a cold chunk is not what was stored", LOG_S("object", body->object),
                  LOG_I("at", (int64_t)body->place.at), LOG_I("length", (int64_t)body->place.len),
                  LOG_I("left_out", (int64_t)left_out));
}

// What came otherwise than it was sent is asked for once more, alone. What answers in the place of S3 may have made it
// up, so it is nothing that the store would be told for good: it counts as away.
static int read_again(struct cold_wants *wants, struct cold_body *body)
{
    CLEANUP(buf_release) struct buf range = {0};
    int err = read_range(wants, body, body, &range);
    if (err)
        return err;
    if (take_body(body, body->place.at, &range)) {
        keep_body(wants, body);
        return 0;
    }
    body->wrong = true;
    tell_wrong(wants->reads, body);
    return 0;
}

static int fetch_run(struct cold_wants *wants, size_t at, size_t n)
{
    CLEANUP(buf_release) struct buf range = {0};
    struct cold_body *first = &wants->bodies[at];
    int err = read_range(wants, first, first + n - 1, &range);
    for (size_t i = 0; i < n && err == 0; i++) {
        if (take_body(&first[i], first->place.at, &range))
            keep_body(wants, &first[i]);
        else
            err = read_again(wants, &first[i]);
    }
    return err;
}

// An object that is not there may have been written anew elsewhere: then the store says another place next time.
static void forget_wanted(struct cold_wants *wants)
{
    size_t kept = 0;
    for (size_t i = 0; i < wants->count; i++)
        if (!is_wanted(&wants->bodies[i]))
            wants->bodies[kept++] = wants->bodies[i];
    wants->count = kept;
}

static int fetch_all(struct cold_wants *wants)
{
    int err = 0;
    take_cached(wants);
    for (size_t at = 0, n = 1; at < wants->count && err == 0; at += n) {
        n = is_wanted(&wants->bodies[at]) ? run_length(wants, at) : 1;
        if (is_wanted(&wants->bodies[at]))
            err = fetch_run(wants, at, n);
    }
    return err;
}

static size_t wanted_bytes(const struct cold_wants *wants)
{
    size_t bytes = 0;
    for (size_t i = 0; i < wants->count; i++)
        bytes += is_wanted(&wants->bodies[i]) ? wants->bodies[i].place.len : 0;
    return bytes;
}

static void fetch(struct job *job)
{
    struct cold_wants *wants = CONTAINER_OF(job, struct cold_wants, job);
    struct cold_reads *reads = wants->reads;
    struct store_op *op = wants->op;
    int err = atomic_load(&reads->stopping) ? ERR_SHUTTING_DOWN : fetch_all(wants);
    if (err == ERR_NOT_FOUND && ++wants->missing <= MISSING_MAX)
        forget_wanted(wants);
    else if (err)
        wants->away = true;
    if (err && reads->source.metrics)
        metrics_add(reads->source.metrics, 0, METRIC_cold_read_failures_total, 1);
    tell_cached(reads);
    wants->store->vtable->submit(wants->store, op);
}

bool cold_park(struct store *store, struct store_op *op)
{
    struct cold_wants *wants = op->cold;
    struct cold_reads *reads = store->cold;
    wants->away = !reads || ++wants->rounds > ROUNDS_MAX;
    if (wants->away)
        return false;
    size_t bytes = wanted_bytes(wants);
    wants->reads = reads;
    wants->held += bytes;
    size_t held = atomic_fetch_add(&reads->held, bytes) + bytes;
    cold_cache_shrink(&reads->cache, cache_room(reads));
    wants->store = store;
    wants->op = op;
    wants->job = (struct job){.account = op->account, .work = fetch};
    pthread_mutex_lock(&reads->lock);
    bool taken = held <= reads->source.memory_max && reads->pool && pool_submit(reads->pool, &wants->job) == 0;
    pthread_mutex_unlock(&reads->lock);
    if (!taken)
        wants->away = true;
    return taken;
}

// --- Life

int store_cold_serve(struct store *store, const struct store_cold_source *source)
{
    if (store->vtable->cold_serve)
        return store->vtable->cold_serve(store, source);
    struct cold_reads *reads = xcalloc(1, sizeof(*reads));
    reads->source = *source;
    pthread_mutex_init(&reads->lock, NULL);
    cold_cache_init(&reads->cache);
    int err = pool_new(source->threads, (unsigned)source->waiting_max, &reads->pool);
    store->cold = reads;
    if (err == 0)
        return 0;
    cold_free(store);
    return ERR_NOMEM;
}

void cold_stop(struct store *store)
{
    struct cold_reads *reads = store->cold;
    if (!reads)
        return;
    atomic_store(&reads->stopping, true);
    pthread_mutex_lock(&reads->lock);
    struct pool *pool = TAKE_PTR(reads->pool);
    pthread_mutex_unlock(&reads->lock);
    pool_free(&pool);
}

void cold_free(struct store *store)
{
    if (!store->cold)
        return;
    cold_cache_release(&store->cold->cache);
    pthread_mutex_destroy(&store->cold->lock);
    free(TAKE_PTR(store->cold));
}
