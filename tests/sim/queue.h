// The queue in one thread, with the clock of sim.h: one store, two servers, workers with their runners, and the network
// between them. It drives the real rules: jobs/match.h, ingest/lease.h, and of model/ the rules of jobs, retries,
// dependencies, batches, outcomes and nodes. docs/internals/simulator.md says what is modelled and what is checked.
#pragma once

#include "ingest/lease.h"
#include "jobs/match.h"
#include "model/batch.h"
#include "model/dependency.h"
#include "model/job.h"
#include "model/life.h"
#include "model/node.h"
#include "model/retry.h"
#include "sim.h"

#define QUEUE_SERVERS   2
#define QUEUE_WORKERS   4
#define QUEUE_ACCOUNTS  2
#define QUEUE_BATCHES   3
#define QUEUE_DEMANDS   3
#define QUEUE_TASKS     40
#define QUEUE_JOBS      256 // attempts; rows begin with 1
#define QUEUE_NODES     512
#define TASK_PARENTS    3
#define TASK_FATES      6 // attempts that end otherwise than the ones before
#define WORKER_RUNS     16
#define SLOTS_MAX       4
#define GIFTS_MAX       8
#define STOP_MS         2000 // a runner that has to stop has done so by then
#define HEARTBEAT_EVERY 10000

struct queue;

// --- What is submitted

struct task_wait {
    bool of_batch;
    int64_t parent; // the first attempt of a job, or a batch
    enum dependency_wish wish;
};

struct task_fate { // of one attempt, if it is left in peace
    enum execution_status status;
    int exit_code;
    uint64_t runs_ms;
};

struct task {
    int64_t account, batch;
    unsigned demand, wait_count;
    int priority;
    struct retry_rule retry;
    struct task_wait waits[TASK_PARENTS];
    struct task_fate fates[TASK_FATES];
};

// --- The store (queue_store.c, queue_settle.c)

struct gift { // for the checks: who was given an execution, by epoch
    uint64_t epoch;
    unsigned worker;
    bool begun;
};

struct queue_job { // an attempt
    const struct task *task;
    int64_t row, root, superseded_by, waits_for, turn, not_before_ms;
    unsigned tries;
    enum job_state state;
    struct outcome outcome;
    struct node_lease lease;
    bool cancel_asked;
    unsigned worker;                                    // of the last claim
    uint64_t returned_ms[QUEUE_SERVERS][QUEUE_WORKERS]; // a server was given it back by a worker
    // For the checks.
    struct gift gifts[GIFTS_MAX];
    unsigned gift_count, processes; // processes: that live
    bool came_back;                 // after its place was given to another
    bool was_lost, told;            // told: its process reported an end
    bool disowned;                  // in peace, while it was lost, its worker has said that it never had it
    int64_t lost_ms, parents[TASK_PARENTS];
    enum execution_status told_status;
    uint64_t heard_ms[QUEUE_SERVERS]; // each server heard of it, by the lease that it has
};

struct queue_batch {
    bool exists, open, cancelled, stopped;
    int64_t account, turn, active;
    struct batch_limits limits;
    struct batch_counts counts;
    bool had_lost; // for the checks
};

struct queue_wait {
    int64_t child, parent;
    bool of_batch;
    enum dependency_wish wish;
};

enum queue_op_kind {
    QUEUE_JOIN,
    QUEUE_BEAT,
    QUEUE_ADOPT,
    QUEUE_LEASE,
    QUEUE_CLAIM,
    QUEUE_RETURN,
    QUEUE_COMPLETE,
    QUEUE_UPDATE,
    QUEUE_SETTLE,
    QUEUE_READY,
    QUEUE_LINES,
    QUEUE_GET,
    QUEUE_CLAIMED,
    QUEUE_OPS
};

struct queue_server;
struct queue_stream;
struct queue_message;

struct queue_op {
    enum queue_op_kind kind;
    void (*done)(struct queue *queue, struct queue_op *op);
    struct queue_server *server;
    uint64_t life; // of the server
    int64_t row, node, account;
    uint64_t epoch, holder;
    uint64_t heard_ms, asked_ms; // of UPDATE, for the checks
    unsigned demand, worker;
    struct node_lease_ask ask;
    struct outcome_ask outcome;
    struct queue_session *session;
    struct queue_stream *stream;
    // Results.
    int err;
    struct queue_job ret_job;
    struct match_job *ret_jobs; // QUEUE_JOBS
    size_t ret_count;
    unsigned ret_settled;
    int64_t *ret_rows;                 // of ADOPT and CLAIMED
    const struct queue_message *hello; // of CLAIMED
};

