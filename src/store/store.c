// What all adapters share.
#include "store/adapter.h"

static int64_t member_at(const struct store_op *op, size_t at)
{
    int64_t value = 0;
    if (at > 0)
        memcpy(&value, (const char *)op + at, sizeof(value));
    return value;
}

void store_submit(struct store *store, struct store_op *op)
{
    if (op->account == 0)
        op->account = member_at(op, store_kinds[op->kind].account_at);
    store->vtable->submit(store, op);
}

void store_watch(struct store *store, store_watch_fn *watch, void *arg)
{
    store->watch_arg = arg;
    store->watch = watch;
}

const char *store_incarnation(const struct store *store)
{
    return store->incarnation;
}

const uint8_t *store_secret(const struct store *store)
{
    return store->secret;
}

void store_stats(struct store *store, struct store_stats *ret)
{
    store->vtable->stats(store, ret);
}

static size_t version_slot(int64_t row)
{
    return (uint64_t)row % STORE_VERSION_SLOTS; // rows are numbered one after the other, so they spread by themselves
}

uint64_t store_version(const struct store *store, int64_t row)
{
    return atomic_load(&store->versions[version_slot(row)]);
}

// One thread writes versions, so a load and a store are enough. Whether a slot is odd already says that another operation
// of the same transaction has been here.
static void versions_step(struct store *store, struct store_op *const *ops, size_t count, uint64_t from_parity)
{
    for (size_t i = 0; i < count; i++) {
        int64_t row = member_at(ops[i], store_kinds[ops[i]->kind].row_at);
        _Atomic uint64_t *slot = &store->versions[version_slot(row)];
        uint64_t version = atomic_load(slot);
        if (row && version % 2 == from_parity)
            atomic_store(slot, version + 1);
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

void store_stop(struct store *store)
{
    store->vtable->stop(store);
}

void store_free(struct store **store)
{
    if (!*store)
        return;
    struct store *freed = TAKE_PTR(*store);
    freed->vtable->free(freed);
}
