// What all adapters share.
#include "store/store.h"

void store_submit(struct store *store, struct store_op *op)
{
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

void store_stats(struct store *store, struct store_stats *ret)
{
    store->vtable->stats(store, ret);
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
    case STORE_STATUS:
        return execution_release(&OP(store_status)->ret_execution);
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
    case STORE_APPEND:
    case STORE_PURGE:
    case STORE_KEY_REVOKE:
    case STORE_KEY_USED:
    case STORE_ACCOUNT_ENSURE:
    case STORE_COUNT_OPEN:
    case STORE_BACKUP:
    case STORE_OP_KINDS:
        return;
    }
}
