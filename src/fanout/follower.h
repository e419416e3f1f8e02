// A follower is a cursor, pure: it sees how far the log is durable and says what its reader is to be told next. It has
// no queue; being late, slow or back again is the same as being new. Joining: cursor = first record wanted.
//
//   every call of follower_next: gone? ▸ restored behind the cursor? ▸ state changed? ▸ retention passed the cursor? ▸
//   records to read? ▸ all read: sealed? tell the position, then `complete` ▸ else tell the position when due, and wait
#pragma once

#include "model/status.h"
#include "util/error.h"

#define FOLLOWER_POSITION_MS 10000

enum follower_step {
    FOLLOWER_WAIT,     // nothing to say before the next event, or before follower.position_due_ms
    FOLLOWER_READ,     // give it records from `cursor` on, below `limit`; then follower_advance
    FOLLOWER_GAP,      // tell: [gap_from, gap_to] will never come, for `gap_reason`
    FOLLOWER_POSITION, // tell: everything up to cursor - 1 was considered (or, past the end: the log's last number)
    FOLLOWER_STATE,    // tell: status, runner connected
    FOLLOWER_COMPLETE, // tell: sealed, and everything before it was told; then it has ended
    FOLLOWER_END,      // not following: everything wanted was told
    FOLLOWER_PURGED,   // the records are gone
};

// What the driver knows of the log, at each call.
struct follower_view {
    uint64_t next, first; // durable end; first one that retention has left
    // Records from here on may be others than an earlier incarnation of the store had at their place. UINT64_MAX: none
    // is.
    uint64_t restored_from;
    bool sealed, purged;
    enum execution_status status;
    bool runner_connected;
    uint64_t now_ms;
};

struct follower {
    uint64_t cursor;
    uint64_t until; // end of what is wanted when not following; UINT64_MAX else
    bool restored;  // its cursor is from another incarnation of the store
    bool wants_state, wants_position;
    // What its reader was told.
    uint64_t told; // all below was told, by a record or a position
    bool told_anything, told_past_end, told_state, ended;
    enum execution_status status;
    bool runner_connected;
    uint64_t position_due_ms;
    // Of the present step.
    uint64_t limit, gap_from, gap_to;
    int64_t position; // -1 before the first record
    const char *gap_reason;
};

void follower_init(struct follower *follower, uint64_t cursor, bool follow, uint64_t end_now);
enum follower_step follower_next(struct follower *follower, const struct follower_view *view);
// It is to end at `end_now` instead of following on.
void follower_finish(struct follower *follower, uint64_t end_now);
// Everything below `cursor` was considered; `sent_last`: the last of it was sent, so that its reader knows its
// position.
void follower_advance(struct follower *follower, uint64_t cursor, bool sent_last);
