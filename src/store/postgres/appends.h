// What the writer's present transaction has appended: chunks, and what it changed of executions and producers. It goes
// to the server together, with the commit. For the writer's thread.
//
// There are two ways. Executions that were locked are written as they are, and chunks by COPY. Those that are guessed
// were not read in this transaction: they are written first, under the condition that their rows have the versions that
// the heads have.
#pragma once

#include "store/engine/write/heads.h"
#include "util/map.h"

struct appended_log;

struct appends {
    struct buf chunks;    // rows for COPY
    struct buf events;    // the same, if `event_rows`
    bool event_rows;      // structured records become rows too
    struct map logs;      // of struct appended_log, by execution
    struct map producers; // of struct appended_producer, by execution and name
    struct map listed;    // executions that are known to be in `unmerged`
    int64_t listed_ms;    // since when; see APPENDS_LISTED_MS
    // Scratch: the logs by their number; arrays of what changes in `executions`, `producers` and `unmerged`.
    struct appended_log **in_order;
    size_t in_order_cap;
    struct buf heads[5], states[7], unmerged[1];
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
int appends_copy(struct appends *appends, struct sql *sql); // chunks and events
// What else there is, and COMMIT, in one go. Errors as of sql_commit.
int appends_commit(struct appends *appends, struct sql *sql, int64_t now_ms);
// All of a transaction that is a guess, with `begins` in front. ERR_CONFLICT: a row was not as it was guessed, and it
// must be rolled back. Other errors as of sql_commit.
int appends_guess(struct appends *appends, struct sql *sql, struct sql_statement *begins, struct heads *heads,
                  int64_t now_ms);
// After the commit, before appends_reset: `transaction` is the database's number of it, which the rows have as version.
void appends_committed(struct appends *appends, struct heads *heads, uint64_t transaction);
// Makes the part of `chunks` that the last of these has missed, if it has: then the transaction is begun again.
void appends_house(struct appends *appends, struct sql *sql);
void appends_reset(struct appends *appends, bool committed); // after the transaction
