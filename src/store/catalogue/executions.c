// Executions: finds and changes them. create.c makes them.
#include "store/catalogue/catalogue.h"
#include "store/store.h"

// --- Finding

// `age` is the column of its age, `limits` that of its records, before that of its bytes.
static struct retention_own retention_own_of(const struct sql_statement *row, int age, int limits)
{
    return (struct retention_own){
        .has_age = !sql_null(row, age),
        .has_records = !sql_null(row, limits),
        .has_bytes = !sql_null(row, limits + 1),
        .age_ms = sql_i64(row, age),
        .log = {sql_u64(row, limits), sql_u64(row, limits + 1)},
    };
}

static int execution_from_row(const struct sql_statement *row, struct execution *ret)
{
    *ret = (struct execution){
        .row = sql_i64(row, 0),
        .account = sql_i64(row, 1),
        .sealed = sql_i64(row, 4) != 0,
        .purged = sql_i64(row, 5) != 0,
        .pinned = sql_i64(row, 6) != 0,
        .has_exit_code = !sql_null(row, 7),
        .exit_code = (int)sql_i64(row, 7),
        .created_ms = sql_i64(row, 8),
        .started_ms = sql_i64(row, 9),
        .completed_ms = sql_i64(row, 10),
        .sealed_ms = sql_i64(row, 11),
        .next_sequence = sql_u64(row, 12),
        .first_sequence = sql_u64(row, 13),
        .epoch = sql_u64(row, 14),
        .digest = sql_u64(row, 15),
        .message_bytes = sql_u64(row, 16),
    };
    if (!status_parse(sql_text(row, 3), &ret->status))
        return ERR_CORRUPT;
    char **const texts[] = {&ret->owner,           &ret->script_filename, &ret->runtime,  &ret->worker_id,
                            &ret->worker_hostname, &ret->workflow_id,     &ret->batch_id, &ret->command_json,
                            &ret->metadata_json,   &ret->cancel_reason};
    ret->restored_from = sql_null(row, 27) ? UINT64_MAX : sql_u64(row, 27);
    ret->execution_id = sql_dup(row, 2);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = sql_dup(row, 17 + (int)i);
    ret->has_cut_digest = !sql_null(row, 34);
    ret->cut_digest = sql_u64(row, 34);
    ret->retention = retention_own_of(row, 28, 35);
    ret->account_retention = sql_dup(row, 29);
    ret->details_json = sql_dup(row, 30);
    ret->result_json = sql_dup(row, 31);
    ret->artifacts = sql_u64(row, 32);
    ret->artifact_bytes = sql_u64(row, 33);
    ret->image = sql_dup(row, 37);
    ret->args_json = sql_dup(row, 38);
    ret->name = sql_dup(row, 39);
    ret->to_fetch = sql_i64(row, 40) != 0;
    ret->digest_unknown = sql_u64(row, 41) < ret->next_sequence; // the row is behind
    ret->claim_mark = sql_u64(row, 42);
    job_view_from_row(row, 43, &ret->job);
    return 0;
}

int catalogue_execution_get(struct sql *sql, int64_t row, struct execution *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTION_BY_ROW);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    return rc == 1 ? execution_from_row(find, ret) : rc < 0 ? rc : ERR_NOT_FOUND;
}

// As a JSON array.
static void append_rows(struct buf *out, const int64_t *rows, size_t count)
{
    buf_append_byte(out, '[');
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%lld", i > 0 ? "," : "", (long long)rows[i]);
    buf_append_byte(out, ']');
}

static size_t place_of(int64_t row, const int64_t *rows, size_t count)
{
    size_t place = 0;
    while (place < count && rows[place] != row)
        place++;
    return place;
}

static int executions_take(struct sql_statement *find, const int64_t *rows, size_t count, struct execution *ret,
                           size_t *ret_found)
{
    int rc;
    while ((rc = sql_row(find)) == 1) {
        size_t place = place_of(sql_i64(find, 0), rows, count);
        if (place == count || ret[place].row != 0)
            return ERR_CORRUPT;
        int err = execution_from_row(find, &ret[place]);
        if (err < 0)
            return err;
        (*ret_found)++;
    }
    return rc;
}

