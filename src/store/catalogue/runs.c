// What an execution has as a run of a workflow: its owner, inputs, configuration and graph.
#include "store/catalogue/jobs.h"

// --- Graphs

int catalogue_graph_add(struct sql *sql, struct str graph, int64_t *ret)
{
    *ret = 0;
    if (graph.len == 0)
        return 0;
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_GRAPH_INSERT);
    sql_bind_text(insert, 1, graph);
    return sql_insert(insert, ret);
}

int catalogue_graph_forget(struct sql *sql, int64_t graph)
{
    return graph != 0 ? run_of(sql, CATALOGUE_GRAPH_FORGET, graph) : 0;
}

// --- A new run

struct workflow_held { // cannot change before the transaction ends
    bool found;
    char *owner; // owned by the caller; NULL: none
    int64_t graph;
    struct retention_own retention;
};

static int workflow_hold(struct sql *sql, const struct execution *execution, struct workflow_held *ret)
{
    *ret = (struct workflow_held){0};
    if (!execution->workflow_id)
        return 0;
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_WORKFLOW_HELD);
    sql_bind_i64(find, 1, execution->account);
    sql_bind_text(find, 2, str_of(execution->workflow_id));
    int rc = sql_row(find);
    if (rc == 1) {
        *ret = (struct workflow_held){.found = true, .owner = sql_dup(find, 0), .graph = sql_i64(find, 1)};
        if (sql_text(find, 2).len > 0 && !retention_own_parse(sql_text(find, 2), &ret->retention))
            ret->retention = (struct retention_own){0};
    }
    return rc < 0 ? rc : 0;
}

int catalogue_run_judge(struct sql *sql, struct store_create *create)
{
    struct workflow_held workflow;
    int err = workflow_hold(sql, &create->execution, &workflow);
    if (err < 0)
        return err;
    CLEANUP(free_ptr) char *owner = workflow.owner;
    create->execution.retention = retention_own_over(&create->execution.retention, &workflow.retention);
    bool owns = owner && str_eq(str_of(owner), create->asking_user);
    if (workflow.found && create->asking_user.len > 0 && !owns)
        return ERR_NOT_FOUND;
    if (!owner)
        return 0;
    free(create->execution.owner);
    create->execution.owner = TAKE_PTR(owner);
    return 0;
}

static int run_insert(struct sql *sql, int64_t execution, const struct run_new *run, int64_t graph)
{
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_RUN_INSERT);
    sql_bind_i64(insert, 1, execution);
    sql_bind_text(insert, 2, run->inputs.len > 0 ? run->inputs : (struct str){0});
    sql_bind_text(insert, 3, run->config.len > 0 ? run->config : (struct str){0});
    if (graph != 0)
        sql_bind_i64(insert, 4, graph);
    else
        sql_bind_null(insert, 4, SQL_INTEGER);
    return sql_run(insert, NULL);
}

int catalogue_run_add(struct sql *sql, const struct store_create *create)
{
    const struct run_new none = {0}, *run = create->run ? create->run : &none;
    struct workflow_held workflow = {0};
    int64_t graph = 0;
    int err = run->graph.len > 0 ? catalogue_graph_add(sql, run->graph, &graph)
                                 : workflow_hold(sql, &create->execution, &workflow);
    free(workflow.owner);
    if (graph == 0)
        graph = workflow.graph;
    if (err < 0 || (graph == 0 && run->inputs.len == 0 && run->config.len == 0))
        return err;
    return run_insert(sql, create->execution.row, run, graph);
}

int catalogue_run_copy(struct sql *sql, int64_t from, int64_t to)
{
    return run_with(sql, CATALOGUE_RUN_AGAIN, from, to);
}

// --- What it was given

int catalogue_run_get(struct sql *sql, struct store_run_get *get)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_RUN_GET);
    sql_bind_i64(find, 1, get->row);
    int rc = sql_row(find);
    if (rc == 1) {
        get->ret_inputs = sql_dup(find, 0);
        get->ret_config = sql_dup(find, 1);
        get->ret_graph = sql_dup(find, 2);
    }
    return MIN(rc, 0);
}

int catalogue_run_purge(struct sql *sql, int64_t execution)
{
    int64_t graph = 0;
    int err = number_of(sql, CATALOGUE_RUN_GRAPH, execution, &graph);
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err == 0)
        err = run_of(sql, CATALOGUE_RUN_DELETE, execution);
    return err < 0 ? err : catalogue_graph_forget(sql, graph);
}
