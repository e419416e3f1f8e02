// Moves fresh chunks from the hot table to `chunks`, in rounds. A round takes all packs that are there when it begins,
// execution by execution. A thread of its own reads and compresses; the writer commits the results in small slices. At
// the end the packs are deleted by ranges of their key. One row of `meta`, which is committed with each slice, tells
// how far the round has come.
#pragma once

#include "store/sqlite/sqlite_private.h"

struct merge;

// Starts the thread. If `meta` tells about an unfinished round, that round is continued.
int merge_new(struct sqlite_store *store, struct merge **ret);
void merge_free(struct merge **merge); // drops what is under way

// --- For the writer's thread. Within a transaction: applies what is ready, for a few milliseconds at most.
int merge_apply(struct merge *merge);
void merge_committed(struct merge *merge);
void merge_rolled_back(struct merge *merge);
// Between transactions: begins a round if one is due, and keeps the thread busy.
void merge_plan(struct merge *merge, uint64_t now_ms);
void merge_sealed(struct merge *merge); // a log was sealed, so the next round comes sooner
bool merge_ready(struct merge *merge);  // merge_apply would do something
// From which record on the execution has something that is being merged; UINT64_MAX: nothing. Small chunks before it
// may become part of that (MERGE_REPLACED_MAX). Also within a transaction, before merge_apply.
uint64_t merge_under_way_from(const struct merge *merge, int64_t row);
bool merge_overloaded(struct merge *merge); // appends must wait for the merger
// Time until the next round; UINT64_MAX: time does not decide.
uint64_t merge_due_in_ms(struct merge *merge, uint64_t now_ms);

// --- How far an unfinished round has come.
struct merge_marker {
    int64_t last_id;   // the round takes the packs up to this one; 0: there is no round
    int64_t execution; // the pieces of all lower executions are merged …
    int64_t end;       // … and of this one those that begin before this sequence number
};
int merge_marker_load(struct db *db, struct merge_marker *ret);
static inline bool merge_marker_covers(const struct merge_marker *marker, int64_t execution,
                                       const struct hot_piece *piece)
{
    if (piece->id > marker->last_id)
        return false;
    return execution < marker->execution || (execution == marker->execution && piece->first < (uint64_t)marker->end);
}
