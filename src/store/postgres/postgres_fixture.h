// What tests of this adapter share: stores in databases of their own, on one PostgreSQL for the test program.
#pragma once

#include "store/postgres/postgres_store.h"
#include "store/sql_fixture.h"
#include "store/store_fixture.h"

// Starts the PostgreSQL, runs the tests, and ends it. Returns what main() is to return; 77 if there is none here.
#define POSTGRES_FIXTURE_RUN(tests) postgres_fixture_run((tests), ARRAY_LEN(tests))
int postgres_fixture_run(const struct CMUnitTest *tests, size_t count);
struct sql_fixture *postgres_fixture_engine(void);

// A store that merges at once, and its tests' set-up: *state is a struct fixture, which fixture_tear_down ends.
int postgres_fixture_set_up(void **state);
int postgres_fixture_set_up_with_pauses(void **state); // one that merges what is due by the fixture's clock
// Opens it once more: another server of the same database. The folder's name tells the database.
int postgres_fixture_open(const char *folder, _Atomic int64_t *now_ms, struct store **ret);
struct postgres_options postgres_fixture_options(const char *conninfo, _Atomic int64_t *now_ms); // as it opens them
// The same with two servers: *state is an array of two fixtures, of which the second one shares everything with the
// first but its store, which may be freed before. That one does not merge at once.
int postgres_fixture_set_up_pair(void **state);
int postgres_fixture_tear_down_pair(void **state);
char *postgres_fixture_conninfo(const struct fixture *fixture); // owned by the caller

// Connects with the statements of the log. The database is made if there is none of that name.
struct sql *postgres_fixture_connect(const char *name);
struct sql *postgres_fixture_beside(const struct fixture *fixture); // to the store's
int64_t fixture_number(struct sql *sql, const char *text);          // of a query for one number
