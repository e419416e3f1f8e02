// One step of a round: a run of an execution's hot pieces that becomes one chunk.
#pragma once

#include "store/sqlite/sqlite_private.h"

#define MERGE_PIECES_MAX   1024
#define MERGE_REPLACED_MAX 32

struct merge_job {
    struct list_node node;
    // Set by the writer.
    int64_t row;
    int64_t last_id; // with this job, the execution's rows up to this one are merged
    struct hot_piece *pieces;
    size_t piece_count; // 0: those rows hold state only
    // Set by the merger.
    struct chunk **chunks; // to be inserted: one, or one for each piece if they could not be merged
    uint64_t *firsts;
    size_t chunk_count;
    int64_t replaced[MERGE_REPLACED_MAX]; // rows of `chunks` that are part of the first one
    size_t replaced_count;
    bool transient;  // the rows could not be read for now: to be run again
    bool incomplete; // a piece could not be read; it is left out
};

// The next run of the execution after the row `after` and up to `last`; NULL if there is none. The writer's thread.
struct merge_job *merge_job_new(const struct hot *hot, int64_t row, int64_t after, int64_t last);
void merge_job_free(struct merge_job **job);
void merge_job_run(struct merge_job *job, struct db *db); // the merger's thread, on its own connection
