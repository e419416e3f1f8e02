// Containers that nobody looks after any more, as their runner has died: found by a label, killed and removed.
#pragma once

#include "runner/container/engine.h"

struct leftover;

struct leftover_events {
    // Whether somebody looks after the container of that execution and epoch. NULL: nobody does.
    bool (*wanted)(void *arg, const char *execution_id, uint64_t epoch);
    void (*done)(void *arg, int err, unsigned removed); // 0: none is left. The owner frees it, then or later
};
// Looks for all with that label and value. The strings are copied.
struct leftover *leftover_remove(const struct engine *engine, const char *label, const char *value,
                                 const struct leftover_events *events, void *arg);
void leftover_free(struct leftover **leftover);
