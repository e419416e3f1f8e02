// The writer's cache of executions: what numbering needs, including the changes of the present transaction. After a
// rollback the changed ones are dropped, and read again when they are needed. Where others write to the store, too,
// all are dropped after each transaction. For the writer's thread only.
#pragma once

#include "store/engine/engine.h"

struct head_producer {
    char *name;
    struct producer_state state;
};

struct head {
    struct map_node node;
    struct list_node lru, touched; // touched: linked to itself unless changed since the last commit
    int64_t row;                   // key of the map
    int64_t account;
    char *batch_id, *workflow_id;  // may be NULL
    struct sequence_head sequence; // its next is also in `state`, and both are equal
    struct log_state state;
    uint64_t first_sequence;
    bool has_exit_code, waits, late;
    int exit_code;
    int64_t started_ms, completed_ms, sealed_ms;
    struct head_producer *producers; // those seen recently
    size_t producer_count, producers_cap;
};

struct heads {
    struct map map;
    struct list_node lru; // the front was used last
    struct list_node touched;
    const struct session *session;
    bool keeps; // beyond the transaction
};

// What watchers are told: the end of the log, without a chunk. The views are valid until the end of the transaction.
struct store_change head_change(const struct head *head);
struct outcome head_outcome(const struct head *head);
void head_set_outcome(struct head *head, const struct outcome *outcome);

void heads_init(struct heads *heads, const struct session *session, bool keeps);
void heads_release(struct heads *heads);
// Returns the head, marked as touched; valid until the end of the transaction. ERR_NOT_FOUND, or a database error.
int heads_get(struct heads *heads, int64_t row, struct head **ret);
// Takes what was read and locked in this transaction, so that it is not read one by one: the head, whose texts become
// its own, and the state of one of its producers. Nothing happens if it is known already.
void heads_take(struct heads *heads, int64_t row, const struct catalogue_head *found);
void heads_take_producer(struct heads *heads, int64_t row, struct str producer, const struct producer_state *state);
// Returns the state of the producer in it; zero if it is new. Valid until the next call for the same head.
int heads_producer(struct heads *heads, struct head *head, struct str producer, struct head_producer **ret);
void heads_committed(struct heads *heads);
void heads_rolled_back(struct heads *heads);
