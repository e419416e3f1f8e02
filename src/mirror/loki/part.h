// What a push has of one log: its records as Loki's streams. Made on a thread of the store.
#pragma once

#include "mirror/loki/form.h"
#include "model/record.h"
#include "store/ops/mirror.h"
#include "util/list.h"

struct loki_part_options {
    enum loki_labels labels;
    size_t line_max;  // bytes of a line; what is longer is cut
    size_t bytes_max; // about as much it may take; one line always may
    int64_t fence_ms; // records of a later time wait
};

struct loki_part {
    struct list_node node; // of a push
    struct loki_part_options options;
    int64_t row;
    uint64_t copied, next; // what was known: the log up to there was copied, and ends there
    bool sealed;
    char run_id[ID_EXECUTION_MAX + 1], account[ID_ACCOUNT_MAX + 1];
    uint64_t phase;
    uint64_t to;                  // records below it are copied with this part
    int64_t time_ms;              // of record `to` at the earliest, as far as is known
    bool full, fenced;            // why it has ended before the end
    uint64_t lines, cut, missing; // missing: that were gone before they were copied
    struct buf streams;           // fields of logproto.PushRequest
    struct mirror_place *places;
    size_t place_count;
    struct loki_groups *groups; // while it is filled
};

struct loki_part *loki_part_new(const struct mirror_found *found, const struct loki_part_options *options);
void loki_part_free(struct loki_part **part);
// The records must come in order, without holes but for those that the log has lost. Returns false when it is full, or
// the record must wait.
bool loki_part_add(struct loki_part *part, uint64_t sequence, const struct record *record);
// After the last record: writes `streams` and `places`.
void loki_part_finish(struct loki_part *part);

// The body of a push: the parts' streams, in a block of snappy.
void loki_push_body(const struct list_node *parts, struct buf *out);
