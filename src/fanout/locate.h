// Finds the sequence number for a position: directly, by time, or by counting back the last N lines that match a
// filter. Reads chunks on the store's reader threads.
#pragma once

#include "model/filter.h"
#include "model/position.h"
#include "store/store.h"

struct locate;

struct place {
    uint64_t from;  // the first sequence number wanted
    uint64_t front; // retention has cut off the records before this one, and they may belong to it; 0: none do
};

struct locate_handler {
    // On `loop`, never within the call of locate_start. `place` is borrowed.
    void (*done)(void *arg, int err, const struct place *place);
    // Or NULL. On a reader's thread, before `done`, and not each time: the read that had the place. Its chunks may be
    // closed, and what is wanted may begin before them or end behind them. So they need not be read again.
    void (*found)(void *arg, uint64_t from, struct store_read *read);
};

// `regex_steps`: for each read. `handler` and `arg` stay until `done` or locate_cancel.
struct locate *locate_start(struct store *store, struct loop *loop, const struct execution *execution,
                            const struct position *position, struct filter *filter, uint64_t regex_steps,
                            const struct locate_handler *handler, void *arg);
void locate_cancel(struct locate **locate); // `done` is not called any more; not for one with `found`
