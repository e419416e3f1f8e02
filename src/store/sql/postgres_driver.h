// The state of the driver for PostgreSQL, and what its files share: postgres.c on top, postgres_bulk.c,
// postgres_driver.c.
#pragma once

#include "bus/postgres_connect.h"
#include "store/sql/postgres.h"
#include "store/sql/sql_private.h"

#define CONNECTION_NAME "runnel"

struct postgres {
    struct sql base;
    char *conninfo;
    PGconn *connection;
    uint64_t connect_from_ms;    // it does not try to connect before that
    uint64_t generation;         // of the connection; what was prepared on an earlier connection is gone
    bool demoted;                // its server is not the primary any more
    bool stuck;                  // the connection cannot leave a pipeline
    bool no_part;                // the last failure: a row that had no part of its table to go to
    bool unmet;                  // the last failure: a division by zero
    struct sql_statement *first; // of a transaction that is to begin with what is sent next; NULL: none
    uint64_t names;              // how many names were given out
    char *reason;                // of the last failure
};

struct parameter {
    Oid type;
    const char *data; // NULL: null
    int len;
    char number[8];
};

struct postgres_statement {
    struct sql_statement base;
    char *text, *name; // without a name it is not kept
    uint64_t generation;
    int count;
    struct parameter *parameters;
    PGresult *result; // of a statement that has begun
    int row;          // the present row
};

static inline struct postgres *postgres_of(const struct sql *sql)
{
    return CONTAINER_OF(sql, struct postgres, base);
}

static inline struct postgres_statement *statement_of(const struct sql_statement *statement)
{
    return CONTAINER_OF(statement, struct postgres_statement, base);
}

struct arguments { // as libpq takes them
    Oid *types;
    const char **values;
    int *sizes, *formats;
};

static inline void result_clear(PGresult **result)
{
    PQclear(TAKE_PTR(*result));
}

static inline bool is_lost(const struct postgres *postgres)
{
    return postgres->demoted || postgres->stuck || PQstatus(postgres->connection) != CONNECTION_OK;
}

// For a result that is not what was asked for, or for none: the error, which it notes with its reason.
int driver_failure(struct postgres *postgres, const PGresult *result);
// Errors as of sql.h. A new connection has nothing prepared.
int driver_connect_again(struct postgres *postgres);
int driver_prepare(struct postgres *postgres, struct postgres_statement *statement, const Oid *types);
int driver_begin(struct postgres *postgres);                         // sends the beginning that waits, if there is one
PGresult *driver_query(struct postgres *postgres, const char *text); // waits. The caller's; NULL: it was not sent
// What is bound, as libpq takes it. The values are views of the statement's.
struct arguments driver_arguments(const struct postgres_statement *statement);
void driver_arguments_release(struct arguments *arguments);
