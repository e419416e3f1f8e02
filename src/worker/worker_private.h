// The inside of a worker, for this room alone. All of it is on the thread of its loop.
#pragma once

#include "runner/delivery.h"
#include "runner/job/control.h"
#include "runner/job_file.h"
#include "runner/spawner.h"
#include "runner/worker_link.h"
#include "util/map.h"
#include "worker/runtime.h"
#include "worker/worker.h"

#define WORKER_ID_MAX 128

struct worker {
    struct worker_options options;
    char id[WORKER_ID_MAX + 1];
    char *spools; // STATE/spool
    int lock_fd;
    struct spawner spawner;
    struct loop *loop;
    struct pool *pool;
    struct worker_link *link;
    struct timer *tick;
    struct runtimes runtimes;
    unsigned slots;
    char **environment; // that of each job, "NAME=VALUE", NULL-terminated; owned
    bool has_user;
    struct launch_user user;
    char *cgroup_base; // or NULL
    bool confines;     // the kernel has Landlock
    char *config_dir;  // where credentials are; or NULL

    struct map jobs; // struct worker_job, by id
    bool welcomed;   // once
    uint64_t lease_ms;
    char incarnation[32]; // of the server's store, as far as it is known
    uint64_t heard_ms;    // when a server was last heard of, as the runners were told
    bool draining, stopping;
    int err;
    atomic_bool abort;                       // what blocks is to end
    void (*job_gone)(struct worker *worker); // one less
};

// The life of a job here. Its runner may be older than we are.
//
//   starting ──started──▶ running ──its runner has gone──▶ ended ──sealed──▶ (removed)
//       └── its runner was never there: given back       └──▶ kept: nobody takes its log
enum worker_job_state {
    JOB_STARTING, // its runner was asked for
    JOB_RUNNING,  // there is one; what it records is delivered
    JOB_ENDED,    // the rest is, and how it ended
    JOB_KEPT,     // the server will never take it: its folder stays, without what the job made
};

struct worker_job {
    struct map_node node;
    struct worker *worker;
    enum worker_job_state state;
    char *id, *dir;
    int dir_fd;
    uint64_t epoch;
    bool retry_on_lost;
    struct run_file run;
    struct spool *spool;
    struct control *control;
    struct delivery *delivery;
    bool delivered; // the server has all of it and has sealed it
    int refused;    // it will never take it: why
    bool told_trouble;
    uint64_t notice_end;    // what the runner was asked for; 0: it owes none
    uint64_t acked;         // what it was told
    struct deferred turn;   // looks at the spool, and tells the runner
    struct timer *adopting; // the runner's descriptors close one after the other
    unsigned adoptions;
    struct job work; // in the pool: makes durable what the server does not take, or delivers after a power failure
    bool working, dead;
    int work_err;
    bool powerless; // the machine went down with it
    struct timer *sync_timer, *end_timer, *settle_timer;
};

// --- worker_job.c
// For a folder that has job.json; NULL if it cannot be opened. `control_fd` as of spawner_ask; taken over.
struct worker_job *worker_job_new(struct worker *worker, const char *id, uint64_t epoch, bool retry_on_lost);
void worker_job_spawned(struct worker_job *job, int control_fd);
// Of an earlier worker: its runner is asked, or what it has left is delivered. False if nothing of it was ever run.
bool worker_job_found(struct worker_job *job);
void worker_job_alive(struct worker_job *job); // a server was heard of
void worker_job_end(struct worker_job *job); // forgets it; its runner goes on. May take until the pool is done with it
// At the worker's end: the first before the socket is freed, the second after the pool.
void worker_job_detach(struct worker_job *job);
void worker_job_free(struct worker_job *job);
// It was not begun, and never will be here: it goes back to the server, with the reason.
void worker_job_give_back(struct worker *worker, const char *id, uint64_t epoch, const char *reason);

// --- worker_spec.c
// Makes the folder of a job from the server's frame: job.json, the script. On failure nothing is left of it.
int worker_spec_write(struct worker *worker, const json_t *message, const char *dir);

// --- worker_offer.c
int worker_find_offer(struct worker *worker); // what is here: runtimes, user, confinement
void worker_release_offer(struct worker *worker);
void worker_hello_offer(struct worker *worker, struct json_writer *json);
uint32_t worker_slots_free(const struct worker *worker);
bool worker_has_room(const struct worker *worker); // on the disk

// --- worker_scan.c
void worker_scan(struct worker *worker); // what earlier workers have left
