// The rules of numbering, pure: used at the store's commit (every adapter) and by the simulator.
#pragma once

#include "model/status.h"
#include "util/error.h"

// What the store keeps of one execution for numbering.
struct sequence_head {
    uint64_t next; // next sequence number
    uint64_t epoch;
    bool sealed, purged;
    enum execution_status status;
};

// What it keeps per execution and producer.
struct sequence_producer {
    uint64_t next;      // the producer's next counter
    uint64_t last_hash; // record_hash of its last record, when next > 0
    // Running digest (record_digest_next) of its records alone, by which it knows that the store has what it sent.
    // After a stated gap it goes on from what the producer says; if that is not said, nobody knows it any more.
    uint64_t digest;
    bool digest_unknown;
};

// A producer offers records [first, first + count).
struct sequence_offer {
    uint64_t first, count;
    uint64_t epoch; // 0: not a runner, so not fenced
    // Hash of the offered record with the counter producer.next - 1, when that one is among the offered: a repetition
    // must be the same.
    bool has_repeat_hash;
    uint64_t repeat_hash;
    bool skip_ahead; // a stated gap: counters from producer.next up to `first` are known to be lost
};

// A stated gap whose record was appended: what its digest goes on from. `said` may be NULL.
void sequence_skip_digest(struct sequence_producer *producer, const uint64_t *said);

// How many of the offered records, from the front, are repetitions; the rest are to be appended at head.next.
// 0; ERR_FENCED, ERR_SEALED, ERR_EXPIRED, ERR_GAP (first is above producer.next without skip_ahead), ERR_CONFLICT.
// A wholly repeated offer is fine even when sealed or fenced by nothing: *ret_repeated == count.
int sequence_admit(const struct sequence_head *head, const struct sequence_producer *producer,
                   const struct sequence_offer *offer, uint64_t *ret_repeated);
