// What every adapter of the store shares: queues and figures, the connections' sessions, and the seam to the log. The
// catalogue's operations, the rules of appending and the outcome of executions are applied in engine/write/ and
// engine/read/, the same for each adapter. How records lie is the adapter's own: it fills `struct log_engine`.
#pragma once

#include "store/adapter.h"
#include "store/catalogue/catalogue.h"
#include "store/engine/queues.h"
#include "util/clock.h"

struct log_engine;
struct summary_cache;

// Its argument is the adapter's store. It must end when queues_stop was called.
typedef void *engine_thread_fn(void *store);

struct engine { // adapters embed it
    struct store base;
    const struct log_engine *log;
    int64_t (*now_ms)(void *arg); // NULL: the realtime clock; for tests
    void *now_arg;
    struct queues queues;
    struct summary_cache *summaries;
    atomic_bool catching_up; // a summary; see engine/write/summaries.c
    bool mirrors;            // each new execution's log is to be copied elsewhere (store/ops/mirror.h)
    pthread_mutex_t stats_mutex;
    struct store_stats stats;
    pthread_t writer;
    pthread_t *readers;
    unsigned reader_count; // how many run
    bool writer_started;
};

// One connection, for one thread. `connection` is the adapter's.
struct session {
    struct engine *engine;
    struct sql *sql;
    void *connection;
    struct store_op *op; // the query that runs; NULL: none
};

// What the store keeps for each producer in addition to sequence_producer: where its last append began.
struct producer_state {
    struct sequence_producer sequence;
    uint64_t last_counter;  // the producer's number for its first record
    uint64_t last_sequence; // our number for it
};

struct transaction;
struct head;

// Records that were admitted, as they are written.
struct log_append {
    const struct head *head;
    uint64_t first;                       // number of its first record
    struct chunk *chunk;                  // borrowed
    struct log_state state;               // after it
    struct str producer;                  // empty: anonymous
    struct producer_state producer_state; // after it
};

struct log_extent { // of a chunk as it is stored
    int64_t row;
    int64_t id; // the engine's
    uint64_t first, end;
};

// How an engine keeps records. Functions with a transaction run within it, on the writer's thread; their errors are
// refusals if nothing was written yet, or make the transaction fail.
struct log_engine {
    // The end of a log, if the catalogue's row may be behind it. Returns false if it is not. NULL: it never is.
    bool (*ahead)(const struct session *session, int64_t row, struct log_state *ret);
    // The writer's transaction has read and locked an execution, and the server `journal` (not 0) may have appended
    // more than its row says. Returns an error if this must be brought home first. NULL: there are no journals.
    int (*take)(const struct session *session, int64_t row, uint64_t journal);
    // Zero if it is new.
    int (*producer)(const struct session *session, int64_t row, struct str name, struct producer_state *ret);
    void (*read)(const struct session *session, struct store_op *op); // STORE_READ
    // Lists up to `max` chunks from the one that begins at `from` on, in order; without those that cannot be cut yet.
    int (*extents)(const struct session *session, int64_t row, uint64_t from, struct log_extent *ret, size_t max,
                   size_t *ret_count);
    // Returns 1 with the chunk; 0 if it is not there any more, because it was merged with others; or an error.
    int (*chunk)(const struct session *session, const struct log_extent *extent, struct chunk **ret);
    // Whether all chunks of a sealed log are as they stay: 1 or 0, or an error.
    int (*settled)(const struct session *session, int64_t row);
    void (*backup)(const struct session *session, struct store_op *op); // STORE_BACKUP; NULL: it makes none
    int (*append)(struct transaction *tx, const struct log_append *append);
    // Removes the records before `end`. ERR_CONFLICT if no chunk ends there; ERR_HELD: not now.
    int (*cut)(struct transaction *tx, int64_t row, uint64_t end);
    // Notes that the records of a purged execution are to be removed; and tells which one is next: 1 with a row, 0 if
    // there is none, or an error.
    // `by_age`: nobody has asked for it but time, so they may stay for a while if that makes it cheaper.
    int (*purge)(struct transaction *tx, int64_t row, bool by_age);
    int (*purge_next)(struct transaction *tx, int64_t *ret_row);
    int (*purge_chunks)(struct transaction *tx, int64_t row, uint64_t *ret_count); // removes some
    int (*purge_end)(struct transaction *tx, int64_t row);                         // what is left besides chunks
    // Writes news for the other servers. NULL: there are none.
    int (*tell)(struct transaction *tx, const struct store_news *news, const int64_t *subjects, size_t count,
                int64_t *ret_number);
};

void engine_init(struct engine *engine, const struct log_engine *log);
void engine_count(struct engine *engine, uint64_t *figure); // adds one to a figure of its `stats`. Thread-safe
void engine_release(struct engine *engine);
void engine_submit(struct engine *engine, struct store_op *op); // the adapter's submit
// Starts the writer and up to ENGINE_READERS_MAX readers. ERR_NOMEM: some may run.
#define ENGINE_READERS_MAX 64
int engine_start(struct engine *engine, engine_thread_fn *writer, engine_thread_fn *reader, unsigned readers,
                 void *store);
// Waits until what was submitted is worked off, and ends those threads. Also if not all were started, and again.
void engine_stop(struct engine *engine);

static inline int64_t session_now_ms(const struct session *session)
{
    const struct engine *engine = session->engine;
    return engine->now_ms ? engine->now_ms(engine->now_arg) : clock_real_ms();
}

void engine_stats(struct engine *engine, struct store_stats *ret);
void engine_count_read(struct engine *engine, uint64_t ns); // what a query took, for the figures
