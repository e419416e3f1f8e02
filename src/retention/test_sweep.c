// How the sweep goes through the store: what it asks, when, and in whose name.
#include "retention/sweep.h"
#include "store/store_stub.h"

#define NODE 7

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct logger logger;
    struct metrics *metrics;
    struct sweep *sweep;
    int64_t node;
};

static int64_t node_of(void *arg)
{
    struct fixture *fixture = arg;
    return fixture->node;
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct retention rules = {0};
    stub_init(&fixture->store);
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    fixture->metrics = metrics_new(1, NULL);
    fixture->node = NODE;
    fixture->sweep = sweep_new(&(struct sweep_options){.loop = fixture->loop,
                                                       .store = &fixture->store.base,
                                                       .node = node_of,
                                                       .node_arg = fixture,
                                                       .metrics = fixture->metrics,
                                                       .logger = &fixture->logger});
    assert_true(retention_parse(STR("400ms"), &rules));
    sweep_set(fixture->sweep, &rules);
    sweep_start(fixture->sweep);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sweep_stop(fixture->sweep);
    loop_free(&fixture->loop);
    sweep_free(&fixture->sweep);
    metrics_free(&fixture->metrics);
    free(fixture);
    return 0;
}

static void stop(void *arg)
{
    struct fixture *fixture = arg;
    loop_stop(fixture->loop);
}

// Runs the loop until something waits at the store, or for so long.
static void run_for(struct fixture *fixture, uint64_t at_most_ms)
{
    struct timer *timer = timer_new(fixture->loop, stop, fixture);
    uint64_t until = loop_now_ms(fixture->loop) + at_most_ms;
    while (fixture->store.count == 0 && loop_now_ms(fixture->loop) < until) {
        timer_start(timer, 10);
        loop_run(fixture->loop);
    }
    timer_free(&timer);
}

// The next look; it is answered with so many executions.
static struct store_retention_look *looks(struct fixture *fixture)
{
    run_for(fixture, 60000);
    return STUB_TAKE(&fixture->store, STORE_RETENTION_LOOK, store_retention_look);
}

static void finds(struct store_retention_look *look, size_t count, bool over)
{
    for (size_t i = 0; i < count; i++)
        look->ret_found[i] = (struct retention_found){.row = 100 + (int64_t)i, .by_limits = i == 1};
    look->ret_count = count;
    look->ret_over = over;
    look->cursor.account = over ? 0 : 5;
    stub_answer(&look->op, 0);
}

static void claims(struct fixture *fixture, int64_t node, int err)
{
    struct store_lease *lease = STUB_TAKE(&fixture->store, STORE_LEASE, store_lease);
    assert_int_equal(lease->lease_kind, LEASE_SWEEP);
    assert_int_equal(lease->ask.cause, NODE_LEASE_CLAIM);
    assert_int_equal(lease->ask.node, node);
    stub_answer(&lease->op, err);
}

static void purges(struct fixture *fixture, size_t i, int err)
{
    struct store_purge *purge = STUB_TAKE(&fixture->store, STORE_PURGE, store_purge);
    assert_int_equal(purge->row, 100 + i);
    assert_int_equal(purge->by_limits, i == 1);
    assert_int_equal(purge->rules->age_ms[STATUS_COMPLETED], 400);
    stub_answer(&purge->op, err);
}

static int64_t purged_total(struct fixture *fixture)
{
    CLEANUP(buf_release) struct buf out = {0};
    metrics_export(fixture->metrics, &out);
    const char *line = strstr(buf_cstr(&out), "\nrunnel_retention_purged_total ");
    assert_non_null(line);
    return strtoll(strchr(line, ' '), NULL, 10);
}

static void nothing_is_written_while_nothing_has_expired(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        finds(looks(fixture), 0, true);
    assert_int_equal(fixture->store.count, 0);
    assert_int_equal(purged_total(fixture), 0);
}

