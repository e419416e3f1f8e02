// Accounts and keys: the catalogue has the rules; here are what goes with a deleted account, and who takes which operation.
#include "store/sqlite/sqlite_private.h"

#define PURGE_MAX 64

// --- Commits

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

int commit_account_change(struct sqlite_store *store, struct store_op *op)
{
    struct store_account_change *change = CONTAINER_OF(op, struct store_account_change, op);
    int err = catalogue_account_change(store->db.sql, change, store_now_ms(store));
    if (err < 0)
        return commit_refuse(op, err);
    store->group.purges = store->group.purges || change->state == ACCOUNT_DELETED;
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

int commit_key_used(struct sqlite_store *store, struct store_op *op)
{
    return commit_refuse(op, catalogue_key_used(store->db.sql, CONTAINER_OF(op, struct store_key_used, op)));
}

int account_purge_slice(struct sqlite_store *store, size_t most, bool *ret_more)
{
    int64_t rows[PURGE_MAX], account;
    size_t count;
    int err = catalogue_account_purging(store->db.sql, &account);
    *ret_more = err < 0 || account != 0;
    if (err < 0 || account == 0)
        return err;
    err = catalogue_account_holds(store->db.sql, account, MIN(most, PURGE_MAX), rows, &count);
    if (err == 0 && count == 0)
        return catalogue_account_purged(store->db.sql, account);
    for (size_t i = 0; i < count && err == 0; i++)
        err = execution_purge(store, rows[i]);
    return err;
}

// --- Queries

void query_key_find(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_key_find(db->sql, CONTAINER_OF(op, struct store_key_find, op));
}

void query_key_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_key_list(db->sql, CONTAINER_OF(op, struct store_key_list, op));
}

void query_account_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_account_list(db->sql, CONTAINER_OF(op, struct store_account_list, op));
}
