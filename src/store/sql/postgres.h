// The driver for PostgreSQL 15 or newer, with libpq. Its calls wait for the server, so they need threads of their own
// and must not run on a loop.
#pragma once

#include "store/sql/sql.h"

// `conninfo` as libpq has it, e.g. "host=db dbname=runnel". ERR_UNAVAILABLE, or
// ERR_INVALID for a database that cannot hold all text; with the reason for people in ret_reason, in one line.
int sql_postgres_open(const char *conninfo, struct sql_texts texts, struct sql **ret, struct buf *ret_reason);

// Sends these bound statements to the server together, and waits once for all. Each is run in its turn, and sees what
// those before it did. Their rows are read as ever, with sql_row or sql_run, which then do not wait. Returns 0; or an
// error, and what came behind it was not run. Statements of sql_statement() only.
enum sql_postgres_bounds {
    SQL_POSTGRES_BEGIN = 1,  // BEGIN before them
    SQL_POSTGRES_COMMIT = 2, // COMMIT behind them. Errors are those of sql_commit
};
int sql_postgres_together(struct sql *sql, unsigned bounds, struct sql_statement *const *statements, size_t count);
// Begins a transaction by whatever is asked for next: BEGIN and this bound statement are sent right before it, or
// before what sql_postgres_together sends with a COMMIT, and with that. Its rows are read as above, once something was
// sent (sql_postgres_begun). No other connection is made: if this one is known to be lost by then, nothing is sent, and
// it can be begun again (sql_again). A rollback before that forgets it.
void sql_postgres_begin_later(struct sql *sql, struct sql_statement *first);
bool sql_postgres_begun(const struct sql *sql); // false as long as nothing was sent of such a transaction
// Runs COPY … FROM STDIN (FORMAT binary) with these bytes: the rows alone, without the format's header and trailer.
// Returns 0 or an error.
int sql_postgres_copy(struct sql *sql, const char *statement, struct str rows);
// SQL for the number of the history that a server writes, until another one is promoted and begins the next. On that
// one numbers of transactions may come again. Not on a standby.
#define SQL_POSTGRES_TIMELINE "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"

// Tells one connection from those before it; 0: it is lost, as far as that can be known without asking the server, and
// the next transaction makes another one. When no answer is awaited.
uint64_t sql_postgres_connection(const struct sql *sql);
// Until the rollback: whether the last failure was a condition that did not hold, by which a statement divides (1 / 0).
bool sql_postgres_unmet(const struct sql *sql);
// Whether the last failure was a row that had no part of its table to go to.
bool sql_postgres_no_part(const struct sql *sql);
// Whether the connection is in a transaction that has failed: all that is left is to roll it back.
bool sql_postgres_failed(const struct sql *sql);
