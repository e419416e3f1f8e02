// Queries about executions. What a log is ahead of its row is asked for before the row is read. So what is not ahead is
// in the row by then.
#include "store/engine/read/query.h"

// False: nothing of it is known beyond its row.
static bool log_ahead(const struct session *session, int64_t row, struct log_state *ret)
{
    const struct log_engine *log = session->engine->log;
    return log->ahead && log->ahead(session, row, ret);
}

// The row may have been read with the end that its chunks have, and with nothing else of it.
static void advance(struct execution *execution, const struct log_state *ahead)
{
    if (ahead->next < execution->next_sequence)
        return;
    execution->next_sequence = ahead->next;
    execution->digest = ahead->digest;
    execution->digest_unknown = false;
    execution->message_bytes = ahead->message_bytes;
}

// It may have come to be ahead since that was asked.
static void look_again(const struct session *session, struct execution *execution)
{
    struct log_state ahead;
    if (execution->digest_unknown && log_ahead(session, execution->row, &ahead))
        advance(execution, &ahead);
}

int execution_load(const struct session *session, int64_t row, struct execution *ret)
{
    return executions_load(session, &row, 1, ret);
}

int executions_load(const struct session *session, const int64_t *rows, size_t count, struct execution *ret)
{
    struct log_state aheads[EXECUTIONS_AT_ONCE];
    bool is_ahead[EXECUTIONS_AT_ONCE];
    for (size_t i = 0; i < count; i++)
        is_ahead[i] = log_ahead(session, rows[i], &aheads[i]);
    int err = count == 1  ? catalogue_execution_get(session->sql, rows[0], ret)
              : count > 0 ? catalogue_executions_get(session->sql, rows, count, ret)
                          : 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        if (is_ahead[i])
            advance(&ret[i], &aheads[i]);
        look_again(session, &ret[i]);
    }
    return err;
}

void query_get(const struct session *session, struct store_op *op)
{
    struct store_get *query = CONTAINER_OF(op, struct store_get, op);
    int64_t row;
    // The statement has ended, and with it this connection's snapshot of the database. So the execution is read after
    // the version.
    op->err = catalogue_execution_find(session->sql, query->account, query->execution_id, &row);
    if (op->err < 0)
        return;
    query->ret_version = store_version(&session->engine->base, row);
    op->err = execution_load(session, row, &query->ret_execution);
}

void query_producer(const struct session *session, struct store_op *op)
{
    struct store_producer *query = CONTAINER_OF(op, struct store_producer, op);
    struct producer_state state = {0};
    op->err = session->engine->log->producer(session, query->row, query->producer, &state);
    query->ret_producer = state.sequence;
    if (op->err == 0)
        op->err = execution_load(session, query->row, &query->ret_execution);
}

void query_look(const struct session *session, struct store_op *op)
{
    struct store_look *look = CONTAINER_OF(op, struct store_look, op);
    op->err = look->count > STORE_LOOK_MAX ? ERR_TOO_LARGE : catalogue_executions_look(session->sql, look);
    for (size_t i = 0; i < look->ret_count && op->err == 0; i++) {
        struct store_change *change = &look->ret_changes[i];
        struct log_state ahead;
        if (log_ahead(session, change->row, &ahead))
            change->next = MAX(change->next, ahead.next);
        change->first = change->next;
    }
}

void query_count_open(const struct session *session, struct store_op *op)
{
    struct store_count_open *query = CONTAINER_OF(op, struct store_count_open, op);
    op->err = catalogue_executions_open(session->sql, query->account, &query->ret_count);
    if (op->err == 0)
        op->err = catalogue_jobs_queued(session->sql, query->account, &query->ret_queued);
}

void query_events_known(const struct session *session, struct store_op *op)
{
    op->err = catalogue_events_known(session->sql, CONTAINER_OF(op, struct store_events_known, op));
}

void query_quiet_look(const struct session *session, struct store_op *op)
{
    struct store_quiet_look *look = CONTAINER_OF(op, struct store_quiet_look, op);
    op->err = catalogue_quiet_look(session->sql, look);
    for (size_t i = 0; i < look->ret_count && op->err == 0; i++) {
        struct log_state ahead;
        if (log_ahead(session, look->ret_found[i].row, &ahead))
            look->ret_found[i].next = MAX(look->ret_found[i].next, ahead.next);
    }
}

// A log that is sealed has its end in the row that said so.
void query_mirror_look(const struct session *session, struct store_op *op)
{
    struct store_mirror_look *look = CONTAINER_OF(op, struct store_mirror_look, op);
    op->err = catalogue_mirror_look(session->sql, look);
    for (size_t i = 0; i < look->ret_count && op->err == 0; i++) {
        struct log_state ahead;
        if (log_ahead(session, look->ret_found[i].row, &ahead))
            look->ret_found[i].next = MAX(look->ret_found[i].next, ahead.next);
    }
}

void query_mirror_places(const struct session *session, struct store_op *op)
{
    op->err = catalogue_mirror_places(session->sql, CONTAINER_OF(op, struct store_mirror_places, op));
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

// The next ones of the page, until it has as many bytes as it may have; what is read beyond that is let go.
static int load_some(const struct session *session, struct store_list *list, const int64_t *rows, size_t count,
                     size_t *bytes)
{
    struct execution *some = &list->ret_executions[list->ret_count];
    int err = executions_load(session, rows, count, some);
    for (size_t i = 0; i < count && err == 0; i++) {
        if (list->max_bytes > 0 && *bytes >= list->max_bytes) {
            execution_release(&some[i]);
            continue;
        }
        *bytes += text_bytes(&some[i]);
        list->ret_count++;
    }
    return err;
}

void query_list(const struct session *session, struct store_op *op)
{
    struct store_list *list = CONTAINER_OF(op, struct store_list, op);
    unsigned limit = list->limit > 0 && list->limit < CATALOGUE_LIST_MAX ? list->limit : CATALOGUE_LIST_MAX;
    CLEANUP(free_ptr) int64_t *rows = xcalloc((size_t)limit + 1, sizeof(*rows));
    size_t count = 0, bytes = 0, wanted = 0;
    op->err = catalogue_list_rows(session->sql, list, limit, rows, &count);
    if (op->err == 0 && list->count_max > 0)
        op->err = catalogue_list_total(session->sql, list, &list->ret_total);
    if (op->err < 0)
        return;
    wanted = MIN(count, limit);
    list->ret_executions = xcalloc(wanted + 1, sizeof(*list->ret_executions));
    list->ret_count = 0;
    while (list->ret_count < wanted && op->err == 0 && (list->max_bytes == 0 || bytes < list->max_bytes)) {
        size_t some = MIN(wanted - list->ret_count, EXECUTIONS_AT_ONCE);
        op->err = load_some(session, list, &rows[list->ret_count], some, &bytes);
    }
    list->ret_next_row = list->ret_count > 0 && list->ret_count < count ? rows[list->ret_count - 1] : 0;
    list->ret_before.rows[0] = list->before_row > 0 ? list->before_row : count > 0 ? rows[0] + 1 : LIST_PLACE_END;
}
