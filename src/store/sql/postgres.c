// Numbers and bytes travel in binary form, in network order. A statement is prepared at its first step, when the types
// of its parameters are known. If a connection was lost, the next transaction makes a new one and prepares again what
// it uses.
#include "store/sql/postgres_driver.h"
#include "util/error.h"

#include <endian.h>

// Object identifiers of the server's types. They are the same in each installation.
#define OID_INT8  20
#define OID_TEXT  25
#define OID_BYTEA 17

static char *reason(const struct sql *sql)
{
    const char *text = postgres_of(sql)->reason;
    return xstrdup(text ? text : "");
}

// --- Transactions

static int run_text(struct postgres *postgres, const char *text, const char *tag)
{
    CLEANUP(result_clear) PGresult *result = driver_query(postgres, text);
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        // If a transaction has failed before, the server answers COMMIT with ROLLBACK, and not with an error.
        return !tag || strcmp(PQcmdStatus(result), tag) == 0 ? 0 : ERR_INTERNAL;
    default:
        return driver_failure(postgres, result);
    }
}

static int exec(struct sql *sql, const char *text)
{
    struct postgres *postgres = postgres_of(sql);
    int err = driver_begin(postgres);
    return err < 0 ? err : run_text(postgres, text, NULL);
}

static int begin(struct sql *sql, const char *text)
{
    struct postgres *postgres = postgres_of(sql);
    int err = is_lost(postgres) ? driver_connect_again(postgres) : 0;
    if (err == 0)
        err = run_text(postgres, text, NULL);
    if (err == 0 || !is_lost(postgres))
        return err;
    // It was lost since it was used last, and nothing has happened in the new transaction yet.
    err = driver_connect_again(postgres);
    return err < 0 ? err : run_text(postgres, text, NULL);
}

static int commit(struct sql *sql)
{
    struct postgres *postgres = postgres_of(sql);
    int err = driver_begin(postgres);
    return err < 0 ? err : run_text(postgres, "COMMIT", "COMMIT");
}

static int rollback(struct sql *sql)
{
    struct postgres *postgres = postgres_of(sql);
    postgres->first = NULL;
    postgres->unmet = false;
    PGTransactionStatusType status = PQtransactionStatus(postgres->connection);
    // A connection that is gone took its transaction with it, and one that is of no use takes it when it is made anew.
    if (postgres->stuck)
        return 0;
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR ? run_text(postgres, "ROLLBACK", NULL) : 0;
}

// --- Statements

static struct sql_statement *prepare(struct sql *sql, const char *text, int parameters, bool kept)
{
    struct postgres_statement *statement = xcalloc(1, sizeof(*statement));
    statement->text = xstrdup(text);
    statement->name = kept ? xasprintf("s%llu", (unsigned long long)++postgres_of(sql)->names) : NULL;
    statement->count = parameters;
    statement->parameters = xcalloc((size_t)parameters + 1, sizeof(*statement->parameters));
    return &statement->base;
}

static void reset(struct sql_statement *base)
{
    struct postgres_statement *statement = statement_of(base);
    result_clear(&statement->result);
    for (int i = 0; i < statement->count; i++)
        statement->parameters[i].data = NULL; // the type stays
}

static void statement_free(struct sql_statement *base)
{
    struct postgres_statement *statement = statement_of(base);
    reset(base);
    free(statement->parameters);
    free(statement->text);
    free(statement->name);
    free(statement);
}

static void forget(struct sql_statement *base)
{
    struct postgres_statement *statement = statement_of(base);
    struct postgres *postgres = postgres_of(base->sql);
    reset(base);
    if (statement->generation != postgres->generation || is_lost(postgres))
        return;
    CLEANUP(free_ptr) char *text = xasprintf("DEALLOCATE %s", statement->name);
    PQclear(driver_query(postgres, text));
}

static void bind(struct sql_statement *base, int index, const struct sql_value *value)
{
    static const Oid types[] = {[SQL_INTEGER] = OID_INT8, [SQL_TEXT] = OID_TEXT, [SQL_BYTES] = OID_BYTEA};
    struct postgres_statement *statement = statement_of(base);
    if (index < 1 || index > statement->count)
        return; // the server then reports that it is missing
    struct parameter *parameter = &statement->parameters[index - 1];
    parameter->type = types[value->type];
    parameter->data = NULL;
    if (value->null)
        return;
    uint64_t number = htobe64((uint64_t)value->number);
    memcpy(parameter->number, &number, sizeof(number));
    bool is_number = value->type == SQL_INTEGER;
    parameter->data = is_number ? parameter->number : value->bytes.data;
    parameter->len = is_number ? (int)sizeof(number) : (int)value->bytes.len;
}

