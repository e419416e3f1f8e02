// Operations on workflows, and on what belongs to a run. See docs/internals/workflows.md. Conventions: store/store.h.
#pragma once

#include "store/op.h"

struct workflow { // the strings are owned; NULL: none
    int64_t row, account;
    char *workflow_id, *owner, *name, *description, *graph_json, *job_json, *metadata_json, *retention;
    int64_t created_ms, updated_ms;
};
void workflow_release(struct workflow *workflow);

// --- Commits

struct store_workflow_create { // ERR_CONFLICT: the identifier is taken
    struct store_op op;
    struct workflow workflow;   // in: account, workflow_id (NULL: made), owner …; out: as stored
    struct str idempotency_key; // empty: none. Kept for 24 h
    uint64_t request_hash;      // another hash with the same key: ERR_IDEMPOTENCY
    bool ret_existed;
};

// Changes what is not NULL; "null" removes it. Runs keep the graph that they were made with.
struct store_workflow_change {
    struct store_op op;
    int64_t row;
    const char *name, *description, *graph_json, *job_json, *retention;
    struct str metadata_patch; // merged (metadata_merge)
    struct workflow ret_workflow;
};

struct store_workflow_delete { // its executions stay, and go on naming it
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
struct store_workflow_list { // newest first
    struct store_op op;
    int64_t account;
    struct str owner;   // empty: any
    int64_t before_row; // page cursor; 0: from the newest
    unsigned limit;     // at most WORKFLOW_LIST_MAX; 0 means that
    struct workflow *ret_workflows;
    size_t ret_count;
    int64_t ret_next_row; // 0: there are no more
};
