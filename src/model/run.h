// What trace events do to the nodes of a run, and the names that other designs have for them. Values in, values out.
// See docs/internals/workflows.md.
#pragma once

#include "model/status.h"
#include "util/buf.h"

// X(name, word, word of workflow runs)
#define NODE_STATES(X)                                    \
    X(PENDING, "pending", "PENDING")                      \
    X(RUNNING, "running", "RUNNING")                      \
    X(AWAITING_INPUT, "awaiting_input", "AWAITING_INPUT") \
    X(COMPLETED, "completed", "COMPLETED")                \
    X(FAILED, "failed", "FAILED")                         \
    X(SKIPPED, "skipped", "SKIPPED")                      \
    X(CANCELLED, "cancelled", "CANCELLED")

enum node_state {
#define NODE_STATE_ENUM(name, ...) NODE_##name,
    NODE_STATES(NODE_STATE_ENUM)
#undef NODE_STATE_ENUM
        NODE_STATE_COUNT
};

const char *node_state_word(enum node_state state);
const char *node_state_run_word(enum node_state state);
bool node_state_over(enum node_state state); // completed, failed, skipped, cancelled

// What an event of this type (empty: any other record) makes of a node's state. *ret_attempt: an attempt of it begins.
enum node_state node_state_after(enum node_state state, struct str event_type, bool *ret_attempt);
// How a node is shown whose run has this status: one that was under way when the run ended has ended with it.
// `sealed`: the run has ended, whatever its status is.
enum node_state node_state_shown(enum node_state state, enum execution_status run, bool sealed);

// What is known of a node's time. 0: not known, or not yet.
struct node_times {
    int64_t queued_ms;  // since when the present attempt waits, or waited
    int64_t started_ms; // of the present attempt, or the last one
    int64_t ended_ms;   // likewise
};
struct node_progress {
    enum node_state state;
    uint64_t attempts;
    struct node_times times;
};
// Applies one record of the node: state, attempts and times.
void node_progress_apply(struct node_progress *progress, struct str event_type, int64_t time_ms);

// A trace's type in any of its spellings (`STARTED`, `NODE_STARTED`, `node_started`) as an event type of ours; empty:
// none.
struct str run_event_type(struct str type);
// The event types that mean something to a node, by place: [0, RUN_EVENT_TYPES). RUN_EVENT_TYPES: it is another one.
#define RUN_EVENT_TYPES 11
size_t run_event_place(struct str event_type);
struct str run_event_word(size_t place);
// An event type of ours as a trace's type (`STARTED` …); NULL: it is no trace event.
const char *run_trace_type(struct str event_type);
