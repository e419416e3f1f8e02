// What Loki's clients push: streams of lines under labels, as JSON, or as Protocol Buffers in a block of snappy. Each
// line becomes a record; docs/loki.md says which. A client puts lines with other labels into another stream, so the
// lines of a push are sorted by their time, those of the same time as they stand. Pure.
#pragma once

#include "source/arrival.h"
#include "source/known.h"
#include "util/json_writer.h"

#define LOKI_BODY_MAX ((size_t)20 * 1024 * 1024) // decoded

// 0; ERR_MALFORMED or ERR_TOO_LARGE (also by arrivals_spend) with *ret_reason (static). Lines before that were handed
// over by then.
int loki_read_json(struct str body, const struct arrival_reader *reader, const char **ret_reason);
int loki_read_snappy(struct str body, const struct arrival_reader *reader, const char **ret_reason);

// --- What the encodings fill in

struct loki_pairs { // labels of a stream, or metadata of a line
    struct known_values known;
    struct buf json; // the others, as members without braces
    size_t bytes;    // of all names and values
};
void loki_pairs_reset(struct loki_pairs *pairs);
void loki_pairs_add(struct loki_pairs *pairs, struct str name, struct str value);

struct loki_entry { // where a line is
    uint64_t ns;
    size_t order;
    const void *stream, *value;
    size_t stream_len, value_len;
};

struct loki_push {
    const struct arrival_reader *reader;
    struct loki_entry *entries;
    size_t count, capacity;
    const void *stream; // whose labels are in `labels`
    struct loki_pairs labels, metadata;
    struct buf extra, scratch;
    size_t spent; // of ARRIVALS_BYTES_MAX, by all lines so far
};
int loki_push_add(struct loki_push *push, const struct loki_entry *entry); // 0 or ERR_TOO_LARGE
void loki_push_sort(struct loki_push *push);
int loki_push_line(struct loki_push *push, int64_t time_ms, struct str line); // 0 or ERR_TOO_LARGE
void loki_push_release(struct loki_push *push);
