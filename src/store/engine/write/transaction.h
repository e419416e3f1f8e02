// The writer's connection and its present transaction. What it changed is collected while operations are applied, and
// used after the commit. For the writer's thread.
#pragma once

#include "store/engine/write/heads.h"

#define OPEN_COUNTS    64
#define OPEN_COUNTS_MS 1000
struct open_count {  // unsealed executions of an account, as of the present transaction
    int64_t account; // 0: unused
    uint64_t count;
};

struct transaction {
    struct session session;
    struct heads heads;
    struct open_count open_counts[OPEN_COUNTS];
    struct open_count queued_counts[OPEN_COUNTS]; // the jobs among them that wait
    uint64_t counted_ms;                          // where others write, too, they count anew after OPEN_COUNTS_MS
    uint64_t account_changes;                     // since the start
    bool restored;                                // the store was a copy once, or has lost something
    // --- Of the present one.
    struct store_change *changes; // each holds a reference to its chunk
    size_t change_count, changes_cap;
    int64_t *rows; // rows whose versions it has begun to step, in addition to those of its operations
    size_t row_count, rows_cap;
    bool purges; // it leaves work for purging
    bool told;   // transaction_tell has told something
    uint64_t records;
    uint64_t seals, seals_with_records, sealed_records;
    uint64_t summaries; // that were stored
};

void transaction_init(struct transaction *tx, struct engine *engine);
void transaction_release(struct transaction *tx);
void transaction_add_change(struct transaction *tx,
                            const struct store_change *change); // takes a reference to its chunk
// The version of the row steps with the transaction. It steps once, however often it is added.
void transaction_add_row(struct transaction *tx, int64_t row);
// Tells the other servers of the store (struct store_news), of each of the subjects. Of which thing is the caller's to
// say, `number` is not. ret_number (may be NULL) rises with each telling; 0 where nobody else has the store.
int transaction_tell(struct transaction *tx, const struct store_news *news, const int64_t *subjects, size_t count,
                     int64_t *ret_number);
// After the commit or the rollback, before the operations are answered; after a commit when the watchers were told.
void transaction_committed(struct transaction *tx, size_t ops, uint64_t ns); // and counts it
void transaction_rolled_back(struct transaction *tx);

// The time by the clock that all who write to the store share; leases use no other. Returns 0 or an error of sql.h.
int transaction_shared_now(struct transaction *tx, int64_t *ret_ms);

static inline int64_t transaction_now_ms(const struct transaction *tx)
{
    return session_now_ms(&tx->session);
}
