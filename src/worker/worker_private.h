// The inside of a worker. Only for this room. Everything is on the thread of its loop.
#pragma once

#include "runner/container/leftover.h"
#include "runner/delivery.h"
#include "runner/job/control.h"
#include "runner/job_file.h"
#include "runner/job_secrets.h"
#include "runner/outputs.h"
#include "runner/spawner.h"
#include "runner/worker_link.h"
#include "util/map.h"
#include "worker/runtime.h"
#include "worker/worker.h"

#define WORKER_ID_MAX 128

struct cache;
struct worker_inputs;
#define ENGINE_SOCKETS_MAX 4

// The container engine of this machine, which may come and go.
struct worker_engine {
    char *sockets[ENGINE_SOCKETS_MAX]; // where one may listen
    size_t socket_count, at;           // `at`: the one that answers, or is asked
    bool answers;                      // the last question
    bool available, rootless;          // jobs can run in it: nothing is left in it of those before
    unsigned silent;                   // places that did not answer in a row
    char *user;                        // "uid:gid" that containers run as
    char *folder;                      // the label of ours
    struct timer *tick;
    struct engine_call *call;
    struct leftover *leftover;
};

struct worker {
    struct worker_options options;
    char id[WORKER_ID_MAX + 1], instance[WORKER_ID_MAX + 1];
    char *spools;          // STATE/spool
    struct buf given_back; // what could not be said, a line each
    int lock_fd;
    struct spawner spawner;
    struct loop *loop;
    struct pool *pool;
    struct cache *cache;    // of inputs
    struct pool *transfers; // for files, so that they keep nothing else waiting; made when there first is one
    struct worker_link *link;
    struct runtimes runtimes;
    unsigned slots;
    char **environment; // of each job, "NAME=VALUE", NULL-terminated; owned
    bool has_user;
    struct launch_user user;
    char *cgroup_base; // may be NULL
    char boot[40];     // of this machine, now
    struct worker_engine engine;
    bool confines;    // the kernel has Landlock
    char *config_dir; // where credentials are; may be NULL

    struct list_node idle; // runners that wait for a job
    struct timer *idle_timer;
    struct map jobs; // of struct worker_job, by id
    bool welcomed;   // `welcome` has come once
    uint64_t lease_ms;
    char incarnation[32]; // of the server's store, as far as it is known
    bool draining, stopping;
    bool drained; // the server wants it to take no more jobs; unlike `draining` it goes on
    int err;
    atomic_bool abort;                       // blocking calls must end
    void (*job_gone)(struct worker *worker); // there is one job less
};

// The life of a job here. Its runner may be older than this worker.
//
//   fetching ──its inputs are there, or cannot be had──▶ starting
//   starting ──started──▶ running ──its runner has gone──▶ ended ──sealed──▶ (removed)
//       └── its runner was never there: given back       └──▶ kept: nobody takes its log
enum worker_job_state {
    JOB_FETCHING, // its inputs come; it has no folder of its name yet
    JOB_STARTING, // its runner was asked for
    JOB_RUNNING,  // it has a runner; what the runner records is delivered
    JOB_ENDED,    // the rest is delivered, and how it ended
    JOB_KEPT,     // the server will never take it: its folder stays, without the files that the job made
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
    int idle_fd;        // its runner waits for the next job, and for this folder, which is as it was made; or -1
    char *idle_cgroup;  // and has kept this control group; or NULL
    bool runner_stayed; // its runner has said that nothing of the job is left, and may have another one
    struct delivery *delivery;
    struct worker_inputs *inputs; // what it takes is being fetched; or NULL
    struct outputs *outputs;      // what it has left is being uploaded; or NULL
    bool delivered;               // the server has everything and has sealed it
    int refused;                  // why the server will never take it; 0: it may
    bool told_trouble;
    uint64_t notice_end;    // what the runner was asked to tell; 0: nothing
    uint64_t acked;         // what the runner was told
    struct deferred turn;   // looks at the spool, and tells the runner
    struct timer *adopting; // the runner's descriptors close one after the other
    unsigned adoptions;
    struct worker_clear *clear; // its runner is gone: its container is being removed; or was
    bool container_left;        // it could not be
    struct job work; // runs in the pool: makes durable what the server does not take, or delivers after a power failure
    bool working, dead;
    int work_err;
    bool powerless; // the machine went down while it ran
    struct timer *sync_timer, *end_timer, *settle_timer;
};

