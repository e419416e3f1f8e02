#include "util/map.h"

#include "util/id.h"

#define BUCKETS_MIN 16

void map_init(struct map *map)
{
    *map = (struct map){0};
    random_bytes(map->seed, sizeof(map->seed));
}

void map_release(struct map *map)
{
    free(map->buckets);
    map->buckets = NULL;
    map->bucket_count = map->count = 0;
}

static struct map_node **bucket_of(const struct map *map, uint64_t hash)
{
    return &map->buckets[hash & (map->bucket_count - 1)];
}

static void grow(struct map *map)
{
    struct map_node **old = map->buckets;
    size_t old_count = map->bucket_count;
    map->bucket_count = old_count ? old_count * 2 : BUCKETS_MIN;
    map->buckets = xcalloc(map->bucket_count, sizeof(struct map_node *));
    for (size_t i = 0; i < old_count; i++) {
        for (struct map_node *node = old[i], *next; node; node = next) {
            struct map_node **bucket = bucket_of(map, node->hash);
            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    free(old);
}

struct map_node *map_find(const struct map *map, struct str key)
{
    if (map->count == 0)
        return NULL;
    uint64_t hash = siphash(map->seed, key.data, key.len);
    struct map_node *node = *bucket_of(map, hash);
    while (node && (node->hash != hash || !str_eq(node->key, key)))
        node = node->next;
    return node;
}

void map_insert(struct map *map, struct map_node *node, struct str key)
{
    if (map->count == map->bucket_count)
        grow(map);
    node->key = key;
    node->hash = siphash(map->seed, key.data, key.len);
    struct map_node **bucket = bucket_of(map, node->hash);
    node->next = *bucket;
    *bucket = node;
    map->count++;
}

void map_remove(struct map *map, struct map_node *node)
{
    struct map_node **link = bucket_of(map, node->hash);
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->next = NULL;
    map->count--;
}

void map_each(struct map *map, void (*visit)(struct map_node *node, void *arg), void *arg)
{
    for (size_t i = 0; i < map->bucket_count; i++) {
        for (struct map_node *node = map->buckets[i], *next; node; node = next) {
            next = node->next;
            visit(node, arg);
        }
    }
}
