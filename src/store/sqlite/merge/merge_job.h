// One step of a round: a run of an execution's hot pieces that becomes one chunk.
#pragma once

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
    uint64_t end; // with this job, the execution's pieces that begin before this sequence number are merged
    struct hot_piece *pieces;
    size_t piece_count; // 0: they hold state only
    bool direct;        // the one piece holds state only; its chunk is in `chunks`, and is to be refined there
    uint64_t first;     // of that
    // Set by the merger.
    struct chunk **chunks; // to be inserted: one, or one for each piece if they could not be merged
    uint64_t *firsts;
    size_t chunk_count;
    int64_t replaced[MERGE_REPLACED_MAX]; // rows of `chunks` that are part of the first one
    size_t replaced_count;
    struct merge_kept *kept; // to be inserted as they are
    size_t kept_count;
    bool transient;   // the rows could not be read for now: to be run again
    int64_t *damaged; // packs of which a piece could not be read; those pieces are left out
    size_t damaged_count;
};

// Where jobs are read from: a connection, and the packs of the round, unpacked. Each pack holds pieces of many
// executions, so all stay until the round is over; what the hot table may hold bounds them. The merger's thread only.
struct merge_source {
    struct db db;
    struct map packs;
};

int merge_source_open(struct merge_source *source, const char *path, const char *vfs);
bool merge_source_filled(const struct merge_source *source); // with packs
void merge_source_forget(struct merge_source *source);       // the packs
void merge_source_close(struct merge_source *source);

// The execution's next run of pieces that begin at `from` or later and lie in packs up to `last_id`; NULL if there is
// none. The writer's thread.
struct merge_job *merge_job_new(const struct hot *hot, int64_t row, uint64_t from, int64_t last_id);
void merge_job_free(struct merge_job **job);
void merge_job_run(struct merge_job *job, struct merge_source *source); // the merger's thread
// Within the writer's transaction: the new chunks in the place of those that they were made from. ERR_CONFLICT if one
// of these is not there any more; then nothing of the transaction may stand.
int merge_job_apply(const struct merge_job *job, struct db *db);
