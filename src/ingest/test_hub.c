#include "ingest/hub.h"
#include "store/store_stub.h"
#include "util/log.h"

#define ROW     7
#define ACCOUNT 3

struct heard { // by one loop
    unsigned live, replaced, cancelled;
    uint64_t holder;
    char reason[64];
};

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct metrics *metrics;
    struct logger logger;
    struct hub *hub;
    struct heard heard[2];
};

static void live_changed(void *owner, int64_t row)
{
    struct heard *heard = owner;
    assert_int_equal(row, ROW);
    heard->live++;
}

static void runner_replaced(void *owner, uint64_t holder)
{
    struct heard *heard = owner;
    heard->replaced++;
    heard->holder = holder;
}

static void runner_cancel(void *owner, uint64_t holder, const char *reason)
{
    struct heard *heard = owner;
    heard->cancelled++;
    heard->holder = holder;
    snprintf(heard->reason, sizeof(heard->reason), "%s", reason);
}

static const struct hub_listener listener = {live_changed, runner_replaced, runner_cancel};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    stub_init(&fixture->store);
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->metrics = metrics_new(1);
    fixture->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    // Leases that run out at the first look.
    struct hub_options options = {.lease_ms = 1,
                                  .lost_seal_ms = 1,
                                  .store = &fixture->store.base,
                                  .metrics = fixture->metrics,
                                  .logger = &fixture->logger};
    fixture->hub = hub_new(&options);
    for (size_t i = 0; i < ARRAY_LEN(fixture->heard); i++)
        hub_attach(fixture->hub, fixture->loop, &listener, &fixture->heard[i]);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    hub_stop(fixture->hub);
    loop_free(&fixture->loop);
    assert_int_equal(fixture->store.count, 0);
    hub_free(&fixture->hub);
    metrics_free(&fixture->metrics);
    free(fixture);
    return 0;
}

static uint64_t comes(struct fixture *fixture, uint64_t epoch, uint64_t stored_epoch, enum lease_verdict expected)
{
    struct execution execution = {.row = ROW, .account = ACCOUNT, .epoch = stored_epoch};
    uint64_t holder = hub_new_holder(fixture->hub);
    assert_int_equal(hub_connect(fixture->hub, &execution, epoch, holder), expected);
    return holder;
}

static uint64_t claim(struct fixture *fixture, uint64_t epoch)
{
    uint64_t holder = comes(fixture, 0, 0, LEASE_NEW);
    hub_granted(fixture->hub, ROW, epoch, holder);
    return holder;
}

// Runs the loop until something waits at the store: the next look at the leases.
static void stop_when_asked(void *arg)
{
    struct fixture *fixture = arg;
    loop_stop(fixture->loop);
}

static void await_operation(struct fixture *fixture)
{
    struct timer *look = timer_new(fixture->loop, stop_when_asked, fixture);
    while (fixture->store.count == 0) {
        timer_start(look, 10);
        loop_run(fixture->loop);
    }
    timer_free(&look);
}

static void start(struct fixture *fixture)
{
    hub_start(fixture->hub, fixture->loop);
    stub_answer(stub_take(&fixture->store, STORE_LIST), 0);
}

static struct store_update *changed(struct fixture *fixture, enum outcome_cause cause, uint64_t epoch)
{
    await_operation(fixture);
    struct store_update *update = STUB_TAKE(&fixture->store, STORE_UPDATE, store_update);
    assert_int_equal(update->row, ROW);
    assert_true(update->has_outcome);
    assert_int_equal(update->outcome.cause, cause);
    assert_int_equal(update->epoch, epoch); // else it would hit whoever has taken over meanwhile
    return update;
}

// --- Who holds it

