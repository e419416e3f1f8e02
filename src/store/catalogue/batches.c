// Batches: makes, extends, closes, cancels, retries and shows them.
#include "store/catalogue/jobs.h"

#define IDEMPOTENCY_MS (24 * 3600 * 1000LL)

// --- Making

// Returns the batch that was made with the same key within a day, or 0. Returns ERR_IDEMPOTENCY for another request.
static int batch_by_key(struct sql *sql, const struct store_batch_create *create, int64_t now_ms, int64_t *ret_row)
{
    *ret_row = 0;
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_BATCH_BY_KEY);
    sql_bind_i64(find, 1, create->batch.account);
    sql_bind_text(find, 2, create->idempotency_key);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc;
    int64_t row = sql_i64(find, 0);
    bool same = sql_u64(find, 1) == create->request_hash, holds = sql_i64(find, 2) >= now_ms - IDEMPOTENCY_MS;
    sql_reset(&find);
    if (!holds)
        return run_of(sql, CATALOGUE_BATCH_KEY_FORGET, row);
    *ret_row = row;
    return same ? 0 : ERR_IDEMPOTENCY;
}

// Of a request without a key its batch_id tells which batch it is about. While that has not all of its jobs, as the
// store went away between, the same request goes on; else the name is taken: ERR_CONFLICT.
static int batch_by_name(struct sql *sql, const struct store_batch_create *create, int64_t now_ms, int64_t *ret_row)
{
    struct batch_row found = {0};
    const char *owner = create->batch.owner;
    int err = catalogue_batch_find(sql, create->batch.account, str_of(create->batch.batch_id), ret_row);
    if (err == ERR_NOT_FOUND) {
        *ret_row = 0;
        return 0;
    }
    struct sql_statement *same = err == 0 ? sql_statement(sql, CATALOGUE_BATCH_SAME) : NULL;
    if (err == 0) {
        sql_bind_i64(same, 1, *ret_row);
        sql_bind_u64(same, 2, create->request_hash);
        sql_bind_i64(same, 3, now_ms - IDEMPOTENCY_MS);
        sql_bind_text(same, 4, owner ? str_of(owner) : STR(""));
        err = sql_number(same, ret_row);
    }
    if (err == 0)
        err = batch_load(sql, *ret_row, &found);
    if (err < 0)
        return err == ERR_NOT_FOUND ? ERR_CONFLICT : err;
    bool whole = found.cancelled || batch_total(&found.counts) >= found.expected;
    return whole || create->idempotency_key.len > 0 ? ERR_CONFLICT : 0;
}

static int batch_insert(struct sql *sql, const struct store_batch_create *create, int64_t now_ms, int64_t *ret_row)
{
    const struct batch *batch = &create->batch;
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_BATCH_INSERT);
    const char *const texts[] = {batch->batch_id, batch->owner, batch->name, batch->metadata_json};
    sql_bind_i64(insert, 1, batch->account);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        sql_bind_text(insert, 2 + (int)i, str_of(texts[i]));
    sql_bind_text(insert, 6, create->idempotency_key.len > 0 ? create->idempotency_key : (struct str){0});
    sql_bind_u64(insert, 7, create->request_hash);
    sql_bind_i64(insert, 8, now_ms);
    sql_bind_i64(insert, 9, batch->limits.parallel);
    if (batch->limits.has_max_fails)
        sql_bind_u64(insert, 10, batch->limits.max_fails);
    else
        sql_bind_null(insert, 10, SQL_INTEGER);
    sql_bind_i64(insert, 11, batch->limits.max_fails_is_percent);
    sql_bind_i64(insert, 12, batch->rate_micros);
    sql_bind_u64(insert, 13, batch->expected);
    sql_bind_i64(insert, 14, batch->open);
    sql_bind_text(insert, 15, str_of(batch->retention));
    sql_bind_i64(insert, 16, batch->pinned);
    return sql_insert(insert, ret_row);
}

static void batch_name(struct batch *batch, int64_t now_ms)
{
    char id[ID_SORTABLE_LEN + 1];
    if (batch->batch_id)
        return;
    id_sortable(now_ms, id);
    batch->batch_id = xasprintf("batch_%s", id);
}

int catalogue_batch_create(struct sql *sql, struct store_batch_create *create, int64_t now_ms)
{
    struct batch *batch = &create->batch;
    int64_t row = 0;
    create->ret_existed = false;
    if (batch->expected > BATCH_JOBS_MAX)
        return ERR_TOO_LARGE;
    int err = catalogue_account_open(sql, batch->account);
    if (err < 0)
        return err == ERR_EXPIRED ? ERR_UNAUTHORIZED : err; // its credential was deleted together with it
    if (create->idempotency_key.len > 0)
        err = batch_by_key(sql, create, now_ms, &row);
    if (err == 0 && row == 0 && batch->batch_id)
        err = batch_by_name(sql, create, now_ms, &row);
    create->ret_existed = err == 0 && row != 0;
    if (err == 0 && row == 0) {
        batch_name(batch, now_ms);
        err = batch_insert(sql, create, now_ms, &row);
        if (err == ERR_NOT_FOUND)
            return sql_outrun(sql); // another connection has taken the key or the identifier meanwhile
    }
    if (err < 0)
        return err;
    // What was asked stays if it cannot be read: then all of this is done again.
    struct batch answer = {0};
    err = catalogue_batch_get(sql, row, &answer);
    if (err < 0) {
        batch_release(&answer);
        return err;
    }
    batch_release(batch);
    *batch = answer;
    return 0;
}

