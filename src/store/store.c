// What all adapters share.
#include "store/adapter.h"
#include "store/cold.h"

static int64_t member_at(const struct store_op *op, size_t at)
{
    int64_t value = 0;
    if (at > 0)
        memcpy(&value, (const char *)op + at, sizeof(value));
    return value;
}

int64_t store_op_row(const struct store_op *op)
{
    return member_at(op, store_kinds[op->kind].row_at);
}

static void op_deliver(struct mail *mail)
{
    struct store_op *op = CONTAINER_OF(mail, struct store_op, mail);
    op->done(op);
}

void store_reply(struct store_op *op)
{
    cold_wants_forget(op);
    if (!op->reply_to) {
        op->done(op);
        return;
    }
    op->mail.deliver = op_deliver;
    loop_post(op->reply_to, &op->mail);
}

static void refuse_backup(struct store *store, struct store_op *op)
{
    op->err = ERR_UNSUPPORTED;
    CONTAINER_OF(op, struct store_backup, op)->ret_reason =
        xasprintf("this server's store (%s) makes no backups; use the tools of that store", store->vtable->name);
    store_reply(op);
}

void store_submit(struct store *store, struct store_op *op)
{
    if (op->account == 0)
        op->account = member_at(op, store_kinds[op->kind].account_at);
    if (op->kind != STORE_BACKUP)
        store->vtable->submit(store, op);
    else if (store->vtable->backup)
        store->vtable->backup(store, op);
    else
        refuse_backup(store, op);
}

int store_watch(struct store *store, store_watch_fn *watch, void *arg)
{
    int err = 0;
    pthread_mutex_lock(&store->watch_mutex);
    if (store->watcher_count < STORE_WATCHERS_MAX)
        store->watchers[store->watcher_count++] = (struct store_watcher){watch, arg};
    else
        err = ERR_OVERLOADED;
    pthread_mutex_unlock(&store->watch_mutex);
    return err;
}

void store_publish(struct store *store, const struct store_change *changes, size_t count)
{
    pthread_mutex_lock(&store->watch_mutex);
    for (size_t i = 0; i < store->watcher_count && count > 0; i++)
        store->watchers[i].watch(store->watchers[i].arg, changes, count);
    pthread_mutex_unlock(&store->watch_mutex);
}

void store_hear(struct store *store, store_hear_fn *hear, void *arg)
{
    pthread_mutex_lock(&store->watch_mutex);
    store->hear = hear;
    store->hear_arg = arg;
    pthread_mutex_unlock(&store->watch_mutex);
}

void store_announce(struct store *store, const struct store_news *news)
{
    pthread_mutex_lock(&store->watch_mutex);
    if (store->hear)
        store->hear(store->hear_arg, news);
    pthread_mutex_unlock(&store->watch_mutex);
}

const char *store_incarnation(const struct store *store)
{
    return store->incarnation;
}

const uint8_t *store_secret(const struct store *store)
{
    return store->secret;
}

bool store_alone(const struct store *store)
{
    return store->one_writer;
}

bool store_stats(struct store *store, struct store_stats *ret)
{
    *ret = (struct store_stats){0};
    if (store->vtable->stats)
        store->vtable->stats(store, ret);
    return store->vtable->stats != NULL;
}

const char *store_bus_away(struct store *store)
{
    return store->vtable->bus_away ? store->vtable->bus_away(store) : NULL;
}

bool store_away(struct store *store, struct buf *out)
{
    return store->vtable->away && store->vtable->away(store, out);
}

unsigned store_bucket(uint64_t ns)
{
    uint64_t units = ns / 64000;
    unsigned bucket = units == 0 ? 0 : 64 - (unsigned)__builtin_clzll(units);
    return MIN(bucket, STORE_BUCKETS - 1u);
}

static size_t version_slot(int64_t row)
{
    return (uint64_t)row % STORE_VERSION_SLOTS; // consecutive numbers spread over the slots by themselves
}

uint64_t store_version(const struct store *store, int64_t row)
{
    if (store->vtable->version)
        return store->vtable->version(store, row);
    return store->one_writer ? atomic_load(&store->versions[version_slot(row)]) : 1;
}

static bool version_step(struct store *store, int64_t row, uint64_t from_parity)
{
    _Atomic uint64_t *slot = &store->versions[version_slot(row)];
    uint64_t version = atomic_load(slot);
    if (version % 2 != from_parity)
        return false;
    atomic_store(slot, version + 1);
    return true;
}

// Only one thread writes versions, so a load and a store are enough. If a slot is odd, another operation of the same
// transaction has been here already.
static void versions_step(struct store *store, struct store_op *const *ops, size_t count, uint64_t from_parity)
{
    for (size_t i = 0; i < count; i++) {
        int64_t row = member_at(ops[i], store_kinds[ops[i]->kind].row_at);
        if (row)
            version_step(store, row, from_parity);
    }
}

void store_versions_begin(struct store *store, struct store_op *const *ops, size_t count)
{
    versions_step(store, ops, count, 0);
}

void store_versions_end(struct store *store, struct store_op *const *ops, size_t count)
{
    versions_step(store, ops, count, 1);
}

bool store_version_begin(struct store *store, int64_t row)
{
    return version_step(store, row, 0);
}

void store_version_end(struct store *store, int64_t row)
{
    version_step(store, row, 1);
}

void store_stop(struct store *store)
{
    cold_stop(store);
    store->vtable->stop(store);
}

void store_free(struct store **store)
{
    if (!*store)
        return;
    struct store *freed = TAKE_PTR(*store);
    if (freed->cold) {
        store_stop(freed);
        cold_free(freed);
    }
    freed->vtable->free(freed);
}
