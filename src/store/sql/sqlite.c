#include "store/sql/sqlite.h"

#include "store/sql/sql_private.h"
#include "util/error.h"

#include <errno.h>

struct sqlite {
    struct sql base;
    sqlite3 *handle;
};

struct sqlite_statement {
    struct sql_statement base;
    sqlite3_stmt *handle;
};

static struct sqlite *sqlite_of(const struct sql *sql)
{
    return CONTAINER_OF(sql, struct sqlite, base);
}

static sqlite3_stmt *handle_of(const struct sql_statement *statement)
{
    return CONTAINER_OF(statement, struct sqlite_statement, base)->handle;
}

// --- Errors

// Finds what the system said about a file that could not be opened, read or written.
static int system_error(sqlite3 *handle)
{
    switch (handle ? sqlite3_system_errno(handle) : 0) {
    case EMFILE:
    case ENFILE:
        return ERR_NO_FILES;
    case ENOSPC:
    case EDQUOT:
        return ERR_STORE_FULL;
    case ENOMEM:
        return ERR_NOMEM;
    default:
        return ERR_UNAVAILABLE;
    }
}

int sql_sqlite_error(sqlite3 *handle, int rc)
{
    switch (rc) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_IOERR_SHMSIZE: // the index of the WAL is in the same folder
        return ERR_STORE_FULL;
    case SQLITE_IOERR_NOMEM:
        return ERR_NOMEM;
    }
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_STORE_FULL;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return system_error(handle);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_CONSTRAINT: // conditions are checked before writing, so these are faults of this program
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_ERROR:
        return ERR_INTERNAL;
    default:
        return ERR_UNAVAILABLE;
    }
}

char *sql_sqlite_reason(sqlite3 *handle)
{
    const char *text = sqlite3_errmsg(handle);
    int primary = sqlite3_errcode(handle) & 0xff, cause = sqlite3_system_errno(handle);
    bool of_system = cause != 0 && (primary == SQLITE_CANTOPEN || primary == SQLITE_IOERR);
    return of_system ? xasprintf("%s: %s", text, strerror(cause)) : xstrdup(text);
}

static int error_of(struct sql *sql, int rc)
{
    sql->again = (rc & 0xff) == SQLITE_BUSY;
    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        return ERR_CONFLICT;
    return sql_sqlite_error(sqlite_of(sql)->handle, rc);
}

static char *reason(const struct sql *sql)
{
    return sql_sqlite_reason(sqlite_of(sql)->handle);
}

// --- Transactions

static int exec(struct sql *sql, const char *text)
{
    return error_of(sql, sqlite3_exec(sqlite_of(sql)->handle, text, NULL, NULL, NULL));
}

static int commit(struct sql *sql)
{
    return exec(sql, "COMMIT");
}

static int rollback(struct sql *sql)
{
    // After some errors SQLite has already rolled back.
    return sqlite3_get_autocommit(sqlite_of(sql)->handle) ? 0 : exec(sql, "ROLLBACK");
}

static void sqlite_free(struct sql *sql)
{
    free(sqlite_of(sql));
}

// --- Statements

static struct sql_statement *prepare(struct sql *sql, const char *text, int parameters, bool kept)
{
    (void)parameters;
    struct sqlite_statement *statement = xcalloc(1, sizeof(*statement));
    unsigned flags = kept ? SQLITE_PREPARE_PERSISTENT : 0;
    int rc = sqlite3_prepare_v3(sqlite_of(sql)->handle, text, -1, flags, &statement->handle, NULL);
    if (rc == SQLITE_OK)
        return &statement->base;
    sql->again = (rc & 0xff) == SQLITE_BUSY;
    free(statement);
    return NULL;
}

static void statement_free(struct sql_statement *statement)
{
    sqlite3_finalize(handle_of(statement));
    free(CONTAINER_OF(statement, struct sqlite_statement, base));
}

// Binding fails only for a wrong index or without memory. Then the next step fails, or the tests do.
static void bind(struct sql_statement *statement, int index, const struct sql_value *value)
{
    sqlite3_stmt *handle = handle_of(statement);
    if (value->null)
        sqlite3_bind_null(handle, index);
    else if (value->type == SQL_INTEGER)
        sqlite3_bind_int64(handle, index, value->number);
    else if (value->type == SQL_TEXT)
        sqlite3_bind_text64(handle, index, value->bytes.data, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_blob64(handle, index, value->bytes.data, value->bytes.len, SQLITE_STATIC);
}

static int step(struct sql_statement *statement)
{
    int rc = sqlite3_step(handle_of(statement));
    return rc == SQLITE_ROW ? 1 : error_of(statement->sql, rc);
}

static int64_t new_id(const struct sql_statement *statement)
{
    return sqlite3_last_insert_rowid(sqlite3_db_handle(handle_of(statement)));
}

static uint64_t changes(const struct sql_statement *statement)
{
    return (uint64_t)sqlite3_changes64(sqlite3_db_handle(handle_of(statement)));
}

static void reset(struct sql_statement *statement)
{
    sqlite3_reset(handle_of(statement));
    sqlite3_clear_bindings(handle_of(statement));
}

static bool null(const struct sql_statement *statement, int column)
{
    return sqlite3_column_type(handle_of(statement), column) == SQLITE_NULL;
}

static int64_t number(const struct sql_statement *statement, int column)
{
    return sqlite3_column_int64(handle_of(statement), column);
}

static struct str bytes(const struct sql_statement *statement, int column, enum sql_type type)
{
    sqlite3_stmt *handle = handle_of(statement);
    if (sqlite3_column_type(handle, column) == SQLITE_NULL)
        return (struct str){0};
    const char *data = type == SQL_TEXT ? (const char *)sqlite3_column_text(handle, column)
                                        : (const char *)sqlite3_column_blob(handle, column);
    return str_n(data ? data : "",
                 (size_t)sqlite3_column_bytes(handle, column)); // SQLite gives no address for an empty blob
}

static const struct sql_vtable sqlite_vtable = {
    .engine = SQL_SQLITE,
    .free = sqlite_free,
    .reason = reason,
    .begin = exec,
    .commit = commit,
    .rollback = rollback,
    .exec = exec,
    .prepare = prepare,
    .statement_free = statement_free,
    .bind = bind,
    .step = step,
    .new_id = new_id,
    .changes = changes,
    .reset = reset,
    .null = null,
    .number = number,
    .bytes = bytes,
};

struct sql *sql_sqlite_new(sqlite3 *handle, struct sql_texts texts)
{
    struct sqlite *sqlite = xcalloc(1, sizeof(*sqlite));
    sql_init(&sqlite->base, &sqlite_vtable, texts);
    sqlite->handle = handle;
    return &sqlite->base;
}

sqlite3 *sql_sqlite_handle(const struct sql *sql)
{
    return sqlite_of(sql)->handle;
}
