// How what jobs wait for stands; and, of several stores, what waits here for what lies in another.
#include "store/catalogue/jobs.h"

// --- One of them

// Finds the newest attempt; nobody can supersede it until the transaction ends. *execution becomes its row. Returns
// ERR_NOT_FOUND if it is not a job, or a purged one.
static int newest_attempt(struct sql *sql, int64_t *execution, struct job_row *ret)
{
    int err = job_load_held(sql, *execution, ret);
    while (err == 0 && ret->superseded_by != 0) {
        *execution = ret->superseded_by;
        err = job_load_held(sql, *execution, ret);
    }
    return err;
}

int execution_end(struct sql *sql, int64_t execution, enum execution_status *ret_status, bool *ret_sealed)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_EXECUTION_END_HELD);
    sql_bind_i64(find, 1, execution);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    *ret_sealed = sql_i64(find, 1) != 0;
    return status_parse(sql_text(find, 0), ret_status) ? 0 : ERR_CORRUPT;
}

static int execution_state(struct sql *sql, int64_t execution, struct parent_state *ret)
{
    struct job_row job = {.root = execution};
    bool sealed = false;
    int err = newest_attempt(sql, &execution, &job);
    bool is_job = err == 0;
    if (err == 0 || err == ERR_NOT_FOUND)
        err = execution_end(sql, execution, &ret->ended, &sealed);
    if (err < 0)
        return err;
    ret->parent.kind = ENDING_EXECUTION;
    ret->parent.row = job.root;
    ret->over = is_job ? job.state == JOB_ENDED : sealed || status_terminal(ret->ended);
    ret->failed = ret->ended != STATUS_COMPLETED;
    return 0;
}

static int batch_state(struct sql *sql, int64_t row, struct parent_state *ret)
{
    struct batch_row batch;
    int err = batch_load(sql, row, &batch);
    ret->parent.kind = ENDING_BATCH;
    ret->parent.row = row;
    if (err == 0)
        err = batch_is_over(sql, &batch, &ret->over);
    ret->failed = err == 0 && batch.counts.of[STATUS_COMPLETED] < batch_total(&batch.counts);
    ret->ended = STATUS_COUNT;
    return err;
}

int parent_find(struct sql *sql, int64_t account, struct str id, struct parent_state *ret)
{
    int64_t row;
    *ret = (struct parent_state){0};
    int err = catalogue_execution_find(sql, account, id, &row);
    if (err == 0)
        return execution_state(sql, row, ret);
    if (err == ERR_NOT_FOUND)
        err = catalogue_batch_find(sql, account, id, &row);
    return err < 0 ? err : batch_state(sql, row, ret);
}

struct parent_state parent_state_of(const struct parent_standing *standing)
{
    return (struct parent_state){
        .parent = {.kind = standing->key.is_batch ? ENDING_BATCH : ENDING_EXECUTION, .row = standing->key.row},
        .over = standing->over,
        .failed = standing->failed,
        .ended = standing->ended,
    };
}

static int64_t kind_of(const struct parent_key *key)
{
    return key->is_batch ? ENDING_BATCH : ENDING_EXECUTION;
}

// The key is that of the first attempt, which may be purged while a later one is there.
static int parent_at(struct sql *sql, const struct parent_key *key, struct parent_state *ret)
{
    int64_t row = key->row, later;
    *ret = (struct parent_state){0};
    if (key->is_batch)
        return batch_state(sql, row, ret);
    int err = number_of(sql, CATALOGUE_JOB_BY_ROOT, row, &later);
    if (err < 0 && err != ERR_NOT_FOUND)
        return err;
    err = execution_state(sql, err == 0 ? later : row, ret);
    ret->parent.row = key->row;
    return err;
}

static int id_of(struct sql *sql, const struct parent_key *key, char **ret)
{
    return text_of(sql, key->is_batch ? CATALOGUE_BATCH_NAME : CATALOGUE_EXECUTION_NAME, key->row, ret);
}

static int look_one(struct sql *sql, const struct store_parents_look *look, size_t i, struct parent_standing *ret)
{
    struct parent_state state;
    int err =
        look->ids ? parent_find(sql, look->account, look->ids[i], &state) : parent_at(sql, &look->keys[i], &state);
    free_ptr(&ret->id); // of a transaction that was begun again
    *ret = (struct parent_standing){0};
    if (err == 0 && !look->ids)
        err = id_of(sql, &look->keys[i], &ret->id);
    if (err < 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    ret->key = (struct parent_key){state.parent.kind == ENDING_BATCH, state.parent.row};
    ret->over = state.over;
    ret->failed = state.failed;
    ret->ended = state.ended;
    return look->awaits && !state.over ? run_with(sql, CATALOGUE_AWAITED_INSERT, state.parent.kind, state.parent.row)
                                       : 0;
}

int catalogue_parents_look(struct sql *sql, const struct store_parents_look *look)
{
    int err = 0;
    for (size_t i = 0; i < look->count && err == 0; i++)
        err = look_one(sql, look, i, &look->ret_parents[i]);
    return err;
}

// --- What waits here

#define TELL_STEPS_MAX 1024 // jobs that one transaction changes

int catalogue_parents_tell(struct sql *sql, struct store_parents_tell *tell, const struct catalogue_changes *changes)
{
    unsigned budget = TELL_STEPS_MAX;
    struct judged judged = {0};
    int err = 0;
    for (size_t i = 0; i < tell->count && err == 0 && !judged.left; i++) {
        struct parent_state parent = parent_state_of(&tell->parents[i]);
        parent.parent.id = str_of(tell->parents[i].id);
        if (parent.over)
            err = dependents_judge(sql, &parent, changes, &budget, &judged);
    }
    tell->ret_more = judged.left;
    tell->ret_told = TELL_STEPS_MAX - budget;
    return err;
}

static int awaited_of(struct sql *sql, struct store_parents_awaited *query)
{
    int64_t child;
    int err = 0;
    for (size_t i = 0; i < query->count && err == 0; i++) {
        struct sql_statement *first = sql_statement(sql, CATALOGUE_DEPENDENTS_AFTER);
        sql_bind_i64(first, 1, kind_of(&query->keys[i]));
        sql_bind_i64(first, 2, query->keys[i].row);
        sql_bind_i64(first, 3, 0);
        err = sql_number(first, &child);
        if (err == 0)
            query->ret_keys[query->ret_count++] = query->keys[i];
        err = err == ERR_NOT_FOUND ? 0 : err;
    }
    return err;
}

// Executions come first, then batches.
static int awaited_page(struct sql *sql, struct store_parents_awaited *query)
{
    struct parent_key at = query->after;
    int err = 0;
    at.row = MAX(at.row, PARENT_ELSEWHERE);
    while (query->ret_count < PARENTS_MAX && err == 0) {
        struct sql_statement *next = sql_statement(sql, CATALOGUE_PARENT_AFTER);
        sql_bind_i64(next, 1, kind_of(&at));
        sql_bind_i64(next, 2, at.row);
        err = sql_number(next, &at.row);
        if (err == 0)
            query->ret_keys[query->ret_count++] = at;
        if (err != ERR_NOT_FOUND || at.is_batch)
            continue;
        at = (struct parent_key){true, PARENT_ELSEWHERE};
        err = 0;
    }
    return err == ERR_NOT_FOUND ? 0 : err;
}

int catalogue_parents_awaited(struct sql *sql, struct store_parents_awaited *query)
{
    query->ret_count = 0;
    return query->keys ? awaited_of(sql, query) : awaited_page(sql, query);
}
