// One run. For runner*.c alone.
//
//   starting ──▶ running ──child gone, pipes read to their end──▶ recording the rest ──finished──▶ delivering ──sealed
//   or out of patience──▶ over
#pragma once

#include "loop/pool.h"
#include "runner/delivery.h"
#include "runner/process/process.h"
#include "runner/process/signals.h"
#include "runner/process/terminal.h"
#include "runner/pump.h"
#include "runner/recorder.h"
#include "runner/resume.h"

#define RUNNER_PUMPS 3 // stdout, stderr, and our stdin to a pseudo-terminal
#define RUNNER_INPUT (RUNNER_PUMPS - 1)

struct sync_job { // makes durable what was written; in the pool
    struct job job;
    struct runner *runner;
    bool running;
    unsigned run_file_saves, run_file_synced; // as of when it was given to the pool; up to which it is durable
    int err;
};

struct runner {
    struct runner_options options; // with the defaults filled in
    struct run_file run;
    char *dir;
    struct loop *loop;
    struct pool *pool;
    struct spool *spool;
    struct recorder *recorder;
    struct pump *pumps[RUNNER_PUMPS];
    unsigned outputs_open; // pumps that still read what is to be recorded
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
    unsigned run_file_saves; // how often it was saved; what is saved during a sync is for the next one
    int exit_code;
    bool has_child; // it was started
    bool job_over;  // the child is gone, or there is none and stdin has ended
    bool cancelled;
    bool interrupted_once; // `pipe`: a key's signal came, which our writer has got as well
    bool recording_closed;
    bool recorded; // the recorder has finished
    int record_err;
    bool sealed;
    bool unreached;     // in the end: the server never was
    int delivery_err;   // why it will never be delivered; 0: it may
    bool stopping;      // the loop has ended; what its mail still brings is of no use
    struct buf trouble; // of the last attempt, for people
    bool told_away;     // that the server cannot be reached
    bool impatient;     // the server is not waited for any more
    bool pass_failed;   // not all of the output could be passed on
};

// runner_notice.c
PRINTF_LIKE(2, 3) void runner_notice(const struct runner *runner, const char *fmt, ...); // not with -q
PRINTF_LIKE(2, 3) void runner_warn(const struct runner *runner, const char *fmt, ...); // in any case: something failed

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
void runner_sync(void *arg);
void runner_patience_ended(void *arg);
void runner_unreached(void *arg);
void runner_tell_waiting(void *arg);

// runner_tty.c: the child has a pseudo-terminal
int runner_tty_start(struct runner *runner);
// Takes our terminal if we are in its foreground, and leaves it alone if not. Also a timer's.
void runner_tty_settle(void *arg);
void runner_tty_suspend(struct runner *runner); // stops the job and ourselves, until somebody continues us
void runner_tty_resize(const struct runner *runner);
