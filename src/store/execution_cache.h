// What one loop remembers of executions, so that asking for one again needs no thread of the store.
//
// Why it is never stale. A query takes the version of the execution's row (store_version) before it reads the
// execution, and what it read is kept under that version, if it is even. It is served as long as the row's version is
// the same.
// - A change that is answered before a request begins is seen by it: the writer steps the version to a new even number
// after
//   the change is visible to queries and before it answers. Either the query began after that, and saw the change; or
//   its version is an older one, and the entry is refused.
// - Nothing goes backwards: what any query, follower or answer may already have shown is not older than what is served
// here,
//   as the version is odd, or higher, from before the change is visible to anybody.
// - A change between the query and its answer changes nothing about that: the version was taken before the query.
// What is not there is never remembered. What the live server alone knows (runners, lag) and what depends on the time
// are not part of an execution and are asked for each time.
//
// Bounded by count, least recently used first; an execution with long texts is not kept. One thread.
#pragma once

#include "store/store.h"
#include "util/list.h"
#include "util/map.h"

#define EXECUTION_CACHE_TEXT_MAX 4096 // bytes of all its strings

struct execution_cache;

struct kept_execution { // immutable, and valid as long as it is referenced, in the cache or not
    struct execution execution;
    unsigned refs;
    uint64_t version;
    struct map_node by_id;
    struct list_node order;
    char *key;
};

struct execution_cache *execution_cache_new(const struct store *store, size_t max);
void execution_cache_free(struct execution_cache **cache);

// A reference, or NULL: not there, or not known to be as it is now.
struct kept_execution *execution_cache_find(struct execution_cache *cache, int64_t account, struct str execution_id);
// Takes what came out of a successful STORE_GET (and leaves nothing there to release); a reference, kept or not.
struct kept_execution *execution_cache_keep(struct execution_cache *cache, struct store_get *got);
void kept_execution_unref(struct kept_execution **kept);
