// What each server of a store says to the others, of which the last word counts: its workers, and what it has counted.
#include "store/catalogue/jobs.h"

// Of those that were fenced, nothing is left.
static int say(struct sql *sql, enum catalogue_statement forget, enum catalogue_statement how, int64_t node,
               struct str text)
{
    int err = sql_run(sql_statement(sql, forget), NULL);
    if (err < 0)
        return err;
    struct sql_statement *set = sql_statement(sql, how);
    sql_bind_i64(set, 1, node);
    sql_bind_text(set, 2, text.data ? text : STR(""));
    return sql_run(set, NULL);
}

struct others {
    int64_t but, silent_ms; // without this node, and those that are silent for longer
    size_t max;
};

static int said(struct sql *sql, enum catalogue_statement how, const struct others *others, char ***ret,
                size_t *ret_count)
{
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(sql, how);
    sql_bind_i64(rows, 1, others->but);
    sql_bind_i64(rows, 2, others->silent_ms);
    sql_bind_i64(rows, 3, (int64_t)others->max);
    int rc = 1;
    *ret = xcalloc(others->max, sizeof(**ret));
    *ret_count = 0;
    while (*ret_count < others->max && (rc = sql_row(rows)) == 1)
        (*ret)[(*ret_count)++] = sql_dup(rows, 0);
    return MIN(rc, 0);
}

int catalogue_roster_tell(struct sql *sql, const struct store_roster_tell *tell)
{
    return say(sql, CATALOGUE_ROSTERS_FORGET, CATALOGUE_ROSTER_SET, tell->node, tell->roster);
}

int catalogue_rosters(struct sql *sql, struct store_rosters *query)
{
    const struct others others = {query->but, NODE_SILENT_MS, ROSTERS_MAX};
    return said(sql, CATALOGUE_ROSTERS, &others, &query->ret_rosters, &query->ret_count);
}

int catalogue_tally_tell(struct sql *sql, const struct store_tally_tell *tell)
{
    return say(sql, CATALOGUE_TALLIES_FORGET, CATALOGUE_TALLY_SET, tell->node, tell->tally);
}

int catalogue_tallies(struct sql *sql, struct store_tallies *query)
{
    const struct others others = {query->but, NODE_LATE_MS, TALLIES_MAX};
    return said(sql, CATALOGUE_TALLIES, &others, &query->ret_tallies, &query->ret_count);
}
