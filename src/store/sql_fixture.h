// What tests of the catalogue share: the engines that its statements run on. Each is a real one, and empty at the
// beginning of a test.
#pragma once

#include "store/sql/sql.h"
#include "util/testing.h"

struct sql_fixture;

// Starts the engine. Returns NULL, and the reason in *ret_reason, if it is not available here. A PostgreSQL has its own
// folder and process, listens only on a socket in that folder, and ends with this process.
struct sql_fixture *sql_fixture_new(enum sql_engine engine, const char **ret_reason);
void sql_fixture_free(struct sql_fixture **fixture);
void sql_fixture_restart(struct sql_fixture *fixture); // a PostgreSQL, as after a crash: it recovers what was committed
// Gives an empty store with the newest schema, or one without a schema. The caller owns connections, and must close
// them before the next of these calls.
void sql_fixture_reset(struct sql_fixture *fixture);
void sql_fixture_empty(struct sql_fixture *fixture);
struct sql *sql_fixture_connect(struct sql_fixture *fixture);
void sql_fixture_close(struct sql **sql); // for CLEANUP
// A database of its own beside those of others, of PostgreSQL only: made with the newest schema if there is none of
// this name. Returns how to connect to it. Owned by the caller.
char *sql_fixture_database(struct sql_fixture *fixture, const char *name);
struct sql *sql_fixture_connect_to(const char *conninfo); // as that says
// Connects to an address without a server. Returns the error and the reason.
int sql_fixture_connect_nowhere(struct sql **ret, struct buf *ret_reason);

// Runs the tests on each engine; *ret_under_test is the present one. An engine that is not available is skipped, and
// that is said. Returns how many tests failed.
#define SQL_FIXTURE_EACH(ret_under_test, tests) sql_fixture_each((ret_under_test), (tests), ARRAY_LEN(tests))
int sql_fixture_each(struct sql_fixture **ret_under_test, const struct CMUnitTest *tests, size_t count);