static void what_is_found_is_purged_before_the_next_slice(void **state)
{
    struct fixture *fixture = *state;
    finds(looks(fixture), 3, false);
    claims(fixture, NODE, 0);
    assert_int_equal(fixture->store.count, 3);
    purges(fixture, 0, 0);
    purges(fixture, 1, ERR_CONFLICT); // it was pinned meanwhile
    struct store_purge *last = STUB_TAKE(&fixture->store, STORE_PURGE, store_purge);
    run_for(fixture, 100);
    assert_int_equal(fixture->store.count, 0); // not before the last one is answered
    stub_answer(&last->op, 0);
    assert_int_equal(purged_total(fixture), 2);
    struct store_retention_look *look = looks(fixture);
    assert_int_equal(look->cursor.account, 5); // where the slice before had ended
    finds(look, 1, true);
    purges(fixture, 0, 0); // it has the lease
    assert_int_equal(purged_total(fixture), 3);
    look = looks(fixture);
    assert_int_equal(look->cursor.account, 0); // another pass
    finds(look, 0, true);
}

static void another_servers_sweep_is_left_to_it(void **state)
{
    struct fixture *fixture = *state;
    finds(looks(fixture), 2, true);
    claims(fixture, NODE, ERR_HELD);
    run_for(fixture, 400);
    assert_int_equal(fixture->store.count, 0);
    assert_int_equal(purged_total(fixture), 0);
}

static void a_server_that_was_fenced_claims_the_lease_anew(void **state)
{
    struct fixture *fixture = *state;
    finds(looks(fixture), 1, true);
    claims(fixture, NODE, 0);
    purges(fixture, 0, 0);
    fixture->node = NODE + 1;
    finds(looks(fixture), 1, true);
    claims(fixture, NODE + 1, 0);
    purges(fixture, 0, 0);
    assert_int_equal(purged_total(fixture), 2);
}

// --- Logs that are longer than they may be

static void finds_long(struct store_retention_look *look, size_t count)
{
    for (size_t i = 0; i < count; i++)
        look->ret_found[i] = (struct retention_found){.row = 100 + (int64_t)i, .front = true};
    look->ret_count = count;
    look->ret_over = true;
    stub_answer(&look->op, 0);
}

// A look at the front of this log, which may lose what lies before `to`.
static void looks_at_front(struct fixture *fixture, int64_t row, uint64_t from, uint64_t to, bool more)
{
    run_for(fixture, 60000);
    struct store_front *front = STUB_TAKE(&fixture->store, STORE_FRONT, store_front);
    assert_int_equal(front->row, row);
    assert_int_equal(front->rules->age_ms[STATUS_COMPLETED], 400);
    front->ret_before = (struct log_front){.first = from};
    front->ret_after = (struct log_front){.first = to, .bytes = 10 * to, .digest = to + 1, .has_digest = true};
    front->ret_more = more;
    stub_answer(&front->op, 0);
}

static void cuts(struct fixture *fixture, int64_t row, uint64_t from, uint64_t to, int err)
{
    struct store_cut *cut = STUB_TAKE(&fixture->store, STORE_CUT, store_cut);
    assert_int_equal(cut->row, row);
    assert_int_equal(cut->before.first, from);
    assert_int_equal(cut->after.first, to);
    assert_int_equal(cut->after.bytes, 10 * to);
    assert_int_equal(cut->after.digest, to + 1);
    stub_answer(&cut->op, err);
}

static int64_t records_cut_total(struct fixture *fixture)
{
    CLEANUP(buf_release) struct buf out = {0};
    metrics_export(fixture->metrics, &out);
    const char *line = strstr(buf_cstr(&out), "\nrunnel_retention_records_cut_total ");
    assert_non_null(line);
    return strtoll(strchr(line, ' '), NULL, 10);
}