struct queue_store {
    struct queue_job jobs[QUEUE_JOBS];
    int64_t last_row;
    struct queue_batch batches[QUEUE_BATCHES + 1]; // from 1
    struct queue_wait waits[QUEUE_TASKS * TASK_PARENTS];
    size_t wait_count;
    bool job_endings[QUEUE_JOBS], batch_endings[QUEUE_BATCHES + 1];
    struct node_sign nodes[QUEUE_NODES];
    int64_t last_node;
    uint64_t failing_until_ms, slow_until_ms;
    uint64_t changed_ms;             // some outcome
    unsigned endings_max, steps_max; // that one transaction settles
    // What the present transaction tells the servers.
    bool told_ready, told_unsettled;
    int64_t told_over[QUEUE_JOBS];
    size_t told_over_count;
};

void queue_submit_op(struct queue *queue, struct queue_op *op);
// What people do; each is one transaction, and says what it changed.
int64_t queue_submit_task(struct queue *queue, const struct task *task);
void queue_cancel_job(struct queue *queue, int64_t row);
void queue_cancel_batch(struct queue *queue, int64_t batch);
void queue_close_batch(struct queue *queue, int64_t batch);
void queue_tell(struct queue *queue); // the servers hear of what the transaction has changed

// --- Within a transaction
void outcome_set(struct queue *queue, struct queue_job *job, const struct outcome *after);
int outcome_ask_for(struct queue *queue, struct queue_job *job, const struct outcome_ask *ask);
void job_place_in_line(struct queue *queue, struct queue_job *job, const struct batch_move *move);
void job_release_it(struct queue *queue, struct queue_job *job);
struct queue_job *job_add(struct queue *queue, const struct task *task);
bool batch_may_take_more(const struct queue_batch *batch);
bool batch_over(const struct queue *queue, int64_t row);
bool batch_has_failed_too_often(const struct queue *queue, int64_t row);
struct queue_job *newest_of(struct queue *queue, int64_t root);
unsigned queue_settle(struct queue *queue);
unsigned end_unclaimed_of(struct queue *queue, int64_t batch, unsigned max);

// --- The network (queue_network.c)

enum queue_message_kind {
    // to the server
    SAYS_HELLO,
    SAYS_HEARTBEAT,
    SAYS_RETURN,
    SAYS_DRAIN,
    SAYS_OPEN,
    SAYS_COMPLETE,
    // to the worker
    SAYS_JOB,
    SAYS_ALIVE, // the answer to a heartbeat, with the time that it bore
    SAYS_READY,
    SAYS_CANCEL,
    SAYS_CLOSED,
};

struct queue_held {
    int64_t row;
    uint64_t epoch;
};

struct queue_message {
    enum queue_message_kind kind;
    int64_t row;
    uint64_t epoch, at_ms;
    int err;
    bool retry_on_lost;
    struct outcome_ask outcome;
    unsigned held_count;
    struct queue_held held[WORKER_RUNS];
};

struct queue_worker;
struct queue_stream { // one execution on a session
    int64_t row;
    uint64_t epoch, holder;
    bool used, open;
};

struct queue_session { // a connection of a worker
    struct queue_worker *worker;
    struct queue_server *server;
    uint64_t worker_life, server_life;
    bool at_worker, at_server;                   // each end is open
    uint64_t asked_ms;                           // as the worker has said in its hello
    bool cut, known, drains;                     // known: the store has said what the worker has
    uint64_t arrival_ms[2], stalled_until_ms[2]; // by the end that hears: 0 the worker, 1 the server
    struct queue_stream streams[WORKER_RUNS];
};

struct queue_session *session_open(struct queue *queue, struct queue_worker *worker, struct queue_server *server);
void session_say(struct queue *queue, struct queue_session *session, bool to_server,
                 const struct queue_message *message);
void session_close(struct queue *queue, struct queue_session *session, bool by_server);
void session_cut(struct queue *queue, struct queue_session *session);

// --- Servers (queue_server.c, queue_hub.c)

struct queue_gift { // a job that a worker was given here, until it is over
    unsigned worker;
    uint64_t epoch; // 0: none
    bool known;     // the worker has shown that it has it
};

struct queue_server {
    struct queue *queue;
    unsigned number;
    bool up, asks, settles, settles_again;
    uint64_t life, last_holder;
    int64_t node;                // 0: none
    uint64_t taken_ms, asked_ms; // see node_may_vouch; when the node's operation under way was asked for
    uint64_t away_until_ms;      // its way to the store is cut
    uint64_t applied_ms;         // when the last of its operations is applied
    unsigned claiming;           // claims that the store has not answered yet
    struct lease_table leases;
    struct match match;
    struct queue_gift gifts[QUEUE_JOBS];
    struct queue_session *sessions[QUEUE_WORKERS]; // the newest of each worker
};

