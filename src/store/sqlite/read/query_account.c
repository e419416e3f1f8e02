// Queries about accounts, keys and secrets. The catalogue has them.
#include "store/sqlite/read/query.h"

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

void query_secret_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_secret_list(db->sql, CONTAINER_OF(op, struct store_secret_list, op));
}