static void the_connection_that_was_let_in_last_holds(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first = comes(fixture, 0, 0, LEASE_NEW);
    assert_int_not_equal(first, 0);
    assert_false(hub_holds(fixture->hub, ROW, first));
    hub_granted(fixture->hub, ROW, 1, first);
    assert_true(hub_holds(fixture->hub, ROW, first));
    assert_false(hub_holds(fixture->hub, ROW + 1, first));
    uint64_t second = comes(fixture, 1, 1, LEASE_RESUME);
    assert_false(hub_holds(fixture->hub, ROW, first));
    assert_true(hub_holds(fixture->hub, ROW, second));
    loop_deliver(fixture->loop);
    for (size_t i = 0; i < ARRAY_LEN(fixture->heard); i++) { // whichever loop the first is on
        assert_int_equal(fixture->heard[i].replaced, 1);
        assert_int_equal(fixture->heard[i].holder, first);
    }
    hub_disconnect(fixture->hub, ROW, first); // which is no longer it
    assert_true(hub_holds(fixture->hub, ROW, second));
    hub_disconnect(fixture->hub, ROW, second);
    assert_false(hub_holds(fixture->hub, ROW, second));
}

static void a_claim_under_way_keeps_others_out_until_it_is_refused(void **state)
{
    struct fixture *fixture = *state;
    comes(fixture, 0, 0, LEASE_NEW);
    comes(fixture, 0, 0, LEASE_TAKEN);
    hub_refused(fixture->hub, ROW);
    comes(fixture, 0, 0, LEASE_NEW);
}

static void who_went_before_it_was_told_holds_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint64_t holder = claim(fixture, 1);
    hub_abandon(fixture->hub, ROW, holder);
    comes(fixture, 0, 1, LEASE_NEW);
}

static void what_was_sealed_is_held_by_nobody(void **state)
{
    struct fixture *fixture = *state;
    uint64_t holder = claim(fixture, 1);
    struct execution_live live;
    hub_live(fixture->hub, ROW, &live);
    assert_true(live.known && live.runner_connected);
    hub_sealed(fixture->hub, ROW);
    assert_false(hub_holds(fixture->hub, ROW, holder));
    hub_live(fixture->hub, ROW, &live);
    assert_false(live.known);
    loop_deliver(fixture->loop);
    assert_int_equal(fixture->heard[0].replaced, 0); // it ends its connection itself
}

static void the_runner_over_whose_head_it_was_sealed_is_to_go(void **state)
{
    struct fixture *fixture = *state;
    uint64_t holder = claim(fixture, 1);
    hub_fenced(fixture->hub, ROW);
    hub_fenced(fixture->hub, ROW); // nobody is left to be told
    assert_false(hub_holds(fixture->hub, ROW, holder));
    loop_deliver(fixture->loop);
    assert_int_equal(fixture->heard[1].replaced, 1);
    assert_int_equal(fixture->heard[1].holder, holder);
}

// --- Silence

static void a_silent_runner_is_lost_and_in_the_end_given_up_by_its_epoch(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    claim(fixture, 5);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, 0);
    stub_answer(&changed(fixture, OUTCOME_GIVEN_UP, 5)->op, 0);
    struct execution_live live;
    hub_live(fixture->hub, ROW, &live);
    assert_false(live.known);
}

static void a_change_that_the_store_could_not_make_is_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    uint64_t holder = claim(fixture, 5);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, ERR_UNAVAILABLE);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, 0);
    hub_touch(fixture->hub, fixture->loop, ROW, holder);
    stub_answer(&changed(fixture, OUTCOME_BACK, 5)->op, ERR_STORE_FULL);
    hub_touch(fixture->hub, fixture->loop, ROW, holder);
    stub_answer(&changed(fixture, OUTCOME_BACK, 5)->op, 0);
    hub_touch(fixture->hub, fixture->loop, ROW, holder);
    assert_int_equal(fixture->store.count, 0);
}

static void what_the_store_refuses_is_not_asked_for_again(void **state)
{
    static const int refusals[] = {ERR_SEALED, ERR_EXPIRED};
    struct fixture *fixture = *state;
    start(fixture);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        claim(fixture, 1);
        stub_answer(&changed(fixture, OUTCOME_SILENT, 1)->op, refusals[i]);
        struct execution_live live;
        hub_live(fixture->hub, ROW, &live);
        assert_false(live.known);
    }
}