void queue_server_start(struct queue *queue, struct queue_server *server);
void queue_server_crash(struct queue *queue, struct queue_server *server);
void queue_server_heard(struct queue *queue, struct queue_session *session, const struct queue_message *message);
void queue_server_left(struct queue *queue, struct queue_session *session);
void queue_server_told(struct queue *queue, struct queue_server *server, bool ready, bool unsettled,
                       const int64_t *over, size_t over_count);
struct queue_op *queue_op(struct queue_server *server, enum queue_op_kind kind,
                          void (*done)(struct queue *queue, struct queue_op *op));
// The hub.
void hub_model_start(struct queue *queue, struct queue_server *server);
void hub_model_expire(struct queue *queue, struct queue_server *server);
void hub_model_open(struct queue *queue, struct queue_session *session, int64_t row, uint64_t epoch);
bool hub_model_touch(struct queue *queue, struct queue_session *session, struct queue_stream *stream);
void hub_model_complete(struct queue *queue, struct queue_session *session, const struct queue_message *message);
void hub_model_renew(struct queue *queue, struct queue_session *session); // for a heartbeat
void hub_model_left(struct queue_session *session);
void hub_model_claimed(struct queue *queue, struct queue_server *server, int64_t row, int64_t node, uint64_t epoch);
// The dispatcher hears of streams.
void dispatch_model_opened(struct queue *queue, struct queue_session *session, int64_t row);
void dispatch_model_ended(struct queue *queue, struct queue_session *session, int64_t row, uint64_t epoch);

// --- Workers (queue_worker.c)

struct queue_run { // a job on a worker, with a process of its own
    bool used, running, stopping, ended, asked;
    int64_t row;
    uint64_t epoch, number, again_ms;
    struct life life;
    bool retry_on_lost;
    struct outcome_ask outcome;
};

struct queue_worker {
    struct queue *queue;
    unsigned number;
    char id[8];
    int64_t account; // 0: all
    struct offer offer;
    struct str words[3];
    bool up, draining;
    uint64_t life, paused_until_ms, machine_paused_until_ms;
    uint64_t proved_ms; // what was said at this time has come to a server
    struct queue_session *session;
    struct queue_run runs[WORKER_RUNS];
};

void queue_worker_start(struct queue *queue, struct queue_worker *worker);
void queue_worker_crash(struct queue *queue, struct queue_worker *worker);
void queue_worker_heard(struct queue *queue, struct queue_session *session, const struct queue_message *message);
void queue_worker_lost_connection(struct queue *queue, struct queue_session *session);

// --- Checks (queue_check.c)
void check_given(struct queue *queue, const struct queue_worker *worker, int64_t row, uint64_t epoch);
void check_rested(struct queue *queue, const struct queue_server *server, int64_t row, unsigned worker);
void check_begun(struct queue *queue, const struct queue_worker *worker, int64_t row, uint64_t epoch);
void check_claimed(struct queue *queue, struct queue_job *job);
void check_silent(struct queue *queue, const struct queue_op *op);
void check_known(struct queue *queue, unsigned worker); // a server has been told what it has
void check_superseded(struct queue *queue, const struct queue_job *job);
void check_stopped(struct queue *queue, int64_t batch);
void check_store(struct queue *queue);
void check_running(struct queue *queue); // each second
void check_queue_end(struct queue *queue);
bool queue_settled(const struct queue *queue);

// --- The whole (queue_world.c)
struct queue_profile { // per mille each second
    unsigned cut, stall, server_crash, worker_crash, pause, commit_fails, store_slow, store_away, drain, cancel;
    uint64_t faults_for_ms;
};

struct queue {
    struct world world; // the clock and the chances
    struct queue_profile profile;
    struct queue_store store;
    struct queue_server servers[QUEUE_SERVERS];
    unsigned server_count, worker_count, task_count, submitted, batch_count;
    struct queue_worker workers[QUEUE_WORKERS];
    struct task tasks[QUEUE_TASKS];
    struct buf demands[QUEUE_DEMANDS];
    struct queue_session **open_sessions;
    size_t session_count, session_capacity;
    uint64_t lost_seal_ms, latency_ms;
    bool quiet;
    uint64_t quiet_ms;
};

#define QUEUE_OF(world_ptr) CONTAINER_OF(world_ptr, struct queue, world)

bool queue_run(uint64_t seed, bool tracing);
