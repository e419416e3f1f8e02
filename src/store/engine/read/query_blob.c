// Queries about blobs, files of executions and run tokens. The catalogue has them.
#include "store/engine/read/query.h"

void query_blob_find(const struct session *session, struct store_op *op)
{
    op->err = catalogue_blob_find(session->sql, CONTAINER_OF(op, struct store_blob_find, op));
}

void query_blobs_find(const struct session *session, struct store_op *op)
{
    op->err = catalogue_blobs_find(session->sql, CONTAINER_OF(op, struct store_blobs_find, op));
}

void query_blobs_unused(const struct session *session, struct store_op *op)
{
    op->err =
        catalogue_blobs_unused(session->sql, CONTAINER_OF(op, struct store_blobs_unused, op), session_now_ms(session));
}

void query_blobs_known(const struct session *session, struct store_op *op)
{
    op->err = catalogue_blobs_known(session->sql, CONTAINER_OF(op, struct store_blobs_known, op));
}

void query_file_list(const struct session *session, struct store_op *op)
{
    op->err = catalogue_file_list(session->sql, CONTAINER_OF(op, struct store_file_list, op));
}

void query_run_find(const struct session *session, struct store_op *op)
{
    op->err = catalogue_run_find(session->sql, CONTAINER_OF(op, struct store_run_find, op));
}
