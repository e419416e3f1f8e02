// The state of one run. Only for the files runner*.c.
//
//   starting ──▶ running ──child gone, pipes read──▶ recording the rest ──finished──▶ delivering ──▶ over
//
// Delivering ends when the log is sealed, or when the wait for the server is over.
#pragma once

#include "loop/pool.h"
#include "runner/delivery.h"
#include "runner/outputs.h"
#include "runner/process/process.h"
#include "runner/process/signals.h"
#include "runner/process/terminal.h"
#include "runner/pump.h"
#include "runner/recorder.h"
#include "runner/resume.h"
#include "runner/voice.h"

#define RUNNER_PUMPS 3 // stdout, stderr, and our stdin if the child has a pseudo-terminal
#define RUNNER_INPUT (RUNNER_PUMPS - 1)

struct sync_job { // makes durable what was written; runs in the pool
    struct job job;
    struct runner *runner;
    bool running;
    // The number of saves when it was given to the pool, and up to which they are durable.
    unsigned run_file_saves, run_file_synced;
    int err;
};

struct runner {
    struct runner_options options; // with defaults filled in
    struct run_file run;
    char *dir;
    struct loop *loop;
    struct pool *pool;
    struct spool *spool;
    struct recorder *recorder;
    struct pump *pumps[RUNNER_PUMPS];
    unsigned outputs_open; // pumps that still read output to be recorded
    bool input_open;
    struct delivery *delivery;
    struct resume *resume;
    bool resume_begun;
    struct process process;
    struct signals signals;
    struct terminal terminal;
    struct watch *child_watch, *signal_watch;
    struct timer *kill_timer, *sync_timer, *patience_timer, *unreached_timer, *notice_timer, *foreground_timer;
    struct sync_job sync;
    unsigned run_file_saves; // how often it was saved; a save during a sync is left for the next sync
    int exit_code;
    bool has_child;              // it was started
    size_t env_vars_count;       // that it was started with
    struct result_reader result; // what may be its result
    bool job_over;               // the child is gone; or there is no child, and stdin has ended
    bool cancelled;
    bool interrupted_once; // for `pipe`: a key's signal came, and our writer has got it, too
    bool recording_closed;
    bool recorded; // the recorder has finished
    int record_err;
    bool sealed;
    bool unreached;          // at the end: the server was never reached
    int delivery_err;        // why it can never be delivered; 0: it may still be
    struct voice *voice;     // or NULL
    int dir_fd;              // of the run's folder, for a command; or -1
    struct outputs *outputs; // they are being uploaded; or NULL
    bool outputs_wait;       // there are some, and `complete` waits for them
    uint64_t outputs_moved;  // how much was sent when the patience was last looked at
    bool killing_rest;       // it was cancelled and has ended, and what it has started has not
    bool stopping;           // the loop has ended; mail that still comes is ignored
    struct buf trouble;      // what went wrong in the last attempt, for people
    bool told_away;          // people were told that the server cannot be reached
    bool impatient;          // do not wait for the server any more
    bool pass_failed;        // not all of the output could be passed on
};

// runner_notice.c
PRINTF_LIKE(2, 3) void runner_notice(const struct runner *runner, const char *fmt, ...); // silent with -q
PRINTF_LIKE(2, 3) void runner_warn(const struct runner *runner, const char *fmt, ...); // even with -q: something failed

// runner_events.c
void runner_job_over(struct runner *runner); // the job has ended now
// Closes the recording when the last output has ended and the job is over.
void runner_maybe_close(struct runner *runner);
extern const struct recorder_events runner_recorder_events;
extern const struct delivery_events runner_delivery_events;
void runner_output_ended(void *arg);
void runner_output_kept_back(void *arg, uint64_t quiet_ms);
void runner_output_lost(void *arg, enum record_stream stream, int err);
void runner_child_ended(void *arg, unsigned events);
void runner_signal_came(void *arg, unsigned events);
void runner_kill_child(void *arg);
void runner_patience_ended(void *arg);
void runner_patience_due(void *arg); // by its time, and not by somebody
void runner_unreached(void *arg);
void runner_tell_waiting(void *arg);

// runner_sync.c
int runner_save_run(struct runner *runner); // the run file; durable with the next sync
void runner_sync_soon(struct runner *runner);
void runner_sync(void *arg); // of a timer

// runner_outputs.c
void runner_outputs_start(struct runner *runner);       // makes the folder
void runner_outputs_close(const struct runner *runner); // the command is over: masks the names
void runner_outputs_complete(struct runner *runner);    // the outcome is saved: uploads them, then completes the log
void runner_outputs_go_on(struct runner *runner);       // the server was heard of
void runner_outputs_end(struct runner *runner);
bool runner_outputs_move(struct runner *runner); // since the last look
// Text for people: what is waited for.
void runner_outputs_append(const struct runner *runner, struct buf *out);

// runner_voice.c
#define RUNNER_VARIABLES 6
struct runner_environment {
    char **all; // NULL-terminated
    char *ours[RUNNER_VARIABLES];
};
void runner_added(void *arg);
void runner_voice_start(struct runner *runner);
void runner_voice_end(struct runner *runner); // takes what it has still said; before the recording is closed
struct runner_environment runner_environment_make(const struct runner *runner);
void runner_environment_release(struct runner_environment *environment);

// runner_tty.c: for a child with a pseudo-terminal
int runner_tty_start(struct runner *runner);
// Takes our terminal if we are in its foreground, and else leaves it alone. It is also the callback of a timer.
void runner_tty_settle(void *arg);
void runner_tty_suspend(struct runner *runner); // stops the job and ourselves, until somebody continues us
void runner_tty_resize(const struct runner *runner);
