// Drives one producer's stream on one connection: gathers single records into chunks, hands chunks to the store, and
// says what is durable. One loop. When INTAKE_BUSY_BYTES are under way, or as much as its account may have, intake_busy
// says to stop reading; `room` says when to go on.
#pragma once

#include "ingest/gate.h"
#include "ingest/sequencer.h"
#include "metrics/metrics.h"
#include "store/store.h"

#define INTAKE_BUSY_BYTES (16u * 1024 * 1024)

struct intake;

// What several intakes of one connection have under way together. Counted; one loop.
struct intake_share {
    size_t bytes_under_way, busy_bytes;
    unsigned refs;
};
struct intake_share *intake_share_new(struct budget *budget); // as much as one intake may have
void intake_share_unref(struct intake_share **share);

struct intake_handler {
    void (*ack)(void *owner, uint64_t next);                       // all counters below `next` are durable
    void (*refused)(void *owner, int err, uint64_t next_sequence); // gap, conflict, fenced, sealed, store_full, …
    void (*ready)(void *owner, const struct sequence_producer *stored); // begin anew from there
    void (*room)(void *owner);
};

struct intake_options {
    struct loop *loop;
    struct store *store;
    struct metrics *metrics;
    struct intake_gate *gate;   // of the loop; NULL: its own limit alone
    struct intake_share *share; // beside its own; takes a reference; NULL, or with a gate
    unsigned shard;
    int64_t account, row;
    struct str producer; // copied
    uint64_t epoch, next;
    const struct intake_handler *handler;
    void *owner;
};
struct intake *intake_new(const struct intake_options *options);
void intake_close(struct intake **intake); // what is under way is still committed; no callback comes any more

void intake_record(struct intake *intake, uint64_t counter,
                   const struct record *record);                               // handed over at the end of the turn
void intake_chunk(struct intake *intake, uint64_t first, struct chunk *chunk); // takes its own reference
// The producer says that its counters below `to` are lost: a `gap` event record takes their place. `digest`: what its
// digest goes on from; NULL if it does not say.
void intake_skip(struct intake *intake, uint64_t to, struct str reason, const uint64_t *digest);
void intake_flush(struct intake *intake); // what intake_record has gathered
bool intake_busy(const struct intake *intake);
uint64_t intake_accepted(const struct intake *intake);
