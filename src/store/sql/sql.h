// Statements for small rows, the same on each engine. A driver is a const vtable: sqlite.c on the connection of the
// log, postgres.c with libpq. A connection is for one thread at a time, and its calls block.
//
// Statements are in a table, by number, and are prepared when they are first used. Their {words} become the engine's
// words (words.h); their parameters are ?1, ?2 … Every parameter must be bound each time, with the same type each time.
//
// Errors: ERR_CONFLICT (something that must be unique exists; use ON CONFLICT where that can happen), ERR_STORE_FULL,
// ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE (the server is away, or another transaction was in the way: sql_again),
// ERR_CORRUPT, ERR_INVALID (text that is not UTF-8), ERR_INTERNAL (a fault of this program). After any of them the
// transaction must be rolled back.
#pragma once

#include "util/buf.h"
#include "util/str.h"

struct sql;
struct sql_statement;

enum sql_engine { SQL_SQLITE, SQL_POSTGRES, SQL_ENGINES };
enum sql_type { SQL_NONE, SQL_INTEGER, SQL_TEXT, SQL_BYTES };

struct sql_texts { // statements that can be asked for by number
    const char *const *items;
    size_t count;
    const char *has_part; // SELECT of one number, not 0 if the part ?1 is there; NULL: nothing is kept in parts
};

// Writes the text with the engine's words and placeholders.
void sql_expand(enum sql_engine engine, const char *text, struct buf *out);

void sql_free(struct sql **sql);
enum sql_engine sql_engine(const struct sql *sql);
// Returns what the last failure was, for people. Owned by the caller.
char *sql_reason(const struct sql *sql);
// True for errors that make a whole transaction fail, and not only one operation.
bool sql_is_fatal(int err);
// True if another transaction at the same time caused the last failure. If it is begun again, this transaction may
// succeed.
bool sql_again(const struct sql *sql);
// For callers that find out themselves that another transaction was faster. Makes sql_again true; returns
// ERR_UNAVAILABLE.
int sql_outrun(struct sql *sql);

// --- Transactions. On SQLite, write transactions exclude each other. On PostgreSQL, each statement sees what is
// committed by then; so rows that are read in order to change them must be read {locked}. The owner of a connection may
// also begin and end transactions in another way.
enum sql_mode { SQL_READ, SQL_WRITE };
int sql_begin(struct sql *sql, enum sql_mode mode); // connects again if necessary
// After any error, nothing is known to be committed. ERR_UNAVAILABLE: it may be committed, if the connection was lost;
// find that out before doing it again.
int sql_commit(struct sql *sql);
int sql_rollback(struct sql *sql); // also after errors; does nothing if no transaction is under way

// Runs statements without parameters and rows, separated by semicolons.
int sql_exec(struct sql *sql, const char *text);

// --- Statements
// Returns the statement with this number, reset. Returns NULL if it cannot be prepared; the other functions take that
// NULL, and sql_row reports the error.
struct sql_statement *sql_statement(struct sql *sql, unsigned number);
// The same, for a table that is kept in parts: {part} behind its name in the text means this part. Without such a part,
// or where nothing is kept in parts, it means the whole. What the last few parts have prepared is kept: a statement is
// good for as long as no more than SQL_PARTS - 1 others are asked for. The table of a part that goes meanwhile is
// reported as another transaction in the way (sql_again).
#define SQL_PARTS 8
struct sql_statement *sql_statement_of(struct sql *sql, unsigned number, int64_t part);
// Makes a statement for this use. The caller must free it.
struct sql_statement *sql_prepare(struct sql *sql, const char *text);
void sql_statement_free(struct sql_statement **statement);
// For CLEANUP: ends the use of a kept statement, and releases what it holds of the database.
void sql_reset(struct sql_statement **statement);

// Parameters count from 1. A view without data binds NULL. The bytes must live until the statement is reset.
void sql_bind_i64(struct sql_statement *statement, int index, int64_t value);
void sql_bind_u64(struct sql_statement *statement, int index,
                  uint64_t value); // bit for bit; not to be compared by < there
void sql_bind_text(struct sql_statement *statement, int index, struct str text);
void sql_bind_bytes(struct sql_statement *statement, int index, struct str bytes);
void sql_bind_null(struct sql_statement *statement, int index, enum sql_type type);

// Steps to the next row: returns 1 with a row, 0 without, or an error. Without a row the statement is reset.
int sql_row(struct sql_statement *statement);
// Runs the statement to its end and resets it. Returns 0 or an error. ret_changes is how many rows it changed; may be
// NULL.
int sql_run(struct sql_statement *statement, uint64_t *ret_changes);
// Runs INSERT … {new_id} and returns the number of the new row. ERR_NOT_FOUND if ON CONFLICT DO NOTHING has inserted
// none.
int sql_insert(struct sql_statement *statement, int64_t *ret_id);
// Returns the one integer of the only row, as of SELECT count(*), and resets the statement. ERR_NOT_FOUND without a
// row.
int sql_number(struct sql_statement *statement, int64_t *ret);

// Columns count from 0. Views are valid until the next step or reset.
bool sql_null(const struct sql_statement *statement, int column);
int64_t sql_i64(const struct sql_statement *statement, int column); // 0 for NULL
uint64_t sql_u64(const struct sql_statement *statement, int column);
struct str sql_text(const struct sql_statement *statement, int column); // no data for NULL; "" has data
struct str sql_bytes(const struct sql_statement *statement, int column);
char *sql_dup(const struct sql_statement *statement, int column); // NULL for NULL
