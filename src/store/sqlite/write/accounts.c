// Accounts, keys and secrets. The catalogue has the rules.
#include "store/sqlite/write/commit.h"

int commit_account_ensure(struct sqlite_store *store, struct store_op *op)
{
    struct store_account_ensure *ensure = CONTAINER_OF(op, struct store_account_ensure, op);
    return commit_refuse(op, catalogue_account_ensure(store->db.sql, ensure, store_now_ms(store)));
}

int commit_account_create(struct sqlite_store *store, struct store_op *op)
{
    struct store_account_create *create = CONTAINER_OF(op, struct store_account_create, op);
    return commit_refuse(op, catalogue_account_create(store->db.sql, create, store_now_ms(store)));
}

// What is kept in memory of its executions says when they expire. Its rows are not known here, so it is forgotten of
// all.
static void forget_executions(struct sqlite_store *store)
{
    for (int64_t row = 1; row <= STORE_VERSION_SLOTS; row++)
        if (store_version_begin(&store->base, row))
            group_add_row(&store->group, row);
}

int commit_account_change(struct sqlite_store *store, struct store_op *op)
{
    struct store_account_change *change = CONTAINER_OF(op, struct store_account_change, op);
    int err = catalogue_account_change(store->db.sql, change, store_now_ms(store));
    if (err < 0)
        return commit_refuse(op, err);
    store->group.purges = store->group.purges || change->state == ACCOUNT_DELETED;
    if (change->has_retention)
        forget_executions(store);
    change->ret_change = ++store->account_changes;
    return 0;
}

int commit_key_create(struct sqlite_store *store, struct store_op *op)
{
    return commit_refuse(op, catalogue_key_create(store->db.sql, CONTAINER_OF(op, struct store_key_create, op)));
}

int commit_key_revoke(struct sqlite_store *store, struct store_op *op)
{
    struct store_key_revoke *revoke = CONTAINER_OF(op, struct store_key_revoke, op);
    return commit_refuse(op, catalogue_key_revoke(store->db.sql, revoke, store_now_ms(store)));
}

int commit_key_rename(struct sqlite_store *store, struct store_op *op)
{
    return commit_refuse(op, catalogue_key_rename(store->db.sql, CONTAINER_OF(op, struct store_key_rename, op)));
}

int commit_secret_set(struct sqlite_store *store, struct store_op *op)
{
    struct store_secret_set *set = CONTAINER_OF(op, struct store_secret_set, op);
    return commit_refuse(op, catalogue_secret_set(store->db.sql, set, store_now_ms(store)));
}

int commit_secret_delete(struct sqlite_store *store, struct store_op *op)
{
    return commit_refuse(op, catalogue_secret_delete(store->db.sql, CONTAINER_OF(op, struct store_secret_delete, op)));
}

int commit_secret_take(struct sqlite_store *store, struct store_op *op)
{
    struct store_secret_take *take = CONTAINER_OF(op, struct store_secret_take, op);
    return commit_refuse(op, catalogue_secret_take(store->db.sql, take, store_now_ms(store)));
}

int commit_key_used(struct sqlite_store *store, struct store_op *op)
{
    return commit_refuse(op, catalogue_key_used(store->db.sql, CONTAINER_OF(op, struct store_key_used, op)));
}
