// Workflows and what runs are given, as every adapter of the store's port keeps them.
#include "store/store_fixture.h"

#define GRAPH  "{\"nodes\":[{\"id\":\"a\"}]}"
#define GRAPH2 "{\"nodes\":[{\"id\":\"b\"}]}"

static struct store_workflow_create make(struct fixture *fixture, struct workflow workflow, const char *key)
{
    char **const texts[] = {&workflow.workflow_id, &workflow.owner,    &workflow.name,          &workflow.description,
                            &workflow.graph_json,  &workflow.job_json, &workflow.metadata_json, &workflow.retention};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = *texts[i] ? xstrdup(*texts[i]) : NULL;
    struct store_workflow_create create = {
        .op.kind = STORE_WORKFLOW_CREATE, .workflow = workflow, .idempotency_key = str_of(key), .request_hash = 7};
    fixture_run(fixture, &create.op);
    return create;
}

// Makes one with this identifier; its row.
static int64_t made(struct fixture *fixture, struct workflow workflow)
{
    struct store_workflow_create create = make(fixture, workflow, NULL);
    assert_int_equal(create.op.err, 0);
    int64_t row = create.workflow.row;
    store_op_release(&create.op);
    return row;
}

static struct store_workflow_get get(struct fixture *fixture, int64_t account, const char *workflow_id)
{
    struct store_workflow_get get = {
        .op.kind = STORE_WORKFLOW_GET, .account = account, .workflow_id = str_of(workflow_id)};
    fixture_run(fixture, &get.op);
    return get;
}

static struct store_workflow_change change(struct fixture *fixture, struct store_workflow_change change)
{
    change.op.kind = STORE_WORKFLOW_CHANGE;
    fixture_run(fixture, &change.op);
    return change;
}

static int forget(struct fixture *fixture, int64_t row)
{
    struct store_workflow_delete gone = {.op.kind = STORE_WORKFLOW_DELETE, .row = row};
    return fixture_run(fixture, &gone.op);
}

// A run as of `user` (NULL: not a user) with what it is given (NULL: nothing).
static struct store_create run(struct fixture *fixture, int64_t account, const char *id, const char *workflow_id,
                               const char *user, const struct run_new *given)
{
    struct store_create create = {
        .op.kind = STORE_CREATE,
        .execution = {.account = account,
                      .execution_id = xstrdup(id),
                      .workflow_id = xstrdup(workflow_id),
                      .owner = user ? xstrdup(user) : NULL,
                      .status = STATUS_QUEUED},
        .asking_user = str_of(user),
        .run = given,
    };
    fixture_run(fixture, &create.op);
    return create;
}

static int64_t run_row(struct fixture *fixture, int64_t account, const char *id, const char *workflow_id,
                       const struct run_new *given)
{
    struct store_create create = run(fixture, account, id, workflow_id, NULL, given);
    assert_int_equal(create.op.err, 0);
    int64_t row = create.execution.row;
    store_op_release(&create.op);
    return row;
}

static struct store_run_get given_to(struct fixture *fixture, int64_t row)
{
    struct store_run_get get = {.op.kind = STORE_RUN_GET, .row = row};
    assert_int_equal(fixture_run(fixture, &get.op), 0);
    return get;
}

static void assert_text(const char *found, const char *expected)
{
    if (expected)
        assert_non_null(found);
    else
        assert_null(found);
    if (expected)
        assert_string_equal(found, expected);
}

static void assert_given(struct fixture *fixture, int64_t row, const char *inputs, const char *config,
                         const char *graph)
{
    struct store_run_get get = given_to(fixture, row);
    assert_text(get.ret_inputs, inputs);
    assert_text(get.ret_config, config);
    assert_text(get.ret_graph, graph);
    store_op_release(&get.op);
}

// --- Workflows

