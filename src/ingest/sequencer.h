// One producer's stream on one connection, pure. `accepted` is what was taken in, `durable` what the store has said it
// keeps. The store numbers and decides (model/sequence.h); this decides what to hand it, what to acknowledge, and when
// all must begin anew.
//
//   OPEN ──a commit failed──▶ DRAINING ──nothing under way──▶ REREAD ──the store said where it stands──▶ OPEN
#pragma once

#include "util/error.h"

enum sequencer_state {
    SEQUENCER_OPEN,     // takes records
    SEQUENCER_DRAINING, // a commit failed: what is under way behind it will fail too; nothing is taken
    SEQUENCER_REREAD,   // the driver is to ask the store for the producer's next counter
};

struct sequencer {
    enum sequencer_state state;
    uint64_t accepted;  // the producer's next counter, as far as it was taken in
    uint64_t durable;   // counters below it are durable
    uint64_t acked;     // counters below it were acknowledged
    unsigned under_way; // appends handed to the store and not answered
};

void sequencer_init(struct sequencer *sequencer, uint64_t next);
// Records [first, first + count) arrive. 0: hand them to the store. ERR_GAP: records before them are missing (tell next
// = accepted; nothing is taken). ERR_UNAVAILABLE: not now, drop them silently, as `ready` will be said again.
int sequencer_offer(struct sequencer *sequencer, uint64_t first, uint64_t count);
// The store answered an append: `next` is the producer's next counter there.
void sequencer_committed(struct sequencer *sequencer, uint64_t next);
void sequencer_failed(struct sequencer *sequencer);
void sequencer_reread(struct sequencer *sequencer, uint64_t next);
// True if there is something new to acknowledge: all below *ret_next.
bool sequencer_take_ack(struct sequencer *sequencer, uint64_t *ret_next);
// An append that repeated only known records is acknowledged again.
void sequencer_ack_again(struct sequencer *sequencer);
