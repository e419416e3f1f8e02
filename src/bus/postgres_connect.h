// Connections to PostgreSQL as all of this program makes and uses them: a server that does not answer any more is given
// up within half a minute, however it is gone.
#pragma once

#include "util/buf.h"

#include <libpq-fe.h>
#include <stdbool.h>

// `conninfo` as libpq has it; what it says counts. Of several hosts the one is taken that can be written to. `name`:
// what the server lists the connection as. Hosts that refuse, for whatever reason, are passed over. Waits for the
// server, for a bounded time. The caller looks at PQstatus, and owns what is returned. Notices are dropped. To connect
// again, make another one: PQreset may know only some of the hosts. The connection is a non-blocking one: what is given
// to PQsend… and PQput… functions is kept by libpq until one of the functions below waits.
PGconn *postgres_connect(const char *conninfo, const char *name);

// As one line: what libpq says of an error has several, some of them empty, or a question.
void postgres_append_reason(struct buf *buf, const char *text);

// Waits for the answer to what was sent with a PQsend… function, and returns its last result as PQexec does; NULL if
// nothing could be sent. A statement may take any time while the server is there. If it stands still (a machine that is
// frozen takes what is sent, and keeps its connections), the connection is given up: then the result is an error.
PGresult *postgres_answer(PGconn *connection);
// Sends all that libpq keeps, so that it keeps no more than was given to it since. Waits, and gives up, as above: then
// it returns false.
bool postgres_flush(PGconn *connection);
// As PQgetResult: one result of what was sent, such as in a pipeline, or NULL where they end. Waits, and gives up, as
// above.
PGresult *postgres_next_result(PGconn *connection);
