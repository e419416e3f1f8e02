// LISTEN and NOTIFY, on a connection of their own: within the transactions that they tell of they would cost a fifth to
// a half of the speed, as they let only one at a time commit.
#include "bus/kind.h"
#include "bus/postgres_connect.h"
#include "util/error.h"

struct bus_link {
    PGconn *connection;
    char channel[64];
};

static int failed(const struct bus_link *link, struct buf *ret_reason)
{
    if (ret_reason)
        postgres_append_reason(ret_reason, PQerrorMessage(link->connection));
    return ERR_UNAVAILABLE;
}

static void close_link(struct bus_link *link)
{
    PQfinish(link->connection);
    free(link);
}

static int listen_there(struct bus_link *link)
{
    // A message holds a lock that all who notify share until it is committed; a hint need not be durable.
    char text[128];
    snprintf(text, sizeof(text), "SET synchronous_commit = off; LISTEN \"%s\"", link->channel);
    PGresult *result = PQsendQuery(link->connection, text) ? postgres_answer(link->connection) : NULL;
    int err = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : ERR_UNAVAILABLE;
    PQclear(result);
    return err;
}

static int open_link(const struct bus_options *options, struct bus_link **ret, struct buf *ret_reason)
{
    struct bus_link *link = xcalloc(1, sizeof(*link));
    snprintf(link->channel, sizeof(link->channel), "%s", options->channel);
    link->connection = postgres_connect(options->address, "runnel bus");
    bool open = PQstatus(link->connection) == CONNECTION_OK && listen_there(link) == 0;
    if (open) {
        *ret = link;
        return 0;
    }
    int err = failed(link, ret_reason);
    close_link(link);
    return err;
}

static int link_fd(const struct bus_link *link)
{
    return PQsocket(link->connection);
}

static int send_message(struct bus_link *link, struct str message)
{
    const char *const values[] = {link->channel, message.data};
    const int sizes[] = {(int)strlen(link->channel), (int)message.len};
    static const int binary[] = {1, 1}; // so that a text need not end with a zero byte
    bool sent =
        PQsendQueryParams(link->connection, "SELECT pg_notify($1::text, $2::text)", 2, NULL, values, sizes, binary, 1);
    PGresult *result = sent ? postgres_answer(link->connection) : NULL;
    int err = PQresultStatus(result) == PGRES_TUPLES_OK ? 0 : ERR_UNAVAILABLE;
    PQclear(result);
    return err;
}

static int receive(struct bus_link *link, void (*hear)(void *arg, struct str message), void *arg)
{
    if (!PQconsumeInput(link->connection))
        return failed(link, NULL);
    for (PGnotify *notify; (notify = PQnotifies(link->connection)); PQfreemem(notify))
        if (notify->extra[0])
            hear(arg, str_of(notify->extra));
    return 0;
}

const struct bus_kind bus_postgres = {
    .name = "postgres",
    .away = "NOTIFY of the database cannot be reached",
    .open = open_link,
    .close = close_link,
    .fd = link_fd,
    .send = send_message,
    .receive = receive,
};
