// What the mover's files share. All on the mover's thread.
#pragma once

#include "loop/loop.h"
#include "retention/cold.h"
#include "util/backoff.h"

#include <pthread.h>
#include <stdatomic.h>

#define COLD_DAMAGED_MAX 16
struct cold_damaged { // a pack that could not be written anew
    int64_t pack;
    uint64_t until_ms; // mono: so long it is left alone
};

struct cold_mover {
    struct cold_options options;
    pthread_t thread;
    struct loop *loop; // the thread's own: it runs while the thread waits
    struct timer *timer;
    atomic_bool ends;
    int64_t node;   // that holds the lease; 0: none yet
    uint64_t epoch; // of the lease
    bool owns;      // since the lease was claimed
    struct cold_cursor cursor;
    int64_t sparse_after;                          // of the present pass over packs
    struct cold_damaged damaged[COLD_DAMAGED_MAX]; // of more the one that was found first is looked at again
    uint64_t sweep_from_ms;                        // mono: the next sweep
    struct backoff backoff;
    struct log_limiter failures;
    char reason[BLOB_REASON_MAX + 1]; // of the last failure of the objects; ""
};

// --- cold_send.c
int cold_run(struct cold_mover *it, struct store_op *op, enum store_op_kind kind); // waits for its answer
void cold_count(struct cold_mover *it, enum metric metric, uint64_t amount);

int cold_swap(struct cold_mover *it, struct store_cold_swap *swap); // ERR_FENCED: the lease is another one's
// Puts the pack into its object, reads it back, and lets the places of `swap` change. 0 also if nothing has changed.
int cold_send(struct cold_mover *it, struct cold_pack *pack, struct store_cold_swap *swap);

// --- cold_own.c. Before the mover changes anything, and before each sweep. ERR_CONFLICT: another store moves to the
// same place; it->reason says so.
int cold_own(struct cold_mover *it);

// --- cold_tidy.c. Both return 1 if there may be more to do, 0 if not, or an error.
int cold_tidy(struct cold_mover *it);  // one pack of which less than half is wanted
int cold_sweep(struct cold_mover *it); // removes objects that the store does not know
