// What only this engine has: COPY, and several statements that are sent together.
#include "store/sql/postgres_driver.h"
#include "util/error.h"

#include <poll.h>

#define LOOKS_MAX 4                          // at what has come: a message, and the end
#define COPY_PART ((size_t)16 * 1024 * 1024) // given to libpq at once, which keeps a copy

#define COPY_HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0" // signature, flags, length of the extension
#define COPY_END    "\377\377"

static int copy_end(struct postgres *postgres)
{
    CLEANUP(result_clear) PGresult *result = postgres_answer(postgres->connection);
    return PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : driver_failure(postgres, result);
}

static bool copy_send(struct postgres *postgres, struct str bytes)
{
    bool sent = true;
    for (size_t at = 0; at < bytes.len && sent; at += COPY_PART)
        sent = PQputCopyData(postgres->connection, bytes.data + at, (int)MIN(bytes.len - at, COPY_PART)) == 1 &&
               postgres_flush(postgres->connection);
    return sent;
}

int sql_postgres_copy(struct sql *sql, const char *statement, struct str rows)
{
    struct postgres *postgres = postgres_of(sql);
    int err = driver_begin(postgres);
    if (err < 0)
        return err;
    CLEANUP(result_clear) PGresult *began = driver_query(postgres, statement);
    if (PQresultStatus(began) != PGRES_COPY_IN)
        return driver_failure(postgres, began);
    const struct str parts[] = {str_n(COPY_HEADER, sizeof(COPY_HEADER) - 1), rows,
                                str_n(COPY_END, sizeof(COPY_END) - 1)};
    bool sent = true;
    for (size_t i = 0; i < ARRAY_LEN(parts) && sent; i++)
        sent = copy_send(postgres, parts[i]);
    if (!sent || PQputCopyEnd(postgres->connection, NULL) != 1)
        return driver_failure(postgres, NULL);
    return copy_end(postgres);
}

// Outside of a pipeline, because what it cannot prepare would end the transaction.
static int prepare_all(struct postgres *postgres, struct sql_statement *const *statements, size_t count)
{
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        struct postgres_statement *statement = statement_of(statements[i]);
        if (statement->generation == postgres->generation)
            continue;
        CLEANUP(driver_arguments_release) struct arguments with = driver_arguments(statement);
        err = driver_prepare(postgres, statement, with.types);
    }
    return err;
}

static bool send_text(struct postgres *postgres, const char *text)
{
    return PQsendQueryParams(postgres->connection, text, 0, NULL, NULL, NULL, NULL, 1) == 1;
}

static bool send_all(struct postgres *postgres, unsigned bounds, struct sql_statement *const *statements, size_t count)
{
    PGconn *connection = postgres->connection;
    bool sent = !(bounds & SQL_POSTGRES_BEGIN) || send_text(postgres, "BEGIN");
    for (size_t i = 0; i < count && sent; i++) {
        const struct postgres_statement *statement = statement_of(statements[i]);
        CLEANUP(driver_arguments_release) struct arguments with = driver_arguments(statement);
        sent = PQsendQueryPrepared(connection, statement->name, statement->count, with.values, with.sizes, with.formats,
                                   1) == 1;
    }
    sent = sent && (!(bounds & SQL_POSTGRES_COMMIT) || send_text(postgres, "COMMIT"));
    return sent && PQpipelineSync(connection) == 1;
}

// Of the statement whose turn it is. A NULL ends what belongs to it.
static PGresult *receive(struct postgres *postgres)
{
    PGresult *first = postgres_next_result(postgres->connection), *more;
    while (first && (more = postgres_next_result(postgres->connection)))
        PQclear(more);
    return first;
}

// An error that came before stays.
static int receive_one(struct postgres *postgres, PGresult **ret, int err)
{
    *ret = receive(postgres);
    ExecStatusType status = PQresultStatus(*ret);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return err;
    err = err < 0 ? err : driver_failure(postgres, *ret);
    result_clear(ret);
    return err;
}

static int receive_bound(struct postgres *postgres, const char *tag, int err)
{
    CLEANUP(result_clear) PGresult *result = NULL;
    err = receive_one(postgres, &result, err);
    return err < 0 || strcmp(PQcmdStatus(result), tag) == 0 ? err : ERR_INTERNAL;
}

static int receive_all(struct postgres *postgres, unsigned bounds, struct sql_statement *const *statements,
                       size_t count)
{
    int err = bounds & SQL_POSTGRES_BEGIN ? receive_bound(postgres, "BEGIN", 0) : 0;
    for (size_t i = 0; i < count; i++) {
        struct postgres_statement *statement = statement_of(statements[i]);
        PGresult *result;
        err = receive_one(postgres, &result, err);
        if (!result) // one that came before, of the same statement, stays
            continue;
        result_clear(&statement->result);
        statement->result = result;
        statement->row = -1;
    }
    if (bounds & SQL_POSTGRES_COMMIT)
        err = receive_bound(postgres, "COMMIT", err);
    PQclear(postgres_next_result(postgres->connection)); // of the end of the pipeline
    return err;
}

