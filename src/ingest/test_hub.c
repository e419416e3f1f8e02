#include "ingest/hub.h"
#include "store/store_stub.h"
#include "util/log.h"

#define ROW     7
#define ACCOUNT 3

#define NODE 11

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct metrics *metrics;
    struct logger logger;
    struct hub *hub;
    bool started;
    // What the loops were told.
    unsigned live, replaced, cancelled;
    uint64_t holder;
    char reason[64];
};

static void told(void *arg, const struct hub_news *news)
{
    struct fixture *fixture = arg;
    assert_int_equal(news->row, ROW);
    fixture->live += news->kind == HUB_LIVE;
    fixture->replaced += news->kind == HUB_REPLACED;
    fixture->cancelled += news->kind == HUB_CANCEL;
    if (news->kind != HUB_LIVE)
        fixture->holder = news->holder;
    snprintf(fixture->reason, sizeof(fixture->reason), "%s", news->reason);
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    stub_init(&fixture->store);
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->metrics = metrics_new(1, NULL);
    fixture->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    // Leases that run out at the first look.
    struct hub_options options = {.lease_ms = 1,
                                  .lost_seal_ms = 1,
                                  .store = &fixture->store.base,
                                  .metrics = fixture->metrics,
                                  .logger = &fixture->logger,
                                  .address = "127.0.0.1:7117",
                                  .tell = told,
                                  .tell_arg = fixture};
    fixture->hub = hub_new(&options);
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
    assert_int_equal(hub_connect(fixture->hub, fixture->loop, &execution, epoch, holder), expected);
    return holder;
}