static void a_workflow_is_made_found_changed_and_deleted(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), other = fixture_account(fixture, "b");
    int64_t made_ms = atomic_load(&fixture->now_ms);
    int64_t row = made(fixture, (struct workflow){.account = account,
                                                  .workflow_id = (char *)"w",
                                                  .owner = (char *)"u1",
                                                  .name = (char *)"Zoë's",
                                                  .graph_json = (char *)GRAPH,
                                                  .metadata_json = (char *)"{\"a\":1,\"b\":2}"});
    fixture_reopen(fixture);
    struct store_workflow_get found = get(fixture, account, "w");
    assert_int_equal(found.op.err, 0);
    assert_int_equal(found.ret_workflow.row, row);
    assert_int_equal(found.ret_workflow.created_ms, made_ms);
    assert_int_equal(found.ret_workflow.updated_ms, made_ms);
    assert_text(found.ret_workflow.owner, "u1");
    assert_text(found.ret_workflow.name, "Zoë's");
    assert_text(found.ret_workflow.description, NULL);
    assert_text(found.ret_workflow.graph_json, GRAPH);
    assert_text(found.ret_workflow.job_json, NULL);
    store_op_release(&found.op);
    assert_int_equal(get(fixture, other, "w").op.err, ERR_NOT_FOUND);
    assert_int_equal(get(fixture, account, "v").op.err, ERR_NOT_FOUND);

    atomic_fetch_add(&fixture->now_ms, 1000);
    struct store_workflow_change changed =
        change(fixture, (struct store_workflow_change){.row = row,
                                                       .name = {.given = true},
                                                       .job_json = {true, "{}"},
                                                       .graph_json = {true, GRAPH2},
                                                       .retention = {true, "7d"},
                                                       .metadata_patch = STR("{\"a\":null,\"c\":3}")});
    assert_int_equal(changed.op.err, 0);
    assert_text(changed.ret_workflow.name, NULL);
    assert_text(changed.ret_workflow.owner, "u1");
    assert_text(changed.ret_workflow.job_json, "{}");
    assert_text(changed.ret_workflow.graph_json, GRAPH2);
    assert_text(changed.ret_workflow.retention, "7d");
    assert_text(changed.ret_workflow.metadata_json, "{\"b\":2,\"c\":3}");
    assert_int_equal(changed.ret_workflow.created_ms, made_ms);
    assert_int_equal(changed.ret_workflow.updated_ms, made_ms + 1000);
    store_op_release(&changed.op);
    changed = change(fixture, (struct store_workflow_change){.row = row, .drops_metadata = true});
    assert_text(changed.ret_workflow.metadata_json, NULL);
    assert_text(changed.ret_workflow.graph_json, GRAPH2);
    store_op_release(&changed.op);

    assert_int_equal(forget(fixture, row), 0);
    assert_int_equal(forget(fixture, row), ERR_NOT_FOUND);
    assert_int_equal(get(fixture, account, "w").op.err, ERR_NOT_FOUND);
    assert_int_equal(change(fixture, (struct store_workflow_change){.row = row}).op.err, ERR_NOT_FOUND);
}

static void metadata_that_would_become_too_large_change_nothing(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row = made(fixture, (struct workflow){.account = account, .workflow_id = (char *)"w"});
    const struct store_workflow_change wide = {
        .row = row, .name = {true, "new"}, .metadata_patch = STR("{\"a\":12345}"), .metadata_max = 10};
    assert_int_equal(change(fixture, wide).op.err, ERR_TOO_LARGE);
    struct store_workflow_get found = get(fixture, account, "w");
    assert_text(found.ret_workflow.name, NULL);
    store_op_release(&found.op);
}

static void an_identifier_is_taken_once_in_an_account(void **state)
{
    struct fixture *fixture = *state;
    int64_t a = fixture_account(fixture, "a"), b = fixture_account(fixture, "b");
    made(fixture, (struct workflow){.account = a, .workflow_id = (char *)"w"});
    made(fixture, (struct workflow){.account = b, .workflow_id = (char *)"w"});
    struct store_workflow_create again =
        make(fixture, (struct workflow){.account = a, .workflow_id = (char *)"w"}, NULL);
    assert_int_equal(again.op.err, ERR_CONFLICT);
    store_op_release(&again.op);
    struct store_workflow_create unnamed = make(fixture, (struct workflow){.account = a}, NULL);
    assert_int_equal(unnamed.op.err, 0);
    assert_memory_equal(unnamed.workflow.workflow_id, "wf_", 3);
    assert_int_equal(strlen(unnamed.workflow.workflow_id), 29);
    store_op_release(&unnamed.op);
}

static void the_same_key_makes_one_workflow_within_a_day(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct store_workflow_create first = make(fixture, (struct workflow){.account = account}, "k");
    assert_int_equal(first.op.err, 0);
    assert_false(first.ret_existed);
    struct store_workflow_create again = make(fixture, (struct workflow){.account = account}, "k");
    assert_int_equal(again.op.err, 0);
    assert_true(again.ret_existed);
    assert_int_equal(again.workflow.row, first.workflow.row);
    store_op_release(&again.op);
    struct store_workflow_create other = {.op.kind = STORE_WORKFLOW_CREATE,
                                          .workflow = {.account = account},
                                          .idempotency_key = STR("k"),
                                          .request_hash = 8};
    assert_int_equal(fixture_run(fixture, &other.op), ERR_IDEMPOTENCY);
    store_op_release(&other.op);
    atomic_fetch_add(&fixture->now_ms, 24 * 3600 * 1000 + 1);
    again = make(fixture, (struct workflow){.account = account}, "k");
    assert_int_equal(again.op.err, 0);
    assert_false(again.ret_existed);
    assert_int_not_equal(again.workflow.row, first.workflow.row);
    store_op_release(&again.op);
    store_op_release(&first.op);
}

