// The summaries of logs that were asked for lately, and of runs that grow. It is fed with what is committed, on a
// thread of its own, so that a summary that is asked for right behind a burst of records is there. It never has to be
// right about the end of a log: who asks folds what follows. Thread-safe.
//
// Bounds: it holds at most `max` bytes, counted as part of the log cache's budget; the least recently used goes first.
// At most SUMMARY_CACHE_QUEUE bytes of chunks wait to be folded; what comes meanwhile is left to who asks.
#pragma once

#include "store/store.h"
#include "util/budget.h"

#define SUMMARY_CACHE_MAX   ((size_t)16 * 1024 * 1024)
#define SUMMARY_CACHE_SHARE 8 // or this part of the log cache's budget
#define SUMMARY_CACHE_QUEUE ((size_t)8 * 1024 * 1024)

struct summary_cache;

// `budget` may be NULL; otherwise it must outlive the cache. Returns NULL if there is no thread to be had.
struct summary_cache *summary_cache_new(struct budget *budget, size_t max);
void summary_cache_free(struct summary_cache **cache);
// Copies the summary of the execution, as far as it was folded. Returns false if there is none.
bool summary_cache_get(struct summary_cache *cache, int64_t row, struct summary *ret);
// Keeps a copy if it counts more than what is there.
void summary_cache_put(struct summary_cache *cache, int64_t row, const struct summary *summary);
// What was committed, in order. Takes references to chunks with structured records, and to those of logs that it holds.
void summary_cache_feed(struct summary_cache *cache, const struct store_change *changes, size_t count);
void summary_cache_settle(struct summary_cache *cache); // for tests: waits until all that was fed is folded