int catalogue_executions_get(struct sql *sql, const int64_t *rows, size_t count, struct execution *ret)
{
    CLEANUP(buf_release) struct buf asked = {0};
    size_t found = 0;
    append_rows(&asked, rows, count);
    memset(ret, 0, count * sizeof(*ret));
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTIONS_BY_ROWS);
    sql_bind_text(find, 1, buf_str(&asked));
    int err = executions_take(find, rows, count, ret, &found);
    if (err == 0 && found < count)
        err = ERR_NOT_FOUND;
    for (size_t i = 0; i < count && err < 0; i++)
        execution_release(&ret[i]);
    return err;
}

int catalogue_execution_find(struct sql *sql, int64_t account, struct str execution_id, int64_t *ret_row)
{
    struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTION_ROW_OF);
    sql_bind_i64(find, 1, account);
    sql_bind_text(find, 2, execution_id);
    return sql_number(find, ret_row);
}

int catalogue_head_row(struct sql_statement *find, int64_t *ret_row, struct catalogue_head *ret)
{
    struct outcome outcome = {
        .sealed = sql_i64(find, 2) != 0,
        .has_exit_code = !sql_null(find, 4),
        .exit_code = (int)sql_i64(find, 4),
        .epoch = sql_u64(find, 5),
        .started_ms = sql_i64(find, 6),
        .completed_ms = sql_i64(find, 7),
        .sealed_ms = sql_i64(find, 8),
    };
    if (!status_parse(sql_text(find, 1), &outcome.status))
        return ERR_CORRUPT;
    outcome.late = sql_i64(find, 16) != 0;
    outcome.waits = outcome.status == STATUS_WAITING || sql_i64(find, 15) != 0;
    *ret = (struct catalogue_head){
        .account = sql_i64(find, 0),
        .purged = sql_i64(find, 3) != 0,
        .outcome = outcome,
        .log = {sql_u64(find, 9), sql_u64(find, 10), sql_u64(find, 11)},
        .batch_id = sql_dup(find, 12),
        .workflow_id = sql_dup(find, 13),
        .first_sequence = sql_u64(find, 14),
        .journal = sql_u64(find, 18),
    };
    *ret_row = sql_i64(find, 17);
    return 0;
}

void catalogue_head_release(struct catalogue_head *head)
{
    free(head->batch_id);
    free(head->workflow_id);
}

int catalogue_execution_head(struct sql *sql, int64_t row, struct catalogue_head *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTION_HEAD);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    return rc < 0 ? rc : rc == 0 ? ERR_NOT_FOUND : catalogue_head_row(find, &row, ret);
}

int catalogue_executions_look(struct sql *sql, struct store_look *look)
{
    CLEANUP(buf_release) struct buf rows = {0};
    append_rows(&rows, look->rows, look->count);
    look->ret_changes = xcalloc(look->count + 1, sizeof(*look->ret_changes));
    look->ret_count = 0;
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTIONS_LOOK);
    sql_bind_text(find, 1, buf_str(&rows));
    int rc = 0;
    while (look->ret_count < look->count && (rc = sql_row(find)) == 1) {
        struct store_change *change = &look->ret_changes[look->ret_count++];
        *change = (struct store_change){
            .elsewhere = true,
            .row = sql_i64(find, 0),
            .account = sql_i64(find, 1),
            .next = sql_u64(find, 2),
            .front = sql_u64(find, 3),
            .sealed = sql_i64(find, 5) != 0,
            .purged = sql_i64(find, 6) != 0,
        };
        if (!status_parse(sql_text(find, 4), &change->status))
            return ERR_CORRUPT;
    }
    return MIN(rc, 0);
}

int catalogue_execution_extent(struct sql *sql, int64_t row, uint64_t *ret_next, uint64_t *ret_first,
                               uint64_t *ret_journal)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTION_EXTENT);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    *ret_next = sql_u64(find, 0);
    *ret_first = sql_u64(find, 1);
    if (ret_journal)
        *ret_journal = sql_u64(find, 3);
    return sql_i64(find, 2) != 0 ? ERR_EXPIRED : 0;
}

int catalogue_execution_closed(struct sql *sql, int64_t row, bool *ret_sealed, bool *ret_purged)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTION_CLOSED);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc < 0)
        return rc;
    *ret_sealed = rc == 1 && sql_i64(find, 0) != 0;
    *ret_purged = rc == 0 || sql_i64(find, 1) != 0;
    return 0;
}

int catalogue_executions_open(struct sql *sql, int64_t account, uint64_t *ret_count)
{
    int64_t count = 0;
    struct sql_statement *counts = sql_statement(sql, CATALOGUE_EXECUTIONS_OPEN);
    sql_bind_i64(counts, 1, account);
    int err = sql_number(counts, &count);
    *ret_count = (uint64_t)count;
    return err;
}

