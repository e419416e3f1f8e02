#include "store/cold_cache.h"

struct key { // no gaps: it is compared as bytes
    uint64_t row, first, checksum;
};

struct kept {
    struct map_node node;
    struct list_node used;
    struct key key;
    size_t len;
    char bytes[];
};

static struct key key_of(const struct cold_body *body)
{
    return (struct key){(uint64_t)body->row, body->first, body->place.checksum};
}

static size_t size_of(const struct kept *kept)
{
    return sizeof(*kept) + kept->len;
}

static struct kept *find(const struct cold_cache *cache, const struct cold_body *body)
{
    struct key key = key_of(body);
    struct map_node *node = map_find(&cache->bodies, str_n((const char *)&key, sizeof(key)));
    struct kept *kept = node ? CONTAINER_OF(node, struct kept, node) : NULL;
    return kept && kept->len == body->place.len ? kept : NULL;
}

static void drop(struct cold_cache *cache, struct kept *kept)
{
    map_remove(&cache->bodies, &kept->node);
    list_remove(&kept->used);
    cache->bytes -= size_of(kept);
    free(kept);
}

static void shrink(struct cold_cache *cache, size_t most)
{
    while (cache->bytes > most)
        drop(cache, CONTAINER_OF(cache->used.next, struct kept, used));
}

void cold_cache_init(struct cold_cache *cache)
{
    *cache = (struct cold_cache){0};
    pthread_mutex_init(&cache->lock, NULL);
    map_init(&cache->bodies);
    list_init(&cache->used);
}

void cold_cache_release(struct cold_cache *cache)
{
    shrink(cache, 0);
    map_release(&cache->bodies);
    pthread_mutex_destroy(&cache->lock);
}

char *cold_cache_find(struct cold_cache *cache, const struct cold_body *body)
{
    char *copy = NULL;
    pthread_mutex_lock(&cache->lock);
    struct kept *kept = find(cache, body);
    if (kept) {
        list_remove(&kept->used);
        list_push_back(&cache->used, &kept->used);
        copy = xmalloc(MAX(kept->len, (size_t)1));
        memcpy(copy, kept->bytes, kept->len);
    }
    pthread_mutex_unlock(&cache->lock);
    return copy;
}

void cold_cache_keep(struct cold_cache *cache, const struct cold_body *body, size_t most)
{
    pthread_mutex_lock(&cache->lock);
    if (!find(cache, body) && sizeof(struct kept) + body->place.len <= most) {
        struct kept *kept = xmalloc(sizeof(*kept) + body->place.len);
        kept->key = key_of(body);
        kept->len = body->place.len;
        memcpy(kept->bytes, body->bytes, kept->len);
        map_insert(&cache->bodies, &kept->node, str_n((const char *)&kept->key, sizeof(kept->key)));
        list_push_back(&cache->used, &kept->used);
        cache->bytes += size_of(kept);
    }
    shrink(cache, most);
    pthread_mutex_unlock(&cache->lock);
}

void cold_cache_shrink(struct cold_cache *cache, size_t most)
{
    pthread_mutex_lock(&cache->lock);
    shrink(cache, most);
    pthread_mutex_unlock(&cache->lock);
}

size_t cold_cache_bytes(struct cold_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    size_t bytes = cache->bytes;
    pthread_mutex_unlock(&cache->lock);
    return bytes;
}
