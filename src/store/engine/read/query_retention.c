// What retention lets go. The catalogue has the rules.
#include "store/engine/read/query.h"

void query_retention_look(const struct session *session, struct store_op *op)
{
    struct store_retention_look *look = CONTAINER_OF(op, struct store_retention_look, op);
    op->err = catalogue_retention_look(session->sql, look, session_now_ms(session));
}
