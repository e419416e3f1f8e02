// What all adapters share.
#include "store/store.h"

// The account that the operation names by itself; 0: none.
static int64_t named_account(const struct store_op *op)
{
#define ACCOUNT_OF(type, member) (offsetof(struct type, member) - offsetof(struct type, op))
    static const size_t account_at[STORE_OP_KINDS] = {
        [STORE_CREATE] = ACCOUNT_OF(store_create, execution.account),
        [STORE_KEY_CREATE] = ACCOUNT_OF(store_key_create, key.account),
        [STORE_KEY_REVOKE] = ACCOUNT_OF(store_key_revoke, account),
        [STORE_GET] = ACCOUNT_OF(store_get, account),
        [STORE_LIST] = ACCOUNT_OF(store_list, account),
        [STORE_KEY_LIST] = ACCOUNT_OF(store_key_list, account),
    };
#undef ACCOUNT_OF
    int64_t account = 0;
    if (account_at[op->kind] > 0)
        memcpy(&account, (const char *)op + account_at[op->kind], sizeof(account));
    return account;
}

void store_submit(struct store *store, struct store_op *op)
{
    if (op->account == 0)
        op->account = named_account(op);
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

// The execution that a commit concerns. 0: none, or one that is made by it, which nobody can have kept.
static int64_t op_row(const struct store_op *op)
{
#define ROW_OF(type) (offsetof(struct type, row) - offsetof(struct type, op))
    static const size_t row_at[STORE_OP_KINDS] = {
        [STORE_CLAIM] = ROW_OF(store_claim),       [STORE_APPEND] = ROW_OF(store_append),
        [STORE_COMPLETE] = ROW_OF(store_complete), [STORE_UPDATE] = ROW_OF(store_update),
        [STORE_PURGE] = ROW_OF(store_purge),
    };
#undef ROW_OF
    int64_t row = 0;
    if (row_at[op->kind] > 0)
        memcpy(&row, (const char *)op + row_at[op->kind], sizeof(row));
    return row;
}

// One thread writes versions, so a load and a store are enough. Whether a slot is odd already says that another operation
// of the same transaction has been here.
static void versions_step(struct store *store, struct store_op *const *ops, size_t count, uint64_t from_parity)
{
    for (size_t i = 0; i < count; i++) {
        int64_t row = op_row(ops[i]);
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

void api_key_release(struct api_key *key)
{
    free(key->key_id);
    free(key->name);
    *key = (struct api_key){0};
}

static void release_list(struct store_list *list)
{
    for (size_t i = 0; i < list->ret_count; i++)
        execution_release(&list->ret_executions[i]);
    free(TAKE_PTR(list->ret_executions));
    list->ret_count = 0;
}

void store_read_forget(struct store_read *read)
{
    for (size_t i = 0; i < read->ret_count; i++)
        chunk_unref(&read->ret_segments[i].chunk);
}

static void release_read(struct store_read *read)
{
    for (size_t i = 0; i < read->ret_count; i++)
        chunk_unref(&read->ret_segments[i].chunk);
    read->ret_count = 0;
}

static void release_keys(struct store_key_list *list)
{
    for (size_t i = 0; i < list->ret_count; i++)
        api_key_release(&list->ret_keys[i]);
    free(TAKE_PTR(list->ret_keys));
    list->ret_count = 0;
}

#define OP(type) CONTAINER_OF(op, struct type, op)

void store_op_release(struct store_op *op)
{
    switch (op->kind) {
    case STORE_CREATE:
        return execution_release(&OP(store_create)->execution);
    case STORE_CLAIM:
        return execution_release(&OP(store_claim)->ret_execution);
    case STORE_COMPLETE:
        return execution_release(&OP(store_complete)->ret_execution);
    case STORE_UPDATE:
        return execution_release(&OP(store_update)->ret_execution);
    case STORE_KEY_CREATE:
        return api_key_release(&OP(store_key_create)->key);
    case STORE_GET:
        return execution_release(&OP(store_get)->ret_execution);
    case STORE_LIST:
        return release_list(OP(store_list));
    case STORE_READ:
        return release_read(OP(store_read));
    case STORE_PRODUCER:
        return execution_release(&OP(store_producer)->ret_execution);
    case STORE_KEY_FIND:
        return api_key_release(&OP(store_key_find)->ret_key);
    case STORE_KEY_LIST:
        return release_keys(OP(store_key_list));
    case STORE_ACCOUNT_LIST:
        return free_ptr(&OP(store_account_list)->ret_accounts);
    case STORE_APPEND:
    case STORE_PURGE:
    case STORE_KEY_REVOKE:
    case STORE_KEY_USED:
    case STORE_ACCOUNT_ENSURE:
    case STORE_ACCOUNT_CREATE:
    case STORE_ACCOUNT_CHANGE:
    case STORE_COUNT_OPEN:
    case STORE_OP_KINDS:
        return;
    case STORE_BACKUP:
        free_ptr(&OP(store_backup)->ret_path);
        return free_ptr(&OP(store_backup)->ret_reason);
    }
}
