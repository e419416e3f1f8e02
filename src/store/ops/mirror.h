// Operations of the mirror of logs (mirror/mirror.h): which logs are to be copied elsewhere, how far each of them is,
// and where it is found there. Conventions: store/store.h. Executions are entered when they are made, if the store was
// opened so.
#pragma once

#include "store/op.h"
#include "util/id.h"

#define STORE_MIRROR_MAX        256  // logs that one look finds
#define STORE_MIRROR_PLACES_MAX 1000 // of one log; further nodes count for the one without a name
#define STORE_MIRROR_NODE_MAX   1020 // bytes of a node's name

// How far a pass has come; all 0: it begins.
struct mirror_cursor {
    int64_t time_ms, row;
};

struct mirror_found {
    int64_t row, account;
    uint64_t copied, next; // records below `copied` are there; the log ends at `next`
    int64_t time_ms;       // record `copied` was written then, or later
    bool sealed;
    char execution_id[ID_EXECUTION_MAX + 1], account_name[ID_ACCOUNT_MAX + 1];
};

// Where lines of a log are found.
struct mirror_place {
    char node[STORE_MIRROR_NODE_MAX + 1]; // "": of no node
    int labels;                           // enum loki_labels
    int64_t from_ms, until_ms;            // the first and the last time of a line
    uint64_t lines;
};

// --- Commits

// What was copied, of several logs. A step whose log does not stand at `from` any more is left out.
struct mirror_step {
    int64_t row;
    uint64_t from, to;
    int64_t time_ms; // of record `to` at the earliest
    bool ends;       // nothing more is to come
    const struct mirror_place *places;
    size_t place_count;
};
struct store_mirror_advance {
    struct store_op op;
    const struct mirror_step *steps; // borrowed until done
    size_t count;
};

// Enters logs to be copied from their start. Not over: ask again with `after` = ret_last.
struct store_mirror_enter {
    struct store_op op;
    int64_t of_account;         // 0: all
    int64_t row;                // only this one; 0: by the times below
    bool missing;               // only those that go on and were never entered
    int64_t since_ms, until_ms; // made then; until 0: until now
    int64_t after;              // executions behind this row
    uint64_t ret_entered;       // in this slice
    int64_t ret_last;           // 0: it has looked at all
};

// --- Queries

// A page of logs that are to be copied, the oldest first, whether they have anything for now or not.
struct store_mirror_look {
    struct store_op op;
    struct mirror_cursor cursor; // moves on
    struct mirror_found ret_found[STORE_MIRROR_MAX];
    size_t ret_count;
    bool ret_over;
};

struct store_mirror_places {
    struct store_op op;
    int64_t row;
    struct mirror_place *ret_places; // by node
    size_t ret_count;
    char ret_account_name[ID_ACCOUNT_MAX + 1];
    bool ret_known;   // it was entered
    bool ret_pending; // and more is to come
    uint64_t ret_copied;
};
