// How the mirror goes through the store: in whose name, what it asks, and when. What it pushes is shown end to end.
#include "mirror/mirror.h"
#include "store/store_stub.h"

#define NODE 7

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct logger logger;
    struct metrics *metrics;
    struct mirror *mirror;
    struct timer *turn;
    int64_t node;
};

static int64_t node_of(void *arg)
{
    struct fixture *fixture = arg;
    return fixture->node;
}

static void look_again(void *arg)
{
    struct fixture *fixture = arg;
    if (fixture->store.count > 0)
        loop_stop(fixture->loop);
    else
        timer_start(fixture->turn, 1);
}

// Runs the loop until something waits in the store.
static void run(struct fixture *fixture)
{
    timer_start(fixture->turn, 1);
    loop_run(fixture->loop);
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    stub_init(&fixture->store);
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    fixture->metrics = metrics_new(1, NULL);
    fixture->node = NODE;
    fixture->turn = timer_new(fixture->loop, look_again, fixture);
    const struct mirror_options options = {
        .loop = fixture->loop,
        .store = &fixture->store.base,
        .node = node_of,
        .node_arg = fixture,
        .metrics = fixture->metrics,
        .logger = &fixture->logger,
        .access = {.url = "http://127.0.0.1:1", .tenant = "", .ca_file = "", .credentials_file = ""},
        .line_max = 1000,
        .window_ms = 60000,
        .pause_ms = 1,
    };
    assert_int_equal(mirror_new(&options, &fixture->mirror), 0);
    mirror_start(fixture->mirror);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    mirror_stop(fixture->mirror);
    mirror_join(fixture->mirror);
    timer_free(&fixture->turn);
    loop_free(&fixture->loop);
    mirror_free(&fixture->mirror);
    metrics_free(&fixture->metrics);
    free(fixture);
    return 0;
}

static void claim(struct fixture *fixture, int64_t node)
{
    run(fixture);
    struct store_lease *lease = STUB_TAKE(&fixture->store, STORE_LEASE, store_lease);
    assert_int_equal(lease->lease_kind, LEASE_MIRROR);
    assert_int_equal(lease->ask.cause, NODE_LEASE_CLAIM);
    assert_int_equal(lease->ask.node, node);
    stub_answer(&lease->op, 0);
}

// What went on before there was a mirror, in two slices.
static void enter(struct fixture *fixture)
{
    struct store_mirror_enter *slice = STUB_TAKE(&fixture->store, STORE_MIRROR_ENTER, store_mirror_enter);
    assert_true(slice->missing);
    slice->ret_last = 500;
    stub_answer(&slice->op, 0);
    slice = STUB_TAKE(&fixture->store, STORE_MIRROR_ENTER, store_mirror_enter);
    assert_int_equal(slice->after, 500);
    slice->ret_last = 0;
    stub_answer(&slice->op, 0);
}

static struct store_mirror_look *look(struct fixture *fixture)
{
    if (fixture->store.count == 0)
        run(fixture);
    return STUB_TAKE(&fixture->store, STORE_MIRROR_LOOK, store_mirror_look);
}

static void answer_look(struct store_mirror_look *look, size_t count, bool over)
{
    look->ret_count = count;
    look->ret_over = over;
    stub_answer(&look->op, 0);
}

static void it_looks_in_rounds_once_the_lease_is_its_own(void **state)
{
    struct fixture *fixture = *state;
    claim(fixture, NODE);
    enter(fixture);
    answer_look(look(fixture), 0, false); // a page, and the next
    answer_look(look(fixture), 0, true);
    answer_look(look(fixture), 0, true); // another round, without a claim
    fixture->node = NODE + 1;            // it was fenced, and is a new node
    claim(fixture, NODE + 1);
    answer_look(look(fixture), 0, true); // what went on is entered once
}

static void a_log_that_has_ended_ends_with_a_step_and_no_push(void **state)
{
    struct fixture *fixture = *state;
    claim(fixture, NODE);
    enter(fixture);
    struct store_mirror_look *first = look(fixture);
    first->ret_found[0] = (struct mirror_found){.row = 1, .copied = 3, .next = 3, .sealed = true};
    first->ret_found[1] = (struct mirror_found){.row = 2, .copied = 3, .next = 3}; // it goes on
    answer_look(first, 2, true);
    struct store_mirror_advance *advance = STUB_TAKE(&fixture->store, STORE_MIRROR_ADVANCE, store_mirror_advance);
    assert_int_equal(advance->count, 1);
    assert_int_equal(advance->steps[0].row, 1);
    assert_int_equal(advance->steps[0].from, 3);
    assert_int_equal(advance->steps[0].to, 3);
    assert_true(advance->steps[0].ends);
    stub_answer(&advance->op, 0);
    answer_look(look(fixture), 0, true);
}

static void what_cannot_be_read_keeps_nobody_else_waiting(void **state)
{
    struct fixture *fixture = *state;
    claim(fixture, NODE);
    enter(fixture);
    struct store_mirror_look *first = look(fixture);
    for (int64_t row = 1; row <= 2; row++)
        first->ret_found[row - 1] = (struct mirror_found){.row = row, .next = 3, .time_ms = 1};
    answer_look(first, 2, true);
    struct store_read *read = STUB_TAKE(&fixture->store, STORE_READ, store_read);
    assert_int_equal(read->row, 1);
    assert_true(read->op.scan);
    stub_answer(&read->op, ERR_CORRUPT);
    read = STUB_TAKE(&fixture->store, STORE_READ, store_read);
    assert_int_equal(read->row, 2);
    stub_answer(&read->op, ERR_EXPIRED); // it was purged meanwhile
    first = look(fixture);
    assert_int_equal(first->cursor.row, 0); // another round
    answer_look(first, 0, true);
}

static void a_store_that_is_away_is_asked_again(void **state)
{
    struct fixture *fixture = *state;
    run(fixture);
    struct store_lease *lease = STUB_TAKE(&fixture->store, STORE_LEASE, store_lease);
    stub_answer(&lease->op, ERR_UNAVAILABLE);
    claim(fixture, NODE);
    enter(fixture);
    stub_answer(&look(fixture)->op, ERR_UNAVAILABLE);
    answer_look(look(fixture), 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_looks_in_rounds_once_the_lease_is_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_that_has_ended_ends_with_a_step_and_no_push, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_keeps_nobody_else_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_is_away_is_asked_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
