// Statements for small rows, the same on each engine. A driver is a const vtable: sqlite.c beside the log's own
// connection, postgres.c by libpq. A connection belongs to one thread at a time, and its calls block.
//
// Statements are kept in a table, by number, and prepared when they are first wanted; {words} of theirs become the
// engine's (words.h), and their parameters are ?1, ?2 … Every parameter is bound each time, to the same type each time.
//
// Errors: ERR_CONFLICT (what was to be unique is there; say ON CONFLICT instead where that can happen), ERR_STORE_FULL,
// ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE (away, or at odds with another transaction: sql_again), ERR_CORRUPT,
// ERR_INVALID (text that is not UTF-8), ERR_INTERNAL (a fault of this program). After any of them the transaction must
// be rolled back.
#pragma once

#include "util/buf.h"
#include "util/str.h"

struct sql;
struct sql_statement;

enum sql_engine { SQL_SQLITE, SQL_POSTGRES, SQL_ENGINES };
enum sql_type { SQL_NONE, SQL_INTEGER, SQL_TEXT, SQL_BYTES };

struct sql_texts { // what may be wanted by number
    const char *const *items;
    size_t count;
};

// The text with the engine's words in it, and its placeholders.
void sql_expand(enum sql_engine engine, const char *text, struct buf *out);

void sql_free(struct sql **sql);
enum sql_engine sql_engine(const struct sql *sql);
// What the last failure was, for people. Owned by the caller.
char *sql_reason(const struct sql *sql);
// The last failure came of another transaction at the same time: begun again, this one may succeed.
bool sql_again(const struct sql *sql);
// Says so of what the caller found: another transaction was faster. Returns ERR_UNAVAILABLE.
int sql_outrun(struct sql *sql);

// --- Transactions. SQLite's write transactions exclude each other. On PostgreSQL each statement sees what is committed
// by then, so what is read to be changed is read {locked}. The owner of a connection may begin and end them by other
// means, too.
enum sql_mode { SQL_READ, SQL_WRITE };
int sql_begin(struct sql *sql, enum sql_mode mode); // connects again if need be
// Any error: nothing is known to be committed. ERR_UNAVAILABLE: it may be, if the connection went; ask before doing it
// again.
int sql_commit(struct sql *sql);
int sql_rollback(struct sql *sql); // also after errors; nothing if none is under way

// Statements without parameters or rows, separated by semicolons.
int sql_exec(struct sql *sql, const char *text);

// --- Statements
// The statement by its number, reset; NULL if it cannot be prepared, which the other functions take and sql_row
// reports.
struct sql_statement *sql_statement(struct sql *sql, unsigned number);
// One made for this use; to be freed.
struct sql_statement *sql_prepare(struct sql *sql, const char *text);
void sql_statement_free(struct sql_statement **statement);
// For CLEANUP: ends the use of a kept statement, and with it what it holds of the database.
void sql_reset(struct sql_statement **statement);

// Parameters count from 1. A view without data binds NULL. Bytes must live until the statement is reset.
void sql_bind_i64(struct sql_statement *statement, int index, int64_t value);
void sql_bind_u64(struct sql_statement *statement, int index,
                  uint64_t value); // bit for bit; not to be compared by < there
void sql_bind_text(struct sql_statement *statement, int index, struct str text);
void sql_bind_bytes(struct sql_statement *statement, int index, struct str bytes);
void sql_bind_null(struct sql_statement *statement, int index, enum sql_type type);

// Steps to the next row: 1 with a row, 0 without, or an error. The statement is reset unless there is a row.
int sql_row(struct sql_statement *statement);
// Runs it to its end and resets it: 0 or an error. ret_changes: how many rows it changed; may be NULL.
int sql_run(struct sql_statement *statement, uint64_t *ret_changes);
// Runs INSERT … {new_id}: the number of the new row. ERR_NOT_FOUND if there is none, by ON CONFLICT DO NOTHING.
int sql_insert(struct sql_statement *statement, int64_t *ret_id);
// The one integer of its only row, as of SELECT count(*), and resets it. ERR_NOT_FOUND without a row.
int sql_number(struct sql_statement *statement, int64_t *ret);

// Columns count from 0. Views are valid until the next step or reset.
bool sql_null(const struct sql_statement *statement, int column);
int64_t sql_i64(const struct sql_statement *statement, int column); // 0 for NULL
uint64_t sql_u64(const struct sql_statement *statement, int column);
struct str sql_text(const struct sql_statement *statement, int column); // no data for NULL; "" has some
struct str sql_bytes(const struct sql_statement *statement, int column);
char *sql_dup(const struct sql_statement *statement, int column); // NULL for NULL
