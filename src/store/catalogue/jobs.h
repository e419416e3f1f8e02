// Private to the catalogue: jobs and batches as they are at the beginning of a change. Everything here must be called
// within a write transaction; what is read is locked until its end. A struct holds what was read. After a call that may
// change the same row, the caller must read it again.
#pragma once

#include "store/catalogue/catalogue.h"

enum ending_kind { ENDING_EXECUTION, ENDING_BATCH }; // also the kinds of what a job depends on

struct job_row {
    int64_t execution, account;
    enum job_state state;
    int64_t rank, turn, waits_for, root;
    unsigned attempt, tries;
    int64_t retry_of, superseded_by, batch, batch_index, not_before_ms, failed_ms, rate_micros;
};

struct batch_row {
    int64_t row, account, created_ms, turn, active, rate_micros;
    bool open, cancelled, stopped;
    uint64_t expected;
    struct batch_limits limits;
    struct batch_counts counts;
};

// --- job_rows.c
int job_load(struct sql *sql, int64_t execution, struct job_row *ret); // ERR_NOT_FOUND: it is not a job
int job_load_held(struct sql *sql, int64_t execution, struct job_row *ret);
int job_save(struct sql *sql, const struct job_row *job);
// Returns the number or text that a statement with one parameter, a number, gives.
int number_of(struct sql *sql, enum catalogue_statement id, int64_t of, int64_t *ret); // ERR_NOT_FOUND
// Owned by the caller; ERR_NOT_FOUND.
int text_of(struct sql *sql, enum catalogue_statement id, int64_t of, char **ret);
int run_of(struct sql *sql, enum catalogue_statement id, int64_t of);
int run_with(struct sql *sql, enum catalogue_statement id, int64_t first, int64_t second);
// Returns up to `max` rows of a statement whose first column is a number. The statement must be bound already.
int rows_of(struct sql_statement *statement, int64_t *ret_rows, size_t max, size_t *ret_count);

// --- jobs.c
// The last two: its batch is over, and the job must end in this way.
enum placement { PLACED, PLACE_CANCELLED, PLACE_STOPPED };
// Decides where a job goes that waits for nothing any more, or only for a place: ready with its turn, or held. Writes
// the batch's turn and places, and with `move` its counts. Does not write the job.
int job_place(struct sql *sql, struct job_row *job, struct str demand, const struct batch_move *move,
              enum placement *ret);
// Does the same for a job that exists, with everything that follows. `changes` is told about it.
int job_release(struct sql *sql, struct job_row *job, const struct catalogue_changes *changes);
int job_end(struct sql *sql, int64_t execution, enum placement why, const struct catalogue_changes *changes);

// --- batch_rows.c
int batch_load(struct sql *sql, int64_t row, struct batch_row *ret); // ERR_NOT_FOUND: there is none
int batch_save(struct sql *sql, const struct batch_row *batch);
bool batch_takes_more(const struct batch_row *batch);
// Tells whether the batch takes no more jobs, and nothing of it is left, nor anything that must be settled.
int batch_is_over(struct sql *sql, const struct batch_row *batch, bool *ret);
int batch_unsettled(struct sql *sql, int64_t row);
// Whether it has more failures than it may have (batch_stops).
int batch_fails_too_often(struct sql *sql, const struct batch_row *batch, bool *ret);

// --- dependencies.c
struct parent_row {
    enum ending_kind kind;
    int64_t row;
    enum dependency_wish wish;
    struct str id; // of one that lies in another store; else it is looked up
};
// Tells whether the parent waits for the batch, also through others. A job of that batch must not wait for such a
// parent.
int batch_waits_for(struct sql *sql, int64_t batch, const struct parent_row *parent, bool *ret);
#define CHILD_ELSEWHERE 0 // in `dependencies`: whatever waits in other stores
struct parent_state {     // `parent` without its wish
    struct parent_row parent;
    bool over, failed;
    enum execution_status ended;
};
struct judged {
    bool left;      // there are more
    bool elsewhere; // something in other stores waits, too
};
// Decides about what waits for this one, which is over: up to *budget of them, which is lowered.
int dependents_judge(struct sql *sql, const struct parent_state *parent, const struct catalogue_changes *changes,
                     unsigned *budget, struct judged *ret);

// --- parents.c
// How it stands, which cannot change until the transaction ends. ERR_NOT_FOUND.
int parent_find(struct sql *sql, int64_t account, struct str id, struct parent_state *ret);
struct parent_state parent_state_of(const struct parent_standing *standing);
int execution_end(struct sql *sql, int64_t execution, enum execution_status *ret_status, bool *ret_sealed);

// --- blobs.c
// Finds a blob; it cannot go until the transaction ends. ERR_NOT_FOUND.
int blob_find_locked(struct sql *sql, int64_t account, const uint8_t hash[STORE_HASH_LEN], int64_t *ret_row,
                     uint64_t *ret_size);
int blob_use(struct sql *sql, int64_t row, int64_t by); // `by` more refer to it

// --- files.c
int inputs_copy(struct sql *sql, int64_t from, int64_t to); // from one execution to another, which has none

// --- attempts.c
// Makes a new attempt of a job that has ended or is lost, not before a time (0: now). `tries` is the count that it
// begins with.
int attempt_make(struct sql *sql, struct job_row *job, int64_t not_before_ms, unsigned tries, int64_t now_ms,
                 const struct catalogue_changes *changes, int64_t *ret_row);
