// What executions wait for.
#include "store/catalogue/jobs.h"
#include "store/ops/waiting.h"

int catalogue_waiting_set(struct sql *sql, int64_t row, struct str waiting, int64_t until_ms)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_WAITING_SET);
    sql_bind_i64(set, 1, row);
    sql_bind_text(set, 2, waiting);
    sql_bind_i64(set, 3, until_ms);
    return sql_run(set, NULL);
}

int catalogue_waiting_end(struct sql *sql, int64_t row)
{
    return run_of(sql, CATALOGUE_WAITING_END, row);
}

int catalogue_waiting_get(struct sql *sql, int64_t row, char **ret, int64_t *ret_until_ms)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_WAITING_GET);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    *ret = rc == 1 ? sql_dup(find, 0) : NULL;
    *ret_until_ms = rc == 1 ? sql_i64(find, 1) : 0;
    return MIN(rc, 0);
}

int catalogue_waits_due(struct sql *sql, struct store_waits_due *due)
{
    struct sql_statement *find = sql_statement(sql, CATALOGUE_WAITS_DUE);
    sql_bind_i64(find, 1, due->now_ms);
    sql_bind_i64(find, 2, STORE_WAITS_MAX);
    return rows_of(find, due->ret_rows, STORE_WAITS_MAX, &due->ret_count);
}
