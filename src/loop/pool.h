// A few threads for what would block a loop: decoding, filters over text, DNS, disk. Fair by account. Thread-safe.
#pragma once

#include "loop/loop.h"

struct pool;

// Embedded in the caller's struct, which must live until `done` ran. `work` runs on a pool thread; `done` then on
// `reply_to`'s thread.
struct job {
    struct mail mail;
    struct list_node node;
    struct loop *reply_to;
    int64_t account; // whose turn it takes
    void (*work)(struct job *job);
    void (*done)(struct job *job);
};

// At most `queue_max` jobs wait; pool_submit answers ERR_UNAVAILABLE when full and nothing is kept of the job then.
int pool_new(unsigned threads, unsigned queue_max, struct pool **ret);
int pool_submit(struct pool *pool, struct job *job);
void pool_free(struct pool **pool); // waits for running and waiting jobs; their `done` mail is posted
