#include "store/sqlite/db.h"

static const char *const statement_sql[] = {
#define STATEMENT_SQL(name, sql) [STATEMENT_##name] = (sql),
    STATEMENTS(STATEMENT_SQL)
#undef STATEMENT_SQL
};

int db_open(struct db *db, const char *path, const char *vfs, enum db_mode mode)
{
    *db = (struct db){0};
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |= mode == DB_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    int rc = sqlite3_open_v2(path, &db->handle, flags, vfs);
    if (rc != SQLITE_OK) {
        int err = db_error_of(db->handle, rc);
        db_close(db);
        return err;
    }
    db->sql = sql_sqlite_new(db->handle, catalogue_texts);
    // A connection waits for another in two cases only: while the WAL is recovered at the start, and at the end of a
    // backup.
    sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
    // Only the writer checkpoints. A reader that closes last must not.
    if (mode == DB_READER)
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return 0;
}

void db_close(struct db *db)
{
    sql_free(&db->sql);
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(TAKE_PTR(db->statements[i]));
    sqlite3_close_v2(TAKE_PTR(db->handle));
}

int db_exec(struct db *db, const char *sql)
{
    return db_error_of(db->handle, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

sqlite3_stmt *db_statement(struct db *db, enum statement id)
{
    sqlite3_stmt **slot = &db->statements[id];
    if (!*slot) {
        sqlite3_prepare_v3(db->handle, statement_sql[id], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
        return *slot;
    }
    sqlite3_reset(*slot);
    sqlite3_clear_bindings(*slot);
    return *slot;
}

int db_row(sqlite3_stmt *statement)
{
    if (!statement)
        return ERR_UNAVAILABLE;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        return 1;
    int err = db_error_of(sqlite3_db_handle(statement), rc);
    sqlite3_reset(statement);
    return err;
}

int db_run(sqlite3_stmt *statement)
{
    if (!statement)
        return ERR_UNAVAILABLE;
    int rc = sqlite3_step(statement);
    int err = db_error_of(sqlite3_db_handle(statement), rc);
    sqlite3_reset(statement);
    return err;
}

int db_query_i64(struct db *db, const char *sql, int64_t *ret)
{
    CLEANUP(db_finalize) sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return db_error_of(db->handle, rc);
    int row = db_row(statement);
    if (row < 0)
        return row;
    if (row == 0)
        return ERR_NOT_FOUND;
    *ret = db_column_i64(statement, 0);
    return 0;
}

// Binding fails only for a wrong index or without memory. Then the next step fails, or the tests do.
void db_bind_i64(sqlite3_stmt *statement, int index, int64_t value)
{
    sqlite3_bind_int64(statement, index, value);
}

void db_bind_u64(sqlite3_stmt *statement, int index, uint64_t value)
{
    sqlite3_bind_int64(statement, index, (int64_t)value);
}

void db_bind_text(sqlite3_stmt *statement, int index, struct str text)
{
    if (!text.data)
        sqlite3_bind_null(statement, index);
    else
        sqlite3_bind_text64(statement, index, text.data, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

void db_bind_blob(sqlite3_stmt *statement, int index, struct str bytes)
{
    if (!bytes.data)
        sqlite3_bind_null(statement, index);
    else
        sqlite3_bind_blob64(statement, index, bytes.data, bytes.len, SQLITE_STATIC);
}

int64_t db_column_i64(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_int64(statement, column);
}

uint64_t db_column_u64(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

bool db_column_null(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL;
}

struct str db_column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return str_n(text, text ? (size_t)sqlite3_column_bytes(statement, column) : 0);
}

struct str db_column_blob(sqlite3_stmt *statement, int column)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    return str_n(bytes, bytes ? (size_t)sqlite3_column_bytes(statement, column) : 0);
}

char *db_column_dup(sqlite3_stmt *statement, int column)
{
    if (db_column_null(statement, column))
        return NULL;
    return str_dup(db_column_text(statement, column));
}

void db_reset(sqlite3_stmt **statement)
{
    if (*statement)
        sqlite3_reset(*statement);
}

void db_finalize(sqlite3_stmt **statement)
{
    sqlite3_finalize(TAKE_PTR(*statement));
}
