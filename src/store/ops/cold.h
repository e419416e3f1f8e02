// Operations of the mover of cold chunks (retention/cold.h): which bodies may leave the store, where they have gone,
// and which objects still have something that is wanted. Conventions: store/store.h.
#pragma once

#include "model/cold.h"
#include "store/op.h"
#include "util/id.h"

#define STORE_COLD_ROWS_MAX 1024 // executions that one look finds
#define STORE_COLD_SUBJECT  1    // of LEASE_COLD: there is one mover
// A pack that was made so long ago is not taken any more: the sweep may have taken its object for an orphan.
#define STORE_COLD_SWAP_MS ((int64_t)6 * 3600 * 1000)

struct cold_cursor { // how far a pass has come; all 0: it begins
    int64_t sealed_ms, row;
    uint64_t first; // of this execution, the chunks before are done
};

struct cold_found { // one body
    int64_t row;
    int64_t pack; // in which it lies; 0: in the store
    uint64_t first;
    uint32_t count;
    size_t raw;
    struct cold_place place; // a look: in ret_bodies, without a checksum; in an object: there
    char execution_id[ID_EXECUTION_MAX + 1];
};

// --- Queries

// Bodies of sealed executions' chunks, of one day, up to a pack. What is not merged yet is passed over.
struct store_cold_look {
    struct store_op op;
    int64_t sealed_by_ms;
    struct cold_cursor cursor; // moves on
    int64_t ret_sealed_ms;     // of the first execution
    struct buf ret_bodies;
    struct cold_found *ret_found;
    size_t ret_count;
    int64_t ret_rows[STORE_COLD_ROWS_MAX]; // executions of which nothing is left behind these
    size_t ret_row_count;
    bool ret_over; // nothing is behind these
};

// How many executions wait to be moved (counted up to 10,000), and since when the oldest of them.
struct store_cold_backlog {
    struct store_op op;
    int64_t sealed_by_ms;
    uint64_t ret_waiting;
    int64_t ret_oldest_ms; // its seal; 0: none waits
};

// A pack of which less than half is wanted, with what is wanted of it.
struct store_cold_sparse {
    struct store_op op;
    int64_t after;    // of packs behind this one
    int64_t ret_pack; // 0: there is none
    char ret_object[COLD_OBJECT_MAX + 1];
    struct cold_found *ret_found;
    size_t ret_count;
};

// Which of these objects the store knows.
struct store_cold_known {
    struct store_op op;
    const char (*names)[COLD_OBJECT_MAX + 1];
    size_t count;
    bool *ret_known; // the caller's; one for each
};

// --- Commits

// In one transaction, bodies give way to their places in an object that is whole. What has changed or was purged since
// it was looked at stays as it is. ERR_FENCED: another node moves now, and may have taken the object for an orphan.
// ERR_EXPIRED: it was made too long ago (STORE_COLD_SWAP_MS). ERR_HELD: a server of a version that could not read them
// is at work.
struct store_cold_swap {
    struct store_op op;
    int64_t node; // that holds LEASE_COLD, with this epoch, since before it was sent; 0: is not asked for
    uint64_t epoch;
    const char *object;
    int64_t made_ms; // before it was sent
    const struct cold_found *found;
    size_t count;        // 0: only `rows`
    const int64_t *rows; // of these executions nothing is left to be moved
    size_t row_count;
    uint64_t ret_chunks, ret_bytes; // that changed places; 0: the object is not known to the store
};

// Forgets a pack of which nothing is wanted any more. ERR_CONFLICT: something is.
struct store_cold_drop {
    struct store_op op;
    int64_t pack;
};

// Of the mark that says whose place the objects' is: whether it is this store's, and which one it writes next. A store
// knows the last one that it has written, or is about to; so a copy of it that has gone its own way knows another.
// ERR_CONFLICT: it is another store's. ERR_FENCED as above.
struct store_cold_own {
    struct store_op op;
    int64_t node; // that holds LEASE_COLD, with this epoch
    uint64_t epoch;
    struct str found; // the mark that is there; empty: none is, and the place is taken
    struct str next;  // the one that will be written; known from now on, as is `found`
};
