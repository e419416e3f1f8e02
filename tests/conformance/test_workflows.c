// Workflows in the catalogue, on each engine: graphs go with the last row that names them, and a deleted account's
// workflows go with it.
#include "store/catalogue/test_catalogue.h"

#define GRAPH "{\"nodes\":[]}"

static int64_t make(struct sql *sql, int64_t account, const char *workflow_id, const char *graph)
{
    struct store_workflow_create made = {.workflow = {.account = account,
                                                      .workflow_id = xstrdup(workflow_id),
                                                      .graph_json = graph ? xstrdup(graph) : NULL}};
    assert_int_equal(CHANGE(sql, catalogue_workflow_create(sql, &made, NOW)), 0);
    int64_t row = made.workflow.row;
    workflow_release(&made.workflow);
    return row;
}

static int64_t run_of_workflow(struct sql *sql, int64_t account, const char *id, const char *workflow_id)
{
    int64_t row;
    struct execution execution = described(account, id, NULL);
    execution.workflow_id = xstrdup(workflow_id);
    assert_int_equal(create(sql, execution, &row), 0);
    return row;
}

static int64_t graphs(struct sql *sql)
{
    return ask(sql, "SELECT count(*) FROM graphs");
}

static void a_graph_goes_with_the_last_row_that_names_it(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), row = make(sql, account, "w", GRAPH);
    assert_int_equal(graphs(sql), 1);
    int64_t first = run_of_workflow(sql, account, "e1", "w"), second = run_of_workflow(sql, account, "e2", "w");
    assert_int_equal(graphs(sql), 1); // they share it
    struct store_workflow_change change = {.row = row, .graph_json = {true, "{\"nodes\":[{\"id\":\"a\"}]}"}};
    assert_int_equal(CHANGE(sql, catalogue_workflow_change(sql, &change, NOW)), 0);
    workflow_release(&change.ret_workflow);
    assert_int_equal(graphs(sql), 2);
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, first)), 0);
    assert_int_equal(graphs(sql), 2);
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, second)), 0);
    assert_int_equal(graphs(sql), 1);
    change = (struct store_workflow_change){.row = row, .graph_json = {.given = true}};
    assert_int_equal(CHANGE(sql, catalogue_workflow_change(sql, &change, NOW)), 0);
    workflow_release(&change.ret_workflow);
    assert_int_equal(graphs(sql), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM run_details"), 0);
}

static void a_workflow_without_runs_takes_its_graph_with_it(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), row = make(sql, account, "w", GRAPH);
    assert_int_equal(CHANGE(sql, catalogue_workflow_delete(sql, row)), 0);
    assert_int_equal(graphs(sql), 0);
    assert_int_equal(CHANGE(sql, catalogue_workflow_delete(sql, row)), ERR_NOT_FOUND);
}

static void all_workflows_of_a_purged_account_go(void **state)
{
    struct sql *sql = *state;
    int64_t a = make_account(sql, "a"), b = make_account(sql, "b");
    char id[16];
    for (int i = 0; i < 130; i++) { // more than go at once
        snprintf(id, sizeof(id), "w%d", i);
        make(sql, a, id, GRAPH);
    }
    make(sql, b, "w1", GRAPH);
    assert_int_equal(CHANGE(sql, catalogue_account_purged(sql, a)), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM workflows"), 1);
    assert_int_equal(graphs(sql), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_graph_goes_with_the_last_row_that_names_it),
        TEST(a_workflow_without_runs_takes_its_graph_with_it),
        TEST(all_workflows_of_a_purged_account_go),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
