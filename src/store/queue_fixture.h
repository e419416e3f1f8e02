// What tests of the queue share: jobs on a real engine with the catalogue's functions, and the minimum that an adapter
// adds. Each operation is a transaction of its own; the operation's outcome is returned. For one thread.
#pragma once

#include "store/catalogue/catalogue.h"
#include "util/testing.h"

#define QUEUE_NOW 1763200000000

struct sql_fixture;

struct queue {
    struct sql *sql;
    int64_t account, now_ms;
    uint64_t ready;         // how often something became ready
    uint64_t batch_changes; // changes that were told about batches alone
    struct str next_id;     // for the execution that is made next; empty: the catalogue names it
};

// Waits for these, by identifier. The list ends with a wish of DEPENDENCY_WISH_COUNT.
struct queue_job {
    const char *id; // NULL: made by the store
    const char *demand;
    int priority;
    unsigned retries;
    int64_t retry_delay_ms;
    const char *retry_on;
    int64_t rate_micros;
    struct job_parent parents[4];
    size_t parent_count;
};

struct queue queue_of(struct sql *sql);
struct queue *queue_new(struct sql_fixture *engine); // on an empty store, as a test's *state, which the next one ends
int queue_tear_down(void **state);
int queue_submit(struct queue *queue, const struct queue_job *job, int64_t *ret_row); // ret_row may be NULL
// The same in a transaction that is left open: sql_commit ends it.
void queue_begin_submit(struct queue *queue, const struct queue_job *job);
int64_t queue_must_submit(struct queue *queue, const struct queue_job *job);
int queue_add(struct queue *queue, int64_t batch, uint32_t index, const struct queue_job *job, int64_t *ret_row);
// The reason for a refusal of the last queue_submit or queue_add; static.
const char *queue_reason(void);
int64_t queue_batch(struct queue *queue, const struct batch *batch); // the caller keeps its strings

int queue_claim(struct queue *queue, int64_t row);
int queue_return(struct queue *queue, int64_t row);
int queue_ask(struct queue *queue, int64_t row, const struct outcome_ask *ask);
int queue_finish(struct queue *queue, int64_t row, enum execution_status status, int exit_code); // -1: no exit code
int queue_cancel(struct queue *queue, int64_t row); // as the interface does: the wish, and the end if nobody has it
int queue_retry(struct queue *queue, int64_t row, int64_t *ret_row);
int queue_purge(struct queue *queue, int64_t row);
int queue_change(struct queue *queue, struct store_batch_change *change); // the caller must release it
unsigned queue_settle_once(struct queue *queue);
void queue_settle(struct queue *queue); // until nothing is left to do

struct execution queue_get(struct queue *queue, int64_t row); // owned by the caller
enum job_state queue_state(struct queue *queue, int64_t row);
enum execution_status queue_status(struct queue *queue, int64_t row);
int64_t queue_ask_number(struct queue *queue, const char *sql);
struct batch queue_batch_get(struct queue *queue, int64_t row);               // owned by the caller
void queue_batch_cells(struct queue *queue, struct store_batch_cells *cells); // likewise
// Returns the first rows of a line, up to `max`.
size_t queue_line(struct queue *queue, const char *demand, int64_t *ret_rows, size_t max);
