// What tests of the catalogue share: the engines that its statements run on, each a real one, empty at the beginning of
// a test.
#pragma once

#include "store/sql/sql.h"
#include "util/testing.h"

struct sql_fixture;

// Starts the engine; *ret_reason says why it cannot be had here, and NULL is returned then. A PostgreSQL has a folder
// and a process of its own, listens on a socket in that folder alone, and ends with this process.
struct sql_fixture *sql_fixture_new(enum sql_engine engine, const char **ret_reason);
void sql_fixture_free(struct sql_fixture **fixture);
// An empty store with the newest schema, or one without a schema. Connections are the caller's; they are to be closed
// before the next of these.
void sql_fixture_reset(struct sql_fixture *fixture);
void sql_fixture_empty(struct sql_fixture *fixture);
struct sql *sql_fixture_connect(struct sql_fixture *fixture);
void sql_fixture_close(struct sql **sql); // for CLEANUP
// A connection to where no server is: its error, with the reason.
int sql_fixture_connect_nowhere(struct sql **ret, struct buf *ret_reason);

// Runs the tests on each engine, which is *ret_under_test meanwhile; what cannot be had here is skipped, and said. How
// many failed.
#define SQL_FIXTURE_EACH(ret_under_test, tests) sql_fixture_each((ret_under_test), (tests), ARRAY_LEN(tests))
int sql_fixture_each(struct sql_fixture **ret_under_test, const struct CMUnitTest *tests, size_t count);
