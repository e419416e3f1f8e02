// What makes an execution and takes it away: create, claim, purge. commit_update.c has the rest.
#include "store/sqlite/sqlite_private.h"

int commit_refuse(struct store_op *op, int err)
{
    if (db_error_is_fatal(err))
        return err;
    op->err = err;
    return 0;
}

static struct open_count *open_count_slot(struct sqlite_store *store, int64_t account)
{
    return &store->open_counts[(uint64_t)account % OPEN_COUNTS];
}

void open_count_add(struct sqlite_store *store, int64_t account, int by)
{
    struct open_count *slot = open_count_slot(store, account);
    if (slot->account == account)
        slot->count += (uint64_t)(int64_t)by;
}

static int open_count_get(struct sqlite_store *store, int64_t account, uint64_t *ret)
{
    struct open_count *slot = open_count_slot(store, account);
    if (slot->account != account) {
        uint64_t count;
        int err = catalogue_executions_open(store->db.sql, account, &count);
        if (err < 0)
            return err;
        *slot = (struct open_count){account, count};
    }
    *ret = slot->count;
    return 0;
}

int execution_load_changed(struct sqlite_store *store, const struct head *head, struct execution *ret)
{
    execution_release(ret);
    int err = execution_load(store, &store->db, head->row, ret);
    if (err < 0)
        return err;
    ret->next_sequence = head->state.next;
    ret->digest = head->state.digest;
    ret->message_bytes = head->state.message_bytes;
    return 0;
}

void announce(struct sqlite_store *store, const struct head *head)
{
    struct store_change change = head_change(head);
    group_add_change(&store->group, &change);
}

// --- Create

// The execution that was made before by the same key.
static int create_again(struct sqlite_store *store, struct store_create *create, int64_t row)
{
    struct head *head;
    int err = heads_get(&store->heads, row, &head);
    create->ret_existed = err == 0;
    return err < 0 ? err : execution_load_changed(store, head, &create->execution);
}

static int create_limit(struct sqlite_store *store, const struct store_create *create)
{
    uint64_t open = 0;
    int err = create->open_max > 0 ? open_count_get(store, create->execution.account, &open) : 0;
    if (err < 0)
        return err;
    return create->open_max > 0 && open >= create->open_max ? ERR_RATE : 0;
}

// ret_row: of the one that there is already by the same key; 0: none, and nothing is in the way.
static int create_judge(struct sqlite_store *store, const struct store_create *create, int64_t *ret_row)
{
    struct sql *sql = store->db.sql;
    int err = 0;
    *ret_row = 0;
    if (create->idempotency_key.len > 0)
        err = catalogue_create_repeated(sql, create, store_now_ms(store), ret_row);
    if (err == 0 && *ret_row == 0)
        err = catalogue_create_check(sql, create);
    if (err == 0 && *ret_row == 0)
        err = create_limit(store, create);
    return err;
}

int commit_create(struct sqlite_store *store, struct store_op *op)
{
    struct store_create *create = CONTAINER_OF(op, struct store_create, op);
    struct execution *execution = &create->execution;
    int64_t row;
    create->ret_existed = false;
    int err = create_judge(store, create, &row);
    if (err < 0)
        return commit_refuse(op, err);
    if (row != 0)
        return create_again(store, create, row);
    // After a restore it may have been there before, and be made once more.
    execution->restored_from = store->restored ? 0 : UINT64_MAX;
    err = catalogue_create(store->db.sql, create, store_now_ms(store));
    struct head *head = NULL;
    if (err == 0)
        err = heads_get(&store->heads, execution->row, &head);
    if (err < 0)
        return err;
    open_count_add(store, execution->account, 1);
    announce(store, head);
    return 0;
}

// --- Claim

int commit_claim(struct sqlite_store *store, struct store_op *op)
{
    struct store_claim *claim = CONTAINER_OF(op, struct store_claim, op);
    struct head *head;
    int err = heads_get(&store->heads, claim->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (head->sequence.purged)
        return commit_refuse(op, ERR_EXPIRED);
    err = outcome_change(store, head, &(struct outcome_ask){.cause = OUTCOME_CLAIMED});
    if (err < 0)
        return commit_refuse(op, err);
    if (claim->worker_id.len > 0 || claim->worker_hostname.len > 0)
        err = catalogue_execution_worker(store->db.sql, claim);
    return err < 0 ? err : execution_load_changed(store, head, &claim->ret_execution);
}

// --- Purge

static int purge_sealed(struct sqlite_store *store, struct head *head)
{
    int err = catalogue_execution_purge(store->db.sql, head->row);
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

int execution_purge(struct sqlite_store *store, int64_t row)
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
    return head->sequence.sealed ? purge_sealed(store, head) : commit_refuse(op, ERR_CONFLICT);
}
