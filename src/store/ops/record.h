// Operations on the records of an execution: appending, ending, reading. Conventions: store/store.h.
#pragma once

#include "model/chunk.h"
#include "model/execution.h"
#include "model/sequence.h"
#include "store/op.h"

#define STORE_PRODUCER_MAX 96 // bytes of a producer's name

// --- Commits

// Appends records of one producer (sequence_admit decides). Repeated ones in front are cut off.
struct store_append {
    struct store_op op;
    int64_t row;
    struct str producer; // empty: anonymous, nothing is remembered, `first` is ignored
    uint64_t first;      // the producer's counter of the chunk's first record
    uint64_t epoch;      // 0: not fenced
    bool skip_ahead;
    const uint64_t
        *skip_digest;    // with skip_ahead: what the producer's digest goes on from; NULL: not known. Until done
    bool whole;          // repeated as a whole or not at all: ERR_CONFLICT when only its first records are known
    struct chunk *chunk; // borrowed until done
    uint64_t ret_first_sequence; // of the first appended; for a wholly repeated last append, of the original
    uint64_t ret_appended;       // 0 when all were repetitions
    uint64_t ret_producer_next;  // set on ERR_GAP, ERR_CONFLICT and success
    uint64_t ret_next;           // next sequence number afterwards
};

// The end of the job and the seal, in one step. An outcome that was told before stands; the seal is added to it.
struct store_complete {
    struct store_op op;
    int64_t row;
    uint64_t epoch;      // 0: not checked
    struct str producer; // whose counter `final` is
    bool has_final;      // false: all that came is all there is
    int64_t final;       // the producer's last counter; -1 without records. ERR_GAP when not all is there.
    bool has_digest;
    uint64_t digest; // ERR_DIGEST when it differs from the log's
    enum execution_status status;
    bool has_exit_code;
    int exit_code;
    int64_t completed_ms;           // when the job ended; 0, or before it started: now
    struct str reason;              // of a job: why it ended so, for people; empty: none. Kept if it ends by this
    struct execution ret_execution; // also for ERR_SEALED: with the same outcome it is fine and err is 0
    struct sequence_producer ret_producer; // as it is stored by then; its hash of the last record is not for callers
};

// --- Queries

#define STORE_READ_SEGMENTS 64
struct store_segment {
    uint64_t first; // sequence number of the chunk's first record
    struct chunk *chunk;
};
// The chunks from the one that covers `from` on (or, backward, up to the one that covers from - 1, in ascending order
// too), until max_bytes of payload or STORE_READ_SEGMENTS are reached; at least one if there is one. One statement, no
// transaction left open.
struct store_read {
    struct store_op op;
    int64_t row;
    uint64_t from;
    bool backward;
    bool by_time; // from the first chunk that holds a record at or after since_ms, instead of `from`
    int64_t since_ms;
    size_t max_bytes;
    bool closed; // chunks may come closed: who looks at records opens them
    struct store_segment ret_segments[STORE_READ_SEGMENTS];
    size_t ret_count;
    uint64_t ret_next;           // the log's end as of this read
    uint64_t ret_first_sequence; // what retention has left
};
// For `process` of a read: lets the chunks go once they were looked at, as the operation may wait for its loop for a
// while.
void store_read_forget(struct store_read *read);

struct store_producer {
    struct store_op op;
    int64_t row;
    struct str producer;
    struct sequence_producer ret_producer; // zero if it is new
    struct execution ret_execution;
};
