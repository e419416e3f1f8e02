// Workers: what they offer, and when they were last heard of.
#include "store/catalogue/jobs.h"

#define FORGOTTEN_MS (7 * 24 * 3600 * 1000LL) // after so long without a sign, a worker is not listed any more

static struct str or_null(struct str text)
{
    return text.len > 0 ? text : (struct str){0};
}

int catalogue_worker_seen(struct sql *sql, const struct store_worker_seen *seen, int64_t now_ms)
{
    int err = run_of(sql, CATALOGUE_WORKERS_EXPIRE, now_ms - FORGOTTEN_MS);
    if (err < 0)
        return err;
    struct sql_statement *set = sql_statement(sql, CATALOGUE_WORKER_SEEN);
    sql_bind_i64(set, 1, seen->account);
    sql_bind_text(set, 2, seen->worker_id);
    sql_bind_text(set, 3, or_null(seen->hostname));
    sql_bind_text(set, 4, seen->offer_json.len > 0 ? seen->offer_json : STR("{}"));
    sql_bind_i64(set, 5, seen->connected);
    sql_bind_i64(set, 6, now_ms);
    return sql_run(set, NULL);
}

int catalogue_worker_list(struct sql *sql, struct store_worker_list *list)
{
    unsigned limit = list->limit > 0 ? MIN(list->limit, (unsigned)WORKERS_LIST_MAX) : WORKERS_LIST_MAX;
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(sql, CATALOGUE_WORKERS_LIST);
    sql_bind_i64(rows, 1, list->account);
    sql_bind_text(rows, 2, list->after.data ? list->after : STR(""));
    sql_bind_i64(rows, 3, limit);
    int rc = 1;
    list->ret_workers = xcalloc(limit, sizeof(*list->ret_workers));
    list->ret_count = 0;
    while (list->ret_count < limit && (rc = sql_row(rows)) == 1)
        list->ret_workers[list->ret_count++] = (struct worker_seen){
            .worker_id = sql_dup(rows, 0),
            .hostname = sql_dup(rows, 1),
            .offer_json = sql_dup(rows, 2),
            .connected = sql_i64(rows, 3) != 0,
            .first_ms = sql_i64(rows, 4),
            .seen_ms = sql_i64(rows, 5),
        };
    return MIN(rc, 0);
}