// --- Adding

static int batch_job_find(struct sql *sql, int64_t batch, int64_t index, int64_t *ret_row)
{
    struct sql_statement *find = sql_statement(sql, CATALOGUE_BATCH_JOB);
    sql_bind_i64(find, 1, batch);
    sql_bind_i64(find, 2, index);
    int err = sql_number(find, ret_row);
    if (err == ERR_NOT_FOUND)
        *ret_row = 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

// -1: there is none yet.
static int last_number(struct sql *sql, int64_t batch, int64_t *ret)
{
    int err = number_of(sql, CATALOGUE_BATCH_LAST_JOB, batch, ret);
    if (err == ERR_NOT_FOUND)
        *ret = -1;
    return err == ERR_NOT_FOUND ? 0 : err;
}

// Two that append at the same time get different numbers. What none of the jobs has yet is looked for once, not once
// for each of a large batch that is made.
int catalogue_batch_judge(struct sql *sql, const struct store_batch_add *add, int64_t *ret_rows, uint32_t *ret_first)
{
    struct batch_row batch;
    uint64_t more = 0;
    int64_t last = -1;
    if (add->count > BATCH_ADD_MAX)
        return ERR_TOO_LARGE;
    int err = batch_load(sql, add->row, &batch);
    if (err == 0)
        err = last_number(sql, add->row, &last);
    if (add->append)
        *ret_first = MAX((uint32_t)(last + 1), (uint32_t)batch.expected);
    for (size_t i = 0; i < add->count && err == 0; i++) {
        ret_rows[i] = 0;
        if (!add->append && (int64_t)add->jobs[i].job->batch_index <= last)
            err = batch_job_find(sql, add->row, add->jobs[i].job->batch_index, &ret_rows[i]);
        more += err == 0 && ret_rows[i] == 0;
    }
    if (err < 0 || more == 0)
        return err;
    if (!batch_takes_more(&batch))
        return ERR_CONFLICT;
    return batch_total(&batch.counts) + more > BATCH_JOBS_MAX ? ERR_TOO_LARGE : 0;
}

int catalogue_batch_added(struct sql *sql, int64_t row, const struct catalogue_changes *changes)
{
    struct batch_row batch;
    int err = batch_load(sql, row, &batch);
    if (err < 0 || batch_takes_more(&batch))
        return err;
    // It may have been the only thing that something waits for.
    changes->batch_changed(changes->arg, batch.account, row, true);
    return batch_unsettled(sql, row);
}

// --- Changing

static int running_find(struct sql *sql, struct store_batch_change *change)
{
    struct sql_statement *find = sql_statement(sql, CATALOGUE_BATCH_IN_STATE);
    sql_bind_i64(find, 1, change->row);
    sql_bind_i64(find, 2, JOB_CLAIMED);
    sql_bind_i64(find, 3, change->after_row);
    sql_bind_i64(find, 4, BATCH_SLICE);
    change->ret_running = xcalloc(BATCH_SLICE, sizeof(*change->ret_running));
    int err = rows_of(find, change->ret_running, BATCH_SLICE, &change->ret_running_count);
    change->ret_more = change->ret_running_count == BATCH_SLICE;
    return err;
}

static int cancel_running(struct sql *sql, struct store_batch_change *change, const struct catalogue_changes *changes)
{
    struct str reason = change->reason.len > 0 ? change->reason : STR("its batch was cancelled");
    int err = running_find(sql, change);
    for (size_t i = 0; i < change->ret_running_count && err == 0; i++) {
        change->after_row = change->ret_running[i];
        err = catalogue_execution_cancel(sql, change->after_row, reason);
        if (err == 0)
            err = changes->changed(changes->arg, change->after_row, change->row, false);
    }
    change->ret_changed += change->ret_running_count;
    return err;
}

// Jobs that nobody has, as they are not claimed or were lost, are ended first. If nobody asks again, settling
// continues.
static int batch_cancel(struct sql *sql, struct store_batch_change *change, struct batch_row *batch,
                        const struct catalogue_changes *changes)
{
    int64_t rows[BATCH_SLICE];
    size_t count = 0;
    bool over;
    int err = batch_is_over(sql, batch, &over);
    if (err < 0 || over)
        return err;
    batch->cancelled = true;
    err = batch_save(sql, batch);
    if (err == 0)
        err = batch_unsettled(sql, change->row);
    struct sql_statement *find = sql_statement(sql, CATALOGUE_BATCH_NOBODYS);
    sql_bind_i64(find, 1, change->row);
    sql_bind_i64(find, 2, BATCH_SLICE);
    if (err == 0)
        err = rows_of(find, rows, BATCH_SLICE, &count);
    for (size_t i = 0; i < count && err == 0; i++)
        err = job_end(sql, rows[i], PLACE_CANCELLED, changes);
    change->ret_changed = count;
    change->ret_more = count == BATCH_SLICE;
    return err < 0 || change->ret_more ? err : cancel_running(sql, change, changes);
}

static int retry_some(struct sql *sql, struct store_batch_change *change, enum catalogue_statement which,
                      int64_t now_ms, const struct catalogue_changes *changes)
{
    int64_t rows[BATCH_SLICE], made;
    size_t count = 0;
    struct sql_statement *find = sql_statement(sql, which);
    sql_bind_i64(find, 1, change->row);
    sql_bind_i64(find, 2, change->until_ms);
    sql_bind_i64(find, 3, BATCH_SLICE);
    int err = rows_of(find, rows, BATCH_SLICE, &count);
    for (size_t i = 0; i < count && err == 0; i++)
        err = catalogue_job_retry(sql, rows[i], now_ms, changes, &made);
    change->ret_changed = count;
    change->ret_more = count == BATCH_SLICE;
    return err;
}

// What failed goes first. So a batch that stops at some failures has none when what was skipped begins.
static int batch_retry(struct sql *sql, struct store_batch_change *change, int64_t now_ms,
                       const struct catalogue_changes *changes)
{
    if (change->until_ms == 0)
        change->until_ms = now_ms;
    int err = retry_some(sql, change, CATALOGUE_BATCH_FAILED, now_ms, changes);
    if (err < 0 || change->ret_more || !change->skipped)
        return err;
    uint64_t failed = change->ret_changed;
    err = retry_some(sql, change, CATALOGUE_BATCH_SKIPPED, now_ms, changes);
    change->ret_changed += failed;
    return err;
}

static int batch_close(struct sql *sql, struct batch_row *batch)
{
    batch->open = false;
    batch->expected = batch_total(&batch->counts);
    int err = batch_save(sql, batch);
    return err < 0 ? err : batch_unsettled(sql, batch->row);
}

int catalogue_batch_change(struct sql *sql, struct store_batch_change *change, int64_t now_ms,
                           const struct catalogue_changes *changes)
{
    struct batch_row batch;
    change->ret_changed = change->ret_running_count = 0;
    change->ret_more = false;
    free_ptr(&change->ret_running); // left from a transaction that was begun again
    int err = batch_load(sql, change->row, &batch);
    if (err == 0 && change->close && batch_takes_more(&batch))
        err = batch_close(sql, &batch);
    if (err == 0 && change->cancel)
        err = batch_cancel(sql, change, &batch, changes);
    else if (err == 0 && change->retry)
        err = batch_retry(sql, change, now_ms, changes);
    if (err < 0)
        return err;
    changes->batch_changed(changes->arg, batch.account, change->row, change->close || change->cancel);
    batch_release(&change->ret_batch);
    return catalogue_batch_get(sql, change->row, &change->ret_batch);
}

// --- Showing

static int list_rows(struct sql *sql, const struct store_batch_list *list, unsigned limit, int64_t *rows,
                     size_t *ret_count)
{
    bool owned = list->owner.len > 0;
    struct sql_statement *find = sql_statement(sql, owned ? CATALOGUE_BATCH_LIST_OWNER : CATALOGUE_BATCH_LIST);
    sql_bind_i64(find, 1, list->account);
    sql_bind_i64(find, 2, list->before_row > 0 ? list->before_row : INT64_MAX);
    sql_bind_i64(find, 3, (int64_t)limit + 1); // one more than wanted tells whether there are more
    if (owned)
        sql_bind_text(find, 4, list->owner);
    return rows_of(find, rows, limit + 1, ret_count);
}

int catalogue_batch_list(struct sql *sql, struct store_batch_list *list)
{
    int64_t rows[BATCH_LIST_MAX + 1];
    unsigned limit = list->limit > 0 ? MIN(list->limit, (unsigned)BATCH_LIST_MAX) : BATCH_LIST_MAX;
    size_t count = 0;
    int err = list_rows(sql, list, limit, rows, &count);
    list->ret_batches = xcalloc(limit, sizeof(*list->ret_batches));
    list->ret_count = 0;
    while (err == 0 && list->ret_count < MIN(count, limit)) {
        err = catalogue_batch_get(sql, rows[list->ret_count], &list->ret_batches[list->ret_count]);
        list->ret_count += err == 0;
    }
    list->ret_next_row = count > limit ? rows[limit - 1] : 0;
    list->ret_before.rows[0] = list->before_row > 0 ? list->before_row : count > 0 ? rows[0] + 1 : LIST_PLACE_END;
    return err;
}
