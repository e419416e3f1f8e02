// Moves fresh chunks from the hot table to `chunks`, in rounds. A round takes all packs that lie there when it begins,
// execution by execution: a thread of its own reads and compresses, the writer commits the results in small slices, and
// at the end the packs are deleted by ranges of their key. How far a round has come is one row of `meta`, committed
// with each slice.
#pragma once

#include "store/sqlite/sqlite_private.h"

struct merge;

// Starts the thread. If `meta` tells of a round that was under way it is resumed.
int merge_new(struct sqlite_store *store, struct merge **ret);
void merge_free(struct merge **merge); // drops what is under way

// --- The writer's thread. Within a transaction: applies what is ready, for a few milliseconds at most.
int merge_apply(struct merge *merge);
void merge_committed(struct merge *merge);
void merge_rolled_back(struct merge *merge);
// Between transactions: begins a round if one is due and keeps the thread busy.
void merge_plan(struct merge *merge, uint64_t now_ms);
void merge_sealed(struct merge *merge);                         // a log was sealed: the next round comes sooner
bool merge_ready(struct merge *merge);                          // merge_apply would do something
bool merge_overloaded(struct merge *merge);                     // appends must wait for the merger
uint64_t merge_due_in_ms(struct merge *merge, uint64_t now_ms); // until the next round; UINT64_MAX: not by time

// --- How far an unfinished round has come.
struct merge_marker {
    int64_t last_id;   // the round's packs are those up to this one; 0: no round
    int64_t execution; // merged are the pieces of lower executions …
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
