// The summaries of logs that were asked for lately, and of runs that grow. It is fed with what is committed, on a
// thread of its own, so that a summary that is asked for right behind a burst of records is there. It never has to be
// right about the end of a log: who asks folds what follows. Thread-safe.
//
// Each time enough was counted since the last one, it has a summary encoded, to be stored: so a summary that is asked
// for after a crash is read, and only what follows it is counted. Of each log only the newest one waits for that. It is
// never more than what was committed.
//
// Bounds: it holds at most `max` bytes, counted as part of the log cache's budget; the least recently used goes first,
// also if it was to be stored. At most SUMMARY_CACHE_QUEUE bytes of chunks wait to be folded; of a log that has lost
// some the owner is told, who may count them and put what comes of it.
#pragma once

#include "store/store.h"
#include "util/budget.h"

#define SUMMARY_CACHE_MAX   ((size_t)16 * 1024 * 1024)
#define SUMMARY_CACHE_SHARE 8 // or this part of the log cache's budget
#define SUMMARY_CACHE_QUEUE ((size_t)8 * 1024 * 1024)
// One is to be stored when so much payload was counted since the last one, and so many times its own size. A chunk that
// is counted by its header alone weighs a small part of its payload, because who asks counts it as fast.
#define SUMMARY_DUE_BYTES     ((size_t)1024 * 1024)
#define SUMMARY_DUE_FACTOR    4
#define SUMMARY_CLOSED_WEIGHT 64

struct summary_cache;

// What the owner hears, on any thread that feeds, puts or folds, without a lock of the cache. Each may be NULL.
struct summary_cache_owner {
    void *arg;
    void (*due)(void *arg);                 // there is something to be stored
    void (*behind)(void *arg, int64_t row); // what is held of this log does not go on by itself
};

struct summary_due {
    int64_t row;
    uint64_t next;
    struct buf encoded;
};

// `budget` may be NULL; otherwise it must outlive the cache. `owner` is copied; NULL: none. Returns NULL if there is no
// thread to be had.
struct summary_cache *summary_cache_new(struct budget *budget, size_t max, const struct summary_cache_owner *owner);
void summary_cache_free(struct summary_cache **cache);
// Copies the summary of the execution, as far as it was folded. Returns false if there is none.
bool summary_cache_get(struct summary_cache *cache, int64_t row, struct summary *ret);
// Keeps a copy if it counts more than what is there. `weight`: what was counted since the summary that it went on from;
// SUMMARY_FOREIGN: what is stored of this log must stay as it is.
#define SUMMARY_FOREIGN SIZE_MAX
void summary_cache_put(struct summary_cache *cache, int64_t row, const struct summary *summary, size_t weight);
// What counting a chunk weighs. Before it is counted.
size_t summary_weight(const struct summary *summary, const struct chunk *chunk, uint64_t first);
// Whether something is to be stored; and the next such thing, whose bytes become the caller's. Returns false if there
// is none.
bool summary_cache_is_due(struct summary_cache *cache);
bool summary_cache_take_due(struct summary_cache *cache, struct summary_due *ret);
// What was committed, in order. Takes references to chunks with structured records, and to those of logs that it holds.
void summary_cache_feed(struct summary_cache *cache, const struct store_change *changes, size_t count);
void summary_cache_settle(struct summary_cache *cache); // for tests: waits until all that was fed is folded
