// Hash map from byte strings to pointers, with intrusive entries: the element embeds `struct map_node`, whose key it
// also owns. Keyed SipHash-1-3 (Aumasson and Bernstein, 2012), as keys come from clients. Not thread-safe.
#pragma once

#include "util/str.h"

struct map_node {
    struct map_node *next;
    struct str key; // borrowed: lives as long as the node is in the map
    uint64_t hash;
};

struct map {
    struct map_node **buckets; // NULL until the first insert
    size_t bucket_count, count;
    uint64_t seed[2];
};

void map_init(struct map *map);    // draws the seed
void map_release(struct map *map); // the elements stay the caller's
struct map_node *map_find(const struct map *map, struct str key);
void map_insert(struct map *map, struct map_node *node, struct str key); // the key must not be in it
void map_remove(struct map *map, struct map_node *node);                 // must be in it

// Visits all, in no order; the visited node may be removed and freed by `visit`, others may not.
void map_each(struct map *map, void (*visit)(struct map_node *node, void *arg), void *arg);

uint64_t siphash(const uint64_t seed[2], const void *data, size_t len);
