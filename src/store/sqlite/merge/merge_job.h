// One step of a round: a run of hot pieces of one execution that becomes one chunk.
#pragma once

#include "store/sqlite/merge/merge_fold.h"
#include "store/sqlite/sqlite_private.h"
#include "util/buf.h"

#define MERGE_PIECES_MAX   1024
#define MERGE_REPLACED_MAX 32

// A piece that a newer version has written, which this one cannot read.
struct merge_kept {
    struct hot_piece piece;
    struct buf bytes;
};

struct merge_job {
    struct list_node node;
    // Set by the writer.
    int64_t row;
    uint64_t end; // after this job, the execution's pieces that begin before this sequence number are merged
    struct hot_piece *pieces;
    size_t piece_count; // 0: they hold only state
    bool direct;        // the only piece holds only state; its chunk is in `chunks`, and is refined there
    uint64_t first;     // first record of that chunk
    bool more;          // the round has further pieces of the execution
    // Set by the merger.
    struct chunk **chunks; // to be inserted: one, or one for each piece if they could not be merged
    uint64_t *firsts;
    size_t chunk_count;
    int64_t replaced[MERGE_REPLACED_MAX]; // rows of `chunks` that are part of the first one
    size_t replaced_count;
    struct merge_kept *kept; // to be inserted as they are
    size_t kept_count;
    struct buf summary; // to be stored with it; empty: none
    uint64_t summary_next;
    bool transient;   // the rows could not be read for now; it must be run again
    int64_t *damaged; // packs of which a piece could not be read; those pieces are left out
    size_t damaged_count;
};

// Where jobs are read from: a connection, and the unpacked packs of the round. Each pack holds pieces of many
// executions, so all of them stay until the round is over. The size of the hot table limits them. For the merger's
// thread only.
struct merge_source {
    struct db db;
    struct map packs;
    struct merge_fold fold;
};

int merge_source_open(struct merge_source *source, const char *path, const char *vfs);
bool merge_source_filled(const struct merge_source *source); // it holds packs
void merge_source_forget(struct merge_source *source);       // releases the packs
void merge_source_close(struct merge_source *source);

// Returns the execution's next run of pieces that begin at `from` or later and lie in packs up to `last_id`; NULL if
// there is none. For the writer's thread.
struct merge_job *merge_job_new(const struct hot *hot, int64_t row, uint64_t from, int64_t last_id);
void merge_job_free(struct merge_job **job);
void merge_job_run(struct merge_job *job, struct merge_source *source); // for the merger's thread
// Within the writer's transaction: puts the new chunks in the place of those that they were made from. Returns
// ERR_CONFLICT if one of these does not exist any more; then the transaction must be given up.
int merge_job_apply(const struct merge_job *job, struct db *db);
