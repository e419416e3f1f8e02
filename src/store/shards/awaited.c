#include "store/shards/awaited.h"

#include "store/adapter.h"
#include "util/clock.h"

#include <errno.h>

struct awaited {
    struct store base;
    struct awaited_options options;
    struct store *_Atomic store; // NULL: it is away
    struct buf said;             // why it could not be opened, so that each reason is logged once
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; // for what is below
    pthread_cond_t wake;
    bool ends;
    bool serves_cold;
    struct store_cold_source cold;
};

static struct awaited *awaited_of(const struct store *store)
{
    return CONTAINER_OF((struct store *)store, struct awaited, base);
}

static struct store *inner_of(const struct store *store)
{
    return atomic_load(&awaited_of(store)->store);
}

// --- As a store

static void awaited_submit(struct store *store, struct store_op *op)
{
    struct store *inner = inner_of(store);
    if (inner) {
        store_submit(inner, op);
        return;
    }
    op->err = ERR_UNAVAILABLE;
    store_reply(op);
}

static void awaited_stats(struct store *store, struct store_stats *ret)
{
    struct store *inner = inner_of(store);
    if (inner)
        store_stats(inner, ret);
    else
        ret->write_error = ERR_UNAVAILABLE;
}

static const char *awaited_bus_away(struct store *store)
{
    struct store *inner = inner_of(store);
    return inner ? store_bus_away(inner) : NULL;
}

static uint64_t awaited_version(const struct store *store, int64_t row)
{
    struct store *inner = inner_of(store);
    return inner ? store_version(inner, row) : 1;
}

static int awaited_cold_serve(struct store *store, const struct store_cold_source *source)
{
    struct awaited *awaited = awaited_of(store);
    pthread_mutex_lock(&awaited->mutex);
    struct store *inner = inner_of(store);
    awaited->cold = *source;
    awaited->serves_cold = true;
    int err = inner ? store_cold_serve(inner, source) : 0;
    pthread_mutex_unlock(&awaited->mutex);
    return err;
}

// --- It is waited for

static void tell_why(struct awaited *awaited, struct buf *why)
{
    if (str_eq(buf_str(why), buf_str(&awaited->said)))
        return;
    log_error(awaited->options.logger,
              "a store is away; the server starts without it, and takes it in when it is there",
              LOG_S("store", awaited->options.name), LOG_S("error", buf_cstr(why)));
    buf_reset(&awaited->said);
    buf_append_str(&awaited->said, buf_str(why));
}

// Under the mutex, so that nobody gives it what reads cold chunks in between.
static int give(struct awaited *awaited, struct store *store)
{
    pthread_mutex_lock(&awaited->mutex);
    int err = awaited->serves_cold ? store_cold_serve(store, &awaited->cold) : 0;
    if (err == 0)
        atomic_store(&awaited->store, store);
    pthread_mutex_unlock(&awaited->mutex);
    return err;
}

static bool is_there(struct awaited *awaited)
{
    const struct awaited_options *options = &awaited->options;
    CLEANUP(buf_release) struct buf why = {0};
    struct store *store = NULL;
    int err = options->open(options->open_arg, &why, &store);
    if (err == 0)
        err = options->take_in(options->take_in_arg, store, &why);
    if (err == 0)
        err = give(awaited, store);
    if (err == 0) {
        log_info(options->logger, "a store that was away is taken in", LOG_S("store", options->name));
        return true;
    }
    if (why.len == 0)
        buf_append_text(&why, error_text(err));
    tell_why(awaited, &why);
    store_free(&store);
    return false;
}

// False if it has ended.
static bool rest(struct awaited *awaited)
{
    uint64_t until_ms = clock_mono_ms() + awaited->options.again_ms;
    const struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};
    pthread_mutex_lock(&awaited->mutex);
    while (!awaited->ends && pthread_cond_timedwait(&awaited->wake, &awaited->mutex, &until) != ETIMEDOUT)
        continue;
    bool goes_on = !awaited->ends;
    pthread_mutex_unlock(&awaited->mutex);
    return goes_on;
}

static void *awaited_main(void *arg)
{
    struct awaited *awaited = arg;
    while (!is_there(awaited) && rest(awaited))
        continue;
    return NULL;
}

// --- Life

static void awaited_stop(struct store *store)
{
    struct awaited *awaited = awaited_of(store);
    pthread_mutex_lock(&awaited->mutex);
    awaited->ends = true;
    pthread_cond_signal(&awaited->wake);
    pthread_mutex_unlock(&awaited->mutex);
    if (awaited->started)
        pthread_join(awaited->thread, NULL);
    awaited->started = false;
    if (inner_of(store))
        store_stop(inner_of(store));
}

static void awaited_free(struct store *store)
{
    struct awaited *awaited = awaited_of(store);
    awaited_stop(store);
    struct store *inner = inner_of(store);
    store_free(&inner);
    buf_release(&awaited->said);
    free(awaited->options.open_arg);
    pthread_cond_destroy(&awaited->wake);
    pthread_mutex_destroy(&awaited->mutex);
    pthread_mutex_destroy(&awaited->base.watch_mutex);
    free(awaited);
}

static const struct store_vtable vtable = {
    .name = "awaited",
    .submit = awaited_submit,
    .stats = awaited_stats,
    .bus_away = awaited_bus_away,
    .version = awaited_version,
    .cold_serve = awaited_cold_serve,
    .stop = awaited_stop,
    .free = awaited_free,
};

int awaited_new(const struct awaited_options *options, struct store **ret)
{
    struct awaited *awaited = xcalloc(1, sizeof(*awaited));
    pthread_condattr_t attributes;
    awaited->base =
        (struct store){.vtable = &vtable, .logger = options->logger, .watch_mutex = PTHREAD_MUTEX_INITIALIZER};
    awaited->options = *options;
    pthread_mutex_init(&awaited->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&awaited->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    awaited->started = pthread_create(&awaited->thread, NULL, awaited_main, awaited) == 0;
    *ret = &awaited->base;
    return awaited->started ? 0 : ERR_NOMEM;
}
