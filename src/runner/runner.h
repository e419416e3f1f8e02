// Runs a command here (or reads stdin), captures it into a spool and uplinks it. The engine of `wrap` and `pipe`.
#pragma once

#include "client/client.h"
#include "runner/spool.h"

#define RUNNER_SPOOL_MAX           (10ull * 1024 * 1024 * 1024)
#define RUNNER_SPOOL_MIN           (4ull * 1024 * 1024) // less would not hold two of the largest chunks
#define RUNNER_GRANDCHILD_GRACE_MS 5000
#define RUNNER_UNREACHED_WAIT_MS   5000

struct runner_options {
    struct client_options server;
    const char *state_dir;        // spools live in STATE_DIR/spool/<execution id>/
    char *const *command;         // argv, NULL-terminated; NULL: read stdin (`pipe`)
    bool tty;                     // one pseudo-terminal instead of two pipes
    const char *execution_id;     // chosen by the caller; NULL: made here before the server is asked (it may be away)
    const char *metadata_json;    // object or NULL
    const char *again_options;    // " --url X", what a command that is told to the user needs to find the same; or NULL
    size_t message_max;           // 0: RECORD_MESSAGE_MAX
    uint64_t spool_max;           // 0: RUNNER_SPOOL_MAX; at least RUNNER_SPOOL_MIN, else ERR_INVALID
    uint64_t grandchild_grace_ms; // how long a pipe that outlives the child is still read: 1 s after its last output,
                                  // at most this (0: RUNNER_GRANDCHILD_GRACE_MS)
    uint64_t
        deliver_wait_ms; // after the job: how long to wait for the server before leaving the spool behind; 0: for ever
    bool keep_going;     // when nobody reads our stdout (stderr) any more, the job is not told by SIGPIPE, and the
                         // recording goes on
    // No server was ever reached while the job ran: wait for its next attempt only, and RUNNER_UNREACHED_WAIT_MS at
    // most.
    bool give_up_unreached;
    bool quiet;
};
// Runs to the end. The job's exit code in *ret_exit_code (128+n for a signal); 1 instead of 0 if not all could be
// passed on, which stderr then says. ERR_UNAVAILABLE if the job ended but the log was not delivered: it stays in the
// spool, and stderr says why and what to do, `quiet` or not. Another error: nothing was run. ERR_CONFLICT: an earlier
// run has left a spool of that id; ERR_HELD: a run of that id goes on in this STATE_DIR. Delivers what earlier runs
// have left behind, too, on the side. To be called from main, before it has other threads.
int runner_run(const struct runner_options *options, int *ret_exit_code);
// Delivers what interrupted runs left in STATE_DIR/spool: a whole prefix, then `capture_interrupted`, ending as `lost`;
// runs whose job had ended are completed as they ended. `only` may be NULL. Skips spools whose process is still alive
// (lock), and those for another server unless `only` names them. deliver_wait_ms is for each; once the server was not
// reached for one, the others are left at once. With `only`: ERR_NOT_FOUND if there is none, ERR_HELD if its process is
// alive. Each one that is left is told to `left`, which may be NULL.
typedef void runner_left_fn(void *arg, const char *execution_id, const char *reason);
struct runner_resumed {
    unsigned delivered, left;
    unsigned held; // by living processes that record or deliver them
};
int runner_resume(const struct runner_options *options, const char *only_execution_id, runner_left_fn *left, void *arg,
                  struct runner_resumed *ret);
