// Queries about blobs, files of executions and run tokens. The catalogue has them.
#include "store/sqlite/read/query.h"

void query_blob_find(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_blob_find(db->sql, CONTAINER_OF(op, struct store_blob_find, op));
}

void query_blobs_find(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_blobs_find(db->sql, CONTAINER_OF(op, struct store_blobs_find, op));
}

void query_blobs_unused(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    op->err = catalogue_blobs_unused(db->sql, CONTAINER_OF(op, struct store_blobs_unused, op), store_now_ms(store));
}

void query_blobs_known(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_blobs_known(db->sql, CONTAINER_OF(op, struct store_blobs_known, op));
}

void query_file_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_file_list(db->sql, CONTAINER_OF(op, struct store_file_list, op));
}

void query_run_find(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_run_find(db->sql, CONTAINER_OF(op, struct store_run_find, op));
}
