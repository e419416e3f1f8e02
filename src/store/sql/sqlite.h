// The driver for SQLite. It works on a connection that belongs to somebody else, so that changes of both are one
// transaction.
#pragma once

#include "store/sql/sql.h"

#include <sqlite3.h>

// `handle` must outlive it.
struct sql *sql_sqlite_new(sqlite3 *handle, struct sql_texts texts);
sqlite3 *sql_sqlite_handle(const struct sql *sql);
// Returns our error for a result code of SQLite, with the system's cause if there is one. SQLITE_OK, ROW and DONE are
// 0. A violated constraint is ERR_INTERNAL. `handle` may be NULL.
int sql_sqlite_error(sqlite3 *handle, int rc);
// Returns what the connection's last failure was, for people: SQLite's text, and the system's if that says more. Owned
// by the caller.
char *sql_sqlite_reason(sqlite3 *handle);
