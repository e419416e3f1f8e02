// Queries about accounts, keys and secrets. The catalogue has them.
#include "store/engine/read/query.h"

void query_key_find(const struct session *session, struct store_op *op)
{
    op->err = catalogue_key_find(session->sql, CONTAINER_OF(op, struct store_key_find, op));
}

void query_key_list(const struct session *session, struct store_op *op)
{
    op->err = catalogue_key_list(session->sql, CONTAINER_OF(op, struct store_key_list, op));
}

void query_account_list(const struct session *session, struct store_op *op)
{
    op->err = catalogue_account_list(session->sql, CONTAINER_OF(op, struct store_account_list, op));
}

void query_account_rows(const struct session *session, struct store_op *op)
{
    op->err = catalogue_account_rows(session->sql, CONTAINER_OF(op, struct store_account_rows, op));
}

void query_created(const struct session *session, struct store_op *op)
{
    struct store_created *created = CONTAINER_OF(op, struct store_created, op);
    op->err = catalogue_created(session->sql, created, session_now_ms(session));
}

void query_secret_list(const struct session *session, struct store_op *op)
{
    op->err = catalogue_secret_list(session->sql, CONTAINER_OF(op, struct store_secret_list, op));
}
