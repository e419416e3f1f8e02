// A world for the random test of journals: a database, its servers, and a model (journal_model.h) of each of its logs,
// with what it draws and notes. work.h and faults.h are what happens in it. The thread of a test has all of it; the
// stores have threads of their own. What must not be is an assertion of cmocka that fails.
#pragma once

#include "store/postgres/journal_model.h"
#include "store/postgres/postgres_fixture.h"
#include "store/postgres/postgres_gate.h"

#define SERVERS 3
#define LOGS    5
#define CALLS   6
#define NOTES   40 // the last ones, which are told of a world that fails

struct world_under_way {
    unsigned count;
    bool awaited;
};

struct world_server {
    struct fixture fixture; // shares all but the store
    struct postgres_gate *gate;
    char *conninfo;
    size_t number;
    uint64_t sender;
    _Atomic uint64_t home_ms; // how long its store keeps what is not in the rows
    uint64_t home_usual_ms;
    bool shut;
    unsigned excuses; // operations that may be refused, as it has lost connections: it has some
};

struct world_call { // an append that is not waited for at once
    struct store_append append;
    struct model_append asked;
    struct model_log *log;
    struct world_server *server;
    struct world_under_way *under_way;
};

struct world_between { // among several of these: a runner takes the log, or ends it as it is
    struct store_claim claim;
    struct store_complete end;
    struct model_log *log;
    struct world_server *server;
    struct world_under_way *under_way;
};

struct world {
    struct fixture *fixture;
    struct world_server servers[SERVERS];
    struct sql *sql; // beside them
    struct model_log logs[LOGS];
    struct world_call calls[CALLS];
    struct world_between between;
    struct world_under_way under_way;
    int64_t account;
    uint64_t seed, random, anonymous, made;
    char notes[NOTES][160];
    size_t noted;
    uint64_t journaled, journals_lost; // by stores that are closed
    bool over;                         // its test has come to its end
};

// For cmocka. *state: the seed, a uint64_t; then the world, whose logs are not made yet. At the end it tells what was
// noted, unless it is over.
int world_set_up(void **state);
int world_tear_down(void **state);

// --- What is drawn. The same seed draws the same, as far as the same came of it.
uint64_t world_draw(struct world *world, uint64_t below);
bool world_one_in(struct world *world, uint64_t count);
struct world_server *world_open_server(struct world *world); // one that can be reached; there always is one
struct world_server *world_server_of(struct world *world, const struct model_log *log); // which most likely keeps it
struct model_log *world_any_log(struct world *world);

typedef void world_step_fn(struct world *world);
struct world_step {
    unsigned weight;
    world_step_fn *take;
};
void world_take_one(struct world *world, const struct world_step *steps, size_t count);

// --- What it notes
size_t world_index(const struct world *world, const struct model_log *log);
const char *world_answer(int err);
void world_note(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

// --- Its database, by a connection that no server has
int64_t world_number(const struct world *world, const char *format, ...) PRINTF_LIKE(2, 3); // of a query for one number
uint64_t world_row_number(const struct world *world, const char *what, const struct model_log *log);

// --- Its servers
size_t world_count_open(const struct world *world);
void world_open_store(struct world *world, struct world_server *server);
void world_close_store(struct world *world, struct world_server *server); // counts what it has journaled
void world_shut(struct world_server *server, bool shuts);                 // for all connections, until it is opened
void world_excuse(struct world_server *server); // connections were lost: some operations may be refused
// Returns what the operation says. What is refused as unavailable was not done, as it is known in time what has become
// of a commit; only a server that is shut or excused may refuse so.
int world_run(struct world_server *server, struct store_op *op);