static uint64_t claim(struct fixture *fixture, uint64_t epoch)
{
    uint64_t holder = comes(fixture, 0, 0, LEASE_NEW);
    hub_granted(fixture->hub, ROW, hub_node(fixture->hub), epoch, holder);
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

static void started(void *arg, int err)
{
    struct fixture *fixture = arg;
    assert_int_equal(err, 0);
    assert_false(fixture->started);
    fixture->started = true;
}

// As far as the node is there. What it finds is the caller's to answer.
static struct store_lease_adopt *joins(struct fixture *fixture, int64_t node)
{
    struct store_node_start *start = STUB_TAKE(&fixture->store, STORE_NODE_START, store_node_start);
    assert_int_equal(start->node_kind, NODE_SERVER);
    assert_true(str_eq(start->address, STR("127.0.0.1:7117")));
    start->ret_node = node;
    stub_answer(&start->op, 0);
    assert_int_equal(hub_node(fixture->hub), node);
    struct store_lease_adopt *adopt = STUB_TAKE(&fixture->store, STORE_LEASE_ADOPT, store_lease_adopt);
    assert_int_equal(adopt->lease_kind, LEASE_RUNNER);
    assert_int_equal(adopt->node, node);
    return adopt;
}

static void start(struct fixture *fixture)
{
    hub_start(fixture->hub, fixture->loop, started, fixture);
    assert_false(fixture->started);
    struct store_lease_adopt *adopt = joins(fixture, NODE);
    assert_true(fixture->started);
    stub_answer(&adopt->op, 0);
}

static struct store_update *changed(struct fixture *fixture, enum outcome_cause cause, uint64_t epoch)
{
    await_operation(fixture);
    struct store_update *update = STUB_TAKE(&fixture->store, STORE_UPDATE, store_update);
    assert_int_equal(update->row, ROW);
    assert_true(update->has_outcome);
    assert_int_equal(update->outcome.cause, cause);
    assert_int_equal(update->epoch, epoch); // else it would hit whoever has taken over meanwhile
    assert_int_equal(update->node, hub_node(fixture->hub));
    return update;
}

// --- Who holds it

static void the_connection_that_was_let_in_last_holds(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first = comes(fixture, 0, 0, LEASE_NEW);
    assert_int_not_equal(first, 0);
    assert_false(hub_holds(fixture->hub, ROW, first));
    hub_granted(fixture->hub, ROW, hub_node(fixture->hub), 1, first);
    assert_true(hub_holds(fixture->hub, ROW, first));
    assert_false(hub_holds(fixture->hub, ROW + 1, first));
    uint64_t second = comes(fixture, 1, 1, LEASE_RESUME);
    assert_false(hub_holds(fixture->hub, ROW, first));
    assert_true(hub_holds(fixture->hub, ROW, second));
    assert_int_equal(fixture->replaced, 1);
    assert_int_equal(fixture->holder, first);
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
    assert_int_equal(fixture->replaced, 0); // it ends its connection itself
}

static void the_runner_over_whose_head_it_was_sealed_is_to_go(void **state)
{
    struct fixture *fixture = *state;
    uint64_t holder = claim(fixture, 1);
    hub_fenced(fixture->hub, ROW);
    hub_fenced(fixture->hub, ROW); // nobody is left to be told
    assert_false(hub_holds(fixture->hub, ROW, holder));
    assert_int_equal(fixture->replaced, 1);
    assert_int_equal(fixture->holder, holder);
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

static void a_runner_that_comes_back_is_told_of_a_cancel_that_was_asked_for_while_it_was_lost(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    uint64_t holder = claim(fixture, 5);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, 0);
    assert_true(hub_touch(fixture->hub, fixture->loop, ROW, holder));
    struct store_update *back = changed(fixture, OUTCOME_BACK, 5);
    back->ret_execution.cancel_reason = xstrdup("it was lost, and is tried again");
    stub_answer(&back->op, 0);
    assert_int_equal(fixture->cancelled, 1);
    assert_int_equal(fixture->holder, holder);
    assert_string_equal(fixture->reason, "it was lost, and is tried again");
}

static void a_touch_renews_only_the_lease_of_its_own_connection(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    uint64_t holder = claim(fixture, 5);
    assert_true(hub_vouches(fixture->hub));
    assert_false(hub_touch(fixture->hub, fixture->loop, ROW, holder + 1));
    assert_true(hub_touch(fixture->hub, fixture->loop, ROW, holder));
    hub_sealed(fixture->hub, ROW);
    assert_false(hub_touch(fixture->hub, fixture->loop, ROW, holder));
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
    hub_start(fixture->hub, fixture->loop, started, fixture);
    struct store_lease_adopt *adopt = joins(fixture, NODE);
    adopt->ret_leases = xcalloc(STORE_ADOPT_MAX, sizeof(*adopt->ret_leases));
    for (size_t i = 0; i < STORE_ADOPT_MAX; i++)
        adopt->ret_leases[i] = (struct adopted_lease){.subject = ROW + 1, .lease = {NODE, 9, 0, 0}};
    adopt->ret_leases[0] = (struct adopted_lease){.subject = ROW, .lease = {NODE, 4, 0, 0}};
    adopt->ret_count = STORE_ADOPT_MAX;
    stub_answer(&adopt->op, 0);
    struct store_lease_adopt *rest = STUB_TAKE(&fixture->store, STORE_LEASE_ADOPT, store_lease_adopt);
    rest->ret_leases = xcalloc(1, sizeof(*rest->ret_leases));
    rest->ret_leases[0] = (struct adopted_lease){.subject = ROW + 2, .lease = {NODE, 2, 50, 0}, .ran_out = true};
    rest->ret_count = 1;
    stub_answer(&rest->op, 0);
    for (int64_t row = ROW; row <= ROW + 2; row++) {
        struct execution_live live;
        hub_live(fixture->hub, row, &live);
        assert_true(live.known && !live.runner_connected);
    }
    hub_sealed(fixture->hub, ROW + 1);
    hub_sealed(fixture->hub, ROW + 2);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 4)->op, 0);
}

// --- Other servers

static void answer_look(struct fixture *fixture, int err, struct node_lease now)
{
    struct store_lease *look = STUB_TAKE(&fixture->store, STORE_LEASE, store_lease);
    assert_int_equal(look->lease_kind, LEASE_RUNNER);
    assert_int_equal(look->subject, ROW);
    assert_int_equal(look->ask.cause, NODE_LEASE_ADOPT);
    assert_int_equal(look->ask.node, NODE);
    look->ret_lease = now;
    stub_answer(&look->op, err);
}

