// Containers that nobody looks after any more, as their runner has died: found by their labels, killed and removed.
#pragma once

#include "runner/container/engine.h"

struct leftover;

struct leftover_events {
    // Whether somebody looks after the container of that execution and epoch. NULL: nobody does.
    bool (*wanted)(void *arg, const char *execution_id, uint64_t epoch);
    void (*done)(void *arg, int err, unsigned removed); // 0: none is left. The owner frees it, then or later
};
struct leftover_scope {
    const char *folder, *worker; // what a container of ours is labelled with; all others are left alone
    const char *execution_id;    // only of that one; NULL: of any
};
// The strings are copied.
struct leftover *leftover_remove(const struct engine *engine, const struct leftover_scope *scope,
                                 const struct leftover_events *events, void *arg);
void leftover_free(struct leftover **leftover);
