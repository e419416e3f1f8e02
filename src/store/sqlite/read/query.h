// The queries: one function for each kind in store/op.h that does not commit. They run on a reader's thread, with its
// connection.
#pragma once

#include "store/sqlite/sqlite_private.h"

typedef void query_fn(struct sqlite_store *store, struct db *db, struct store_op *op); // sets op->err
#define QUERY_DECLARATION(NAME, name, ...) query_fn query_##name;
STORE_QUERIES(QUERY_DECLARATION)
#undef QUERY_DECLARATION

// --- query_execution.c, for any thread with a connection of its own
// Reads the execution, with the state after its hot chunks. Returns ERR_NOT_FOUND.
int execution_load(struct sqlite_store *store, struct db *db, int64_t row, struct execution *ret);
// Reads a row of STATEMENT_PRODUCER_FIND.
struct sequence_producer producer_of_row(sqlite3_stmt *row);
