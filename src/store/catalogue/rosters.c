// Rosters: what other servers of the store say of their workers.
#include "store/catalogue/jobs.h"

int catalogue_roster_tell(struct sql *sql, const struct store_roster_tell *tell)
{
    int err = sql_run(sql_statement(sql, CATALOGUE_ROSTERS_FORGET), NULL);
    if (err < 0)
        return err;
    struct sql_statement *set = sql_statement(sql, CATALOGUE_ROSTER_SET);
    sql_bind_i64(set, 1, tell->node);
    sql_bind_text(set, 2, tell->roster);
    return sql_run(set, NULL);
}

int catalogue_rosters(struct sql *sql, struct store_rosters *query)
{
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(sql, CATALOGUE_ROSTERS);
    sql_bind_i64(rows, 1, query->but);
    sql_bind_i64(rows, 2, NODE_SILENT_MS);
    sql_bind_i64(rows, 3, ROSTERS_MAX);
    int rc = 1;
    query->ret_rosters = xcalloc(ROSTERS_MAX, sizeof(*query->ret_rosters));
    query->ret_count = 0;
    while (query->ret_count < ROSTERS_MAX && (rc = sql_row(rows)) == 1)
        query->ret_rosters[query->ret_count++] = sql_dup(rows, 0);
    return MIN(rc, 0);
}
