// Queries about executions. The hot index is read before the database. So what is missing in the index is in the
// database by then.
#include "store/sqlite/read/query.h"

struct sequence_producer producer_of_row(sqlite3_stmt *row)
{
    return (struct sequence_producer){
        .next = db_column_u64(row, 0),
        .last_hash = db_column_u64(row, 1),
        .digest = db_column_u64(row, 4),
        .digest_unknown = db_column_null(row, 4),
    };
}

int execution_load(struct sqlite_store *store, struct db *db, int64_t row, struct execution *ret)
{
    struct log_state hot;
    bool is_hot = hot_state(&store->hot, row, &hot);
    int err = catalogue_execution_get(db->sql, row, ret);
    if (err < 0 || !is_hot || hot.next <= ret->next_sequence)
        return err;
    ret->next_sequence = hot.next;
    ret->digest = hot.digest;
    ret->message_bytes = hot.message_bytes;
    return 0;
}

void query_get(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    struct store_get *query = CONTAINER_OF(op, struct store_get, op);
    int64_t row;
    // The statement has ended, and with it this connection's snapshot of the database. So the execution is read after
    // the version.
    op->err = catalogue_execution_find(db->sql, query->account, query->execution_id, &row);
    if (op->err < 0)
        return;
    query->ret_version = store_version(&store->base, row);
    op->err = execution_load(store, db, row, &query->ret_execution);
}

void query_producer(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    struct store_producer *query = CONTAINER_OF(op, struct store_producer, op);
    struct producer_state state;
    if (hot_producer_state(&store->hot, query->row, query->producer, &state)) {
        query->ret_producer = state.sequence;
    } else {
        CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_PRODUCER_FIND);
        db_bind_i64(find, 1, query->row);
        db_bind_text(find, 2, query->producer);
        int rc = db_row(find);
        query->ret_producer = rc == 1 ? producer_of_row(find) : (struct sequence_producer){0};
        op->err = rc < 0 ? rc : 0;
    }
    if (op->err == 0)
        op->err = execution_load(store, db, query->row, &query->ret_execution);
}

void query_count_open(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    struct store_count_open *query = CONTAINER_OF(op, struct store_count_open, op);
    op->err = catalogue_executions_open(db->sql, query->account, &query->ret_count);
}

void query_events_known(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_events_known(db->sql, CONTAINER_OF(op, struct store_events_known, op));
}

void query_quiet_look(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    struct store_quiet_look *look = CONTAINER_OF(op, struct store_quiet_look, op);
    op->err = catalogue_quiet_look(db->sql, look);
    for (size_t i = 0; i < look->ret_count && op->err == 0; i++) {
        struct log_state hot;
        if (hot_state(&store->hot, look->ret_found[i].row, &hot))
            look->ret_found[i].next = MAX(look->ret_found[i].next, hot.next);
    }
}

// --- Lists

// Bytes that it takes beyond the struct. Only metadata may be large.
static size_t text_bytes(const struct execution *execution)
{
    const char *texts[] = {execution->execution_id,  execution->owner,         execution->script_filename,
                           execution->runtime,       execution->worker_id,     execution->worker_hostname,
                           execution->workflow_id,   execution->batch_id,      execution->spec_json,
                           execution->metadata_json, execution->cancel_reason, execution->details_json,
                           execution->result_json};
    size_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        bytes += texts[i] ? strlen(texts[i]) : 0;
    return bytes;
}

void query_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    struct store_list *list = CONTAINER_OF(op, struct store_list, op);
    unsigned limit = list->limit > 0 && list->limit < CATALOGUE_LIST_MAX ? list->limit : CATALOGUE_LIST_MAX;
    CLEANUP(free_ptr) int64_t *rows = xcalloc((size_t)limit + 1, sizeof(*rows));
    size_t count = 0, bytes = 0, wanted = 0;
    op->err = catalogue_list_rows(db->sql, list, limit, rows, &count);
    if (op->err == 0 && list->counts)
        op->err = catalogue_list_total(db->sql, list, &list->ret_total);
    if (op->err < 0)
        return;
    wanted = MIN(count, limit);
    list->ret_executions = xcalloc(wanted + 1, sizeof(*list->ret_executions));
    list->ret_count = 0;
    while (list->ret_count < wanted && op->err == 0 && (list->max_bytes == 0 || bytes < list->max_bytes)) {
        struct execution *execution = &list->ret_executions[list->ret_count];
        op->err = execution_load(store, db, rows[list->ret_count], execution);
        list->ret_count += op->err == 0;
        bytes += op->err == 0 ? text_bytes(execution) : 0;
    }
    list->ret_next_row = list->ret_count > 0 && list->ret_count < count ? rows[list->ret_count - 1] : 0;
}
