// What one loop remembers of executions, so that asking for one again needs no thread of the store. For one thread.
//
// Why an entry is never stale: a query reads the version of the execution's row (store_version) before it reads the
// execution. The result is kept with that version, if the version is even. It is served as long as the row has the same
// version.
// - A change that was answered before a request begins is seen by the request. The writer steps the version to a new
//   even number after queries can see the change, and before it answers. Either the query began after that and saw the
//   change; or its version is older, and the entry is not served.
// - Nothing goes backwards. What is served here is never older than what any query, follower or answer may have shown,
//   because the version is odd, or higher, before anybody can see the change.
// - A change between the query and its answer makes no difference: the version was read before the query.
// An execution that was not found is never remembered. What only the live server knows (runners, lag), and what depends
// on the time, is not part of an execution and is asked for each time.
//
// The number of entries is bounded; the least recently used goes first. An execution with long texts is not kept.
#pragma once

#include "store/store.h"
#include "util/list.h"
#include "util/map.h"

#define EXECUTION_CACHE_TEXT_MAX 4096 // bytes of all its strings

struct execution_cache;

struct kept_execution { // immutable; valid as long as it is referenced, in the cache or not
    struct execution execution;
    unsigned refs;
    uint64_t version;
    struct map_node by_id;
    struct list_node order;
    char *key;
};

struct execution_cache *execution_cache_new(const struct store *store, size_t max);
void execution_cache_free(struct execution_cache **cache);

// Returns a reference; or NULL if there is no entry, or it may not be up to date.
struct kept_execution *execution_cache_find(struct execution_cache *cache, int64_t account, struct str execution_id);
// Takes the result of a successful STORE_GET, and leaves nothing there to release. Returns a reference, kept or not.
struct kept_execution *execution_cache_keep(struct execution_cache *cache, struct store_get *got);
void kept_execution_unref(struct kept_execution **kept);
