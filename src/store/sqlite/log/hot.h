// What lies in the hot table, in memory: for each execution that has rows there, its pieces in order and the state
// that its last append led to. Rebuilt at start. Bounded by the table, which the merger keeps short. Thread-safe.
//
// Readers look here before they begin to read the database: what is missing here was in the database by then. Pieces
// are added before their transaction commits, so a piece may be here that a reader's snapshot does not have yet, never
// the other way round for what it can see of the execution's end. State becomes visible after the commit alone.
#pragma once

#include "model/chunk.h"
#include "model/sequence.h"
#include "store/catalogue/catalogue.h"
#include "util/map.h"

#include <pthread.h>

struct hot_piece {
    int64_t id; // of the pack that holds it, a row of the hot table; never falls within an execution
    uint64_t first;
    uint32_t count;
    uint32_t raw;    // bytes of its payload, uncompressed
    uint32_t offset; // in the pack's body, unpacked
    uint32_t stored; // bytes of its chunk there; 0: the chunk is in `chunks`, and the pack only holds state
    int64_t time_max;
};

// What the store keeps per producer, beside sequence_producer: where its last append began.
struct producer_state {
    struct sequence_producer sequence;
    uint64_t last_counter;  // the producer's count of its first record
    uint64_t last_sequence; // ours
};

struct hot_producer {
    char *name;
    struct producer_state state; // once its last_sequence is merged, the database tells of it
};

struct hot_known {
    struct map_node node;
    struct hot_producer producer;
};

struct hot_entry {
    struct map_node node;
    int64_t row; // the map's key
    struct log_state state;
    struct hot_piece *pieces; // those not merged yet: [pieces_from, pieces_from + piece_count)
    size_t pieces_from, piece_count, pieces_cap;
    struct map producers; // of struct hot_known, by name: those that the packs tell of
};

struct hot {
    pthread_mutex_t mutex;
    struct map entries;
    size_t pieces;
    uint64_t bytes; // of their chunks
};

void hot_init(struct hot *hot);
void hot_release(struct hot *hot);

// --- By the writer.
void hot_add(struct hot *hot, int64_t row, const struct hot_piece *piece); // before the commit
// After the commit of a piece. `producer` empty: anonymous.
void hot_confirm(struct hot *hot, int64_t row, const struct log_state *state, struct str producer,
                 const struct producer_state *producer_state);
// After a rollback: the piece added last.
void hot_remove_last(struct hot *hot, int64_t row);
// After a merge's commit: pieces that begin before `end`.
void hot_remove_to(struct hot *hot, int64_t row, uint64_t end);
// As only the writer changes entries, it may look at one without the lock. NULL if there is none.
const struct hot_entry *hot_peek(const struct hot *hot, int64_t row);
// The executions that have pieces with id <= last, ascending; owned by the caller.
size_t hot_executions(const struct hot *hot, int64_t last, int64_t **ret);

// --- By anybody. False if there is nothing of it here.
bool hot_state(struct hot *hot, int64_t row, struct log_state *ret);
bool hot_producer_state(struct hot *hot, int64_t row, struct str producer, struct producer_state *ret);
// Up to `max` pieces with bodies: those that end after `from`, or backward those that begin before it, the last of
// them; ascending either way.
size_t hot_pieces(struct hot *hot, int64_t row, uint64_t from, bool backward, struct hot_piece *ret, size_t max);
// Where the first piece begins that holds a record at or after `since_ms`.
bool hot_since(struct hot *hot, int64_t row, int64_t since_ms, uint64_t *ret_first);
void hot_size(struct hot *hot, size_t *ret_pieces, uint64_t *ret_bytes);
