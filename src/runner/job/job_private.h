// One job's runner. For job*.c alone.
//
//   starting ──▶ running ──its program has ended──▶ lingering ──nothing of it is left, its pipes are read──▶ over
//                   │ cancel, time-out, no word for a lease                ▲
//                   └──▶ stopping: TERM, the grace, then KILL until nothing is left
#pragma once

#include "loop/pool.h"
#include "runner/job/control.h"
#include "runner/job/job.h"
#include "runner/job_file.h"
#include "runner/job_secrets.h"
#include "runner/process/cgroup.h"
#include "runner/process/signals.h"
#include "runner/run_details.h"
#include "runner/run_file.h"
#include "runner/spool.h"
#include "runner/transcript.h"
#include "runner/voice.h"

#include <sys/resource.h>
#include <sys/stat.h>

struct job_runner;
struct container;

// What runs the job: a process here (job_start.c), or a container (job_container.c).
struct job_executor {
    void (*start)(struct job_runner *runner);
    void (*signal)(struct job_runner *runner, int signum);                         // to all that is of the job
    bool (*left)(const struct job_runner *runner);                                 // something of it is still there
    void (*pause)(struct job_runner *runner, bool pause);                          // what it says is not read
    void (*measure)(const struct job_runner *runner, struct run_details *details); // what it used, and what it was
    // What is left when its program has ended is given some time, and is then killed. Else it ends by itself.
    bool lingers;
};
extern const struct job_executor job_process_executor, job_container_executor;

struct job_output {
    struct job_runner *runner;
    enum record_stream stream;
    int fd;    // -1 once it is at its end
    bool wide; // it was found full, and made larger
    struct watch *watch;
};

struct pending { // a chunk that the spool had no room for
    struct list_node node;
    struct chunk *chunk;
};

struct sync_work { // makes durable what was written; in the pool
    struct job job;
    struct job_runner *runner;
    bool running;
    int err;
};

// What happens in one part and is for one above it. Set by job.c.
struct job_hooks {
    void (*stop)(struct job_runner *runner, const char *status, const char *reason, uint64_t grace_ms);
    void (*check)(struct job_runner *runner);
    void (*alive)(struct job_runner *runner, uint64_t until_ms);
    void (*room)(struct job_runner *runner);
};

// What a runner keeps for its next job. -1 and NULL: there is none.
struct job_kept {
    bool stays; // its worker may have a next job for it
    // Of the folder, if the next one is to have that, too
    int ruleset;       // of Landlock, for its work and outputs
    int door;          // of its voice
    struct stat voice; // the same, as it was made
    // Of any that is to have the same
    struct cgroup cgroup; // one without limits
};

struct job_runner {
    const struct job_hooks *hooks;
    struct confine_base *base; // or NULL
    struct job_kept *kept;
    bool first; // of this process
    bool again; // in the folder of the job before
    struct job_file file;
    struct job_secrets secrets;
    struct run_file run;
    char *dir; // absolute, without links
    int dir_fd;
    struct loop *loop;
    struct spool *spool;
    struct transcript *transcript;
    struct signals *signals;
    struct watch *signal_watch;

    // Its program
    const struct job_executor *executor;
    struct container *container;
    bool container_gone;
    pid_t pid; // 0: none was started, or it is reaped
    struct cgroup cgroup;
    struct cgroup_result limited;
    struct rusage used; // by all its processes that were waited for; memory: by the largest
    bool started, program_over;
    int exit_code;
    const char *status;          // of an end that the exit code does not tell; or NULL
    struct buf reason;           // of its end, for people; or empty
    bool stopping;               // it was told to end; the grace runs, or has run out
    bool killing;                // what is left is killed until there is nothing
    unsigned kills;              // how often it was
    uint64_t killing_since_ms;   // monotonic
    uint64_t program_over_ms;    // the same
    struct timer *timeout_timer; // its time is over
    struct timer *kill_timer;    // the grace is
    struct timer *linger_timer;  // what it has left running is waited for
    struct watch *lease_watch;   // its lease runs out
    int lease_fd;
    uint64_t alive_until_ms; // clock_boot_ms