static void a_log_is_cut_slice_by_slice_and_then_the_next_one(void **state)
{
    struct fixture *fixture = *state;
    finds_long(looks(fixture), 3);
    claims(fixture, NODE, 0);
    looks_at_front(fixture, 100, 0, 50, true);
    cuts(fixture, 100, 0, 50, 0);
    assert_int_equal(fixture->store.count, 0); // not at once: it is done in idle slices
    looks_at_front(fixture, 100, 50, 70, false);
    cuts(fixture, 100, 50, 70, 0);
    looks_at_front(fixture, 101, 5, 5, false); // nothing of it can go yet
    looks_at_front(fixture, 102, 0, 30, false);
    cuts(fixture, 102, 0, 30, ERR_HELD); // it is being merged
    assert_int_equal(records_cut_total(fixture), 70);
    assert_int_equal(purged_total(fixture), 0);
    uint64_t before_ms = loop_now_ms(fixture->loop);
    finds_long(looks(fixture), 1); // soon after
    assert_true(loop_now_ms(fixture->loop) >= before_ms + 200);
    looks_at_front(fixture, 100, 0, 30, false);
    cuts(fixture, 100, 0, 30, ERR_CONFLICT); // it was pinned meanwhile
    finds(looks(fixture), 0, true);
    assert_int_equal(records_cut_total(fixture), 70);
}

static void what_has_expired_goes_before_logs_are_cut(void **state)
{
    struct fixture *fixture = *state;
    struct store_retention_look *look = looks(fixture);
    look->ret_found[0] = (struct retention_found){.row = 200, .front = true};
    look->ret_found[1] = (struct retention_found){.row = 100};
    look->ret_count = 2;
    look->ret_over = true;
    stub_answer(&look->op, 0);
    claims(fixture, NODE, 0);
    assert_int_equal(fixture->store.count, 1);
    purges(fixture, 0, 0);
    looks_at_front(fixture, 200, 0, 50, false);
    cuts(fixture, 200, 0, 50, 0);
    assert_int_equal(records_cut_total(fixture), 50);
    assert_int_equal(purged_total(fixture), 1);
    finds(looks(fixture), 0, true);
}

static void a_sweep_that_stops_cuts_nothing_more(void **state)
{
    struct fixture *fixture = *state;
    finds_long(looks(fixture), 2);
    claims(fixture, NODE, 0);
    looks_at_front(fixture, 100, 0, 50, false);
    struct store_cut *cut = STUB_TAKE(&fixture->store, STORE_CUT, store_cut);
    sweep_stop(fixture->sweep);
    stub_answer(&cut->op, 0);
    run_for(fixture, 50);
    assert_int_equal(fixture->store.count, 0);
}

static bool busy;

static void busy_stats(struct store *store, struct store_stats *ret)
{
    (void)store;
    ret->queue = busy ? 1000 : 0;
}

static void a_store_that_is_busy_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct store_vtable vtable = *fixture->store.base.vtable;
    vtable.stats = busy_stats;
    fixture->store.base.vtable = &vtable;
    busy = true;
    run_for(fixture, 600);
    assert_int_equal(fixture->store.count, 0);
    busy = false;
    finds(looks(fixture), 0, true);
}

static void rules_that_change_are_those_of_the_next_slice(void **state)
{
    struct fixture *fixture = *state;
    struct retention rules = {.age_ms = {[STATUS_COMPLETED] = 60000}};
    struct store_retention_look *look = looks(fixture);
    sweep_set(fixture->sweep, &rules);
    assert_int_equal(look->rules->age_ms[STATUS_COMPLETED], 400); // which another thread may be reading
    finds(look, 0, false);
    look = looks(fixture);
    assert_int_equal(look->rules->age_ms[STATUS_COMPLETED], 60000);
    finds(look, 0, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_written_while_nothing_has_expired),
        TEST(what_is_found_is_purged_before_the_next_slice),
        TEST(another_servers_sweep_is_left_to_it),
        TEST(a_server_that_was_fenced_claims_the_lease_anew),
        TEST(a_log_is_cut_slice_by_slice_and_then_the_next_one),
        TEST(what_has_expired_goes_before_logs_are_cut),
        TEST(a_sweep_that_stops_cuts_nothing_more),
        TEST(a_store_that_is_busy_is_left_alone),
        TEST(rules_that_change_are_those_of_the_next_slice),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
