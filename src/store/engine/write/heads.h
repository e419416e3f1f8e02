// The writer's cache of executions: what numbering needs, including the changes of the present transaction. After a
// rollback the changed ones are dropped, and read again when they are needed. Where others write to the store, too,
// what was read in an earlier transaction is read again, unless it is kept: nobody else changes it without this server
// noticing. For the writer's thread only.
#pragma once

#include "store/engine/engine.h"

struct head_producer {
    char *name;
    struct producer_state state;
};

struct head {
    struct map_node node;
    struct list_node lru, touched; // touched: linked to itself unless changed since the last commit
    uint64_t round;                // of heads_begin, in which it was read
    uint64_t kept;                 // the term in which it has been so; 0: it is not kept
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

#define HEADS_CONTESTED 256
struct head_contested {
    int64_t row;
    unsigned rests; // so many times it is not kept
    bool doubted;   // it was kept, which may be right no more
};

struct heads {
    struct map map;
    struct list_node lru; // the front was used last
    struct list_node touched;
    const struct session *session;
    uint64_t round;
    uint64_t term;                                    // from 1; it ends when all that was kept is lost
    bool trusts;                                      // heads that are kept are taken as they are
    struct head_contested contested[HEADS_CONTESTED]; // by row
};

// What watchers are told: the end of the log, without a chunk. The views are valid until the end of the transaction.
struct store_change head_change(const struct head *head);
struct outcome head_outcome(const struct head *head);
void head_set_outcome(struct head *head, const struct outcome *outcome);

void heads_init(struct heads *heads, const struct session *session);
void heads_release(struct heads *heads);

// --- Where others write to the store, too. Otherwise none of these is called, and all that is known is right.
void heads_begin(struct heads *heads); // before each transaction
// Before each operation: whether it may rely on heads that are kept. Otherwise they are read again.
void heads_trust(struct heads *heads, bool trusts);
// Whether an append by this producer (empty: anonymous) needs nothing of the database: a log that is running, known and
// kept. False also for those that rest.
bool heads_kept(struct heads *heads, int64_t row, struct str producer);
bool heads_was_kept(const struct heads *heads, int64_t row); // until it is read again
// It is kept, but the transaction that relies on that has failed because something was lost: heads_was_kept says so
// once more, though the head is forgotten with the transaction.
void heads_doubt(struct heads *heads, int64_t row);
bool head_is_trusted(const struct heads *heads, const struct head *head); // it was not read in this transaction
// Others have changed it, and may do so again: it is not kept the next 32 times. To win it back costs both a
// transaction.
void heads_contested(struct heads *heads, int64_t row);
bool heads_may_keep(struct heads *heads, int64_t row);           // as the present transaction leaves it
void heads_written(struct heads *heads, int64_t row, bool kept); // by the transaction that was committed
void heads_lost(struct heads *heads);                            // nothing is kept any more

// ---
// Returns the head, marked as touched; valid until the end of the transaction. ERR_NOT_FOUND, or a database error.
int heads_get(struct heads *heads, int64_t row, struct head **ret);
// Takes what was read and locked in this transaction, so that it is not read one by one: the head, whose texts become
// its own, and the state of one of its producers. Nothing happens if it was read in this transaction already.
void heads_take(struct heads *heads, int64_t row, struct catalogue_head *found);
void heads_take_producer(struct heads *heads, int64_t row, struct str producer, const struct producer_state *state);
// Returns the state of the producer in it; zero if it is new. Valid until the next call for the same head.
int heads_producer(struct heads *heads, struct head *head, struct str producer, struct head_producer **ret);
void heads_committed(struct heads *heads);
void heads_rolled_back(struct heads *heads);
