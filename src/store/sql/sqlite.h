// The driver for SQLite: on a connection that belongs to somebody else, so that what is changed by both is one
// transaction.
#pragma once

#include "store/sql/sql.h"

#include <sqlite3.h>

// `handle` must outlive it.
struct sql *sql_sqlite_new(sqlite3 *handle, struct sql_texts texts);
sqlite3 *sql_sqlite_handle(const struct sql *sql);
// The error of ours for a result code of SQLite's, with what the system said where that is the cause. SQLITE_OK, ROW
// and DONE are 0; what breaks a constraint is ERR_INTERNAL. `handle` may be NULL.
int sql_sqlite_error(sqlite3 *handle, int rc);
// What the connection's last failure was, for people: SQLite's text, and the system's where that says more. Owned by
// the caller.
char *sql_sqlite_reason(sqlite3 *handle);
