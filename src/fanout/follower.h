// A follower is a cursor. It sees how far the log is durable, and decides what its reader must be told next. Pure. It
// has no queue: to be late, slow or back again is the same as to be new. A reader joins with cursor = first record
// wanted.
//
// Each call of follower_next asks these questions in order: Are the records gone? Was the store restored to before the
// cursor? Has the state changed? Has retention passed the cursor? Are there records to read? If all are read: is the
// log sealed? Then tell the position, and then `complete`. Otherwise tell the position when it is due, and wait.
#pragma once

#include "model/status.h"
#include "util/error.h"

#define FOLLOWER_POSITION_MS 10000

enum follower_step {
    FOLLOWER_WAIT, // nothing to do before the next event or before follower.position_due_ms
    FOLLOWER_READ, // give it records from `cursor` to below `limit`; then call follower_advance
    FOLLOWER_GAP,  // tell: [gap_from, gap_to] will never come, because of `gap_reason`
    // Tell: everything up to cursor - 1 was considered (for a cursor past the end: the log's last number).
    FOLLOWER_POSITION,
    FOLLOWER_STATE,    // tell: status, and whether the runner is connected
    FOLLOWER_COMPLETE, // tell: sealed, and everything before was told; the follower has ended
    FOLLOWER_END,      // for one that does not follow: everything that it wants was told
    FOLLOWER_PURGED,   // the records are gone
};

// What the caller knows about the log; given at each call.
struct follower_view {
    uint64_t next, first; // next: end of what is durable; first: the first record that retention has kept
    // From this record on, an earlier incarnation of the store may have had other records. UINT64_MAX: it has not.
    uint64_t restored_from;
    bool sealed, purged;
    enum execution_status status;
    bool runner_connected;
    uint64_t now_ms;
};

struct follower {
    uint64_t cursor;
    uint64_t until; // without following: the end of what is wanted; otherwise UINT64_MAX
    bool restored;  // the cursor is from another incarnation of the store
    bool
        wants_front; // it wants the first ones that there were, and what is left of them begins at the cursor or before
    bool wants_state, wants_position;
    // What the reader was told.
    uint64_t told; // everything below was told, by a record or a position
    bool told_anything, told_past_end, told_state, ended;
    enum execution_status status;
    bool runner_connected;
    uint64_t position_due_ms;
    // About the present step.
    uint64_t limit, gap_from, gap_to;
    int64_t position; // -1: before the first record
    const char *gap_reason;
};

void follower_init(struct follower *follower, uint64_t cursor, bool follow, uint64_t end_now);
enum follower_step follower_next(struct follower *follower, const struct follower_view *view);
// Makes it end at `end_now` instead of following.
void follower_finish(struct follower *follower, uint64_t end_now);
void follower_go_on(struct follower *follower); // one that has ended with FOLLOWER_END follows from there on
// Tells that everything below `cursor` was considered. `sent_last`: the last of these records was sent, so the reader
// knows its position.
void follower_advance(struct follower *follower, uint64_t cursor, bool sent_last);
