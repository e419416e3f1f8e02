// What the writer's present transaction has appended: chunks, and what it changed of executions and producers. It goes
// to the server together, with the commit. For the writer's thread.
//
// There are two ways for what a log has come to. Of an execution that was read and locked, the rows are written. One
// that is kept was not read in this transaction: that goes into the journal.
#pragma once

#include "store/engine/write/heads.h"
#include "store/postgres/journal.h"
#include "util/map.h"

#define APPENDS_PLACES 8

struct appends {
    uint64_t sender;
    struct buf chunks;                 // rows for COPY
    struct buf places[APPENDS_PLACES]; // what these rows have, and where their bodies are: arrays, if they are few
    size_t chunk_count;
    struct buf events;   // the same, if `event_rows`
    bool event_rows;     // structured records become rows too
    struct ends rows;    // of executions and producers, as they are to be. `keeps`: their journal is this server's then
    struct ends entries; // of the journal
    uint64_t needed_from, needed_before; // entries of the journal below this are forgotten with the commit; have been
    struct map listed;                   // executions that are known to be in `unmerged`
    int64_t listed_ms;                   // since when; see APPENDS_LISTED_MS
    // Scratch: arrays of what changes in `executions`, `producers` and `unmerged`; the journal's row.
    struct buf heads[ENDS_HEADS + 1], states[ENDS_STATES], unmerged[1], journal;
    struct buf homeless; // an array of the parts that the last flush wanted, if one of them was missing
};

// Adds a row of `chunks` in COPY's binary form.
void chunk_row_add(struct buf *out, int64_t row, uint64_t first, const struct chunk *chunk, bool merged);
#define CHUNK_ROWS_COPY \
    "COPY chunks(execution, first, count, time_min, time_max, raw, merged, body) FROM STDIN (FORMAT binary)"

#define APPENDS_LISTED_MS 600000 // so long a log that was listed as not merged is not listed again

void appends_init(struct appends *appends);
void appends_release(struct appends *appends);
int appends_add(struct transaction *tx, const struct log_append *append); // log_engine.append
// These return 0 or an error of sql.h.
int appends_copy(struct appends *appends, struct sql *sql); // events, and chunks that are many
// What else there is, and COMMIT, in one go. `number`: of the transaction, by this server's count. Errors as of
// sql_commit.
int appends_commit(struct appends *appends, struct sql *sql, struct heads *heads, uint64_t number, int64_t now_ms);
void appends_committed(struct appends *appends, struct heads *heads, struct journal *journal,
                       uint64_t number); // after the commit, before appends_reset
// Makes the part of `chunks` that the last of these has missed, if it has: then the transaction is begun again.
void appends_house(struct appends *appends, struct sql *sql);
void appends_reset(struct appends *appends, bool committed); // after the transaction