static void an_account_has_so_many_workflows(void **state)
{
    struct fixture *fixture = *state;
    int64_t a = fixture_account(fixture, "a"), b = fixture_account(fixture, "b");
    made(fixture, (struct workflow){.account = b});
    for (int i = 0; i < 3; i++) {
        struct store_workflow_create create = {.op.kind = STORE_WORKFLOW_CREATE, .workflow = {.account = a}, .max = 2};
        assert_int_equal(fixture_run(fixture, &create.op), i < 2 ? 0 : ERR_RATE);
        store_op_release(&create.op);
    }
}

static void assert_page(struct fixture *fixture, struct store_workflow_list *list, const char *ids)
{
    CLEANUP(buf_release) struct buf found = {0};
    list->op = (struct store_op){.kind = STORE_WORKFLOW_LIST};
    assert_int_equal(fixture_run(fixture, &list->op), 0);
    for (size_t i = 0; i < list->ret_count; i++) {
        buf_printf(&found, "%s ", list->ret_workflows[i].workflow_id);
        assert_null(list->ret_workflows[i].graph_json);
        assert_null(list->ret_workflows[i].job_json);
    }
    assert_string_equal(buf_cstr(&found), ids);
    list->before_row = list->ret_next_row;
    store_op_release(&list->op);
}

