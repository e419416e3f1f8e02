#include "bus/postgres_connect.h"

static void drop_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

PGconn *postgres_connect(const char *conninfo, const char *name)
{
    // What conninfo says comes later, and counts: times by which a server that does not answer any more is given up.
    // The encoding is always ours, whatever the environment says.
    const char *const keys[] = {"connect_timeout",
                                "tcp_user_timeout",
                                "keepalives_idle",
                                "keepalives_interval",
                                "keepalives_count",
                                "application_name",
                                "dbname",
                                "client_encoding",
                                NULL};
    const char *const values[] = {"5", "10000", "10", "5", "3", name, conninfo, "UTF8", NULL};
    PGconn *connection = PQconnectdbParams(keys, values, 1);
    PQsetNoticeReceiver(connection, drop_notice, NULL);
    return connection;
}
