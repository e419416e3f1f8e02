// What makes an execution and takes it away: create, claim, purge. commit_update.c has the rest.
#include "store/sqlite/sqlite_private.h"

#include "util/id.h"

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
        sqlite3_stmt *count = db_statement(&store->db, STATEMENT_COUNT_OPEN);
        db_bind_i64(count, 1, account);
        int rc = db_row(count);
        if (rc <= 0)
            return rc < 0 ? rc : ERR_INTERNAL;
        *slot = (struct open_count){account, db_column_u64(count, 0)};
        db_reset(&count);
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
    group_add_change(&store->group, &(struct store_change){
                                        .row = head->row,
                                        .first = head->state.next,
                                        .next = head->state.next,
                                        .status = head->sequence.status,
                                        .sealed = head->sequence.sealed,
                                        .purged = head->sequence.purged,
                                        .has_exit_code = head->has_exit_code,
                                        .exit_code = head->exit_code,
                                    });
}

// --- Create

// *ret_found: the key was used within the last day; then either the execution made then is in place, or op->err is set.
static int create_repeated(struct sqlite_store *store, struct store_create *create, bool *ret_found)
{
    *ret_found = false;
    int64_t now_ms = store_now_ms(store);
    sqlite3_stmt *expire = db_statement(&store->db, STATEMENT_IDEMPOTENCY_EXPIRE);
    db_bind_i64(expire, 1, now_ms - IDEMPOTENCY_MS);
    int rc = db_run(expire);
    if (rc < 0)
        return rc;
    sqlite3_stmt *find = db_statement(&store->db, STATEMENT_IDEMPOTENCY_FIND);
    db_bind_i64(find, 1, create->execution.account);
    db_bind_text(find, 2, create->idempotency_key);
    rc = db_row(find);
    if (rc <= 0)
        return rc;
    uint64_t request_hash = db_column_u64(find, 0);
    int64_t row = db_column_i64(find, 1), created_ms = db_column_i64(find, 2);
    db_reset(&find);
    if (created_ms < now_ms - IDEMPOTENCY_MS)
        return 0;
    *ret_found = true;
    if (request_hash != create->request_hash) {
        create->op.err = ERR_IDEMPOTENCY;
        return 0;
    }
    struct head *head;
    rc = heads_get(&store->heads, row, &head);
    if (rc < 0)
        return rc;
    create->ret_existed = true;
    return execution_load_changed(store, head, &create->execution);
}

static int create_refused(struct sqlite_store *store, struct store_create *create)
{
    const struct execution *execution = &create->execution;
    int err = account_open(&store->db, execution->account);
    if (err < 0)
        return err == ERR_EXPIRED ? ERR_UNAUTHORIZED : err; // its credential went with it
    if (execution->execution_id) {
        sqlite3_stmt *find = db_statement(&store->db, STATEMENT_EXECUTION_ROW_OF);
        db_bind_i64(find, 1, execution->account);
        db_bind_text(find, 2, str_of(execution->execution_id));
        int rc = db_row(find);
        if (rc < 0)
            return rc;
        if (rc == 1) {
            struct head *head;
            int64_t row = db_column_i64(find, 0);
            db_reset(&find);
            rc = heads_get(&store->heads, row, &head);
            if (rc < 0)
                return rc;
            return head->sequence.purged ? ERR_EXPIRED : ERR_CONFLICT;
        }
    }
    uint64_t open = 0;
    err = create->open_max > 0 ? open_count_get(store, execution->account, &open) : 0;
    if (err < 0)
        return err;
    return create->open_max > 0 && open >= create->open_max ? ERR_RATE : 0;
}

