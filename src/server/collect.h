// Puts figures that other rooms keep into the metrics, when the metrics are asked for.
#pragma once

#include "metrics/metrics.h"
#include "store/store.h"
#include "util/budget.h"

// With the labels of the routes and of event types.
struct metrics *collect_metrics_new(unsigned shards);
// Counts the records of a chunk by their event types. On any thread.
void collect_events(struct metrics *metrics, unsigned shard, const struct chunk *chunk);
// Leaves out what a store without figures cannot tell.
void collect_store(struct store *store, struct metrics *metrics);
void collect_memory(struct budget *budget, struct metrics *metrics); // who holds how much of the memory for clients
