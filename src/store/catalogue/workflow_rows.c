// Reads and deletes the rows of workflows.
#include "store/catalogue/jobs.h"

void workflow_from_row(const struct sql_statement *row, struct workflow *ret)
{
    *ret = (struct workflow){
        .row = sql_i64(row, 0),
        .account = sql_i64(row, 1),
        .created_ms = sql_i64(row, 2),
        .updated_ms = sql_i64(row, 3),
        .workflow_id = sql_dup(row, 4),
        .owner = sql_dup(row, 5),
        .name = sql_dup(row, 6),
        .description = sql_dup(row, 7),
        .graph_json = sql_dup(row, 8),
        .job_json = sql_dup(row, 9),
        .metadata_json = sql_dup(row, 10),
        .retention = sql_dup(row, 11),
    };
}

int catalogue_workflow_get(struct sql *sql, int64_t row, struct workflow *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_WORKFLOW_GET);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc == 1)
        workflow_from_row(find, ret);
    return rc == 1 ? 0 : rc < 0 ? rc : ERR_NOT_FOUND;
}

int catalogue_workflow_find(struct sql *sql, int64_t account, struct str workflow_id, int64_t *ret_row)
{
    struct sql_statement *find = sql_statement(sql, CATALOGUE_WORKFLOW_OF);
    sql_bind_i64(find, 1, account);
    sql_bind_text(find, 2, workflow_id);
    return sql_number(find, ret_row);
}

// --- Deleting

int catalogue_workflow_delete(struct sql *sql, int64_t row)
{
    int64_t graph = 0;
    int err = number_of(sql, CATALOGUE_WORKFLOW_LOCKED, row, &graph);
    if (err == 0)
        err = run_of(sql, CATALOGUE_WORKFLOW_DELETE, row);
    return err < 0 ? err : catalogue_graph_forget(sql, graph);
}

int catalogue_workflows_forget(struct sql *sql, int64_t account)
{
    int64_t rows[64];
    size_t count = ARRAY_LEN(rows);
    int err = 0;
    while (err == 0 && count == ARRAY_LEN(rows)) {
        struct sql_statement *find = sql_statement(sql, CATALOGUE_WORKFLOW_GRAPHS_OF);
        sql_bind_i64(find, 1, account);
        err = rows_of(find, rows, ARRAY_LEN(rows), &count);
        for (size_t i = 0; i < count && err == 0; i++)
            err = catalogue_workflow_delete(sql, rows[i]);
    }
    return err;
}
