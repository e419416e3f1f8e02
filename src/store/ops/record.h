// Operations on the records of an execution: append, end, read. Conventions: store/store.h.
#pragma once

#include "model/chunk.h"
#include "model/execution.h"
#include "model/filter.h"
#include "model/late.h"
#include "model/sequence.h"
#include "store/op.h"

#define STORE_PRODUCER_MAX 96 // bytes of a producer's name

// --- Commits

// Appends records of one producer; sequence_admit decides. Repeated ones at the front are cut off.
struct store_append {
    struct store_op op;
    int64_t row;
    struct str producer; // empty: anonymous; nothing is remembered, and `first` is ignored
    uint64_t first;      // the producer's counter for the chunk's first record
    uint64_t epoch;      // 0: not fenced
    bool skip_ahead;
    const uint64_t *skip_digest; // with skip_ahead: the digest to continue from; NULL: not known; borrowed until done
    bool whole;                  // repeated as a whole or not at all: ERR_CONFLICT if only its first records are known
    // Of events that are stored once (model/late.h): their keys are kept with the records. ERR_CONFLICT: one is known.
    const struct late_key *events; // borrowed until done
    size_t event_count;
    struct chunk *chunk; // borrowed until done
    // Of the first appended record; if the last append is repeated as a whole, that of the original.
    uint64_t ret_first_sequence;
    uint64_t ret_appended;      // 0 if all were repetitions
    uint64_t ret_producer_next; // set on ERR_GAP, ERR_CONFLICT and success
    uint64_t ret_next;          // the next sequence number afterwards
};

// The end of the job and the seal, in one step. An outcome that was reported before stands; only the seal is added.
struct store_complete {
    struct store_op op;
    int64_t row;
    uint64_t epoch;      // 0: not checked
    struct str producer; // the producer whose counter `final` is
    bool has_final;      // false: what has come is everything
    int64_t final;       // the producer's last counter; -1 without records. ERR_GAP if not all records are there
    bool has_digest;
    uint64_t digest; // ERR_DIGEST if it differs from the log's
    enum execution_status status;
    bool has_exit_code;
    int exit_code;
    int64_t completed_ms; // when the job ended; 0, or a time before its start, means now
    struct str reason;    // of a job: why it ended so, for people; empty: none. Kept if it ends by this
    // What else there is to know of how it ran, an object; and its result (model/result.h). Empty: none. Kept with the
    // seal.
    struct str details, result;
    struct execution ret_execution;        // also set for ERR_SEALED; with the same outcome that is fine, and err is 0
    struct sequence_producer ret_producer; // as it is stored then; the hash of its last record is not for callers
};

// --- Queries

struct store_events_known { // which of these events the log has
    struct store_op op;
    int64_t row, account;
    const struct late_event *events; // only their keys are looked at
    size_t count;
    bool *ret_known; // the caller's; one for each
};

#define STORE_READ_SEGMENTS 64
struct store_segment {
    uint64_t first; // sequence number of the chunk's first record
    struct chunk *chunk;
};
// Reads the chunks from the one that covers `from` on; or, backward, up to the one that covers from - 1, also in
// ascending order. Ends when max_bytes of payload or STORE_READ_SEGMENTS are reached; returns at least one chunk if
// there is one. One statement, and no transaction stays open.
struct store_read {
    struct store_op op;
    int64_t row;
    uint64_t from;
    bool backward;
    bool by_time; // begins with the first chunk that holds a record at or after since_ms, and ignores `from`
    int64_t since_ms;
    size_t max_bytes;
    bool closed; // chunks may be closed: a caller that looks at records opens them
    // With `closed`: of a chunk whose front suffices for this filter (filter_wants_front), only that may be read.
    // Borrowed until done; may be NULL.
    const struct filter *skim;
    struct store_segment ret_segments[STORE_READ_SEGMENTS];
    size_t ret_count;
    uint64_t ret_next;           // the end of the log at the time of this read
    uint64_t ret_first_sequence; // the first record that retention has kept
};
// For `process` of a read: releases the chunks when they were looked at, because the operation may wait for its loop
// for a while.
void store_read_forget(struct store_read *read);

struct store_producer {
    struct store_op op;
    int64_t row;
    struct str producer;
    struct sequence_producer ret_producer; // zero if it is new
    struct execution ret_execution;
};
