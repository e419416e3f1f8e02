// What retention lets go. The catalogue has the rules.
#include "store/sqlite/read/query.h"

void query_retention_look(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    struct store_retention_look *look = CONTAINER_OF(op, struct store_retention_look, op);
    op->err = catalogue_retention_look(db->sql, look, store_now_ms(store));
}
