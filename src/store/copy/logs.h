// Records: copied log by log, and read back.
#pragma once

#include "store/copy/cold.h"

struct copy_log { // of an execution that has records
    int64_t row;
    char execution_id[256];
    uint64_t first, next; // its records
    uint64_t before;      // digest of what retention has cut off
    bool digest_unknown;  // nobody knows that
    uint64_t digest;      // of all
};

// Lists some of the logs behind the row `after`, in order. *ret is owned by the caller.
int copy_logs_list(struct copy_side *side, int64_t after, struct copy_log **ret, size_t *ret_count);
int copy_logs_count(struct copy_side *side, uint64_t *ret_records);
// Where copying goes on: the last log of which `to` has records, and what follows them. 0 and 0: it has none.
int copy_logs_reached(struct copy_side *to, int64_t *ret_row, uint64_t *ret_next);

// What is written between two commits, and who is told of each.
struct copy_writing {
    struct copy_side *to;
    size_t bytes; // since the last commit
    size_t most;  // of them
    int (*commit)(struct copy_writing *writing);
};

// Copies the records from `at` on. Small chunks become larger ones. What cannot be read ends it there, without an
// error: copy_log_check finds that out. *ret_next is where it ended.
int copy_log(const struct copy_reading *from, struct copy_writing *writing, const struct copy_log *log, uint64_t at,
             uint64_t *ret_next);

// Reads the log in `to`, and compares it with what it should be. Adds what it has to *records and *bytes. ERR_DIGEST,
// with a text, if it is not that. `from` is only read for what is wrong, or cannot be known otherwise.
int copy_log_check(const struct copy_reading *from, struct copy_side *to, const struct copy_log *log, uint64_t *records,
                   uint64_t *bytes, struct buf *ret_trouble);