// --- Changing

static int run_for(struct sql *sql, enum catalogue_statement id, int64_t row)
{
    struct sql_statement *statement = sql_statement(sql, id);
    sql_bind_i64(statement, 1, row);
    return sql_run(statement, NULL);
}

int catalogue_execution_claimed(struct sql *sql, const struct store_claim *claim, uint64_t epoch)
{
    const struct str *const texts[] = {&claim->worker_id, &claim->worker_hostname};
    struct sql_statement *set = sql_statement(sql, CATALOGUE_EXECUTION_CLAIMED);
    sql_bind_i64(set, 1, claim->row);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        sql_bind_text(set, 2 + (int)i, texts[i]->len > 0 ? *texts[i] : (struct str){0});
    if (claim->key.len > 0)
        sql_bind_u64(set, 4, execution_claim_mark(claim->key, epoch));
    else
        sql_bind_null(set, 4, SQL_INTEGER);
    return sql_run(set, NULL);
}

int catalogue_execution_outcome(struct sql *sql, int64_t row, const struct outcome *outcome,
                                const struct log_state *log)
{
    struct sql_statement *update = sql_statement(sql, CATALOGUE_EXECUTION_OUTCOME);
    sql_bind_i64(update, 1, row);
    sql_bind_text(update, 2, str_of(status_word(outcome->status)));
    sql_bind_i64(update, 3, outcome->sealed);
    if (outcome->has_exit_code)
        sql_bind_i64(update, 4, outcome->exit_code);
    else
        sql_bind_null(update, 4, SQL_INTEGER);
    sql_bind_u64(update, 5, outcome->epoch);
    sql_bind_i64(update, 6, outcome->started_ms);
    sql_bind_i64(update, 7, outcome->completed_ms);
    sql_bind_i64(update, 8, outcome->sealed_ms);
    sql_bind_u64(update, 9, log->next);
    sql_bind_u64(update, 10, log->digest);
    sql_bind_u64(update, 11, log->message_bytes);
    return sql_run(update, NULL);
}

int catalogue_execution_fold(struct sql *sql, int64_t row, const struct log_state *log)
{
    struct sql_statement *fold = sql_statement(sql, CATALOGUE_EXECUTION_FOLD);
    sql_bind_i64(fold, 1, row);
    sql_bind_u64(fold, 2, log->next);
    sql_bind_u64(fold, 3, log->digest);
    sql_bind_u64(fold, 4, log->message_bytes);
    return sql_run(fold, NULL);
}

int catalogue_execution_pin(struct sql *sql, int64_t row, bool pinned)
{
    struct sql_statement *pin = sql_statement(sql, CATALOGUE_EXECUTION_PIN);
    sql_bind_i64(pin, 1, row);
    sql_bind_i64(pin, 2, pinned);
    return sql_run(pin, NULL);
}

int catalogue_execution_fetched(struct sql *sql, int64_t row)
{
    return run_for(sql, CATALOGUE_EXECUTION_FETCHED, row);
}

int catalogue_execution_cancel(struct sql *sql, int64_t row, struct str reason)
{
    struct sql_statement *ask = sql_statement(sql, CATALOGUE_EXECUTION_CANCEL);
    sql_bind_i64(ask, 1, row);
    sql_bind_text(ask, 2, reason);
    return sql_run(ask, NULL);
}

int catalogue_execution_purge(struct sql *sql, int64_t row)
{
    static const enum catalogue_statement steps[] = {
        CATALOGUE_EXECUTION_PURGE, CATALOGUE_DOCUMENT_DELETE, CATALOGUE_LABELS_DELETE,       CATALOGUE_RESULT_DELETE,
        CATALOGUE_SUMMARY_DELETE,  CATALOGUE_MIRROR_DELETE,   CATALOGUE_MIRROR_PLACES_DELETE};
    int err = catalogue_job_purge(sql, row);
    if (err == 0)
        err = catalogue_files_purge(sql, row);
    if (err == 0)
        err = catalogue_run_purge(sql, row);
    for (size_t i = 0; i < ARRAY_LEN(steps) && err == 0; i++)
        err = run_for(sql, steps[i], row);
    return err;
}

int catalogue_executions_restored(struct sql *sql)
{
    return sql_run(sql_statement(sql, CATALOGUE_EXECUTIONS_RESTORED), NULL);
}
