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
    X(SKIPPED, "skipped", "SKIPPED")

enum node_state {
#define NODE_STATE_ENUM(name, ...) NODE_##name,
    NODE_STATES(NODE_STATE_ENUM)
#undef NODE_STATE_ENUM
        NODE_STATE_COUNT
};

const char *node_state_word(enum node_state state);
const char *node_state_run_word(enum node_state state);
// What an event of this type makes of a node's state. *ret_attempt: an attempt of it begins.
enum node_state node_state_after(enum node_state state, struct str event_type, bool *ret_attempt);
// How a node is shown whose run has ended.
enum node_state node_state_shown(enum node_state state, enum execution_status run);
// A trace's type in any of its spellings (`STARTED`, `NODE_STARTED`, `node_started`) as an event type of ours; empty:
// none.
struct str run_event_type(struct str type);
// An event type of ours as a trace's type (`STARTED` …); NULL: it is no trace event.
const char *run_trace_type(struct str event_type);
