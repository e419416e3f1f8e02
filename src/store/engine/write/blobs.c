// Blobs, and the artifacts that refer to them. The catalogue has the rules.
#include "store/engine/write/commit.h"
#include "store/engine/write/outcome.h"

int commit_blob_add(struct transaction *tx, struct store_op *op)
{
    struct store_blob_add *add = CONTAINER_OF(op, struct store_blob_add, op);
    return commit_refuse(op, catalogue_blob_add(tx->session.sql, add, transaction_now_ms(tx)));
}

int commit_blob_want(struct transaction *tx, struct store_op *op)
{
    const struct store_blob_want *want = CONTAINER_OF(op, struct store_blob_want, op);
    return commit_refuse(op, catalogue_blob_want(tx->session.sql, want, transaction_now_ms(tx)));
}

int commit_blob_drop(struct transaction *tx, struct store_op *op)
{
    struct store_blob_drop *drop = CONTAINER_OF(op, struct store_blob_drop, op);
    return commit_refuse(op, catalogue_blob_drop(tx->session.sql, drop, transaction_now_ms(tx)));
}

// The epoch and the seal are written as soon as they change, so the catalogue knows them.
int commit_artifact_put(struct transaction *tx, struct store_op *op)
{
    struct store_artifact_put *put = CONTAINER_OF(op, struct store_artifact_put, op);
    struct head *head;
    int err = heads_get(&tx->heads, put->row, &head);
    if (err == 0)
        err = catalogue_artifact_put(tx->session.sql, put, transaction_now_ms(tx));
    if (err < 0)
        return commit_refuse(op, err);
    announce(tx, head);
    return 0;
}

int commit_artifacts_purge(struct transaction *tx, struct store_op *op)
{
    struct store_artifacts_purge *purge = CONTAINER_OF(op, struct store_artifacts_purge, op);
    struct head *head;
    int err = heads_get(&tx->heads, purge->row, &head);
    if (err == 0)
        err = catalogue_artifacts_purge(tx->session.sql, purge);
    if (err < 0)
        return commit_refuse(op, err);
    announce(tx, head);
    return 0;
}
