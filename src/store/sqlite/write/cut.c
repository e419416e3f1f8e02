// Cuts records off the front of a log. The catalogue has the rules; read/query_front.c has looked at what goes.
#include "store/sqlite/merge/merge.h"
#include "store/sqlite/merge/merge_job.h"
#include "store/sqlite/write/commit.h"
#include "store/sqlite/write/outcome.h"

// Chunks go as a whole, so one must end where the cut is. They may have been merged since they were looked at.
static int ends_at(struct db *db, int64_t row, uint64_t end)
{
    CLEANUP(db_reset) sqlite3_stmt *last = db_statement(db, STATEMENT_CHUNK_AT);
    db_bind_i64(last, 1, row);
    db_bind_u64(last, 2, end - 1);
    int rc = db_row(last);
    if (rc < 0)
        return rc;
    return rc == 1 && db_column_u64(last, 1) + db_column_u64(last, 2) == end ? 0 : ERR_CONFLICT;
}

// A result of the merger replaces exactly what it was made from, so nothing of that may go meanwhile.
static int not_merging(struct sqlite_store *store, int64_t row, uint64_t end)
{
    uint64_t lowest = merge_under_way_from(store->merge, row);
    if (lowest == UINT64_MAX)
        return 0;
    CLEANUP(db_reset) sqlite3_stmt *before = db_statement(&store->db, STATEMENT_CHUNKS_BEFORE);
    db_bind_i64(before, 1, row);
    db_bind_u64(before, 2, lowest);
    db_bind_i64(before, 3, MERGE_REPLACED_MAX);
    int rc;
    while ((rc = db_row(before)) == 1)
        lowest = db_column_u64(before, 1);
    return rc < 0 ? rc : end > lowest ? ERR_HELD : 0;
}

static int cut_apply(struct sqlite_store *store, const struct store_cut *cut, struct head *head)
{
    sqlite3_stmt *remove = db_statement(&store->db, STATEMENT_CHUNKS_CUT);
    db_bind_i64(remove, 1, cut->row);
    db_bind_u64(remove, 2, cut->after.first);
    int err = db_run(remove);
    if (err == 0)
        err = catalogue_front_set(store->db.sql, cut->row, &cut->after);
    if (err < 0)
        return err;
    head->first_sequence = cut->after.first;
    announce(store, head);
    return 0;
}

int commit_cut(struct sqlite_store *store, struct store_op *op)
{
    struct store_cut *cut = CONTAINER_OF(op, struct store_cut, op);
    struct head *head;
    int err = heads_get(&store->heads, cut->row, &head);
    if (err == 0)
        err = catalogue_front_judge(store->db.sql, cut, &head->state);
    if (err == 0)
        err = ends_at(&store->db, cut->row, cut->after.first);
    if (err == 0)
        err = not_merging(store, cut->row, cut->after.first);
    return err < 0 ? commit_refuse(op, err) : cut_apply(store, cut, head);
}
