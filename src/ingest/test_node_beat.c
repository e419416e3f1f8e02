// What a server does as a node of its store.
#include "ingest/node.h"
#include "store/store_stub.h"
#include "util/log.h"

#define NODE    11
#define BEAT_MS 20

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct logger logger;
    struct node *node;
    unsigned started, adopted, owned, fenced, outgrown;
    int start_error;
};

static void adopted(void *arg, const struct adopted_lease *lease)
{
    struct fixture *fixture = arg;
    assert_int_equal(lease->subject, ++fixture->adopted);
}

static void owned(void *arg, const struct adopted_lease *lease)
{
    struct fixture *fixture = arg;
    assert_int_equal(lease->subject, ++fixture->owned);
}

static void outgrown(void *arg)
{
    struct fixture *fixture = arg;
    fixture->outgrown++;
}

static void fenced(void *arg)
{
    struct fixture *fixture = arg;
    assert_int_equal(node_number(fixture->node), NODE_NONE); // nothing is added in the old name while it forgets
    fixture->fenced++;
}

static int set_up_looking(void **state, uint64_t look_ms)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    stub_init(&fixture->store);
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    fixture->node = node_new(&(struct node_options){.store = &fixture->store.base,
                                                    .logger = &fixture->logger,
                                                    .beat_ms = BEAT_MS,
                                                    .look_ms = look_ms,
                                                    .adopted = adopted,
                                                    .owned = owned,
                                                    .fenced = fenced,
                                                    .outgrown = outgrown,
                                                    .arg = fixture});
    *state = fixture;
    return 0;
}

static int set_up(void **state)
{
    return set_up_looking(state, 0);
}

static int set_up_to_look_at_once(void **state)
{
    return set_up_looking(state, 1);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    bool leaves = !store_alone(&fixture->store.base) && node_number(fixture->node) != NODE_NONE;
    node_stop(fixture->node);
    if (leaves) { // it says that it goes
        struct store_node_beat *beat = STUB_TAKE(&fixture->store, STORE_NODE_BEAT, store_node_beat);
        assert_true(beat->leaves);
        assert_int_equal(beat->node, node_number(fixture->node));
        stub_answer(&beat->op, 0);
    }
    loop_free(&fixture->loop);
    assert_int_equal(fixture->store.count, 0);
    node_free(&fixture->node);
    free(fixture);
    return 0;
}

static void started(void *arg, int err)
{
    struct fixture *fixture = arg;
    fixture->started++;
    fixture->start_error = err;
}

static void starts(struct fixture *fixture, int64_t node, int err)
{
    struct store_node_start *start = STUB_TAKE(&fixture->store, STORE_NODE_START, store_node_start);
    assert_int_equal(node_number(fixture->node), NODE_NONE);
    start->ret_node = node;
    stub_answer(&start->op, err);
}

static void adopts(struct fixture *fixture, size_t count, int err)
{
    struct store_lease_adopt *adopt = STUB_TAKE(&fixture->store, STORE_LEASE_ADOPT, store_lease_adopt);
    assert_int_equal(adopt->node, node_number(fixture->node));
    adopt->ret_leases = xcalloc(count + 1, sizeof(*adopt->ret_leases));
    for (size_t i = 0; i < count; i++)
        adopt->ret_leases[i].subject = fixture->adopted + (int64_t)i + 1;
    adopt->ret_count = count;
    stub_answer(&adopt->op, err);
}

static void look(void *arg)
{
    struct fixture *fixture = arg;
    loop_stop(fixture->loop);
}

// Runs the loop until something waits at the store, or for so long.
static void run_for(struct fixture *fixture, uint64_t at_most_ms)
{
    struct timer *timer = timer_new(fixture->loop, look, fixture);
    uint64_t until = loop_now_ms(fixture->loop) + at_most_ms;
    while (fixture->store.count == 0 && loop_now_ms(fixture->loop) < until) {
        timer_start(timer, 10);
        loop_run(fixture->loop);
    }
    timer_free(&timer);
}

static struct store_node_beat *beats(struct fixture *fixture)
{
    run_for(fixture, 60000);
    struct store_node_beat *beat = STUB_TAKE(&fixture->store, STORE_NODE_BEAT, store_node_beat);
    assert_int_equal(beat->node, node_number(fixture->node));
    return beat;
}

static void one_that_has_the_store_alone_writes_nothing_once_it_has_started(void **state)
{
    struct fixture *fixture = *state;
    node_start(fixture->node, fixture->loop, started, fixture);
    assert_int_equal(fixture->started, 0);
    starts(fixture, NODE, 0);
    assert_int_equal(fixture->started, 1);
    assert_int_equal(fixture->start_error, 0);
    assert_int_equal(node_number(fixture->node), NODE);
    adopts(fixture, STORE_ADOPT_MAX, 0); // as many as may be: there may be more
    adopts(fixture, 3, 0);
    assert_int_equal(fixture->adopted, STORE_ADOPT_MAX + 3);
    run_for(fixture, 10 * BEAT_MS);
    assert_int_equal(fixture->store.count, 0);
}

