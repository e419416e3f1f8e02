// One connection with its prepared statements, and short names for binding parameters and reading columns. For one
// thread.
#pragma once

#include "store/catalogue/statements.h"
#include "store/sql/sqlite.h"
#include "store/sqlite/statements.h"
#include "util/error.h"
#include "util/str.h"

#include <sqlite3.h>

struct db {
    sqlite3 *handle;
    struct sql *sql;                           // the catalogue's statements, on the same connection
    sqlite3_stmt *statements[STATEMENT_COUNT]; // the log's statements, prepared when they are first used
};

#define DB_BUSY_MS 10000 // how long a connection waits for another

enum db_mode { DB_WRITER, DB_READER };

// Opens `path` with the VFS `vfs` (NULL: the default). A reader's connection cannot write.
int db_open(struct db *db, const char *path, const char *vfs, enum db_mode mode);
void db_close(struct db *db);

int db_exec(struct db *db, const char *sql); // returns 0 or one of our error codes
// As sql_sqlite_error and sql_sqlite_reason.
static inline int db_error_of(sqlite3 *handle, int rc)
{
    return sql_sqlite_error(handle, rc);
}
static inline char *db_reason(const struct db *db)
{
    return sql_sqlite_reason(db->handle);
}

// Returns the statement, reset and without bindings; NULL if it cannot be prepared.
sqlite3_stmt *db_statement(struct db *db, enum statement id);
// Steps to a row: returns 1 with a row, 0 without, or one of our errors. Without a row the statement is reset.
int db_row(sqlite3_stmt *statement);
// Runs a statement without rows, and resets it. Returns 0 or one of our errors.
int db_run(sqlite3_stmt *statement);
// Returns the one integer of a statement without parameters, such as "PRAGMA user_version".
int db_query_i64(struct db *db, const char *sql, int64_t *ret);

// Parameters are numbered from 1, columns from 0. A view without data binds NULL. Bound bytes must live until the
// statement is reset.
void db_bind_i64(sqlite3_stmt *statement, int index, int64_t value);
void db_bind_u64(sqlite3_stmt *statement, int index, uint64_t value); // bit for bit
void db_bind_text(sqlite3_stmt *statement, int index, struct str text);
void db_bind_blob(sqlite3_stmt *statement, int index, struct str bytes);

int64_t db_column_i64(sqlite3_stmt *statement, int column);
uint64_t db_column_u64(sqlite3_stmt *statement, int column);
bool db_column_null(sqlite3_stmt *statement, int column);
struct str db_column_text(sqlite3_stmt *statement, int column); // valid until the next step or reset
struct str db_column_blob(sqlite3_stmt *statement, int column);
char *db_column_dup(sqlite3_stmt *statement, int column); // NULL for NULL

// For CLEANUP: resets a statement, so that no read transaction lasts longer than its use.
void db_reset(sqlite3_stmt **statement);
void db_finalize(sqlite3_stmt **statement); // for CLEANUP of statements that were prepared for one use
