// Operations on workflows, and on what belongs to a run. See docs/internals/workflows.md. Conventions: store/store.h.
#pragma once

#include "store/op.h"

struct workflow { // the strings are owned; NULL: none
    int64_t row, account;
    char *workflow_id, *owner, *name, *description, *graph_json, *job_json, *metadata_json, *retention;
    int64_t created_ms, updated_ms;
};
void workflow_release(struct workflow *workflow);

// What a new execution has in addition as a run: `run` of struct store_create. JSON each; empty: none.
struct run_new {
    struct str inputs, config;
    struct str graph; // empty: that of its workflow
};

// --- Commits

struct store_workflow_create { // ERR_CONFLICT: the identifier is taken. ERR_RATE: the account has `max` of them
    struct store_op op;
    struct workflow workflow;   // in: account, workflow_id (NULL: made), owner …; out: as stored
    struct str idempotency_key; // empty: none. Kept for 24 h
    uint64_t request_hash;      // another hash with the same key: ERR_IDEMPOTENCY
    uint64_t max;               // 0: any number
    bool ret_existed;           // the same key and body as before: `workflow` is the one that was made then
};

struct workflow_text {
    bool given;
    const char *text; // NULL: it has none any more
};
struct store_workflow_change { // ERR_NOT_FOUND. ERR_TOO_LARGE: the metadata. Runs keep the graph that they were made
                               // with
    struct store_op op;
    int64_t row;
    struct workflow_text name, description, graph_json, job_json, retention;
    struct str metadata_patch; // merged (metadata_merge); empty: unchanged
    bool drops_metadata;       // it has none any more
    size_t metadata_max;       // limit in bytes for the merged metadata; 0: no limit
    struct workflow ret_workflow;
};

struct store_workflow_delete { // ERR_NOT_FOUND. Its executions stay, and go on naming it
    struct store_op op;
    int64_t row;
};

// --- Queries

struct store_workflow_get { // ERR_NOT_FOUND
    struct store_op op;
    int64_t account;
    struct str workflow_id;
    struct workflow ret_workflow;
};

#define WORKFLOW_LIST_MAX 1000
struct store_workflow_list { // newest first, each without its graph and job
    struct store_op op;
    int64_t account;
    struct str owner;   // empty: any
    int64_t before_row; // page cursor; 0: from the newest
    unsigned limit;     // at most WORKFLOW_LIST_MAX; 0 means that
    // About so many bytes of their texts; then the page ends early, with ret_next_row; 0: no limit.
    size_t max_bytes;
    struct workflow *ret_workflows;
    size_t ret_count;
    int64_t ret_next_row; // 0: there are no more
};

struct store_run_get { // what an execution was given as a run; NULL: it has none
    struct store_op op;
    int64_t row;
    char *ret_inputs, *ret_config, *ret_graph;
};
