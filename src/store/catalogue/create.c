// Makes executions, once for each idempotency key.
#include "store/catalogue/catalogue.h"

// --- The idempotency key

int catalogue_idempotency_find(struct sql *sql, int64_t account, struct str key, uint64_t request_hash, int64_t now_ms,
                               int64_t *ret_row)
{
    *ret_row = 0;
    struct sql_statement *expire = sql_statement(sql, CATALOGUE_IDEMPOTENCY_EXPIRE);
    sql_bind_i64(expire, 1, now_ms - CATALOGUE_IDEMPOTENCY_MS);
    int rc = sql_run(expire, NULL);
    if (rc < 0)
        return rc;
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_IDEMPOTENCY_FIND);
    sql_bind_i64(find, 1, account);
    sql_bind_text(find, 2, key);
    rc = sql_row(find);
    if (rc <= 0 || sql_i64(find, 2) < now_ms - CATALOGUE_IDEMPOTENCY_MS)
        return MIN(rc, 0);
    if (sql_u64(find, 0) != request_hash)
        return ERR_IDEMPOTENCY;
    *ret_row = sql_i64(find, 1);
    return 0;
}

int catalogue_create_repeated(struct sql *sql, const struct store_create *create, int64_t now_ms, int64_t *ret_row)
{
    return catalogue_idempotency_find(sql, create->execution.account, create->idempotency_key, create->request_hash,
                                      now_ms, ret_row);
}

int catalogue_idempotency_set(struct sql *sql, int64_t account, struct str key, uint64_t request_hash, int64_t row,
                              int64_t now_ms)
{
    uint64_t changes = 0;
    struct sql_statement *set = sql_statement(sql, CATALOGUE_IDEMPOTENCY_SET);
    sql_bind_i64(set, 1, account);
    sql_bind_text(set, 2, key);
    sql_bind_u64(set, 3, request_hash);
    sql_bind_i64(set, 4, row);
    sql_bind_i64(set, 5, now_ms);
    sql_bind_i64(set, 6, now_ms - CATALOGUE_IDEMPOTENCY_MS);
    int err = sql_run(set, &changes);
    return err < 0 || changes > 0 ? err : sql_outrun(sql); // another connection has used it meanwhile
}

// --- Creating

int catalogue_create_check(struct sql *sql, struct store_create *create)
{
    int err = catalogue_account_open(sql, create->execution.account);
    if (err < 0)
        return err == ERR_EXPIRED ? ERR_UNAUTHORIZED : err; // its credential was deleted together with it
    return catalogue_create_check_more(sql, create);
}

int catalogue_create_check_more(struct sql *sql, struct store_create *create)
{
    const struct execution *execution = &create->execution;
    bool sealed, purged;
    int64_t row;
    int err = catalogue_inputs_judge(sql, create);
    if (err == 0)
        err = catalogue_run_judge(sql, create);
    if (err < 0 || !execution->execution_id)
        return err;
    err = catalogue_execution_find(sql, execution->account, str_of(execution->execution_id), &row);
    if (err < 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    err = catalogue_execution_closed(sql, row, &sealed, &purged);
    return err < 0 ? err : purged ? ERR_EXPIRED : ERR_CONFLICT;
}

static void bind_number_or_null(struct sql_statement *statement, int at, bool known, int64_t number)
{
    if (known)
        sql_bind_i64(statement, at, number);
    else
        sql_bind_null(statement, at, SQL_INTEGER);
}

static int execution_insert(struct sql *sql, const struct execution *execution, int64_t *ret_row)
{
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_EXECUTION_INSERT);
    sql_bind_i64(insert, 1, execution->account);
    sql_bind_text(insert, 2, str_of(execution->execution_id));
    sql_bind_text(insert, 3, str_of(status_word(execution->status)));
    sql_bind_i64(insert, 4, execution->pinned);
    bind_number_or_null(insert, 5, execution->has_exit_code, execution->exit_code);
    sql_bind_i64(insert, 6, execution->created_ms);
    sql_bind_i64(insert, 7, execution->started_ms);
    bind_number_or_null(insert, 8, execution->restored_from != UINT64_MAX, (int64_t)execution->restored_from);
    const char *const texts[] = {execution->owner,     execution->workflow_id,     execution->batch_id,
                                 execution->worker_id, execution->worker_hostname, execution->script_filename,
                                 execution->runtime};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        sql_bind_text(insert, 9 + (int)i, str_of(texts[i]));
    const struct retention_own *own = &execution->retention;
    bind_number_or_null(insert, 16, own->has_age, own->age_ms);
    bind_number_or_null(insert, 17, own->has_records, (int64_t)own->log.records_max);
    bind_number_or_null(insert, 18, own->has_bytes, (int64_t)own->log.bytes_max);
    sql_bind_u64(insert, 19, execution->quiet_ms);
    sql_bind_i64(insert, 20, execution->late);
    sql_bind_i64(insert, 21, execution->to_fetch);
    int err = sql_insert(insert, ret_row);
    return err == ERR_NOT_FOUND ? ERR_CONFLICT : err;
}

int catalogue_create(struct sql *sql, struct store_create *create, int64_t now_ms)
{
    struct execution *execution = &create->execution;
    execution->created_ms = now_ms;
    if (!execution->execution_id) {
        char id[ID_SORTABLE_LEN + 1];
        id_sortable(now_ms, id);
        execution->execution_id = xasprintf("exec_%s", id);
    }
    int err = execution_insert(sql, execution, &execution->row);
    if (err == 0 && (execution->spec_json || execution->metadata_json))
        err = catalogue_documents_set(sql, execution->account, execution->row, str_of(execution->spec_json),
                                      str_of(execution->metadata_json));
    if (err == 0)
        err = catalogue_inputs_add(sql, create, now_ms);
    if (err == 0 && (create->run || execution->workflow_id))
        err = catalogue_run_add(sql, create);
    if (err == 0 && create->idempotency_key.len > 0)
        err = catalogue_idempotency_set(sql, execution->account, create->idempotency_key, create->request_hash,
                                        execution->row, execution->created_ms);
    return err;
}
