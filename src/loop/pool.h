// A few threads for work that would block a loop: decoding, text filters, DNS, disk. Accounts take turns. Thread-safe.
#pragma once

#include "loop/loop.h"

struct pool;

// A job is embedded in the caller's struct, which must live until `done` has run. `work` runs on a thread of the pool.
// `done` runs afterwards on the thread of the loop `reply_to`. Without `done`, `work` is all, and the job may be gone
// when it returns.
struct job {
    struct mail mail;
    struct list_node node;
    struct loop *reply_to;
    int64_t account; // the account in whose turn the job runs
    void (*work)(struct job *job);
    void (*done)(struct job *job);
};

// At most `queue_max` jobs wait. If the queue is full, pool_submit returns ERR_UNAVAILABLE and keeps nothing of the
// job.
int pool_new(unsigned threads, unsigned queue_max, struct pool **ret);
int pool_submit(struct pool *pool, struct job *job);
void pool_free(struct pool **pool); // waits for all running and waiting jobs; their `done` mail is posted
