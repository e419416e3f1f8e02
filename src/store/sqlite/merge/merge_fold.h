// Counts what is merged (model/summary.h), on the merger's thread, which has it decoded anyway. From time to time the
// result goes to the job, which stores it in the same transaction as what it counts. Whatever the row has not counted
// yet is read again when the execution's next large chunk is made.
#pragma once

#include "model/summary.h"
#include "store/sqlite/db.h"

struct merge_fold {
    int64_t row; // 0: none
    struct summary summary;
    uint64_t since; // counted since the row was stored; see WEIGHT_ in merge_fold.c
    size_t stored;  // bytes of the row
};

// Whether it is worth to count the last job of an execution, which has this payload. Others must be counted: until they
// are committed, they cannot be read again.
bool merge_fold_worth(const struct merge_fold *fold, int64_t row, size_t raw);
// Goes on to this execution, and reads what lies between its row and `first`, or a part of it.
void merge_fold_begin(struct merge_fold *fold, struct db *db, int64_t row, uint64_t first);
// Counts the next chunk of it, which is open. A chunk behind a gap is left for later.
void merge_fold_add(struct merge_fold *fold, const struct chunk *chunk, uint64_t first);
// Appends the encoded summary if it is time to store it, and sets what it counts up to.
void merge_fold_end(struct merge_fold *fold, struct buf *out, uint64_t *ret_next);
void merge_fold_release(struct merge_fold *fold);