static void what_could_not_be_taken_over_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    node_start(fixture->node, fixture->loop, started, fixture);
    starts(fixture, NODE, 0);
    adopts(fixture, 2, ERR_UNAVAILABLE);
    assert_int_equal(fixture->adopted, 0);
    run_for(fixture, 60000);
    adopts(fixture, 2, 0);
    assert_int_equal(fixture->adopted, 2);
}

static void a_start_that_the_store_refuses_is_told(void **state)
{
    struct fixture *fixture = *state;
    node_start(fixture->node, fixture->loop, started, fixture);
    starts(fixture, 0, ERR_STORE_FULL);
    assert_int_equal(fixture->started, 1);
    assert_int_equal(fixture->start_error, ERR_STORE_FULL);
    assert_int_equal(node_number(fixture->node), NODE_NONE);
}

static void among_others_it_is_heard_of_and_looks_for_what_they_left(void **state)
{
    struct fixture *fixture = *state;
    fixture->store.base.one_writer = false;
    node_start(fixture->node, fixture->loop, started, fixture);
    starts(fixture, NODE, 0);
    adopts(fixture, 0, 0);
    stub_answer(&beats(fixture)->op, ERR_UNAVAILABLE); // the next one may get through
    struct store_node_beat *beat = beats(fixture);
    stub_answer(&beat->op, 0);
    adopts(fixture, 1, 0);
    assert_int_equal(fixture->adopted, 1);
    assert_int_equal(fixture->fenced, 0);
}

static void finds_own(struct fixture *fixture, int64_t after, size_t count, int err)
{
    struct store_lease_adopt *look = STUB_TAKE(&fixture->store, STORE_LEASE_ADOPT, store_lease_adopt);
    assert_int_equal(look->node, node_number(fixture->node));
    assert_true(look->own);
    assert_int_equal(look->after, after);
    look->ret_leases = xcalloc(count + 1, sizeof(*look->ret_leases));
    for (size_t i = 0; i < count; i++)
        look->ret_leases[i].subject = after + (int64_t)i + 1;
    look->ret_count = count;
    stub_answer(&look->op, err);
}

static void among_others_it_finds_out_what_it_holds_without_knowing(void **state)
{
    struct fixture *fixture = *state;
    fixture->store.base.one_writer = false;
    node_start(fixture->node, fixture->loop, started, fixture);
    starts(fixture, NODE, 0);
    adopts(fixture, 0, ERR_UNAVAILABLE); // maybe it has taken something over
    stub_answer(&beats(fixture)->op, 0);
    adopts(fixture, 0, 0);
    finds_own(fixture, 0, STORE_ADOPT_MAX, 0); // there may be more
    finds_own(fixture, STORE_ADOPT_MAX, 2, 0);
    assert_int_equal(fixture->owned, STORE_ADOPT_MAX + 2);
    assert_int_equal(fixture->adopted, 0);
    stub_answer(&beats(fixture)->op, 0);
    adopts(fixture, 0, 0);
    finds_own(fixture, 0, 0, ERR_NODE_FENCED);
    assert_int_equal(fixture->fenced, 1);
    starts(fixture, 0, ERR_UNAVAILABLE);
}

static void one_that_does_not_know_the_schema_any_more_is_told_to_end(void **state)
{
    struct fixture *fixture = *state;
    fixture->store.base.one_writer = false;
    node_start(fixture->node, fixture->loop, started, fixture);
    starts(fixture, NODE, 0);
    adopts(fixture, 0, ERR_NODE_FENCED);
    starts(fixture, 0, ERR_UNAVAILABLE);
    assert_int_equal(fixture->outgrown, 0);
    run_for(fixture, 60000);
    starts(fixture, 0, ERR_TOO_NEW);
    assert_int_equal(fixture->outgrown, 1);
    assert_int_equal(fixture->started, 1);
}

static void one_that_was_fenced_says_so_once_and_starts_anew(void **state)
{
    struct fixture *fixture = *state;
    fixture->store.base.one_writer = false;
    node_start(fixture->node, fixture->loop, started, fixture);
    starts(fixture, NODE, 0);
    adopts(fixture, 0, ERR_NODE_FENCED);
    assert_int_equal(fixture->fenced, 1);
    starts(fixture, 0, ERR_UNAVAILABLE); // which the store may not be ready for
    run_for(fixture, 60000);
    starts(fixture, NODE + 1, 0);
    assert_int_equal(node_number(fixture->node), NODE + 1);
    adopts(fixture, 0, 0);
    assert_int_equal(fixture->fenced, 1);
    assert_int_equal(fixture->started, 1); // of the first start alone
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_has_the_store_alone_writes_nothing_once_it_has_started),
        TEST(what_could_not_be_taken_over_is_tried_again),
        TEST(a_start_that_the_store_refuses_is_told),
        TEST(among_others_it_is_heard_of_and_looks_for_what_they_left),
        cmocka_unit_test_setup_teardown(among_others_it_finds_out_what_it_holds_without_knowing, set_up_to_look_at_once,
                                        tear_down),
        TEST(one_that_does_not_know_the_schema_any_more_is_told_to_end),
        TEST(one_that_was_fenced_says_so_once_and_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
