// Reads, writes and deletes the rows of batches.
#include "store/catalogue/jobs.h"

// The columns of the counts, from the first one on. Statuses are in the order of their names in the table.
static const enum execution_status counted[] = {
    STATUS_QUEUED, STATUS_RUNNING,   STATUS_WAITING,   STATUS_PAUSED,  STATUS_COMPLETED,
    STATUS_FAILED, STATUS_CANCELLED, STATUS_TIMED_OUT, STATUS_SKIPPED, STATUS_LOST,
};
_Static_assert(ARRAY_LEN(counted) == STATUS_COUNT, "every status has a column");

#define COUNTS_AT 13                             // index of the first one in BATCH_COLUMNS
#define TEXTS_AT  (COUNTS_AT + STATUS_COUNT + 6) // batch_id, owner, name, metadata, retention, pinned

static void batch_from_row(const struct sql_statement *row, struct batch_row *ret)
{
    int at = COUNTS_AT + STATUS_COUNT;
    *ret = (struct batch_row){
        .row = sql_i64(row, 0),
        .account = sql_i64(row, 1),
        .created_ms = sql_i64(row, 2),
        .limits =
            {
                .parallel = (unsigned)sql_i64(row, 3),
                .has_max_fails = !sql_null(row, 4),
                .max_fails = sql_u64(row, 4),
                .max_fails_is_percent = sql_i64(row, 5) != 0,
            },
        .rate_micros = sql_i64(row, 6),
        .expected = sql_u64(row, 7),
        .open = sql_i64(row, 8) != 0,
        .cancelled = sql_i64(row, 9) != 0,
        .stopped = sql_i64(row, 10) != 0,
        .turn = sql_i64(row, 11),
        .active = sql_i64(row, 12),
        .counts =
            {
                .ended = sql_u64(row, at),
                .ended_ms_sum = sql_i64(row, at + 1),
                .running_started_sum = sql_i64(row, at + 2),
                .cost_micros = sql_i64(row, at + 3),
                .first_started_ms = sql_i64(row, at + 4),
                .last_ended_ms = sql_i64(row, at + 5),
            },
    };
    for (size_t i = 0; i < ARRAY_LEN(counted); i++)
        ret->counts.of[counted[i]] = sql_u64(row, COUNTS_AT + (int)i);
}

static int batch_read(struct sql *sql, enum catalogue_statement how, int64_t row, struct batch_row *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, how);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc == 1)
        batch_from_row(find, ret);
    return rc == 1 ? 0 : rc < 0 ? rc : ERR_NOT_FOUND;
}

int batch_load(struct sql *sql, int64_t row, struct batch_row *ret)
{
    return batch_read(sql, CATALOGUE_BATCH_LOCKED, row, ret);
}

int batch_save(struct sql *sql, const struct batch_row *batch)
{
    const struct batch_counts *counts = &batch->counts;
    struct sql_statement *set = sql_statement(sql, CATALOGUE_BATCH_SET);
    const int64_t first[] = {batch->row,       (int64_t)batch->expected, batch->open,
                             batch->cancelled, batch->stopped,           batch->turn,
                             batch->active};
    const int64_t last[] = {(int64_t)counts->ended, counts->ended_ms_sum,     counts->running_started_sum,
                            counts->cost_micros,    counts->first_started_ms, counts->last_ended_ms};
    int at = 1;
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        sql_bind_i64(set, at++, first[i]);
    for (size_t i = 0; i < ARRAY_LEN(counted); i++)
        sql_bind_u64(set, at++, counts->of[counted[i]]);
    for (size_t i = 0; i < ARRAY_LEN(last); i++)
        sql_bind_i64(set, at++, last[i]);
    return sql_run(set, NULL);
}

bool batch_takes_more(const struct batch_row *batch)
{
    return !batch->cancelled && (batch->open || batch_total(&batch->counts) < batch->expected);
}

// Whether it has a job of which something may still follow: it has not ended, or is tried again, or was lost and may
// come back.
static int is_live(struct sql *sql, int64_t row, bool *ret)
{
    int64_t live;
    int err = number_of(sql, CATALOGUE_BATCH_LIVE, row, &live);
    *ret = err == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

int batch_is_over(struct sql *sql, const struct batch_row *batch, bool *ret)
{
    bool live = true;
    bool left = batch_takes_more(batch) || batch_left(&batch->counts) > 0;
    int err = left ? 0 : is_live(sql, batch->row, &live);
    *ret = err == 0 && !live;
    return err;
}

// Which of the lost ones may come back is asked only where it decides.
int batch_fails_too_often(struct sql *sql, const struct batch_row *batch, bool *ret)
{
    struct batch_doubt doubt = {.expected = batch->expected};
    int64_t lost = 0;
    *ret = batch_stops(&batch->limits, &batch->counts, &doubt);
    if (!*ret || batch->counts.of[STATUS_LOST] == 0)
        return 0;
    int err = number_of(sql, CATALOGUE_BATCH_LOST, batch->row, &lost);
    doubt.may_come_back = (uint64_t)lost;
    *ret = err == 0 && batch_stops(&batch->limits, &batch->counts, &doubt);
    return err;
}

int batch_unsettled(struct sql *sql, int64_t row)
{
    return run_with(sql, CATALOGUE_ENDING_INSERT, ENDING_BATCH, row);
}

static int batch_is_unsettled(struct sql *sql, const struct batch *batch, bool *ret)
{
    *ret = false;
    return batch->open || batch_left(&batch->counts) > 0 ? 0 : is_live(sql, batch->row, ret);
}

static int batch_get(struct sql *sql, int64_t row, struct batch *ret)
{
    struct batch_row found;
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_BATCH_GET);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    batch_from_row(find, &found);
    *ret = (struct batch){
        .row = found.row,
        .account = found.account,
        .batch_id = sql_dup(find, TEXTS_AT),
        .owner = sql_dup(find, TEXTS_AT + 1),
        .name = sql_dup(find, TEXTS_AT + 2),
        .metadata_json = sql_dup(find, TEXTS_AT + 3),
        .retention = sql_dup(find, TEXTS_AT + 4),
        .pinned = sql_i64(find, TEXTS_AT + 5) != 0,
        .created_ms = found.created_ms,
        .open = batch_takes_more(&found),
        .cancelled = found.cancelled,
        .stopped = found.stopped,
        .limits = found.limits,
        .counts = found.counts,
        .expected = found.expected,
        .rate_micros = found.rate_micros,
    };
    return 0;
}

int catalogue_batch_get(struct sql *sql, int64_t row, struct batch *ret)
{
    int err = batch_get(sql, row, ret);
    return err < 0 ? err : batch_is_unsettled(sql, ret, &ret->unsettled);
}

int catalogue_batch_account(struct sql *sql, int64_t row, int64_t *ret)
{
    return number_of(sql, CATALOGUE_BATCH_ACCOUNT, row, ret);
}

int catalogue_batch_find(struct sql *sql, int64_t account, struct str batch_id, int64_t *ret_row)
{
    struct sql_statement *find = sql_statement(sql, CATALOGUE_BATCH_OF);
    sql_bind_i64(find, 1, account);
    sql_bind_text(find, 2, batch_id);
    return sql_number(find, ret_row);
}

int catalogue_batches_forget(struct sql *sql, int64_t account)
{
    return run_of(sql, CATALOGUE_BATCHES_FORGET, account);
}
