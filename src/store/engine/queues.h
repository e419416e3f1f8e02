// The queues of operations: commits for the writer, short queries and scans for the readers. Accounts take turns.
// Thread-safe.
#pragma once

#include "store/engine/write/gather.h"
#include "store/op.h"
#include "util/fair_queue.h"

#include <pthread.h>

struct queues {
    pthread_mutex_t mutex;
    pthread_cond_t writer_wake, reader_wake;
    pthread_cond_t writer_pause; // the writer gathers; a complete group and the end wake it
    struct gather gather;
    uint64_t taken_ns; // when the writer has taken its group; 0: it waits for one
    struct fair_queue writer, reader, scan;
    unsigned scanning;   // readers that work on a scan
    unsigned since_scan; // queries that were taken while scans waited
    unsigned reader_max; // how many readers must run
    bool stopping;
};

void queues_init(struct queues *queues);
void queues_release(struct queues *queues);
// Returns false if it is stopping; then the operation was not taken.
bool queues_submit(struct queues *queues, struct store_op *op, bool commit);
void queues_stop(struct queues *queues); // wakes everybody; what has come before is still worked off
void queues_wake_writer(struct queues *queues);

// --- For the writer's thread.
// Takes up to GROUP_OPS_MAX operations, and no more chunks than fill a transaction. The mutex must be held.
size_t queues_take(struct queues *queues, struct store_op **ops);
// Waits while it pays to gather more operations. The mutex must be held.
void queues_gather(struct queues *queues);
// Waits for an operation; UINT64_MAX: without an end. The mutex must be held.
void queues_wait(struct queues *queues, uint64_t ms);
void queues_committed(struct queues *queues, size_t count); // of the last transaction
uint64_t queues_commit_age_ns(const struct queues *queues); // any thread. The mutex must be held

// --- For readers' threads.
struct store_op *queues_next_query(struct queues *queues); // waits; NULL: the end
void queues_scan_ended(struct queues *queues);             // of a scan that was taken