static void leases_begin_anew_with_a_start(void **state)
{
    struct fixture *fixture = *state;
    hub_start(fixture->hub, fixture->loop);
    struct store_list *list = STUB_TAKE(&fixture->store, STORE_LIST, store_list);
    assert_true(list->unsealed_only);
    list->ret_executions = xcalloc(2, sizeof(struct execution));
    list->ret_executions[0] = (struct execution){.row = ROW, .epoch = 4};
    list->ret_executions[1] = (struct execution){.row = ROW + 1}; // never had a runner
    list->ret_count = 2;
    list->ret_next_row = 9;
    stub_answer(&list->op, 0);
    struct store_list *rest = STUB_TAKE(&fixture->store, STORE_LIST, store_list);
    assert_int_equal(rest->before_row, 9);
    stub_answer(&rest->op, 0);
    struct execution_live live;
    hub_live(fixture->hub, ROW, &live);
    assert_true(live.known && !live.runner_connected);
    hub_live(fixture->hub, ROW + 1, &live);
    assert_false(live.known);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 4)->op, 0);
}

// --- Orders, lag, followers

static void a_cancel_reaches_its_runner_and_one_that_is_still_connecting(void **state)
{
    struct fixture *fixture = *state;
    char reason[64];
    uint64_t holder = comes(fixture, 0, 0, LEASE_NEW);
    hub_cancel(fixture->hub, ROW, "enough");
    loop_deliver(fixture->loop);
    assert_int_equal(fixture->heard[0].cancelled, 0); // nobody could be told
    hub_granted(fixture->hub, ROW, 1, holder);
    hub_cancel_asked(fixture->hub, ROW, reason);
    assert_string_equal(reason, "enough");
    hub_cancel(fixture->hub, ROW, "now");
    loop_deliver(fixture->loop);
    assert_int_equal(fixture->heard[0].cancelled, 1);
    assert_int_equal(fixture->heard[0].holder, holder);
    assert_string_equal(fixture->heard[0].reason, "now");
    hub_cancel_asked(fixture->hub, ROW + 1, reason);
    assert_string_equal(reason, "");
}

static void lag_is_that_of_connected_runners(void **state)
{
    struct fixture *fixture = *state;
    uint64_t holder = claim(fixture, 1);
    hub_lag(fixture->hub, ROW, holder, 12);
    hub_lag(fixture->hub, ROW, holder + 1, 99); // not its runner
    assert_int_equal(hub_lag_total(fixture->hub), 12);
    struct execution_live live;
    hub_live(fixture->hub, ROW, &live);
    assert_true(live.has_lag);
    assert_int_equal(live.lag_records, 12);
    hub_disconnect(fixture->hub, ROW, holder);
    assert_int_equal(hub_lag_total(fixture->hub), 0);
}

static void places_of_followers_are_counted_by_account(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 3; round++) {
        assert_true(hub_follower_add(fixture->hub, ACCOUNT, 2));
        assert_true(hub_follower_add(fixture->hub, ACCOUNT, 2));
        assert_false(hub_follower_add(fixture->hub, ACCOUNT, 2));
        assert_true(hub_follower_add(fixture->hub, ACCOUNT + 1, 1));
        assert_false(hub_follower_add(fixture->hub, ACCOUNT + 1, 1));
        hub_follower_remove(fixture->hub, ACCOUNT);
        assert_true(hub_follower_add(fixture->hub, ACCOUNT, 2));
        hub_follower_remove(fixture->hub, ACCOUNT);
        hub_follower_remove(fixture->hub, ACCOUNT);
        hub_follower_remove(fixture->hub, ACCOUNT + 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_connection_that_was_let_in_last_holds),
        TEST(a_claim_under_way_keeps_others_out_until_it_is_refused),
        TEST(who_went_before_it_was_told_holds_nothing),
        TEST(what_was_sealed_is_held_by_nobody),
        TEST(the_runner_over_whose_head_it_was_sealed_is_to_go),
        TEST(a_silent_runner_is_lost_and_in_the_end_given_up_by_its_epoch),
        TEST(a_change_that_the_store_could_not_make_is_asked_for_again),
        TEST(what_the_store_refuses_is_not_asked_for_again),
        TEST(leases_begin_anew_with_a_start),
        TEST(a_cancel_reaches_its_runner_and_one_that_is_still_connecting),
        TEST(lag_is_that_of_connected_runners),
        TEST(places_of_followers_are_counted_by_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
