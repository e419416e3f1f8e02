// What lies in the hot table, in memory: for each execution with rows there, its pieces in order, and the state after
// its last append. It is made again at the start. Its size is bounded by the table, which the merger keeps short.
// Thread-safe.
//
// Readers look here before they begin to read the database. So what is missing here was in the database by then. Pieces
// are added before their transaction commits. So a piece may be here that a reader's snapshot does not have yet; but
// nothing is missing here that the snapshot needs for the execution's end. State becomes visible only after the commit.
#pragma once

#include "model/chunk.h"
#include "model/sequence.h"
#include "store/engine/engine.h"
#include "util/map.h"

#include <pthread.h>

struct hot_piece {
    int64_t id; // of the pack that holds it, a row of the hot table; within an execution it never decreases
    uint64_t first;
    uint32_t count;
    uint32_t raw;    // bytes of its payload, uncompressed
    uint32_t offset; // in the pack's body, unpacked
    uint32_t stored; // bytes of its chunk there; 0: the chunk is in `chunks`, and the pack holds only the state
    int64_t time_max;
};

struct hot_producer {
    char *name;
    struct producer_state state; // when its last_sequence is merged, the database tells it
};

struct hot_known {
    struct map_node node;
    struct hot_producer producer;
};

struct hot_entry {
    struct map_node node;
    int64_t row; // key of the map
    struct log_state state;
    struct hot_piece *pieces; // those that are not merged yet: [pieces_from, pieces_from + piece_count)
    size_t pieces_from, piece_count, pieces_cap;
    struct map producers; // of struct hot_known, by name: those that the packs tell about
};

struct hot {
    pthread_mutex_t mutex;
    struct map entries;
    size_t pieces;
    uint64_t bytes; // of their chunks
};

void hot_init(struct hot *hot);
void hot_release(struct hot *hot);

// --- For the writer.
void hot_add(struct hot *hot, int64_t row, const struct hot_piece *piece); // before the commit
// Called after the commit of a piece. `producer` empty: anonymous.
void hot_confirm(struct hot *hot, int64_t row, const struct log_state *state, struct str producer,
                 const struct producer_state *producer_state);
// Called after a rollback: removes the piece that was added last.
void hot_remove_last(struct hot *hot, int64_t row);
// Called after the commit of a merge: removes the pieces that begin before `end`.
void hot_remove_to(struct hot *hot, int64_t row, uint64_t end);
// Only the writer changes entries, so it may look at one without the lock. Returns NULL if there is none.
const struct hot_entry *hot_peek(const struct hot *hot, int64_t row);
// Returns the executions that have pieces with id <= last, in ascending order. Owned by the caller.
size_t hot_executions(const struct hot *hot, int64_t last, int64_t **ret);

// --- For any thread. They return false if there is nothing about it here.
bool hot_state(struct hot *hot, int64_t row, struct log_state *ret);
bool hot_producer_state(struct hot *hot, int64_t row, struct str producer, struct producer_state *ret);
// Returns up to `max` pieces with bodies: those that end after `from`; or backward, the last of those that begin before
// it. In ascending order in both cases.
size_t hot_pieces(struct hot *hot, int64_t row, uint64_t from, bool backward, struct hot_piece *ret, size_t max);
// Returns where the first piece begins that holds a record at or after `since_ms`.
bool hot_since(struct hot *hot, int64_t row, int64_t since_ms, uint64_t *ret_first);
void hot_size(struct hot *hot, size_t *ret_pieces, uint64_t *ret_bytes);
