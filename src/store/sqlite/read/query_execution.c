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
                            &ret->worker_hostname, &ret->workflow_id,     &ret->batch_id, &ret->command_json,
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

#define LIST_PARAMETERS_MAX 80

// A statement that grows with its conditions, and the values of its parameters.
struct list_query {
    struct buf sql;
    struct list_value {
        struct str text;
        int64_t number;
        bool is_text;
    } values[LIST_PARAMETERS_MAX];
    size_t count;
};

static void add_number(struct list_query *query, const char *sql, int64_t number)
{
    buf_append_text(&query->sql, sql);
    query->values[query->count++] = (struct list_value){.number = number};
}

static void add_text(struct list_query *query, const char *sql, struct str text)
{
    buf_append_text(&query->sql, sql);
    query->values[query->count++] = (struct list_value){.text = text, .is_text = true};
}

static void add_any_of(struct list_query *query, const char *column, const struct store_values *values)
{
    for (size_t i = 0; i < values->count; i++) {
        if (i == 0)
            buf_printf(&query->sql, " AND %s IN (", column);
        add_text(query, i == 0 ? "?" : ",?", values->items[i]);
    }
    if (values->count > 0)
        buf_append_byte(&query->sql, ')');
}

// One join for each name.
static void add_labels(struct list_query *query, const struct store_list *list)
{
    for (size_t i = 0; i < list->label_count; i++) {
        struct store_values values = {0};
        struct str name = list->labels[i].name;
        bool seen = false, any = false;
        for (size_t j = 0; j < list->label_count; j++) {
            if (!str_eq(list->labels[j].name, name))
                continue;
            seen |= j < i;
            any |= list->labels[j].value.len == 0;
            values.items[values.count++] = list->labels[j].value;
        }
        if (seen)
            continue;
        CLEANUP(free_ptr)
        char *join = xasprintf(
            " JOIN labels l%zu ON l%zu.account = e.account AND l%zu.execution = e.id AND l%zu.name = ?", i, i, i, i);
        CLEANUP(free_ptr) char *column = xasprintf("l%zu.value", i);
        add_text(query, join, name);
        if (!any)
            add_any_of(query, column, &values);
    }
}

static void add_statuses(struct list_query *query, unsigned statuses)
{
    struct store_values values = {0};
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        if (statuses >> i & 1)
            values.items[values.count++] = str_of(status_word((enum execution_status)i));
    add_any_of(query, "e.status", &values);
}

// Identifiers are ASCII: all that begin so lie below the prefix with its last byte raised to the highest.
static void add_prefix(struct list_query *query, struct str prefix, char end[ID_EXECUTION_MAX + 2])
{
    size_t len = MIN(prefix.len, (size_t)ID_EXECUTION_MAX);
    memcpy(end, prefix.data, len);
    end[len] = 0x7f;
    add_text(query, " AND e.execution_id >= ?", prefix);
    add_text(query, " AND e.execution_id < ?", str_n(end, len + 1));
}

static void list_conditions(struct list_query *query, const struct store_list *list, unsigned limit,
                            char end[ID_EXECUTION_MAX + 2])
{
    buf_append_text(&query->sql, "SELECT e.id FROM executions e");
    add_labels(query, list);
    buf_append_text(&query->sql, " WHERE e.purged = 0");
    if (list->unsealed_only)
        buf_append_text(&query->sql, " AND e.sealed = 0");
    else
        add_number(query, " AND e.account = ?", list->account);
    if (list->owner.len > 0)
        add_text(query, " AND e.owner = ?", list->owner);
    add_statuses(query, list->statuses);
    add_any_of(query, "e.batch_id", &list->batch_ids);
    add_any_of(query, "e.workflow_id", &list->workflow_ids);
    if (list->id_prefix.len > 0)
        add_prefix(query, list->id_prefix, end);
    if (list->since_ms > 0)
        add_number(query, " AND e.created_ms >= ?", list->since_ms);
    if (list->before_row > 0)
        add_number(query, " AND e.id < ?", list->before_row);
    // By identifier there are few, which are sorted then; else rows are looked at in this order.
    buf_printf(&query->sql, " ORDER BY %se.id DESC", list->id_prefix.len > 0 ? "+" : "");
    add_number(query, " LIMIT ?", (int64_t)limit + 1); // one more says whether there are more
}

// The rows of the page, newest first, and one more if there is one.
static int list_rows(struct db *db, const struct store_list *list, unsigned limit, int64_t *ret_rows, size_t *ret_count)
{
    struct list_query query = {0};
    char end[ID_EXECUTION_MAX + 2];
    list_conditions(&query, list, limit, end);
    CLEANUP(buf_release) struct buf sql = query.sql;
    CLEANUP(db_finalize) sqlite3_stmt *select = NULL;
    int rc = sqlite3_prepare_v2(db->handle, buf_cstr(&sql), -1, &select, NULL);
    if (rc != SQLITE_OK)
        return db_error_of(db->handle, rc);
    for (size_t i = 0; i < query.count; i++) {
        if (query.values[i].is_text)
            db_bind_text(select, (int)i + 1, query.values[i].text);
        else
            db_bind_i64(select, (int)i + 1, query.values[i].number);
    }
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
