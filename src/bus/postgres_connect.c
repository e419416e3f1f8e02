#include "bus/postgres_connect.h"

#include "util/attrs.h"

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SILENCE_MS    5000 // then the server is asked whether it is there
#define SILENCE_TIMES 2    // it did not answer that so often, one directly after the other
#define PATIENCE_S    "5"  // for that, and for a connection

// An acknowledgement says that a line is durable, whatever the role or the database is set to. By the others the
// database gives up a process that stands still, or whose machine has gone, in the middle of a transaction: whoever
// wants a row that it has changed waits for its end, and with it all that comes behind in that one's writer.
static const char demands[] =
    "-c synchronous_commit=on -c idle_in_transaction_session_timeout=10000 -c tcp_user_timeout=10000 "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

static void drop_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

// --- Several hosts

// As libpq has them: lists with commas, of which `port` may have one entry for all. Owned, or NULL.
struct hosts {
    char *host, *hostaddr, *port;
};

static void hosts_release(struct hosts *hosts)
{
    free(hosts->host);
    free(hosts->hostaddr);
    free(hosts->port);
}

static struct hosts hosts_of(PGconn *connection)
{
    struct hosts ret = {0};
    PQconninfoOption *options = PQconninfo(connection);
    for (const PQconninfoOption *at = options; at && at->keyword; at++) {
        char **list = strcmp(at->keyword, "host") == 0       ? &ret.host
                      : strcmp(at->keyword, "hostaddr") == 0 ? &ret.hostaddr
                      : strcmp(at->keyword, "port") == 0     ? &ret.port
                                                             : NULL;
        if (list && at->val && at->val[0])
            *list = xstrdup(at->val);
    }
    PQconninfoFree(options);
    return ret;
}

// True if `list` begins with `word`, as a whole entry.
static bool begins_with(const char *list, const char *word)
{
    size_t len = strcspn(list, ",");
    return len == strlen(word) && strncmp(list, word, len) == 0;
}

// Takes the first entry away; one that holds for all stays.
static bool drop_first(char *list)
{
    const char *comma = list ? strchr(list, ',') : NULL;
    if (!comma)
        return false;
    memmove(list, comma + 1, strlen(comma + 1) + 1);
    return true;
}

static bool is_first(const PGconn *connection, const struct hosts *hosts)
{
    const char *list = hosts->host ? hosts->host : hosts->hostaddr;
    return begins_with(list, PQhost(connection)) && (!hosts->port || begins_with(hosts->port, PQport(connection)));
}

// Leaves of `hosts` those behind the one at which libpq has stopped. False: there is none.
static bool hosts_behind(const PGconn *connection, struct hosts *hosts)
{
    bool found = false, more = hosts->host || hosts->hostaddr;
    while (more && !found) {
        found = is_first(connection, hosts);
        bool by_name = drop_first(hosts->host), by_address = drop_first(hosts->hostaddr);
        drop_first(hosts->port);
        more = by_name || by_address;
    }
    return found && more;
}

// --- Connecting

static PGconn *connect_to(const char *conninfo, const char *name, const struct hosts *hosts)
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
                                "host",
                                "hostaddr",
                                "port",
                                NULL};
    const char *const values[] = {PATIENCE_S,  "10000", "10",     "5",    "3",         "read-write",
                                  name,        demands, conninfo, "UTF8", hosts->host, hosts->hostaddr,
                                  hosts->port, NULL};
    PGconn *connection = PQconnectdbParams(keys, values, 1);
    PQsetNoticeReceiver(connection, drop_notice, NULL);
    PQsetErrorVerbosity(connection, PQERRORS_TERSE); // one line, without the statement and what of it was wrong
    return connection;
}

PGconn *postgres_connect(const char *conninfo, const char *name)
{
    CLEANUP(hosts_release) struct hosts hosts = {0};
    PGconn *connection = connect_to(conninfo, name, &hosts);
    // After what some hosts say, such as that they have too many connections, libpq tries no other.
    for (bool more = true; more && PQstatus(connection) != CONNECTION_OK;) {
        hosts_release(&hosts);
        hosts = hosts_of(connection);
        more = hosts_behind(connection, &hosts);
        if (!more)
            break;
        PGconn *next = connect_to(conninfo, name, &hosts);
        PQfinish(connection);
        connection = next;
    }
    PQsetnonblocking(connection, 1); // so that it is always we who wait
    return connection;
}

void postgres_append_reason(struct buf *buf, const char *text)
{
    size_t begin = buf->len;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += strspn(line, "\n")) {
        struct str words = str_trim(str_n(line, strcspn(line, "\n")));
        if (words.len == 0 || *line == '\t') // which asks whether the server is running
            continue;
        if (buf->len > begin)
            buf_append_text(buf, "; ");
        for (size_t i = 0; i < words.len; i++)
            if (words.data[i] != ' ' || words.data[i - 1] != ' ')
                buf_append_byte(buf, words.data[i]);
    }
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

// Whether there is something to wait for. What is left to send is sent as far as that goes at once.
static bool waits(PGconn *connection, bool for_result, bool *ret_unsent)
{
    *ret_unsent = PQflush(connection) == 1;
    return PQstatus(connection) == CONNECTION_OK && (*ret_unsent || (for_result && PQisBusy(connection)));
}

// Until all is sent, and the next result can be taken without waiting if that is wanted.
static void await(PGconn *connection, bool for_result)
{
    int silent = 0;
    bool unsent;
    while (waits(connection, for_result, &unsent)) {
        struct pollfd at = {.fd = PQsocket(connection), .events = (short)(unsent ? POLLIN | POLLOUT : POLLIN)};
        int rc = poll(&at, 1, silent > 0 ? 0 : SILENCE_MS);
        if (rc > 0 && at.revents != POLLOUT && !PQconsumeInput(connection))
            return;
        if (rc != 0)
            continue;
        silent = is_there(connection) ? 0 : silent + 1;
        if (silent == SILENCE_TIMES) // the next read finds the end of it
            shutdown(PQsocket(connection), SHUT_RDWR);
    }
}

bool postgres_flush(PGconn *connection)
{
    await(connection, false);
    return PQstatus(connection) == CONNECTION_OK && PQflush(connection) == 0;
}

static bool is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

PGresult *postgres_next_result(PGconn *connection)
{
    await(connection, true);
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
