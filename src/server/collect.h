// Puts figures that other rooms keep into the metrics, when the metrics are asked for.
#pragma once

#include "metrics/metrics.h"
#include "store/store.h"
#include "util/budget.h"

// Leaves out what a store without figures cannot tell.
void collect_store(struct store *store, struct metrics *metrics);
void collect_memory(struct budget *budget, struct metrics *metrics); // who holds how much of the memory for clients
