// What the parts of order.c keep for the task that makes executions.
#pragma once

#include "store/shards/shards_private.h"

struct names { // sorted, each once, after names_close
    struct str *items;
    size_t count, room;
};

struct waiting {
    struct parent_key key;
    const struct member *by; // that has told of it
};

struct hashed;

struct order {
    const struct store_create *creates; // the caller's
    size_t count;
    int64_t account;
    int err;
    task_fn *then;
    void **kept;
    size_t kept_count;
    // What they wait for, by identifier: how it stands, with its key as it is outside; and whether it waits for them.
    struct names ids;
    struct parent_standing *found;
    bool *circles;
    struct waiting *waiting;
    size_t waiting_count, waiting_asked;
    // What the home says.
    struct member *member; // in which they are made
    size_t asked;
    struct names secret_names, workflow_names, hashes;
    struct str *missing;
    struct workflow *workflows;
    struct hashed *blobs;
    int64_t *blob_rows;
};
