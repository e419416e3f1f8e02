// What the jobs of a batch are at: the states of all of them, and which have failed last.
#include "store/catalogue/jobs.h"

int catalogue_batch_failures(struct sql *sql, const struct store_batch_failures *query, unsigned limit,
                             struct batch_failure *ret, size_t *ret_count)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_BATCH_FAILURES);
    bool from_newest = query->before_ms == 0;
    int rc = 0;
    sql_bind_i64(find, 1, query->row);
    sql_bind_i64(find, 2, limit);
    sql_bind_i64(find, 3, from_newest ? INT64_MAX : query->before_ms);
    sql_bind_i64(find, 4, from_newest ? INT64_MAX : query->before_row);
    *ret_count = 0;
    while (*ret_count < limit && (rc = sql_row(find)) == 1)
        ret[(*ret_count)++] = (struct batch_failure){.row = sql_i64(find, 0), .failed_ms = sql_i64(find, 1)};
    return MIN(rc, 0);
}

static int cell_take(const struct sql_statement *row, struct store_batch_cells *cells, size_t at)
{
    enum execution_status status;
    if (!status_parse(sql_text(row, 1), &status))
        return ERR_CORRUPT;
    while (cells->ret_count < at)
        cells->ret_states[cells->ret_count++] = BATCH_CELL_NONE;
    cells->ret_states[at] = (uint8_t)status;
    if (cells->with_ids)
        cells->ret_ids[at] = sql_dup(row, 2);
    cells->ret_count = at + 1;
    return 0;
}

int catalogue_batch_cells(struct sql *sql, struct store_batch_cells *cells)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_BATCH_CELLS);
    size_t limit = cells->limit > 0 ? MIN(cells->limit, (unsigned)BATCH_CELLS_MAX) : BATCH_CELLS_MAX;
    int rc = 0, err = 0;
    cells->ret_states = xcalloc(limit, sizeof(*cells->ret_states));
    cells->ret_ids = cells->with_ids ? xcalloc(limit, sizeof(*cells->ret_ids)) : NULL;
    cells->ret_count = 0;
    cells->ret_more = false;
    sql_bind_i64(find, 1, cells->row);
    sql_bind_i64(find, 2, cells->from);
    sql_bind_i64(find, 3, (int64_t)limit + 1); // one more than wanted tells whether there are more
    while (err == 0 && !cells->ret_more && (rc = sql_row(find)) == 1) {
        size_t at = (size_t)sql_i64(find, 0) - cells->from;
        cells->ret_more = at >= limit;
        err = cells->ret_more ? 0 : cell_take(find, cells, at);
    }
    return err < 0 ? err : MIN(rc, 0);
}