static inline const struct logger *worker_job_logger(const struct worker_job *job)
{
    return job->worker->options.logger;
}

// --- worker_job.c
// For a folder that has job.json. Returns NULL if it cannot be opened. `control_fd` as in spawner_ask; taken over.
struct worker_job *worker_job_new(struct worker *worker, const char *id, uint64_t epoch, bool retry_on_lost);
// The same before there is a folder: first its inputs are fetched.
struct worker_job *worker_job_fetching(struct worker *worker, const json_t *message, const char *id, uint64_t epoch,
                                       bool retry_on_lost);
// Asks for the runner of the job in that folder. `secrets` may be NULL; `again` as in worker_idle_use. Returns 0 or
// -errno.
int worker_job_spawn(struct worker *worker, const char *dir, const json_t *secrets, bool again, int *ret_control);
void worker_job_spawned(struct worker_job *job, int control_fd);
// For a job of an earlier worker: asks its runner, or delivers what is left. Returns false if nothing of it was ever
// run.
bool worker_job_found(struct worker_job *job);

// --- worker_job_delivery.c
// Delivers what is in the spool and what comes; asks job->outputs to give up, and the runner to end, when the server
// says so. The log must still be completed: worker_job_complete.
void worker_job_deliver(struct worker_job *job);
// Looks at what is new in the spool and tells the runner; when the delivery has ended, worker_job_settle. `soon`: from
// the loop.
void worker_job_turn(struct worker_job *job);
void worker_job_turn_soon(struct worker_job *job);

// --- worker_job_gone.c
// The runner has gone, and the spool is ours: saves how the job ended, delivers the rest and completes the log. May end
// the job.
void worker_job_gone(struct worker_job *job);
// After a while: makes durable, in the pool, what the server has not taken; after a power failure tries again to
// deliver it.
void worker_job_sync(struct worker_job *job);

// --- worker_job_end.c
// Its runner may have another job before this one's log is delivered, and then has another folder.
void worker_job_give_up_folder(struct worker_job *job);
// Deletes the folder when the server has everything, or the execution has gone: what was purged is purged everywhere.
// If the server will never take the log for another reason, the log stays, without the files that the job made. Ends
// the job then, as soon as nobody reads there; otherwise does nothing.
void worker_job_settle(struct worker_job *job);
void worker_job_end(struct worker_job *job); // forgets it; its runner goes on. May take until the pool is done with it
// At the worker's end: the first is called before the socket is freed, the second after the pool.
void worker_job_detach(struct worker_job *job);
void worker_job_free(struct worker_job *job);
// It was not begun and will never be, here: it goes back to the server, with the reason.
void worker_job_give_back(struct worker *worker, const char *id, uint64_t epoch, const char *reason);

// --- worker_clear.c
struct worker_clear;
// The container of a job does not end with its runner, as a process does, and is not to run any more when the server
// hears that the job is lost. Begins to remove it; `done` comes once, also if the engine stays away, which
// job->container_left tells. False if there is nothing to be done, or it is done.
bool worker_job_clears(struct worker_job *job, void (*done)(struct worker_job *job));
void worker_clear_free(struct worker_clear **clear);

// --- worker_outputs.c
// All that it wrote is in the spool, and how it ended is saved: uploads what it has left, and then completes its log.
void worker_job_complete(struct worker_job *job);
struct pool *worker_transfers(struct worker *worker); // NULL if it cannot be made

