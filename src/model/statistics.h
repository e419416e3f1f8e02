// Counts of a log's records over time: by level, event type and node, in buckets of one length. A fold over chunks in
// any order. Without I/O; for one thread at a time.
#pragma once

#include "model/chunk.h"
#include "model/summary.h"

#define STATISTICS_BUCKETS_MAX 500
#define STATISTICS_NAMES_MAX   64 // event types, and as many nodes; the rest are counted together

struct statistics_names {
    struct buf names[STATISTICS_NAMES_MAX]; // by their first appearance in the fold
    size_t count;
};

struct statistics_bucket {
    uint64_t records, levels[LEVEL_COUNT];
    uint64_t event_types[STATISTICS_NAMES_MAX + 1], nodes[STATISTICS_NAMES_MAX + 1]; // the last one: all others
};

struct statistics {
    int64_t from_ms, bucket_ms; // the first bucket begins at from_ms
    unsigned bucket_count;
    struct statistics_bucket *buckets;
    struct statistics_names event_types, nodes; // a node by its id, else by its name
};

// For records from the one time to the other, in at most `buckets` (1 to STATISTICS_BUCKETS_MAX). What lies outside
// counts for the first or the last bucket.
void statistics_init(struct statistics *statistics, int64_t first_ms, int64_t last_ms, unsigned buckets);
void statistics_release(struct statistics *statistics);
unsigned statistics_bucket_of(const struct statistics *statistics, int64_t time_ms);
// Whether the chunk must be open to be counted: it has structured fields, or lies in several buckets.
bool statistics_wants_open(const struct statistics *statistics, const struct chunk *chunk);
// Counts the records at the places [from, to). A closed chunk counts as a whole.
void statistics_add(struct statistics *statistics, const struct chunk *chunk, uint32_t from, uint32_t to);

// Counts all that a summary counts, in the bucket of one time.
void statistics_add_summary(struct statistics *statistics, const struct summary *summary, int64_t time_ms);
void statistics_bucket_add(struct statistics_bucket *sum, const struct statistics_bucket *bucket);
