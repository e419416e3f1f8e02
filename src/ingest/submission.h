// Records on their way to the store: all parts of them are handed over together, and answered as one. On the thread
// of the loop that it names.
#pragma once

#include "ingest/parts.h"
#include "store/store.h"

struct submission_part;

// Zeroed, and with `records.message_max` set; `records` are added to until submission_send.
struct submission {
    struct record_parts records;
    struct str producer; // empty: anonymous; must live until `done`
    bool whole;          // as of struct store_append
    // Called once, when all is answered. The owner releases the submission then, or later.
    void (*done)(struct submission *submission);
    // Set by then: the first error; numbers are of all records, those repeated too.
    int err;
    uint64_t ret_first, ret_last, ret_appended, ret_producer_next;
    // Private:
    struct submission_part *parts;
    size_t answered;
};

struct submission_target {
    struct store *store;
    struct loop *loop;
    int64_t account, row;
    uint64_t epoch; // 0: not fenced
};
void submission_send(struct submission *submission, const struct submission_target *target); // there must be a record
void submission_release(struct submission *submission);
