// The rules of numbering. Pure: every adapter of the store uses them at commit, and so does the simulator.
#pragma once

#include "model/status.h"
#include "util/error.h"

// What the store keeps for each execution, for numbering.
struct sequence_head {
    uint64_t next; // next sequence number
    uint64_t epoch;
    bool sealed, purged;
    enum execution_status status;
};

// What the store keeps for each execution and producer.
struct sequence_producer {
    uint64_t next;      // the producer's next counter
    uint64_t last_hash; // record_hash of the producer's last record, if next > 0
    // Running digest (record_digest_next) of this producer's records alone. It tells the producer that the store has
    // what it sent. After a stated gap it continues from the value that the producer states. Without such a value it is
    // unknown from then on.
    uint64_t digest;
    bool digest_unknown;
};

// A producer offers records [first, first + count).
struct sequence_offer {
    uint64_t first, count;
    uint64_t epoch; // 0: the producer is not a runner, so it is not fenced
    // Hash of the offered record with the counter producer.next - 1, if that record is offered. A repetition must be
    // the same.
    bool has_repeat_hash;
    uint64_t repeat_hash;
    bool skip_ahead; // a stated gap: the counters from producer.next to below `first` are known to be lost
};

// Called when the record of a stated gap was appended. `said` is the digest to continue from; it may be NULL.
void sequence_skip_digest(struct sequence_producer *producer, const uint64_t *said);

// Tells how many of the offered records, from the front, are repetitions. The rest must be appended at head.next.
// Returns 0, ERR_FENCED, ERR_SEALED, ERR_EXPIRED, ERR_GAP (first is above producer.next, without skip_ahead) or
// ERR_CONFLICT. An offer that is all repetition succeeds even after the seal, unless it is fenced: then *ret_repeated
// == count.
int sequence_admit(const struct sequence_head *head, const struct sequence_producer *producer,
                   const struct sequence_offer *offer, uint64_t *ret_repeated);