static void what_another_server_has_by_now_is_forgotten_and_its_runner_here_is_to_go(void **state)
{
    struct fixture *fixture = *state;
    struct execution_live live;
    start(fixture);
    uint64_t holder = claim(fixture, 5);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, ERR_FENCED);
    answer_look(fixture, ERR_UNAVAILABLE, (struct node_lease){0}); // nothing is known yet: it is asked again
    assert_true(hub_holds(fixture->hub, ROW, holder));
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, ERR_FENCED);
    answer_look(fixture, ERR_HELD, (struct node_lease){0});
    hub_live(fixture->hub, ROW, &live);
    assert_false(live.known);
    assert_int_equal(fixture->replaced, 1);
    assert_int_equal(fixture->holder, holder);
}

static void a_runner_that_came_back_while_it_was_asked_for_stays(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    claim(fixture, 5);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, ERR_FENCED);
    uint64_t holder = comes(fixture, 5, 5, LEASE_RESUME);
    answer_look(fixture, ERR_HELD, (struct node_lease){0});
    assert_true(hub_holds(fixture->hub, ROW, holder));
    hub_sealed(fixture->hub, ROW);
}

static void what_was_another_servers_and_is_this_ones_again_begins_anew(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    uint64_t holder = claim(fixture, 5);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, ERR_FENCED);
    answer_look(fixture, 0, (struct node_lease){NODE, 5, 0, 0}); // its server has gone since
    assert_true(hub_touch(fixture->hub, fixture->loop, ROW, holder));
    stub_answer(&changed(fixture, OUTCOME_BACK, 5)->op, 0); // that one may have called it lost
    hub_sealed(fixture->hub, ROW);
}

static void a_claim_whose_answer_was_lost_is_found_when_its_silence_is(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    claim(fixture, 5);
    stub_answer(&changed(fixture, OUTCOME_SILENT, 5)->op, ERR_FENCED); // it is of epoch 6 by now
    answer_look(fixture, 0, (struct node_lease){NODE, 6, 0, 0});
    stub_answer(&changed(fixture, OUTCOME_SILENT, 6)->op, 0);
    hub_sealed(fixture->hub, ROW);
}

static void a_claim_that_was_faster_than_the_silence_stays(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    claim(fixture, 5);
    struct store_update *silent = changed(fixture, OUTCOME_SILENT, 5);
    uint64_t second = comes(fixture, 0, 5, LEASE_NEW);
    stub_answer(&silent->op, ERR_FENCED); // its claim is committed already
    answer_look(fixture, 0, (struct node_lease){NODE, 6, 0, 0});
    hub_granted(fixture->hub, ROW, NODE, 6, second);
    assert_true(hub_holds(fixture->hub, ROW, second));
}

static void who_comes_with_its_epoch_from_elsewhere_goes_on_once_the_store_has_said_so(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    for (int lost = 0; lost <= 1; lost++) {
        uint64_t holder = comes(fixture, 3, 3, LEASE_RETURN);
        assert_false(hub_holds(fixture->hub, ROW, holder));
        struct store_lease lease = {.ask = {.node = NODE, .epoch = 3}, .ret_lease = {NODE, 3, lost * 50, 0}};
        assert_int_equal(hub_returned(fixture->hub, ROW, &lease, holder), LEASE_RESUME);
        assert_true(hub_holds(fixture->hub, ROW, holder));
        hub_touch(fixture->hub, fixture->loop, ROW, holder);
        if (lost)
            stub_answer(&changed(fixture, OUTCOME_BACK, 3)->op, 0);
        hub_sealed(fixture->hub, ROW);
    }
    comes(fixture, 2, 3, LEASE_FENCED);
}

