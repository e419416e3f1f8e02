// Puts figures that other rooms keep into the metrics, when the metrics are asked for.
#pragma once

#include "metrics/metrics.h"
#include "store/store.h"

// Leaves out what a store without figures cannot tell.
void collect_store(struct store *store, struct metrics *metrics);
