// What changes an execution itself: create, claim, status, the end, metadata, purge.
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

// The execution as this transaction has left it.
static int load_changed(struct sqlite_store *store, const struct head *head, struct execution *ret)
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

static void announce(struct sqlite_store *store, const struct head *head)
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
    return load_changed(store, head, &create->execution);
}

static int create_refused(struct sqlite_store *store, struct store_create *create)
{
    const struct execution *execution = &create->execution;
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
    int err = create->open_max > 0 ? open_count_get(store, execution->account, &open) : 0;
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

static int documents_set(struct sqlite_store *store, int64_t account, int64_t row, struct str spec, struct str metadata)
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

int commit_claim(struct sqlite_store *store, struct store_op *op)
{
    struct store_claim *claim = CONTAINER_OF(op, struct store_claim, op);
    struct head *head;
    int err = heads_get(&store->heads, claim->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (head->sequence.purged)
        return commit_refuse(op, ERR_EXPIRED);
    if (head->sequence.sealed)
        return commit_refuse(op, ERR_SEALED);
    if (!status_may_become(head->sequence.status, STATUS_RUNNING))
        return commit_refuse(op, ERR_BAD_TRANSITION);
    sqlite3_stmt *update = db_statement(&store->db, STATEMENT_EXECUTION_CLAIM);
    db_bind_i64(update, 1, claim->row);
    db_bind_u64(update, 2, head->sequence.epoch + 1);
    db_bind_text(update, 3, str_of(status_word(STATUS_RUNNING)));
    if (claim->worker_id.len > 0)
        db_bind_text(update, 4, claim->worker_id);
    if (claim->worker_hostname.len > 0)
        db_bind_text(update, 5, claim->worker_hostname);
    db_bind_i64(update, 6, store_now_ms(store));
    err = db_run(update);
    if (err < 0)
        return err;
    head->sequence.epoch++;
    head->sequence.status = STATUS_RUNNING;
    announce(store, head);
    return load_changed(store, head, &claim->ret_execution);
}

// --- Status and the end

struct outcome {
    enum execution_status status;
    bool has_exit_code, seal;
    int exit_code;
    int64_t completed_ms; // 0: now
};

// The same outcome, as far as both say: an exit code may be added to a status that had none.
static bool outcome_agrees(const struct head *head, const struct outcome *outcome)
{
    if (head->sequence.status != outcome->status)
        return false;
    return !head->has_exit_code || !outcome->has_exit_code || head->exit_code == outcome->exit_code;
}

// 1 if it is to be written, 0 if all of it holds already, or an error.
static int outcome_check(const struct head *head, const struct outcome *outcome)
{
    if (head->sequence.sealed)
        return outcome_agrees(head, outcome) ? 0 : ERR_SEALED;
    if (!status_may_become(head->sequence.status, outcome->status))
        return ERR_BAD_TRANSITION;
    if (status_terminal(head->sequence.status) && !outcome_agrees(head, outcome))
        return ERR_BAD_TRANSITION;
    bool adds_exit_code = outcome->has_exit_code && !(head->has_exit_code && head->exit_code == outcome->exit_code);
    return head->sequence.status != outcome->status || adds_exit_code || outcome->seal;
}

static int outcome_write(struct sqlite_store *store, struct head *head, const struct outcome *outcome)
{
    bool ended = status_terminal(outcome->status) || outcome->seal;
    // A job that goes on after it was lost has no exit code any more.
    bool keeps_exit_code = head->has_exit_code && ended;
    sqlite3_stmt *update = db_statement(&store->db, STATEMENT_EXECUTION_STATUS);
    db_bind_i64(update, 1, head->row);
    db_bind_text(update, 2, str_of(status_word(outcome->status)));
    if (outcome->has_exit_code)
        db_bind_i64(update, 3, outcome->exit_code);
    else if (keeps_exit_code)
        db_bind_i64(update, 3, head->exit_code);
    db_bind_i64(update, 4, outcome->seal);
    db_bind_u64(update, 5, head->state.next);
    db_bind_u64(update, 6, head->state.digest);
    db_bind_u64(update, 7, head->state.message_bytes);
    db_bind_i64(update, 8, outcome->status == STATUS_RUNNING);
    db_bind_i64(update, 9, ended);
    db_bind_i64(update, 10, outcome->seal);
    db_bind_i64(update, 11, store_now_ms(store));
    db_bind_i64(update, 12, outcome->completed_ms);
    int err = db_run(update);
    if (err < 0)
        return err;
    head->sequence.status = outcome->status;
    head->sequence.sealed = outcome->seal;
    if (outcome->has_exit_code)
        head->exit_code = outcome->exit_code;
    head->has_exit_code = outcome->has_exit_code || keeps_exit_code;
    if (outcome->seal)
        open_count_add(store, head->account, -1);
    announce(store, head);
    return 0;
}

static int outcome_apply(struct sqlite_store *store, struct head *head, const struct outcome *outcome)
{
    int rc = outcome_check(head, outcome);
    return rc <= 0 ? rc : outcome_write(store, head, outcome);
}

// The end of the log comes after an outcome that was told already, by a cancel for instance: that one stands, and the seal is added.
static void outcome_yield(const struct head *head, struct outcome *outcome)
{
    if (!outcome->seal || head->sequence.sealed || !status_terminal(head->sequence.status))
        return;
    outcome->status = head->sequence.status;
    outcome->has_exit_code = outcome->has_exit_code && !head->has_exit_code;
}

// All that the runner says it sent is there, and is the same.
static int complete_whole(const struct store_complete *complete, const struct head *head, uint64_t producer_next)
{
    if (complete->has_final) {
        uint64_t wanted = (uint64_t)(complete->final + 1); // -1 without records
        if (wanted > producer_next)
            return ERR_GAP;
        if (wanted < producer_next)
            return ERR_CONFLICT;
    }
    return complete->has_digest && complete->digest != head->state.digest ? ERR_DIGEST : 0;
}

static int complete_apply(struct sqlite_store *store, struct store_complete *complete, struct head *head)
{
    if (head->sequence.purged)
        return ERR_EXPIRED;
    if (complete->epoch != 0 && complete->epoch != head->sequence.epoch)
        return ERR_FENCED;
    if (complete->producer.len > 0) {
        struct hot_producer *producer;
        int err = heads_producer(&store->heads, head, complete->producer, &producer);
        if (err < 0)
            return err;
        complete->ret_producer_next = producer->state.sequence.next;
    }
    struct outcome outcome = {
        .status = complete->status,
        .has_exit_code = complete->has_exit_code,
        .exit_code = complete->exit_code,
        .completed_ms = complete->completed_ms,
        .seal = true,
    };
    if (!head->sequence.sealed) {
        int err = complete_whole(complete, head, complete->ret_producer_next);
        if (err < 0)
            return err;
    }
    outcome_yield(head, &outcome);
    return outcome_apply(store, head, &outcome);
}

int commit_complete(struct sqlite_store *store, struct store_op *op)
{
    struct store_complete *complete = CONTAINER_OF(op, struct store_complete, op);
    struct head *head;
    int err = heads_get(&store->heads, complete->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    int outcome = complete_apply(store, complete, head);
    if (outcome < 0 && outcome != ERR_SEALED)
        return commit_refuse(op, outcome);
    op->err = outcome;
    return load_changed(store, head, &complete->ret_execution);
}

int commit_status(struct sqlite_store *store, struct store_op *op)
{
    struct store_status *change = CONTAINER_OF(op, struct store_status, op);
    struct head *head;
    int err = heads_get(&store->heads, change->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (head->sequence.purged)
        return commit_refuse(op, ERR_EXPIRED);
    if (change->epoch != 0 && change->epoch != head->sequence.epoch)
        return commit_refuse(op, ERR_FENCED);
    if (change->only_from != STATUS_COUNT && head->sequence.status != change->only_from)
        return commit_refuse(op, ERR_BAD_TRANSITION);
    struct outcome outcome = {
        .status = change->status,
        .has_exit_code = change->has_exit_code,
        .exit_code = change->exit_code,
        .seal = change->seal,
    };
    if (outcome.status == STATUS_LOST)
        outcome_yield(head, &outcome);
    err = outcome_apply(store, head, &outcome);
    if (err < 0)
        return commit_refuse(op, err);
    return load_changed(store, head, &change->ret_execution);
}

// --- Metadata, cancel and purge

// Here and not in the caller: of two patches at once, each finds what the other one left.
static int metadata_merge(struct sqlite_store *store, const struct store_update *update, char **ret)
{
    CLEANUP(db_reset) sqlite3_stmt *merge = db_statement(&store->db, STATEMENT_METADATA_MERGED);
    db_bind_i64(merge, 1, update->row);
    db_bind_text(merge, 2, update->metadata_patch);
    int rc = db_row(merge);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_INTERNAL;
    struct str merged = db_column_text(merge, 0);
    if (update->metadata_max > 0 && merged.len > update->metadata_max)
        return ERR_TOO_LARGE;
    *ret = xstrndup(merged.data, merged.len);
    return 0;
}

static int metadata_set(struct sqlite_store *store, const struct head *head, const char *metadata)
{
    sqlite3_stmt *forget = db_statement(&store->db, STATEMENT_LABELS_DELETE);
    db_bind_i64(forget, 1, head->row);
    int err = db_run(forget);
    return err < 0 ? err : documents_set(store, head->account, head->row, str_of(NULL), str_of(metadata));
}

static int cancel_ask(struct sqlite_store *store, const struct head *head, struct str reason)
{
    if (head->sequence.sealed || status_terminal(head->sequence.status))
        return 0;
    sqlite3_stmt *ask = db_statement(&store->db, STATEMENT_EXECUTION_CANCEL);
    db_bind_i64(ask, 1, head->row);
    db_bind_text(ask, 2, reason);
    return db_run(ask);
}

int commit_update(struct sqlite_store *store, struct store_op *op)
{
    struct store_update *update = CONTAINER_OF(op, struct store_update, op);
    struct head *head;
    int err = heads_get(&store->heads, update->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (head->sequence.purged)
        return commit_refuse(op, ERR_EXPIRED);
    CLEANUP(free_ptr) char *metadata = NULL;
    if (update->metadata_patch.len > 0)
        err = metadata_merge(store, update, &metadata);
    if (err < 0)
        return commit_refuse(op, err);
    if (update->has_pin) {
        sqlite3_stmt *pin = db_statement(&store->db, STATEMENT_EXECUTION_PIN);
        db_bind_i64(pin, 1, update->row);
        db_bind_i64(pin, 2, update->pin);
        err = db_run(pin);
    }
    if (err == 0 && metadata)
        err = metadata_set(store, head, metadata);
    if (err == 0 && update->cancel_reason.len > 0)
        err = cancel_ask(store, head, update->cancel_reason);
    return err < 0 ? err : load_changed(store, head, &update->ret_execution);
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
    if (!head->sequence.sealed)
        return commit_refuse(op, ERR_CONFLICT);
    // Gone for everybody at once; the chunks follow in slices.
    static const enum statement steps[] = {STATEMENT_EXECUTION_PURGE, STATEMENT_DOCUMENT_DELETE,
                                           STATEMENT_LABELS_DELETE, STATEMENT_PURGING_INSERT};
    for (size_t i = 0; i < ARRAY_LEN(steps) && err == 0; i++) {
        sqlite3_stmt *step = db_statement(&store->db, steps[i]);
        db_bind_i64(step, 1, purge->row);
        err = db_run(step);
    }
    if (err < 0)
        return err;
    head->sequence.purged = true;
    store->group.purges = true;
    announce(store, head);
    return 0;
}
