// A hash map from byte strings to pointers. Entries are intrusive: the element embeds `struct map_node` and also owns
// the key. The hash is keyed SipHash-1-3 (Aumasson and Bernstein, 2012), because keys come from clients. Not
// thread-safe.
#pragma once

#include "util/str.h"

struct map_node {
    struct map_node *next;
    struct str key; // borrowed; must live as long as the node is in the map
    uint64_t hash;
};

struct map {
    struct map_node **buckets; // NULL until the first insert
    size_t bucket_count, count;
    uint64_t seed[2];
};

void map_init(struct map *map);    // draws a random seed
void map_release(struct map *map); // the caller keeps the elements
struct map_node *map_find(const struct map *map, struct str key);
void map_insert(struct map *map, struct map_node *node, struct str key); // the map must not hold the key yet
void map_remove(struct map *map, struct map_node *node);                 // the node must be in the map

// Visits all nodes, in no order. `visit` may remove and free the node that it got, but no other.
void map_each(struct map *map, void (*visit)(struct map_node *node, void *arg), void *arg);

uint64_t siphash(const uint64_t seed[2], const void *data, size_t len);
