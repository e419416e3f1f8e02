// Runs a command here (or reads stdin), captures its output into a spool, and delivers it. `wrap` and `pipe` are built
// on it.
#pragma once

#include "client/client.h"
#include "model/mask.h"
#include "runner/spool.h"

#define RUNNER_SPOOL_MAX           (10ull * 1024 * 1024 * 1024)
#define RUNNER_SPOOL_MIN           (4ull * 1024 * 1024) // a smaller spool could not hold two of the largest chunks
#define RUNNER_GRANDCHILD_GRACE_MS 5000
#define RUNNER_UNREACHED_WAIT_MS   5000

struct runner_options {
    struct client_options server;
    const char *state_dir; // spools are in STATE_DIR/spool/<execution id>/
    char *const *command;  // argv, NULL-terminated; NULL: read stdin (`pipe`)
    bool tty;              // one pseudo-terminal instead of two pipes
    // Chosen by the caller; NULL: made here, before the server is asked, which may be away.
    const char *execution_id;
    const char *metadata_json; // an object, or NULL
    const struct mask *mask;   // of what is masked before it is recorded; NULL: nothing
    // " --url X": what a command in our messages needs to find the same server; may be NULL.
    const char *again_options;
    size_t message_max; // 0: RECORD_MESSAGE_MAX
    uint64_t spool_max; // 0: RUNNER_SPOOL_MAX; at least RUNNER_SPOOL_MIN, else ERR_INVALID
    // For how long a pipe that outlives the child is still read: until 1 s after its last output, at most so long (0:
    // RUNNER_GRANDCHILD_GRACE_MS).
    uint64_t grandchild_grace_ms;
    uint64_t
        deliver_wait_ms; // after the job: how long to wait for the server before leaving the spool behind; 0: for ever
    // When nobody reads our stdout (or stderr) any more, the job gets no SIGPIPE, and the recording goes on.
    bool keep_going;
    // If no server was reached while the job ran: waits for its next attempt only, at most RUNNER_UNREACHED_WAIT_MS.
    bool give_up_unreached;
    bool quiet;
    bool wants_result; // what the command leaves on stdout is its result, if that is JSON
};
// Runs the job to its end. *ret_exit_code is the job's exit code (128+n for a signal); it is 1 instead of 0 if not all
// output could be passed on, which stderr then says. Must be called from main before it starts other threads. Also
// delivers what earlier runs have left. Errors:
// - ERR_UNAVAILABLE: the job ended but the log was not delivered. It stays in the spool. stderr says why and what to
//   do, even with `quiet`.
// - ERR_CONFLICT: an earlier run has left a spool of that id. Nothing was run.
// - ERR_HELD: a run of that id goes on in this STATE_DIR. Nothing was run.
// - any other error: nothing was run.
int runner_run(const struct runner_options *options, int *ret_exit_code);
// Delivers what interrupted runs have left in STATE_DIR/spool. Of a run whose job was interrupted, the complete prefix
// is delivered, then `capture_interrupted`, and it ends as `lost`. A run whose job had ended is completed as it ended.
// `only` names one run; it may be NULL. Skips spools whose process is alive (locked), and spools for another server
// unless `only` names them. deliver_wait_ms is for each; when the server was not reached for one, the others are left
// at once. With `only`: ERR_NOT_FOUND if there is none, ERR_HELD if its process is alive. `left` is called for each run
// that is left; it may be NULL.
// `discarded`: it is not left, as its execution has expired or was purged since this run had it.
typedef void runner_left_fn(void *arg, const char *execution_id, const char *reason, bool discarded);
struct runner_resumed {
    unsigned delivered, left;
    unsigned discarded; // their execution has expired, or was purged, since they had it
    unsigned held;      // of them, held by living processes that record or deliver them
};
int runner_resume(const struct runner_options *options, const char *only_execution_id, runner_left_fn *left, void *arg,
                  struct runner_resumed *ret);
