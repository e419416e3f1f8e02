// What is counted of an execution's log: its summary, its nodes, its counts over time.
#pragma once

#include "api/call.h"
#include "store/ops/summary.h"

// Handlers.
void workflows_summary(struct call *call);
void workflows_nodes(struct call *call);
void workflows_statistics(struct call *call);

// Counts the log and answers with what `write` makes of it, within an object. `write` runs on a thread of the store,
// and reads of the call only what does not change. `arg` is freed in the end; `free_arg` may be NULL. Errors are
// answered.
typedef void summary_write_fn(struct json_writer *json, const struct call *call, const struct summary *summary,
                              void *arg);
void call_answer_summary(struct call *call, summary_write_fn *write, void *arg, void (*free_arg)(void *arg));

// --- Parts of answers
#define EVENT_UNTYPED "log" // what records without an event type are counted as
// Members by level, `info` for records without one; those that are 0 are left out.
void levels_add(struct json_writer *json, const char *name, const uint64_t levels[LEVEL_COUNT]);
void node_percent_add(struct json_writer *json, const char *name, const struct summary_node *node); // if it has one
void event_types_add(struct json_writer *json, const struct summary *summary);
struct statistics;
struct statistics_bucket;
void statistics_bucket_write(struct json_writer *json, const struct statistics *statistics,
                             const struct statistics_bucket *bucket);
void timeline_add(struct json_writer *json, const struct summary *summary);
