#include "bus/postgres_connect.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#define SILENCE_MS    5000 // then the server is asked whether it is there
#define SILENCE_TIMES 2    // it did not answer that so often
#define PATIENCE_S    "5"  // for that, and for a connection

// By these the database gives up a process that stands still, or whose machine has gone, in the middle of a
// transaction: whoever wants a row that it has changed waits for its end, and with it all that comes behind in that
// one's writer.
static const char given_up[] = "-c idle_in_transaction_session_timeout=10000 -c tcp_user_timeout=10000 "
                               "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

static void drop_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

PGconn *postgres_connect(const char *conninfo, const char *name)
{
    // What conninfo says comes later, and counts: times by which a server that does not answer any more is given up,
    // and that a standby is of no use. The encoding is always ours, whatever the environment says.
    const char *const keys[] = {"connect_timeout",
                                "tcp_user_timeout",
                                "keepalives_idle",
                                "keepalives_interval",
                                "keepalives_count",
                                "target_session_attrs",
                                "application_name",
                                "options",
                                "dbname",
                                "client_encoding",
                                NULL};
    const char *const values[] = {PATIENCE_S, "10000",  "10",     "5",    "3", "read-write",
                                  name,       given_up, conninfo, "UTF8", NULL};
    PGconn *connection = PQconnectdbParams(keys, values, 1);
    PQsetNoticeReceiver(connection, drop_notice, NULL);
    return connection;
}

// Whether the server of this connection takes another one, whatever it then says to it.
static bool is_there(const PGconn *connection)
{
    const char *const keys[] = {"host",
                                "hostaddr",
                                "port",
                                "user",
                                "dbname",
                                "sslmode",
                                "gssencmode",
                                "target_session_attrs",
                                "connect_timeout",
                                NULL};
    const char *const values[] = {PQhost(connection), PQhostaddr(connection),
                                  PQport(connection), PQuser(connection),
                                  PQdb(connection),   "prefer",
                                  "disable",          "any",
                                  PATIENCE_S,         NULL};
    PGPing said = PQpingParams(keys, values, 0);
    return said == PQPING_OK || said == PQPING_REJECT;
}

// Until the next result can be taken without waiting.
static void await_result(PGconn *connection)
{
    int silent = 0;
    while (PQstatus(connection) == CONNECTION_OK && PQisBusy(connection)) {
        int rc = poll(&(struct pollfd){.fd = PQsocket(connection), .events = POLLIN}, 1, SILENCE_MS);
        if (rc > 0 && !PQconsumeInput(connection))
            return;
        if (rc != 0)
            continue;
        silent = is_there(connection) ? 0 : silent + 1;
        if (silent == SILENCE_TIMES) // the next read finds the end of it
            shutdown(PQsocket(connection), SHUT_RDWR);
    }
}

static bool is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

PGresult *postgres_next_result(PGconn *connection)
{
    await_result(connection);
    return PQgetResult(connection);
}

PGresult *postgres_answer(PGconn *connection)
{
    PGresult *last = NULL, *next;
    while ((next = postgres_next_result(connection))) {
        bool failed = last && PQresultStatus(last) == PGRES_FATAL_ERROR; // the first says why, the next that it ended
        PQclear(failed ? next : last);
        last = failed ? last : next;
        if (is_copy(last) || PQstatus(connection) == CONNECTION_BAD)
            break;
    }
    return last;
}