static int together(struct postgres *postgres, unsigned bounds, struct sql_statement *const *statements, size_t count)
{
    int err = prepare_all(postgres, statements, count);
    if (err < 0)
        return err;
    if (PQenterPipelineMode(postgres->connection) != 1)
        return driver_failure(postgres, NULL);
    err = send_all(postgres, bounds, statements, count) ? 0 : driver_failure(postgres, NULL);
    int received = receive_all(postgres, bounds, statements, count);
    // A server that ends the connection says so in the place of the pipeline's end, behind whatever it refused before.
    // Such a connection takes nothing more, also while its end was not read yet.
    postgres->stuck = PQexitPipelineMode(postgres->connection) != 1;
    if (postgres->stuck && err == 0 && received == 0)
        err = driver_failure(postgres, NULL);
    return err < 0 ? err : received;
}

// --- A transaction that begins with what is sent next

void sql_postgres_begin_later(struct sql *sql, struct sql_statement *first)
{
    postgres_of(sql)->first = first;
}

bool sql_postgres_begun(const struct sql *sql)
{
    return !postgres_of(sql)->first;
}

// On a connection that is known to be lost nothing is sent, so nothing of it is anywhere.
static int first_is_sent(struct postgres *postgres, unsigned bounds, struct sql_statement *const *statements,
                         size_t count)
{
    postgres->base.again = is_lost(postgres);
    return postgres->base.again ? ERR_UNAVAILABLE : together(postgres, bounds, statements, count);
}

int driver_begin(struct postgres *postgres)
{
    struct sql_statement *first = TAKE_PTR(postgres->first);
    int err = first ? first_is_sent(postgres, SQL_POSTGRES_BEGIN, &first, 1) : 0;
    if (err < 0 && is_lost(postgres))
        postgres->base.again = true; // no commit was sent with it
    return err;
}

static int together_from_first(struct postgres *postgres, unsigned bounds, struct sql_statement *const *statements,
                               size_t count)
{
    CLEANUP(free_ptr) struct sql_statement **all = xcalloc(count + 1, sizeof(struct sql_statement *));
    all[0] = TAKE_PTR(postgres->first);
    for (size_t i = 0; i < count; i++)
        all[i + 1] = statements[i];
    return first_is_sent(postgres, bounds | SQL_POSTGRES_BEGIN, all, count + 1);
}

int sql_postgres_together(struct sql *sql, unsigned bounds, struct sql_statement *const *statements, size_t count)
{
    struct postgres *postgres = postgres_of(sql);
    if (postgres->first)
        return together_from_first(postgres, bounds, statements, count);
    bool begin = bounds & SQL_POSTGRES_BEGIN;
    int err = begin && is_lost(postgres) ? driver_connect_again(postgres) : 0;
    if (err == 0)
        err = together(postgres, bounds, statements, count);
    if (err == 0 || !begin || bounds & SQL_POSTGRES_COMMIT || !is_lost(postgres))
        return err;
    // As in begin(): nothing of the transaction is anywhere.
    for (size_t i = 0; i < count; i++)
        result_clear(&statement_of(statements[i])->result);
    err = driver_connect_again(postgres);
    return err < 0 ? err : together(postgres, bounds, statements, count);
}

// What has come without being asked for: the server says that it ends, and ends.
static void look_for_end(struct postgres *postgres)
{
    struct pollfd fd = {.fd = PQsocket(postgres->connection), .events = POLLIN};
    for (int i = 0; i < LOOKS_MAX && fd.fd >= 0 && poll(&fd, 1, 0) > 0; i++) {
        if (PQconsumeInput(postgres->connection) != 1)
            return;
        (void)PQisBusy(postgres->connection); // takes in what was read
    }
}

uint64_t sql_postgres_connection(const struct sql *sql)
{
    struct postgres *postgres = postgres_of(sql);
    if (!is_lost(postgres))
        look_for_end(postgres);
    return is_lost(postgres) ? 0 : postgres->generation;
}

bool sql_postgres_unmet(const struct sql *sql)
{
    return postgres_of(sql)->unmet;
}

bool sql_postgres_no_part(const struct sql *sql)
{
    return postgres_of(sql)->no_part;
}

bool sql_postgres_failed(const struct sql *sql)
{
    return PQtransactionStatus(postgres_of(sql)->connection) == PQTRANS_INERROR;
}
