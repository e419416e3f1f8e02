#include "store/sqlite/write/purge.h"

#include "store/sqlite/write/commit.h"
#include "store/sqlite/write/jobs.h"
#include "store/sqlite/write/outcome.h"

#define PURGE_AT_ONCE 64 // executions
#define PURGE_CHUNKS  32 // with so many, no further execution is begun

static int purge_sealed(struct sqlite_store *store, struct head *head)
{
    // What follows from its end is carried out before it is forgotten.
    const struct catalogue_changes changes = job_changes(store);
    int err = catalogue_job_settle_one(store->db.sql, head->row, store_now_ms(store), &changes);
    if (err == 0)
        err = catalogue_execution_purge(store->db.sql, head->row);
    sqlite3_stmt *chunks = err == 0 ? db_statement(&store->db, STATEMENT_PURGING_INSERT) : NULL;
    if (chunks)
        db_bind_i64(chunks, 1, head->row);
    if (err == 0)
        err = db_run(chunks);
    if (err < 0)
        return err;
    head->sequence.purged = true;
    store->group.purges = true;
    announce(store, head);
    return 0;
}

// An execution that is not sealed is sealed here: as cancelled, unless its outcome is known.
static int execution_purge(struct sqlite_store *store, int64_t row)
{
    struct head *head;
    int err = heads_get(&store->heads, row, &head);
    if (err < 0 || head->sequence.purged)
        return err;
    const struct outcome_ask end = {.cause = OUTCOME_ENDED, .status = STATUS_CANCELLED};
    if (!head->sequence.sealed)
        err = outcome_change(store, head, &end);
    return err < 0 ? err : purge_sealed(store, head);
}

int commit_purge(struct sqlite_store *store, struct store_op *op)
{
    struct store_purge *purge = CONTAINER_OF(op, struct store_purge, op);
    struct head *head;
    int err = heads_get(&store->heads, purge->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (head->sequence.purged)
        return 0;
    err = head->sequence.sealed ? 0 : ERR_CONFLICT;
    if (err == 0 && purge->rules)
        err =
            catalogue_retention_lets_go(store->db.sql, purge->row, purge->rules, purge->by_limits, store_now_ms(store));
    return err < 0 ? commit_refuse(op, err) : purge_sealed(store, head);
}

// --- Slices

// Deletes some chunks of one purged execution, and with the last ones what else is left of it. Returns 1 if there was
// one.
static int purge_one(struct sqlite_store *store, int *ret_chunks)
{
    sqlite3_stmt *next = db_statement(&store->db, STATEMENT_PURGING_NEXT);
    int rc = db_row(next);
    if (rc <= 0)
        return rc;
    int64_t row = db_column_i64(next, 0);
    db_reset(&next);
    sqlite3_stmt *slice = db_statement(&store->db, STATEMENT_PURGE_SLICE);
    db_bind_i64(slice, 1, row);
    int err = db_run(slice);
    if (err < 0)
        return err;
    *ret_chunks = sqlite3_changes(store->db.handle);
    bool more = false;
    err = *ret_chunks == 0 ? catalogue_events_forget(store->db.sql, row, &more) : 0;
    if (err < 0 || more) {
        *ret_chunks = PURGE_CHUNKS;
        return err < 0 ? err : 1;
    }
    static const enum statement last[] = {STATEMENT_PRODUCERS_DELETE, STATEMENT_PURGING_DELETE};
    for (size_t i = 0; i < ARRAY_LEN(last) && err == 0 && *ret_chunks == 0; i++) {
        sqlite3_stmt *step = db_statement(&store->db, last[i]);
        db_bind_i64(step, 1, row);
        err = db_run(step);
    }
    return err < 0 ? err : 1;
}

// Purges executions of a deleted account, up to `most`. *ret_more: there was such an account.
static int account_purge_slice(struct sqlite_store *store, size_t most, bool *ret_more)
{
    int64_t rows[PURGE_AT_ONCE], account;
    size_t count;
    int err = catalogue_account_purging(store->db.sql, &account);
    *ret_more = err < 0 || account != 0;
    if (err < 0 || account == 0)
        return err;
    err = catalogue_account_holds(store->db.sql, account, MIN(most, PURGE_AT_ONCE), rows, &count);
    if (err == 0 && count == 0)
        return catalogue_account_purged(store->db.sql, account);
    for (size_t i = 0; i < count && err == 0; i++)
        err = execution_purge(store, rows[i]);
    return err;
}

// Many executions that hold little go together, unless the disk is full: the reserve is for few pages.
int purge_slice(struct sqlite_store *store)
{
    if (!store->purging)
        return 0;
    unsigned most = store->refusing ? 1 : PURGE_AT_ONCE;
    int chunks = 0, rc = 1;
    for (unsigned i = 0; i < most && chunks < PURGE_CHUNKS && rc > 0; i++) {
        int gone = 0;
        rc = purge_one(store, &gone);
        chunks += gone;
    }
    if (rc == 0)
        rc = account_purge_slice(store, most, &store->purging);
    return MIN(rc, 0);
}
