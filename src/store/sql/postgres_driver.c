// What both ways to use a connection share: what went wrong, connecting again, preparing.
#include "store/sql/postgres_driver.h"

#include "util/clock.h"
#include "util/error.h"

#define READ_ONLY "25006" // read_only_sql_transaction: it is not the primary any more
#define NO_TABLE  "42P01" // undefined_table: the part of one, which has been dropped
#define NO_PART   "23514" // check_violation, which COPY and INSERT report if a row has no part to go to
#define UNMET     "22012" // division_by_zero: what a statement requires, and divides by, is not so any more

#define CONNECT_PAUSE_MS ((uint64_t)1000)

// --- Errors

// By the beginning of the SQLSTATE. The first entry that fits is used.
static const struct {
    const char *state;
    int err;
    bool again;
} states[] = {
    {"23505", ERR_CONFLICT, false},   // unique_violation
    {"40", ERR_UNAVAILABLE, true},    // serialization_failure, deadlock_detected
    {"55P03", ERR_UNAVAILABLE, true}, // lock_not_available
    {"53100", ERR_STORE_FULL, false},    {"53200", ERR_NOMEM, false},
    {"53", ERR_UNAVAILABLE, false},   // too_many_connections …
    {"08", ERR_UNAVAILABLE, false},   // connection exceptions
    {"57", ERR_UNAVAILABLE, false},   // admin_shutdown, cannot_connect_now, query_canceled
    {"25P03", ERR_UNAVAILABLE, true}, // idle_in_transaction_session_timeout: this process stood still
    {READ_ONLY, ERR_UNAVAILABLE, false}, {"58030", ERR_UNAVAILABLE, false}, // io_error
    {"XX001", ERR_CORRUPT, false},       {"XX002", ERR_CORRUPT, false},
    {NO_PART, ERR_UNAVAILABLE, true},    {UNMET, ERR_UNAVAILABLE, true},
    {"22021", ERR_INVALID, false}, // character_not_in_repertoire
};

static int error_of_state(struct postgres *postgres, const char *state)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0) {
            postgres->base.again = states[i].again;
            return states[i].err;
        }
    }
    return ERR_INTERNAL;
}

// For a result that is not what was asked for, or for none.
int driver_failure(struct postgres *postgres, const PGresult *result)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    CLEANUP(buf_release) struct buf reason = {0};
    postgres_append_reason(&reason, result ? PQresultErrorMessage(result) : PQerrorMessage(postgres->connection));
    free(postgres->reason);
    postgres->reason = xstrdup(buf_cstr(&reason));
    postgres->base.again = false;
    postgres->demoted = postgres->demoted || (state && strcmp(state, READ_ONLY) == 0);
    postgres->no_part = state && strcmp(state, NO_PART) == 0;
    postgres->unmet = state && strcmp(state, UNMET) == 0;
    if (state && strcmp(state, NO_TABLE) == 0 && postgres->base.part_uses > 0) {
        postgres->base.part_gone = postgres->base.again = true;
        return ERR_UNAVAILABLE;
    }
    return state ? error_of_state(postgres, state) : ERR_UNAVAILABLE;
}

// --- The connection

// To learn that nobody answers takes seconds. Whatever is asked for right after that is told so at once, so that a
// queue does not wait for as many times as it is long.
int driver_connect_again(struct postgres *postgres)
{
    uint64_t from_ms = clock_mono_ms();
    postgres->base.again = false;
    if (from_ms < postgres->connect_from_ms)
        return ERR_UNAVAILABLE;
    PQfinish(postgres->connection);
    postgres->connection = postgres_connect(postgres->conninfo, CONNECTION_NAME);
    postgres->generation++;
    postgres->demoted = postgres->stuck = false;
    if (PQstatus(postgres->connection) == CONNECTION_OK)
        return 0;
    uint64_t now_ms = clock_mono_ms();
    postgres->connect_from_ms = now_ms + MIN(now_ms - from_ms, CONNECT_PAUSE_MS);
    return driver_failure(postgres, NULL);
}

PGresult *driver_query(struct postgres *postgres, const char *text)
{
    return PQsendQuery(postgres->connection, text) ? postgres_answer(postgres->connection) : NULL;
}

// --- Statements

int driver_prepare(struct postgres *postgres, struct postgres_statement *statement, const Oid *types)
{
    bool sent = PQsendPrepare(postgres->connection, statement->name, statement->text, statement->count, types);
    CLEANUP(result_clear) PGresult *result = sent ? postgres_answer(postgres->connection) : NULL;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return driver_failure(postgres, result);
    statement->generation = postgres->generation;
    return 0;
}

void driver_arguments_release(struct arguments *arguments)
{
    free(arguments->types);
    free(arguments->values);
    free(arguments->sizes);
    free(arguments->formats);
}

struct arguments driver_arguments(const struct postgres_statement *statement)
{
    size_t count = (size_t)statement->count;
    struct arguments ret = {
        .types = xcalloc(count + 1, sizeof(*ret.types)),
        .values = xcalloc(count + 1, sizeof(*ret.values)),
        .sizes = xcalloc(count + 1, sizeof(*ret.sizes)),
        .formats = xcalloc(count + 1, sizeof(*ret.formats)),
    };
    for (size_t i = 0; i < count; i++) {
        ret.types[i] = statement->parameters[i].type;
        ret.values[i] = statement->parameters[i].data;
        ret.sizes[i] = statement->parameters[i].len;
        ret.formats[i] = 1;
    }
    return ret;
}
