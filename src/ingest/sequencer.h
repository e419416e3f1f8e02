// The stream of one producer on one connection. Pure. `accepted` is what was taken in; `durable` is what the store says
// that it keeps. The store numbers and decides (model/sequence.h). The sequencer decides what to give to the store,
// what to acknowledge, and when everything must begin again.
//
//   OPEN ──a commit failed──▶ DRAINING ──nothing under way──▶ REREAD ──the store said where it stands──▶ OPEN
#pragma once

#include "util/error.h"

enum sequencer_state {
    SEQUENCER_OPEN,     // takes records
    SEQUENCER_DRAINING, // a commit failed; what is under way behind it will fail, too, and nothing is taken
    SEQUENCER_REREAD,   // the driver must ask the store for the producer's next counter
};

struct sequencer {
    enum sequencer_state state;
    uint64_t accepted;  // the producer's next counter, as far as records were taken in
    uint64_t durable;   // counters below it are durable
    uint64_t acked;     // counters below it were acknowledged
    unsigned under_way; // appends that the store has not answered
};

void sequencer_init(struct sequencer *sequencer, uint64_t next);
// Records [first, first + count) arrive. Returns 0 if they must be given to the store. ERR_GAP: records before them are
// missing; tell the producer next = accepted; nothing is taken. ERR_UNAVAILABLE: not now; drop them without an answer,
// because `ready` will be sent again.
int sequencer_offer(struct sequencer *sequencer, uint64_t first, uint64_t count);
// The store has answered an append. `next` is the producer's next counter there.
void sequencer_committed(struct sequencer *sequencer, uint64_t next);
void sequencer_failed(struct sequencer *sequencer);
void sequencer_reread(struct sequencer *sequencer, uint64_t next);
// Returns true if there is something new to acknowledge: everything below *ret_next.
bool sequencer_take_ack(struct sequencer *sequencer, uint64_t *ret_next);
// An append that repeated only known records must be acknowledged again.
void sequencer_ack_again(struct sequencer *sequencer);
