// The state of the PostgreSQL adapter: what its threads share, and which thread may touch what.
#pragma once

#include "store/catalogue/parts.h"
#include "store/engine/write/transaction.h"
#include "store/postgres/appends.h"
#include "store/postgres/postgres_peers.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/statements.h"
#include "store/sql/postgres.h"

#define POSTGRES_RETRY_MS 500 // between two tries to reach a database that is away

struct postgres_store {
    struct engine engine;
    char *conninfo;
    uint64_t sender;     // tells this process from the other servers
    struct peers *peers; // NULL until it is open
    // For the writer's thread only.
    struct sql *sql;
    struct transaction tx;
    struct appends appends;
    struct journal journal;
    uint64_t transaction;         // the number of the present one, by this server's count
    int64_t transaction_id;       // by the database's, for `news`; 0: it has not said it yet
    struct sql_statement *begins; // what says it
    bool purging;                 // there may be rows in `purging` or `purging_accounts`
    uint64_t background_from_ms;
    uint64_t purging_from_ms; // when to look again whether there are: some are not due at once

    _Atomic unsigned readers_away; // how many of them were not served last

    pthread_t merger;
    bool merger_started;
    // The merger waits here.
    pthread_mutex_t merger_mutex;
    pthread_cond_t merger_wake;
    bool merger_ends;
    struct buf sealed; // with the same mutex: rows (int64_t) of logs that were sealed here, for the merger
    bool merge_always;
};

static inline struct postgres_store *postgres_store_of(struct store *store)
{
    return CONTAINER_OF(store, struct postgres_store, engine.base);
}

extern const struct log_engine postgres_log;

static inline void postgres_cond_init(pthread_cond_t *cond) // by the monotonic clock
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void producer_row(struct sql_statement *found, struct producer_state *ret); // of PRODUCER_COLUMNS

// --- Writer's thread
// Before a transaction: what this server remembers is right, and what was in the way of the last try is brought home.
int group_ready(struct postgres_store *store);
// Begins the transaction of a group of operations: numbers it, locks what they name, in one order for everybody, and
// reads what they will need of it: heads, and the states of producers. Nothing of that for appends to logs that are
// kept. ERR_UNAVAILABLE with sql_again: what was remembered is not right, or a journal is in the way (group_ready).
// Where nothing is needed of the database yet, the beginning is sent with what is asked for first, or with the end.
int group_begin(struct postgres_store *store, struct store_op *const *ops, size_t count);
int group_begun(struct postgres_store *store);   // looks at the answer to the beginning, if it was sent
void group_failed(struct postgres_store *store); // after a failure, before it is begun again
int group_take(const struct session *session, int64_t row, uint64_t journal); // log_engine.take
// After the answer to its COMMIT was lost: whether it is there. Asks for up to half a minute; if nobody can tell by
// then, it may be there later, and counts as not there: what is sent again by who can is known by its numbers. Blocks.
int group_committed(struct postgres_store *store);

// --- Threads; their argument is the store.
void *postgres_writer_main(void *arg);
void *postgres_reader_main(void *arg);
void *postgres_merger_main(void *arg);

// Logs that a transaction has sealed are looked at soon. For the writer's thread, after its commit. What is more than
// the merger takes at once is looked at when its turn comes.
void postgres_merger_sealed(struct postgres_store *store, const struct transaction *tx);

// --- log_engine.read
void postgres_read(const struct session *session, struct store_op *op);
