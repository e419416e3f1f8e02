// The jobs that workers of this server were given, until they are over. The dispatcher's; on its loop alone.
#pragma once

#include "jobs/worker.h"
#include "util/list.h"
#include "util/map.h"

struct given {
    struct map_node node; // by row
    struct list_node link;
    int64_t row;
    uint64_t epoch;
    char *execution_id;
    char worker[WORKER_KEY_MAX + 1];        // worker_session_key
    char instance[WORKER_INSTANCE_MAX + 1]; // of that worker's offer
    bool known;                             // the worker has shown that it has it
};

struct gifts {
    struct map by_row;
    struct list_node all; // struct given, the oldest first
};

void gifts_init(struct gifts *gifts);
void gifts_release(struct gifts *gifts);
struct given *gifts_find(const struct gifts *gifts, int64_t row); // NULL: it was not given here
// To the worker of that connection. One of the same row takes its place.
struct given *gifts_add(struct gifts *gifts, int64_t row, uint64_t epoch, const char *execution_id,
                        const struct worker_session *session);
void gifts_remove(struct gifts *gifts, int64_t row); // nothing if it is not there