static void workflows_are_listed_newest_first_in_pages(void **state)
{
    struct fixture *fixture = *state;
    int64_t a = fixture_account(fixture, "a"), b = fixture_account(fixture, "b");
    static const char *const ids[] = {"w0", "w1", "w2", "w3", "w4"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        made(fixture, (struct workflow){.account = a,
                                        .workflow_id = (char *)(uintptr_t)ids[i],
                                        .owner = i % 2 ? (char *)"odd" : NULL,
                                        .graph_json = (char *)GRAPH,
                                        .job_json = (char *)"{}"});
    made(fixture, (struct workflow){.account = b, .workflow_id = (char *)"other"});
    struct store_workflow_list list = {.account = a, .limit = 2};
    assert_page(fixture, &list, "w4 w3 ");
    assert_page(fixture, &list, "w2 w1 ");
    assert_page(fixture, &list, "w0 ");
    assert_int_equal(list.before_row, 0);
    list = (struct store_workflow_list){.account = a, .owner = STR("odd")};
    assert_page(fixture, &list, "w3 w1 ");
    list = (struct store_workflow_list){.account = a, .max_bytes = 3};
    assert_page(fixture, &list, "w4 w3 ");
    assert_page(fixture, &list, "w2 w1 ");
}

// --- Runs

static void a_run_keeps_what_it_was_given_and_the_graph_of_then(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row =
        made(fixture, (struct workflow){.account = account, .workflow_id = (char *)"w", .graph_json = (char *)GRAPH});
    const struct run_new given = {.inputs = STR("{\"n\":1}"), .config = STR("{}")};
    const struct run_new own = {.graph = STR("{\"nodes\":[]}")};
    int64_t first = run_row(fixture, account, "e1", "w", &given), plain = run_row(fixture, account, "e2", "w", NULL);
    int64_t other = run_row(fixture, account, "e3", "w", &own);
    struct store_workflow_change changed =
        change(fixture, (struct store_workflow_change){.row = row, .graph_json = {true, GRAPH2}});
    store_op_release(&changed.op);
    int64_t later = run_row(fixture, account, "e4", "w", NULL);
    changed = change(fixture, (struct store_workflow_change){.row = row, .graph_json = {.given = true}});
    store_op_release(&changed.op);
    int64_t bare = run_row(fixture, account, "e5", "w", NULL), free_text = run_row(fixture, account, "e6", "v", &given);
    assert_int_equal(forget(fixture, row), 0);
    fixture_reopen(fixture);
    assert_given(fixture, first, "{\"n\":1}", "{}", GRAPH);
    assert_given(fixture, plain, NULL, NULL, GRAPH);
    assert_given(fixture, other, NULL, NULL, "{\"nodes\":[]}");
    assert_given(fixture, later, NULL, NULL, GRAPH2);
    assert_given(fixture, bare, NULL, NULL, NULL);
    assert_given(fixture, free_text, "{\"n\":1}", "{}", NULL);
}

static void a_run_is_the_workflows_owners_whoever_makes_it(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    made(fixture, (struct workflow){.account = account, .workflow_id = (char *)"w", .owner = (char *)"u1"});
    made(fixture, (struct workflow){.account = account, .workflow_id = (char *)"nobodys"});
    static const struct {
        const char *id, *workflow_id, *user, *owner;
        int err;
    } cases[] = {
        {"e1", "w", NULL, "u1", 0},
        {"e2", "w", "u1", "u1", 0},
        {"e3", "w", "u2", NULL, ERR_NOT_FOUND},
        {"e4", "nobodys", NULL, NULL, 0},
        {"e5", "nobodys", "u1", NULL, ERR_NOT_FOUND},
        {"e6", "free text", "u2", "u2", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_create create = run(fixture, account, cases[i].id, cases[i].workflow_id, cases[i].user, NULL);
        assert_int_equal(create.op.err, cases[i].err);
        if (cases[i].err == 0)
            assert_text(create.execution.owner, cases[i].owner);
        store_op_release(&create.op);
    }
    struct store_list owned = {.account = account, .owner = STR("u1")};
    assert_int_equal(fixture_list_count(fixture, owned), 2);
}

static void each_attempt_has_what_the_first_was_given(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    made(fixture, (struct workflow){.account = account, .workflow_id = (char *)"w", .graph_json = (char *)GRAPH});
    const struct job_new job = {.demand = STR("process")};
    const struct run_new given = {.inputs = STR("{\"n\":1}")};
    struct store_create create = {
        .op.kind = STORE_CREATE,
        .execution = {.account = account, .workflow_id = xstrdup("w"), .status = STATUS_QUEUED},
        .job = &job,
        .run = &given,
    };
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    int64_t row = create.execution.row;
    create.job = NULL;
    store_op_release(&create.op);
    struct store_job_claim claim = {.op.kind = STORE_JOB_CLAIM, .row = row, .worker_id = STR("w1")};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    store_op_release(&claim.op);
    struct store_complete end = {
        .op.kind = STORE_COMPLETE, .row = row, .status = STATUS_FAILED, .has_exit_code = true, .exit_code = 1};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    struct store_job_settle settle = {.op.kind = STORE_JOB_SETTLE};
    assert_int_equal(fixture_run(fixture, &settle.op), 0);
    struct store_job_retry retry = {.op.kind = STORE_JOB_RETRY, .row = row};
    assert_int_equal(fixture_run(fixture, &retry.op), 0);
    assert_int_not_equal(retry.ret_execution.row, row);
    assert_given(fixture, retry.ret_execution.row, "{\"n\":1}", NULL, GRAPH);
    store_op_release(&retry.op);
}

static void a_purged_run_has_nothing_left_and_the_others_keep_the_graph(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row =
        made(fixture, (struct workflow){.account = account, .workflow_id = (char *)"w", .graph_json = (char *)GRAPH});
    int64_t first = run_row(fixture, account, "e1", "w", NULL), second = run_row(fixture, account, "e2", "w", NULL);
    assert_int_equal(forget(fixture, row), 0);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = first, .status = STATUS_CANCELLED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = first};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_given(fixture, first, NULL, NULL, NULL);
    assert_given(fixture, second, NULL, NULL, GRAPH);
}

static void a_deleted_account_takes_its_workflows_with_it(void **state)
{
    struct fixture *fixture = *state;
    int64_t a = fixture_account(fixture, "a"), b = fixture_account(fixture, "b");
    made(fixture, (struct workflow){.account = b, .workflow_id = (char *)"w"});
    struct store_account_change gone = {
        .op.kind = STORE_ACCOUNT_CHANGE, .name = STR("a"), .state = ACCOUNT_DELETED, .purge = true};
    assert_int_equal(fixture_run(fixture, &gone.op), 0);
    struct store_workflow_create late = make(fixture, (struct workflow){.account = a}, NULL);
    assert_int_equal(late.op.err, ERR_UNAUTHORIZED);
    store_op_release(&late.op);
    struct store_workflow_get found = get(fixture, b, "w");
    assert_int_equal(found.op.err, 0);
    store_op_release(&found.op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(a_workflow_is_made_found_changed_and_deleted),
        ON_EACH(metadata_that_would_become_too_large_change_nothing),
        ON_EACH(an_identifier_is_taken_once_in_an_account),
        ON_EACH(the_same_key_makes_one_workflow_within_a_day),
        ON_EACH(an_account_has_so_many_workflows),
        ON_EACH(workflows_are_listed_newest_first_in_pages),
        ON_EACH(a_run_keeps_what_it_was_given_and_the_graph_of_then),
        ON_EACH(a_run_is_the_workflows_owners_whoever_makes_it),
        ON_EACH(each_attempt_has_what_the_first_was_given),
        ON_EACH(a_purged_run_has_nothing_left_and_the_others_keep_the_graph),
        ON_EACH(a_deleted_account_takes_its_workflows_with_it),
    };
    return FIXTURE_EACH(tests);
}