static int create_insert(struct sqlite_store *store, const struct execution *execution, int64_t *ret_row)
{
    sqlite3_stmt *insert = db_statement(&store->db, STATEMENT_EXECUTION_INSERT);
    db_bind_i64(insert, 1, execution->account);
    db_bind_text(insert, 2, str_of(execution->execution_id));
    db_bind_text(insert, 3, str_of(status_word(execution->status)));
    db_bind_i64(insert, 4, execution->pinned);
    if (execution->has_exit_code)
        db_bind_i64(insert, 5, execution->exit_code);
    db_bind_i64(insert, 6, execution->created_ms);
    db_bind_i64(insert, 7, execution->started_ms);
    const char *const texts[] = {execution->owner,     execution->workflow_id,     execution->batch_id,
                                 execution->worker_id, execution->worker_hostname, execution->script_filename,
                                 execution->runtime};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        db_bind_text(insert, 8 + (int)i, str_of(texts[i]));
    int err = db_run(insert);
    *ret_row = sqlite3_last_insert_rowid(store->db.handle);
    return err;
}

int documents_set(struct sqlite_store *store, int64_t account, int64_t row, struct str spec, struct str metadata)
{
    sqlite3_stmt *set = db_statement(&store->db, STATEMENT_DOCUMENT_SET);
    db_bind_i64(set, 1, row);
    db_bind_text(set, 2, spec);
    db_bind_text(set, 3, metadata);
    int err = db_run(set);
    if (err < 0 || !metadata.data)
        return err;
    sqlite3_stmt *labels = db_statement(&store->db, STATEMENT_LABELS_INSERT);
    db_bind_i64(labels, 1, account);
    db_bind_i64(labels, 2, row);
    db_bind_text(labels, 3, metadata);
    return db_run(labels);
}

static int idempotency_set(struct sqlite_store *store, const struct store_create *create)
{
    sqlite3_stmt *set = db_statement(&store->db, STATEMENT_IDEMPOTENCY_SET);
    db_bind_i64(set, 1, create->execution.account);
    db_bind_text(set, 2, create->idempotency_key);
    db_bind_u64(set, 3, create->request_hash);
    db_bind_i64(set, 4, create->execution.row);
    db_bind_i64(set, 5, create->execution.created_ms);
    return db_run(set);
}

int commit_create(struct sqlite_store *store, struct store_op *op)
{
    struct store_create *create = CONTAINER_OF(op, struct store_create, op);
    struct execution *execution = &create->execution;
    create->ret_existed = false;
    if (create->idempotency_key.len > 0) {
        bool found;
        int err = create_repeated(store, create, &found);
        if (err < 0 || found)
            return err;
    }
    int err = create_refused(store, create);
    if (err < 0)
        return commit_refuse(op, err);

    execution->created_ms = store_now_ms(store);
    if (!execution->execution_id) {
        char id[ID_SORTABLE_LEN + 1];
        id_sortable(execution->created_ms, id);
        execution->execution_id = xasprintf("exec_%s", id);
    }
    err = create_insert(store, execution, &execution->row);
    if (err < 0)
        return err;
    if (execution->spec_json || execution->metadata_json)
        err = documents_set(store, execution->account, execution->row, str_of(execution->spec_json),
                            str_of(execution->metadata_json));
    if (err == 0 && create->idempotency_key.len > 0)
        err = idempotency_set(store, create);
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

static int worker_set(struct sqlite_store *store, const struct store_claim *claim)
{
    sqlite3_stmt *set = db_statement(&store->db, STATEMENT_EXECUTION_WORKER);
    db_bind_i64(set, 1, claim->row);
    if (claim->worker_id.len > 0)
        db_bind_text(set, 2, claim->worker_id);
    if (claim->worker_hostname.len > 0)
        db_bind_text(set, 3, claim->worker_hostname);
    return db_run(set);
}

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
        err = worker_set(store, claim);
    return err < 0 ? err : execution_load_changed(store, head, &claim->ret_execution);
}

// --- Purge

static int purge_sealed(struct sqlite_store *store, struct head *head)
{
    static const enum statement steps[] = {STATEMENT_EXECUTION_PURGE, STATEMENT_DOCUMENT_DELETE,
                                           STATEMENT_LABELS_DELETE, STATEMENT_PURGING_INSERT};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(steps) && err == 0; i++) {
        sqlite3_stmt *step = db_statement(&store->db, steps[i]);
        db_bind_i64(step, 1, head->row);
        err = db_run(step);
    }
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