    // What it says
    struct job_output outputs[2];
    struct voice *voice;
    struct list_node pending;    // chunks; while there are any, nothing is read
    uint64_t last_output_ms;     // monotonic
    struct result_reader result; // what may be its result
    struct buf result_json;      // what is; or empty
    bool result_taken;
    struct timer *partial_timer, *room_timer;
    bool recording_failed;

    // Durability
    struct pool *pool; // made when there first is something to sync
    struct timer *sync_timer;
    struct sync_work sync;

    // The worker
    struct control *control; // the newest connection; or NULL
    bool control_first;      // and it is that which came with the fork
    int listen_fd;
    struct watch *listen_watch; // NULL: it does not listen yet
    struct timer *listen_timer;
    bool notice_wanted;
    bool over;
};

// job_start.c: the program
void job_start(struct job_runner *runner);
struct job_environment {
    char **all; // NULL-terminated; the first ones are owned
    size_t owned;
};
struct job_environment job_environment_of(const struct job_runner *runner, const char *inputs, const char *outputs,
                                          const char *voice);
void job_environment_release(struct job_environment *environment);
int job_make_folders(const struct job_runner *runner);         // -errno
int job_open_stdin(const struct job_runner *runner, int *ret); // -errno; /dev/null without one
// That it cannot be run is an outcome, and its log says why.
void job_refuse(struct job_runner *runner, int exit_code, const char *reason);

// job_folder.c: its folder
int job_folder_open(struct job_runner *runner, const char *dir);
bool job_folder_clean(const struct job_runner *runner); // as it was before the job, but for what its worker put there
int job_folder_voice(struct job_runner *runner, int *ret_door); // makes the socket of its voice, or has it again

// job_kept.c: what stays for the next job
void job_kept_release(struct job_kept *kept);
void job_kept_release_folder(struct job_kept *kept);
void job_make_cgroup(struct job_runner *runner); // or takes the one of the job before
void job_keep_cgroup(struct job_runner *runner); // if nothing of this job is left in it

// job_output.c: what it says
int job_output_new(struct job_runner *runner);
void job_output_free(struct job_runner *runner);
int job_output_add(struct job_runner *runner, enum record_stream stream, int fd); // takes over `fd`
// A record of our own: an event, with its type and level.
void job_output_event(struct job_runner *runner, const char *event_type, enum record_level level, const char *message);
void job_output_bytes(struct job_runner *runner, enum record_stream stream, struct str bytes);
void job_output_settle(struct job_runner *runner); // after each turn: what was read is in the spool
void job_output_room(struct job_runner *runner);   // there may be room in the spool again
bool job_output_open(const struct job_runner *runner);
void job_output_close(struct job_runner *runner); // reads what waits in the pipes, and closes them
void job_output_sync(void *arg);

// job_end.c: how it ends
int job_end_init(struct job_runner *runner);
void job_end_free(struct job_runner *runner);
void job_reap(struct job_runner *runner); // SIGCHLD
void job_program_ended(struct job_runner *runner, int exit_code);
// Ends it: TERM to all that descends from us, and KILL after the grace. Only the first one counts. `status` is static.
void job_stop(struct job_runner *runner, const char *status, const char *reason, uint64_t grace_ms);
void job_alive(struct job_runner *runner, uint64_t until_ms); // its lease lasts at least so long (clock_boot_ms)
bool job_lease_over(const struct job_runner *runner);         // another attempt of it may begin
void job_check(struct job_runner *runner);                    // whether it is over
int job_finish(struct job_runner *runner);                    // writes the outcome
void job_make_durable(struct job_runner *runner);             // what it has written

// job_control.c: the worker
int job_control_new(struct job_runner *runner, int control_fd);
void job_control_free(struct job_runner *runner);
void job_control_spooled(struct job_runner *runner); // something was appended
void job_control_started(struct job_runner *runner); // its spool is there
bool job_control_ended(struct job_runner *runner);   // false: nobody heard it
// Takes the connection of the worker out of the job; -1 if it is not there, or another one.
int job_control_detach(struct job_runner *runner);
