// What a run has left in the folder that RUNNEL_OUTPUTS names: each regular file becomes an artifact of its execution.
// Links are not followed, whoever made them. See docs/internals/outputs.md.
#pragma once

#include "client/client.h"
#include "loop/pool.h"
#include "runner/spool.h"

#define OUTPUTS_FOLDER      "outputs"
#define OUTPUTS_TOLD_MAX    20     // so many files that are missing are told one by one
#define OUTPUTS_ENTRIES_MAX 100000 // looked at
#define OUTPUTS_DEPTH_MAX   64     // of folders

struct outputs_missing {
    char *name, *reason; // name NULL: none was uploaded
};
// Text for people; `begins` a sentence.
void outputs_missing_append(const struct outputs_missing *missing, bool begins, struct buf *out);
struct outputs_report {
    unsigned uploaded;
    uint64_t bytes;
    unsigned missing; // could not be uploaded, for good
    struct outputs_missing told[OUTPUTS_TOLD_MAX];
};
void outputs_report_release(struct outputs_report *report);
// What is missing, as event records for the log; NULL: nothing is.
struct chunk *outputs_events(const struct outputs_report *report);
// Appends them to the spool, whatever its limit.
int outputs_tell(struct spool *spool, const struct outputs_report *report);

// True if something is left in the run's folder. Costs one system call if nothing is: it removes the empty folder.
bool outputs_left(int run_dir_fd);

struct outputs_options {
    const struct client_options *server; // its abort, if it has one, takes the place of the upload's own
    const char *token;                   // NULL: that of the server
    const char *execution_id;
    int run_dir_fd; // the folder that has OUTPUTS_FOLDER
    // Whoever runs as another user could have made hard links to files of ours: of those with several names, only this
    // user's are taken. UINT32_MAX: anybody's.
    uint32_t owner;
};

// --- One upload, in any thread, one at a time; what is atomic may be used by another one meanwhile
struct outputs_upload {
    struct outputs_report report;
    atomic_bool abort;        // what is under way ends, and is for the next time
    const char *_Atomic over; // nothing more is tried: why what is not there yet is missing; static, or NULL
    atomic_ullong moved;      // bytes that were sent
    struct outputs_upload_inner *inner;
};
// Returns -errno if the folder cannot be opened.
int outputs_upload_init(struct outputs_upload *upload, const struct outputs_options *options);
void outputs_upload_release(struct outputs_upload *upload);
// Uploads what is not there yet. Returns 0: the report says what became of each; else it must be tried again later, for
// the reason in *ret_text (ERR_UNREACHABLE, ERR_CANCELED, ERR_UNAVAILABLE …).
int outputs_upload_try(struct outputs_upload *upload, struct buf *ret_text);

// --- Beside a loop: tries again until all is uploaded, or OUTPUTS_WAIT_MS of trying are over
#define OUTPUTS_WAIT_MS 3600000

struct outputs;
// `done` is called once, on the loop's thread, and may free it. The report is its until then.
typedef void outputs_done_fn(void *arg, const struct outputs_report *report);
// Begins at once, in the pool. Copies what it needs, but the server's strings, which must live until the pool is freed.
// Returns NULL if the folder cannot be opened.
struct outputs *outputs_new(const struct outputs_options *options, struct loop *loop, struct pool *pool,
                            outputs_done_fn *done, void *arg);
void outputs_free(struct outputs **outputs);                        // stops it; the pool frees the rest
void outputs_give_up(struct outputs *outputs, const char *because); // no more is tried; `because` is static
uint64_t outputs_moved(const struct outputs *outputs);              // bytes so far: whether it moves on
const char *outputs_trouble(struct outputs *outputs);               // why the last attempt failed; "" if none did
