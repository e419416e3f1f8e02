// What is counted of logs, as bytes: model/summary.h makes and reads them.
#include "store/catalogue/catalogue.h"

int catalogue_summary_get(struct sql *sql, int64_t row, struct buf *ret)
{
    CLEANUP(sql_reset) struct sql_statement *get = sql_statement(sql, CATALOGUE_SUMMARY_GET);
    sql_bind_i64(get, 1, row);
    int rc = sql_row(get);
    if (rc > 0)
        buf_append_str(ret, sql_bytes(get, 0));
    return MIN(rc, 0);
}

int catalogue_summary_set(struct sql *sql, int64_t row, uint64_t next, struct str encoded)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_SUMMARY_SET);
    sql_bind_i64(set, 1, row);
    sql_bind_u64(set, 2, next);
    sql_bind_bytes(set, 3, encoded);
    return sql_run(set, NULL);
}
