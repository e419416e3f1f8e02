// A server's journal: where logs end that it has appended to without writing the rows of their executions and
// producers. It is kept in memory, and with each transaction in `journals`, a row for all of it. What has been there
// for ten seconds is brought home, to those rows.
//
// `executions.journal` says whose journal may be ahead of the row. Only that server appends on the strength of what it
// remembers. Whoever else wants to change such an execution, or takes over from a server that is gone, settles first:
// it locks the server's row of `writers`, as each of that server's transactions does, brings its journal home, and adds
// one to `settled`. A server that finds another number there than it knows has lost what it remembered, and begins
// again.
#pragma once

#include "store/postgres/ends.h"
#include "store/sql/sql.h"

#include <pthread.h>
#include <stdatomic.h>

#define JOURNAL_HOME_MS   10000 // from a log's first entry until it is brought home
#define JOURNAL_BYTES_MAX ((size_t)32 << 20)

struct journal_entry { // a row of `journals`
    uint64_t number;
    size_t bytes;
};

struct journal_wanted {
    uint64_t sender;
    int64_t row;
};

struct journal {
    pthread_mutex_t mutex; // of `ends`: the writer changes them, readers look
    struct ends ends;      // in the order in which they are to be brought home. `since`: their first entry's number
    // For the writer's thread only.
    uint64_t settled;              // as it was when it was read last
    uint64_t connection;           // on which that was; 0: to be read again
    struct journal_entry *entries; // a ring, the oldest first
    size_t first, count, cap;
    size_t bytes;                  // of the entries
    bool ends_now;                 // all is to be brought home
    _Atomic uint64_t *home_ms;     // instead of JOURNAL_HOME_MS; NULL: not. For tests
    struct journal_wanted *wanted; // executions that the next transaction needs, and whose journal is in the way
    size_t wanted_count, wanted_cap;
};

void journal_init(struct journal *journal, _Atomic uint64_t *home_ms);
void journal_release(struct journal *journal);

// Where a log ends, or what a producer has sent, beyond its row. False: nothing is known beyond it. Thread-safe.
bool journal_end(struct journal *journal, int64_t row, struct log_state *ret);
void journal_producer(struct journal *journal, int64_t row, struct str name, struct producer_state *state);

// --- Writer's thread
// Whether something is to be brought home, and when. Monotonic milliseconds; UINT64_MAX: nothing is there.
bool journal_due(const struct journal *journal, uint64_t now_ms);
uint64_t journal_due_ms(const struct journal *journal);
// Adds what is due to `rows`, which the present transaction writes, up to `max` logs; what it would have entered of
// them is written instead.
void journal_bring_home(const struct journal *journal, struct ends *rows, struct ends *entered, size_t max,
                        uint64_t now_ms);
// Entries below this number are not needed any more, once `rows` are written by the transaction `number`.
uint64_t journal_needed_from(const struct journal *journal, const struct ends *rows, uint64_t number);
// After its commit: what it has entered, and what it has written and is not ahead any more.
void journal_committed(struct journal *journal, const struct ends *entered, const struct journal_entry *entry,
                       const struct ends *rows, uint64_t needed_from, uint64_t now_ms);
void journal_clear(struct journal *journal); // all of it is home
void journal_want(struct journal *journal, uint64_t sender, int64_t row);

// --- On any connection, outside of a transaction
// Brings home what the journal of `sender` has. `rows`, an array (arrays.h): they are not that server's from then on;
// `all`: nor is anything else that is in it. Errors are those of sql.h; then nothing was done, or all of it.
int journal_settle(struct sql *sql, uint64_t sender, struct str rows, bool all, uint64_t *ret_settled);
// What others have left of the journal of `sender`: *ret_settled; and 0, or 1 if there is something, or not even its
// row of `writers`: then it is to be settled, which makes it.
int journal_look(struct sql *sql, uint64_t sender, uint64_t *ret_settled);
// Settles the journal of a server that has done nothing for seconds, if there is one. It may be alive.
int journal_settle_left(struct sql *sql);
// Within the present transaction: brings all of them home. For a database at which no server is at work.
int journal_settle_all(struct sql *sql);
