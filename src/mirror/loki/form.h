// What a line looks like in Loki: its labels, its time, and how it is asked for. Pure.
//
// Loki drops a line that has the labels, the nanosecond and the text of another one. So the number of a record is in
// its nanoseconds: a line that is pushed again is dropped, and two equal ones are not.
#pragma once

#include "util/buf.h"

enum loki_labels { // the numbers are stored
    LOKI_FEW = 0,  // account, stream, level; run_id, node and sequence are structured metadata
    LOKI_RUN = 1,  // run_id, node, stream, and account unless that is `default`; no metadata
};
const char *loki_labels_word(enum loki_labels labels);
bool loki_labels_parse(struct str word, enum loki_labels *ret);

struct loki_run { // whose line it is
    struct str account, run_id;
};

// Lines of several runs may be one stream. So that equal ones of two runs are not one line, each run begins to count
// elsewhere: a number below a million.
uint64_t loki_phase(enum loki_labels labels, struct str run_id);
uint64_t loki_time_ns(int64_t time_ms, uint64_t sequence, uint64_t phase);
// The number of the record with this time. Numbers a million apart have the same: the one that is next to `near`.
uint64_t loki_sequence_of(uint64_t time_ns, uint64_t phase, uint64_t near);

// The labels of a stream as Loki writes them: {a="b", …}. `node` and `level` may be empty.
void loki_stream_append(struct buf *out, enum loki_labels labels, const struct loki_run *run, struct str node,
                        struct str stream, struct str level);
// The labels of all streams that have lines of the run and the node: members of an object, {"a":"b", …}.
struct json_writer;
void loki_labels_add(struct json_writer *json, const char *name, enum loki_labels labels, const struct loki_run *run,
                     struct str node);
// A query for the lines of a run in LogQL. `node` without data: of all nodes; "": those without a node.
void loki_query_append(struct buf *out, enum loki_labels labels, const struct loki_run *run, struct str node);
