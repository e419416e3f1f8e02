// Drives the stream of one producer on one connection. It gathers single records into chunks, gives chunks to the
// store, and tells what is durable. For one loop. When INTAKE_BUSY_BYTES are under way, or as much as the account may
// have, intake_busy says that the caller must stop reading. `room` says when it may go on.
#pragma once

#include "ingest/gate.h"
#include "ingest/sequencer.h"
#include "metrics/metrics.h"
#include "store/store.h"

#define INTAKE_BUSY_BYTES (16u * 1024 * 1024)

struct intake;

// What several intakes of one connection have under way together. Reference-counted; for one loop.
struct intake_share {
    size_t bytes_under_way, busy_bytes;
    unsigned refs;
};
struct intake_share *intake_share_new(struct budget *budget); // with the limit of one intake
void intake_share_unref(struct intake_share **share);

struct intake_handler {
    void (*ack)(void *owner, uint64_t next);                       // all counters below `next` are durable
    void (*refused)(void *owner, int err, uint64_t next_sequence); // gap, conflict, fenced, sealed, store_full, …
    void (*ready)(void *owner, const struct sequence_producer *stored); // the producer must begin again from there
    void (*room)(void *owner);
};

struct intake_options {
    struct loop *loop;
    struct store *store;
    struct metrics *metrics;
    struct intake_gate *gate; // the loop's gate; NULL: only its own limit counts
    // Counts beside its own limit; takes a reference; may be NULL, and must be NULL with a gate.
    struct intake_share *share;
    unsigned shard;
    int64_t account, row;
    struct str producer; // copied
    uint64_t epoch, next;
    const struct intake_handler *handler;
    void *owner;
};
struct intake *intake_new(const struct intake_options *options);
void intake_close(struct intake **intake); // what is under way is still committed; no callback comes any more

// The record is handed over at the end of the turn.
void intake_record(struct intake *intake, uint64_t counter, const struct record *record);
void intake_chunk(struct intake *intake, uint64_t first, struct chunk *chunk); // takes its own reference
// The producer tells that its counters below `to` are lost. A `gap` event record takes their place. Its digest
// continues from `digest`; NULL if it does not tell that.
void intake_skip(struct intake *intake, uint64_t to, struct str reason, const uint64_t *digest);
void intake_flush(struct intake *intake); // hands over what intake_record has gathered
bool intake_busy(const struct intake *intake);
uint64_t intake_accepted(const struct intake *intake);