// --- worker_inputs.c
#define INPUTS_PREFIX ".inputs." // of a folder that is being made
bool worker_inputs_wanted(const json_t *message);
struct worker_inputs_events { // both may free it
    // The job's folder is as its runner wants it; or why there is none. `secrets` are those of the message.
    void (*prepared)(void *arg, int err, const json_t *secrets);
    void (*refused)(void *arg); // the server does not want the job from us any more
};
// Fetches what the message names, and makes the folder `dir` of the job; tries again as long as the server is away.
struct worker_inputs *worker_inputs_new(struct worker *worker, const json_t *message, const char *dir,
                                        const struct worker_inputs_events *events, void *arg);
void worker_inputs_free(struct worker_inputs **inputs);

// --- worker_hold.c
struct worker_hold;
struct worker_hold_events {
    void (*cancelled)(void *arg, const char *reason); // may be NULL
    void (*refused)(void *arg);                       // the server will never take anything of it. May free the hold
};
// `message` has a producer, too. It must not be freed within `cancelled`.
struct worker_hold *worker_hold_new(struct worker *worker, const json_t *message,
                                    const struct worker_hold_events *events, void *arg);
void worker_hold_free(struct worker_hold **hold);

// --- worker_spec.c
// Makes the folder of a job from the server's frame: job.json and the script. After a failure nothing is left of it.
// *ret_run is what it says, owned by the caller.
int worker_spec_write(struct worker *worker, const json_t *message, const char *dir, struct run_file *ret_run);
const char *worker_no_folder(int err); // why a job is given back: what failed of these
// The same in a folder that waits, which gets the name `dir`. After a failure it waits no more.
struct worker_reuse {
    const char *folder, *cgroup; // of a runner that waits; each may be NULL
};
int worker_spec_reuse(struct worker *worker, const json_t *message, const struct worker_reuse *reuse, const char *dir,
                      struct run_file *ret_run);
int worker_spec_folder(const struct worker *worker, const char *dir); // makes it. ERR_CONFLICT: it is there
// Writes into a folder that has the inputs already. `refusal`: why it cannot be run; else NULL.
struct worker_refusal {
    const char *reason, *status; // status: NULL: failed
};
int worker_spec_finish(struct worker *worker, const json_t *message, int dir_fd, const struct worker_refusal *refusal);

void worker_hidden(const struct worker *worker, const char *ret[CONFINE_PATHS_MAX]); // what no job may see

// --- worker_offer.c
int worker_find_offer(struct worker *worker); // what this machine has: runtimes, user, confinement
void worker_release_offer(struct worker *worker);
void worker_hello_offer(struct worker *worker, struct json_writer *json);
uint32_t worker_slots_free(const struct worker *worker);
bool worker_has_room(const struct worker *worker); // on the disk

// --- worker_idle.c
#define SPARE_PREFIX ".spare."                       // of a folder that waits for a job
char *worker_idle_name(const struct worker *worker); // for such a folder
// Takes over the connection of a runner that waits, and the names of the folder and the control group that it has; each
// may be NULL.
void worker_idle_keep(struct worker *worker, int control_fd, char *folder, char *cgroup);
struct worker_reuse worker_idle_next(const struct worker *worker); // what one of them has
// Tells a runner to run the job in `dir`; `again`: in the folder of worker_idle_next. False if there is none.
// *ret_control as in spawner_ask: if it has died just now, the connection ends at once.
bool worker_idle_use(struct worker *worker, const char *dir, bool again, int *ret_control);
void worker_idle_end(void *worker); // all of them

// --- worker_engine.c
void worker_engine_start(struct worker *worker); // asks for one now, and from time to time
void worker_engine_stop(struct worker *worker);
void worker_engine_look_at_logins(const struct worker *worker); // says whether their file can be used
struct engine worker_engine_of(const struct worker *worker);    // where it is, if it is available

// --- worker_scan.c
void worker_scan(struct worker *worker); // finds what earlier workers have left
