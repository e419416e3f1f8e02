// Blobs, and the artifacts that refer to them. The catalogue has the rules.
#include "store/sqlite/write/commit.h"
#include "store/sqlite/write/outcome.h"

int commit_blob_add(struct sqlite_store *store, struct store_op *op)
{
    struct store_blob_add *add = CONTAINER_OF(op, struct store_blob_add, op);
    return commit_refuse(op, catalogue_blob_add(store->db.sql, add, store_now_ms(store)));
}

int commit_blob_want(struct sqlite_store *store, struct store_op *op)
{
    const struct store_blob_want *want = CONTAINER_OF(op, struct store_blob_want, op);
    return commit_refuse(op, catalogue_blob_want(store->db.sql, want, store_now_ms(store)));
}

int commit_blob_drop(struct sqlite_store *store, struct store_op *op)
{
    struct store_blob_drop *drop = CONTAINER_OF(op, struct store_blob_drop, op);
    return commit_refuse(op, catalogue_blob_drop(store->db.sql, drop, store_now_ms(store)));
}

// The epoch and the seal are written as soon as they change, so the catalogue knows them.
int commit_artifact_put(struct sqlite_store *store, struct store_op *op)
{
    struct store_artifact_put *put = CONTAINER_OF(op, struct store_artifact_put, op);
    struct head *head;
    int err = heads_get(&store->heads, put->row, &head);
    if (err == 0)
        err = catalogue_artifact_put(store->db.sql, put, store_now_ms(store));
    if (err < 0)
        return commit_refuse(op, err);
    announce(store, head);
    return 0;
}
