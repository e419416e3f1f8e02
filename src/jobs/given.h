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
    char worker_id[WORKER_ID_MAX + 1];
    bool known; // the worker has shown that it has it
};

struct gifts {
    struct map by_row;
    struct list_node all; // struct given, the oldest first
};

void gifts_init(struct gifts *gifts);
void gifts_release(struct gifts *gifts);
struct given *gifts_find(const struct gifts *gifts, int64_t row); // NULL: it was not given here
// One of the same row takes its place.
struct given *gifts_add(struct gifts *gifts, int64_t row, uint64_t epoch, const char *execution_id,
                        struct str worker_id);
void gifts_remove(struct gifts *gifts, int64_t row); // nothing if it is not there
