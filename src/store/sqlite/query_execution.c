// Queries for executions. What the hot index says is read before the database: what is missing there is in the database then.
#include "store/sqlite/sqlite_private.h"

#define LIST_MAX 10000

int execution_from_row(sqlite3_stmt *row, struct execution *ret)
{
    *ret = (struct execution){
        .row = db_column_i64(row, 0),
        .account = db_column_i64(row, 1),
        .sealed = db_column_i64(row, 4) != 0,
        .purged = db_column_i64(row, 5) != 0,
        .pinned = db_column_i64(row, 6) != 0,
        .has_exit_code = !db_column_null(row, 7),
        .exit_code = (int)db_column_i64(row, 7),
        .created_ms = db_column_i64(row, 8),
        .started_ms = db_column_i64(row, 9),
        .completed_ms = db_column_i64(row, 10),
        .sealed_ms = db_column_i64(row, 11),
        .next_sequence = db_column_u64(row, 12),
        .first_sequence = db_column_u64(row, 13),
        .epoch = db_column_u64(row, 14),
        .digest = db_column_u64(row, 15),
        .message_bytes = db_column_u64(row, 16),
    };
    if (!status_parse(db_column_text(row, 3), &ret->status))
        return ERR_CORRUPT;
    char **const texts[] = {&ret->owner,           &ret->script_filename, &ret->runtime,  &ret->worker_id,
                            &ret->worker_hostname, &ret->workflow_id,     &ret->batch_id, &ret->spec_json,
                            &ret->metadata_json,   &ret->cancel_reason};
    ret->restored_from = db_column_null(row, 27) ? UINT64_MAX : db_column_u64(row, 27);
    ret->execution_id = db_column_dup(row, 2);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = db_column_dup(row, 17 + (int)i);
    return 0;
}

int execution_load(struct sqlite_store *store, struct db *db, int64_t row, struct execution *ret)
{
    struct log_state hot;
    bool is_hot = hot_state(&store->hot, row, &hot);
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_EXECUTION_BY_ROW);
    db_bind_i64(find, 1, row);
    int rc = db_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    int err = execution_from_row(find, ret);
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
    sqlite3_stmt *find = db_statement(db, STATEMENT_EXECUTION_ROW_OF);
    db_bind_i64(find, 1, query->account);
    db_bind_text(find, 2, query->execution_id);
    int rc = db_row(find);
    if (rc <= 0) {
        op->err = rc < 0 ? rc : ERR_NOT_FOUND;
        return;
    }
    int64_t row = db_column_i64(find, 0);
    db_reset(&find); // and with it what this connection saw of the database: the execution is read after the version
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
    CLEANUP(db_reset) sqlite3_stmt *count = db_statement(db, STATEMENT_COUNT_OPEN);
    db_bind_i64(count, 1, query->account);
    int rc = db_row(count);
    query->ret_count = rc == 1 ? db_column_u64(count, 0) : 0;
    op->err = rc < 0 ? rc : 0;
}

// --- Lists

enum list_parameter {
    LIST_ACCOUNT = 1,
    LIST_OWNER,
    LIST_STATUS,
    LIST_BATCH,
    LIST_WORKFLOW,
    LIST_SINCE,
    LIST_BEFORE,
    LIST_NAME,
    LIST_VALUE,
    LIST_LIMIT,
};

static void list_sql(const struct store_list *list, struct buf *sql)
{
    buf_append_text(sql, "SELECT e.id FROM executions e");
    if (list->metadata_key.len > 0)
        buf_append_text(sql, " JOIN labels l ON l.account = e.account AND l.execution = e.id AND l.name = ?8");
    if (list->metadata_key.len > 0 && list->metadata_value.len > 0)
        buf_append_text(sql, " AND l.value = ?9");
    buf_append_text(sql, " WHERE e.purged = 0");
    const struct {
        bool wanted;
        const char *condition;
    } conditions[] = {
        {!list->unsealed_only, " AND e.account = ?1"},
        {list->owner.len > 0, " AND e.owner = ?2"},
        {list->has_status, " AND e.status = ?3"},
        {list->batch_id.len > 0, " AND e.batch_id = ?4"},
        {list->workflow_id.len > 0, " AND e.workflow_id = ?5"},
        {list->since_ms > 0, " AND e.created_ms >= ?6"},
        {list->before_row > 0, " AND e.id < ?7"},
        {list->unsealed_only, " AND e.sealed = 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        if (conditions[i].wanted)
            buf_append_text(sql, conditions[i].condition);
    }
    buf_append_text(sql, " ORDER BY e.id DESC LIMIT ?10");
}

static void list_bind(sqlite3_stmt *select, const struct store_list *list, unsigned limit)
{
    db_bind_i64(select, LIST_ACCOUNT, list->account);
    db_bind_text(select, LIST_OWNER, list->owner);
    if (list->has_status)
        db_bind_text(select, LIST_STATUS, str_of(status_word(list->status)));
    db_bind_text(select, LIST_BATCH, list->batch_id);
    db_bind_text(select, LIST_WORKFLOW, list->workflow_id);
    db_bind_i64(select, LIST_SINCE, list->since_ms);
    db_bind_i64(select, LIST_BEFORE, list->before_row);
    db_bind_text(select, LIST_NAME, list->metadata_key);
    db_bind_text(select, LIST_VALUE, list->metadata_value);
    db_bind_i64(select, LIST_LIMIT, (int64_t)limit + 1); // one more says whether there are more
}

// The rows of the page, newest first, and one more if there is one.
static int list_rows(struct db *db, const struct store_list *list, unsigned limit, int64_t *ret_rows, size_t *ret_count)
{
    CLEANUP(buf_release) struct buf sql = {0};
    list_sql(list, &sql);
    CLEANUP(db_finalize) sqlite3_stmt *select = NULL;
    int rc = sqlite3_prepare_v2(db->handle, buf_cstr(&sql), -1, &select, NULL);
    if (rc != SQLITE_OK)
        return db_error_of(db->handle, rc);
    list_bind(select, list, limit);
    *ret_count = 0;
    while ((rc = db_row(select)) == 1)
        ret_rows[(*ret_count)++] = db_column_i64(select, 0);
    return rc;
}

// Of what it takes beyond the struct; its metadata are what may be large.
static size_t text_bytes(const struct execution *execution)
{
    const char *texts[] = {execution->execution_id,  execution->owner,        execution->script_filename,
                           execution->runtime,       execution->worker_id,    execution->worker_hostname,
                           execution->workflow_id,   execution->batch_id,     execution->spec_json,
                           execution->metadata_json, execution->cancel_reason};
    size_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        bytes += texts[i] ? strlen(texts[i]) : 0;
    return bytes;
}

void query_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    struct store_list *list = CONTAINER_OF(op, struct store_list, op);
    unsigned limit = list->limit > 0 && list->limit < LIST_MAX ? list->limit : LIST_MAX;
    CLEANUP(free_ptr) int64_t *rows = xcalloc((size_t)limit + 1, sizeof(*rows));
    size_t count = 0, bytes = 0, wanted = 0;
    op->err = list_rows(db, list, limit, rows, &count);
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
