// Finds the sequence number for a position: directly, by time, or by counting back the last N lines that match a
// filter. Reads chunks on the store's reader threads.
#pragma once

#include "model/filter.h"
#include "model/position.h"
#include "store/store.h"

struct locate;
// `done` runs on `loop`, never within this call. It gets err and the first sequence number wanted. `regex_steps` is the
// budget for each read.
struct locate *locate_start(struct store *store, struct loop *loop, const struct execution *execution,
                            const struct position *position, struct filter *filter, uint64_t regex_steps,
                            void (*done)(void *arg, int err, uint64_t from), void *arg);
void locate_cancel(struct locate **locate); // `done` will not be called any more
