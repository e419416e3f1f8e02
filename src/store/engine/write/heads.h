// The writer's cache of executions: what numbering needs, including the changes of the present transaction. After a
// rollback the changed ones are dropped, and read again when they are needed. Where others write to the store, too,
// what was read in an earlier transaction is read again, unless the present one is a guess. For the writer's thread
// only.
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
    uint32_t version;              // of the row, as it was read or written last; 0: not known
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
    unsigned rests; // so many times it is not guessed
};

struct heads {
    struct map map;
    struct list_node lru; // the front was used last
    struct list_node touched;
    const struct session *session;
    uint64_t round;
    bool guesses;                                     // what was read in earlier rounds is taken as it is
    struct head_contested contested[HEADS_CONTESTED]; // by row
};

// What watchers are told: the end of the log, without a chunk. The views are valid until the end of the transaction.
struct store_change head_change(const struct head *head);
struct outcome head_outcome(const struct head *head);
void head_set_outcome(struct head *head, const struct outcome *outcome);

void heads_init(struct heads *heads, const struct session *session);
void heads_release(struct heads *heads);

// --- Where others write to the store, too. Otherwise none of these is called.
// Before each transaction. `guesses`: what is applied to what is known from before goes to the database under the
// condition that the rows still have these versions. Otherwise rows are locked and read.
void heads_begin(struct heads *heads, bool guesses);
// The version of a row that can be guessed, together with the state of this producer of it (empty: anonymous): a log
// that is running and known. 0 if not.
uint32_t heads_guess(struct heads *heads, int64_t row, struct str producer);
// Somebody else has changed it, and may do so again: it is not guessed the next 32 times. A wrong guess costs all of
// its group.
void heads_contested(struct heads *heads, int64_t row);
void heads_written(struct heads *heads, int64_t row, uint32_t version); // by the transaction that was committed
void heads_forget(struct heads *heads);                                 // all. Outside of a transaction

// ---
// Returns the head, marked as touched; valid until the end of the transaction. ERR_NOT_FOUND, or a database error.
int heads_get(struct heads *heads, int64_t row, struct head **ret);
// Takes what was read and locked in this transaction, so that it is not read one by one: the head, whose texts become
// its own, with the version of its row, and the state of one of its producers. Nothing happens if it is known already.
void heads_take(struct heads *heads, int64_t row, const struct catalogue_head *found, uint32_t version);
void heads_take_producer(struct heads *heads, int64_t row, struct str producer, const struct producer_state *state);
// Returns the state of the producer in it; zero if it is new. Valid until the next call for the same head.
int heads_producer(struct heads *heads, struct head *head, struct str producer, struct head_producer **ret);
void heads_committed(struct heads *heads);
void heads_rolled_back(struct heads *heads);