static void what_the_store_knows_a_runner_of_is_looked_up(void **state)
{
    struct fixture *fixture = *state;
    struct execution_live live;
    start(fixture);
    comes(fixture, 0, 3, LEASE_TAKEN);
    answer_look(fixture, ERR_HELD, (struct node_lease){0}); // another server's
    hub_live(fixture->hub, ROW, &live);
    assert_false(live.known);
    comes(fixture, 0, 3, LEASE_TAKEN);
    answer_look(fixture, ERR_UNAVAILABLE, (struct node_lease){0});
    comes(fixture, 0, 3, LEASE_TAKEN);
    answer_look(fixture, 0, (struct node_lease){NODE, 3, 0, 0}); // this one's, which it did not know
    stub_answer(&changed(fixture, OUTCOME_SILENT, 3)->op, 0);
    comes(fixture, 0, 3, LEASE_NEW);
    hub_refused(fixture->hub, ROW);
    hub_sealed(fixture->hub, ROW);
}

static void a_server_that_was_fenced_forgets_all_and_starts_anew(void **state)
{
    struct fixture *fixture = *state;
    struct execution_live live;
    hub_start(fixture->hub, fixture->loop, started, fixture);
    struct store_lease_adopt *adopt = joins(fixture, NODE);
    uint64_t holder = claim(fixture, 5), late = hub_new_holder(fixture->hub);
    stub_answer(&adopt->op, ERR_NODE_FENCED);
    assert_int_equal(fixture->replaced, 1);
    assert_int_equal(fixture->holder, holder);
    hub_live(fixture->hub, ROW, &live);
    assert_false(live.known);
    assert_int_not_equal(hub_node(fixture->hub), NODE);
    hub_granted(fixture->hub, ROW, NODE, 6, late); // claimed in the name of the one that was
    assert_false(hub_holds(fixture->hub, ROW, late));
    stub_answer(&joins(fixture, NODE + 1)->op, 0);
    struct store_lease lease = {.ask = {.node = NODE, .epoch = 5}, .ret_lease = {NODE, 5, 0, 0}};
    assert_int_equal(hub_returned(fixture->hub, ROW, &lease, holder), LEASE_TAKEN); // given back to the one that was
}

// --- Orders, lag

static void a_cancel_reaches_its_runner_and_one_that_is_still_connecting(void **state)
{
    struct fixture *fixture = *state;
    char reason[64];
    uint64_t holder = comes(fixture, 0, 0, LEASE_NEW);
    hub_cancel(fixture->hub, ROW, "enough");
    assert_int_equal(fixture->cancelled, 0); // nobody could be told
    hub_granted(fixture->hub, ROW, hub_node(fixture->hub), 1, holder);
    hub_cancel_asked(fixture->hub, ROW, reason);
    assert_string_equal(reason, "enough");
    hub_cancel(fixture->hub, ROW, "now");
    assert_int_equal(fixture->cancelled, 1);
    assert_int_equal(fixture->holder, holder);
    assert_string_equal(fixture->reason, "now");
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
        TEST(a_runner_that_comes_back_is_told_of_a_cancel_that_was_asked_for_while_it_was_lost),
        TEST(a_touch_renews_only_the_lease_of_its_own_connection),
        TEST(leases_begin_anew_with_a_start),
        TEST(what_another_server_has_by_now_is_forgotten_and_its_runner_here_is_to_go),
        TEST(a_runner_that_came_back_while_it_was_asked_for_stays),
        TEST(what_was_another_servers_and_is_this_ones_again_begins_anew),
        TEST(a_claim_whose_answer_was_lost_is_found_when_its_silence_is),
        TEST(a_claim_that_was_faster_than_the_silence_stays),
        TEST(who_comes_with_its_epoch_from_elsewhere_goes_on_once_the_store_has_said_so),
        TEST(what_the_store_knows_a_runner_of_is_looked_up),
        TEST(a_server_that_was_fenced_forgets_all_and_starts_anew),
        TEST(a_cancel_reaches_its_runner_and_one_that_is_still_connecting),
        TEST(lag_is_that_of_connected_runners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
