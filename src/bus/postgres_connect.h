// Connecting to PostgreSQL as all of this program does: by which a server that does not answer any more is given up.
#pragma once

#include <libpq-fe.h>

// `conninfo` as libpq has it; what it says counts. `name`: what the server lists the connection as. Waits for the
// server, for a bounded time. The caller looks at PQstatus, and owns what is returned. Notices are dropped.
PGconn *postgres_connect(const char *conninfo, const char *name);