static int start(struct postgres *postgres, struct postgres_statement *statement)
{
    CLEANUP(driver_arguments_release) struct arguments with = driver_arguments(statement);
    PGconn *connection = postgres->connection;
    int count = statement->count, err = 0;
    if (statement->name && statement->generation != postgres->generation)
        err = driver_prepare(postgres, statement, with.types);
    if (err < 0)
        return err;
    statement->row = -1;
    bool sent = statement->name
                    ? PQsendQueryPrepared(connection, statement->name, count, with.values, with.sizes, with.formats, 1)
                    : PQsendQueryParams(connection, statement->text, count, with.types, with.values, with.sizes,
                                        with.formats, 1);
    statement->result = sent ? postgres_answer(connection) : NULL;
    return 0;
}

static int step(struct sql_statement *base)
{
    struct postgres_statement *statement = statement_of(base);
    struct postgres *postgres = postgres_of(base->sql);
    int err = statement->result ? 0 : driver_begin(postgres);
    if (err == 0 && !statement->result)
        err = start(postgres, statement);
    if (err < 0)
        return err;
    switch (PQresultStatus(statement->result)) {
    case PGRES_COMMAND_OK:
        return 0;
    case PGRES_TUPLES_OK:
        return ++statement->row < PQntuples(statement->result);
    default:
        return driver_failure(postgres, statement->result);
    }
}

static uint64_t changes(const struct sql_statement *base)
{
    return strtoull(PQcmdTuples(statement_of(base)->result), NULL, 10);
}

// --- Columns

static bool null(const struct sql_statement *base, int column)
{
    const struct postgres_statement *statement = statement_of(base);
    return PQgetisnull(statement->result, statement->row, column);
}

// Reads integers of 8, 4 or 2 bytes, and booleans of one byte.
static int64_t number(const struct sql_statement *base, int column)
{
    const struct postgres_statement *statement = statement_of(base);
    const unsigned char *data = (const unsigned char *)PQgetvalue(statement->result, statement->row, column);
    int len = PQgetlength(statement->result, statement->row, column);
    if (len == 0 || null(base, column))
        return 0;
    uint64_t value = data[0] & 0x80 && len > 1 ? UINT64_MAX : 0; // the sign
    for (int i = 0; i < len; i++)
        value = value << 8 | data[i];
    return (int64_t)value;
}

static struct str bytes(const struct sql_statement *base, int column, enum sql_type type)
{
    (void)type;
    const struct postgres_statement *statement = statement_of(base);
    if (null(base, column))
        return (struct str){0};
    return str_n(PQgetvalue(statement->result, statement->row, column),
                 (size_t)PQgetlength(statement->result, statement->row, column));
}

// --- The connection

static void postgres_free(struct sql *sql)
{
    struct postgres *postgres = postgres_of(sql);
    PQfinish(TAKE_PTR(postgres->connection));
    free(postgres->reason);
    free(postgres->conninfo);
    free(postgres);
}

static const struct sql_vtable postgres_vtable = {
    .engine = SQL_POSTGRES,
    .free = postgres_free,
    .reason = reason,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .exec = exec,
    .prepare = prepare,
    .statement_free = statement_free,
    .forget = forget,
    .bind = bind,
    .step = step,
    .changes = changes,
    .reset = reset,
    .null = null,
    .number = number,
    .bytes = bytes,
};

// NULL: it can hold all text. A database without an encoding takes bytes as they are.
static const char *narrow_encoding(const PGconn *connection)
{
    const char *encoding = PQparameterStatus(connection, "server_encoding");
    return !encoding || strcmp(encoding, "UTF8") == 0 || strcmp(encoding, "SQL_ASCII") == 0 ? NULL : encoding;
}

int sql_postgres_open(const char *conninfo, struct sql_texts texts, struct sql **ret, struct buf *ret_reason)
{
    struct postgres *postgres = xcalloc(1, sizeof(*postgres));
    sql_init(&postgres->base, &postgres_vtable, texts);
    postgres->generation = 1;
    postgres->conninfo = xstrdup(conninfo);
    postgres->connection = postgres_connect(conninfo, CONNECTION_NAME);
    struct sql *sql = &postgres->base;
    if (PQstatus(postgres->connection) != CONNECTION_OK) {
        postgres_append_reason(ret_reason, PQerrorMessage(postgres->connection));
        sql_free(&sql);
        return ERR_UNAVAILABLE;
    }
    const char *narrow = narrow_encoding(postgres->connection);
    if (narrow) {
        buf_printf(ret_reason,
                   "the database has the encoding %s, which cannot hold all text: make it anew, "
                   "CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'",
                   narrow);
        sql_free(&sql);
        return ERR_INVALID;
    }
    *ret = sql;
    return 0;
}
