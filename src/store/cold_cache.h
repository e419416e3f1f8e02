// Bodies of cold chunks that were read, so that a log which is read twice is fetched once. A body never changes, so
// nothing in it gets stale: it is known by its chunk and its checksum, wherever it lies by now. The least recently used
// goes. Thread-safe.
#pragma once

#include "store/cold.h"
#include "util/list.h"
#include "util/map.h"

#include <pthread.h>

struct cold_cache {
    pthread_mutex_t lock; // all of the following
    struct map bodies;
    struct list_node used; // the least recently first
    size_t bytes;          // with what keeps them
};

void cold_cache_init(struct cold_cache *cache);
void cold_cache_release(struct cold_cache *cache);

// Returns a copy of the body, owned by the caller; NULL: it is not here.
char *cold_cache_find(struct cold_cache *cache, const struct cold_body *body);
// Copies the body, which has its bytes. What is more than `most` bytes goes, this one too.
void cold_cache_keep(struct cold_cache *cache, const struct cold_body *body, size_t most);
void cold_cache_shrink(struct cold_cache *cache, size_t most);
size_t cold_cache_bytes(struct cold_cache *cache);
