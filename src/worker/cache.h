// Content that jobs of this worker have been given, by its hash, so that it comes once for many of them. A folder,
// within a limit of bytes: what was not used for longest goes first. Nobody trusts what lies there: each copy is hashed
// while it is made. Any thread; all of it blocks.
#pragma once

#include "client/content.h"

#define CACHE_BYTES_MAX (4ull * 1024 * 1024 * 1024)

struct cache;
// `dir` is made if it is not there. What an earlier worker has not finished is removed. Returns -errno.
int cache_open(const char *dir, uint64_t bytes_max, struct cache **ret);
void cache_free(struct cache **cache);

// Brings the content into an open, empty file, as content_fetch does.
typedef int cache_fetch_fn(void *arg, int fd, const struct content *content, struct buf *ret_text);
// Writes the content into the empty file `fd`, which is open for reading and writing. Calls `fetch` if it is not in the
// cache; one thread at a time for each content, while others wait. Content that is larger than the cache goes by it.
// Returns the error of `fetch`, ERR_CORRUPT, or -errno; with a text in *ret_text. After an error the file is empty.
int cache_copy(struct cache *cache, const struct content *content, int fd, cache_fetch_fn *fetch, void *arg,
               struct buf *ret_text);
