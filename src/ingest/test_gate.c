#include "ingest/gate.h"
#include "util/testing.h"

#define MIB        ((size_t)1024 * 1024)
#define MEMORY_MAX (64 * MIB) // of which the intake gets 12 MiB

struct waiter {
    struct gate_waiter waiter;
    bool held_back;
    unsigned went, *order;
};

struct fixture {
    struct loop *loop;
    struct budget *budget;
    struct budget_account *accounts[2];
    struct intake_gate gate;
    struct waiter waiters[4];
    unsigned order;
};

static bool may_go(struct gate_waiter *it)
{
    return !CONTAINER_OF(it, struct waiter, waiter)->held_back;
}

static void go(struct gate_waiter *it)
{
    struct waiter *waiter = CONTAINER_OF(it, struct waiter, waiter);
    waiter->went = ++*waiter->order;
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->budget = budget_new(MEMORY_MAX);
    for (int i = 0; i < 2; i++)
        fixture->accounts[i] = budget_account(fixture->budget, i + 1);
    intake_gate_init(&fixture->gate, fixture->loop, fixture->budget);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    intake_gate_release(&fixture->gate);
    for (int i = 0; i < 2; i++)
        budget_account_unref(&fixture->accounts[i]);
    budget_free(&fixture->budget);
    loop_free(&fixture->loop);
    free(fixture);
    return 0;
}

static void wait_at(struct fixture *fixture, int waiter, int account, size_t wants)
{
    struct waiter *it = &fixture->waiters[waiter];
    *it =
        (struct waiter){.order = &fixture->order,
                        .waiter = {.account = fixture->accounts[account], .wants = wants, .may_go = may_go, .go = go}};
    list_init(&it->waiter.node);
    intake_gate_wait(&fixture->gate, &it->waiter);
}

// One more operation has ended, and the turn of the loop with it.
static void end_one(struct fixture *fixture)
{
    intake_gate_ended(&fixture->gate);
    loop_stop(fixture->loop);
    loop_run(fixture->loop);
}

static void those_who_wait_go_on_in_order_as_far_as_there_is_room(void **state)
{
    struct fixture *fixture = *state;
    budget_charge(fixture->accounts[0], BUDGET_intake, 2 * MIB); // of the 6 that it may have
    for (int i = 0; i < 3; i++)
        wait_at(fixture, i, 0, 2 * MIB);
    intake_gate_began(&fixture->gate);
    intake_gate_began(&fixture->gate);
    end_one(fixture);
    assert_int_equal(fixture->waiters[0].went, 1);
    assert_int_equal(fixture->waiters[1].went, 2);
    assert_int_equal(fixture->waiters[2].went, 0);
    list_remove(&fixture->waiters[2].waiter.node);
    intake_gate_ended(&fixture->gate);
    budget_give(fixture->accounts[0], BUDGET_intake, 2 * MIB);
}

static void an_account_without_room_does_not_hold_up_another(void **state)
{
    struct fixture *fixture = *state;
    budget_charge(fixture->accounts[0], BUDGET_intake, 7 * MIB);
    wait_at(fixture, 0, 0, MIB);
    wait_at(fixture, 1, 1, MIB);
    intake_gate_began(&fixture->gate);
    intake_gate_began(&fixture->gate);
    end_one(fixture);
    assert_int_equal(fixture->waiters[0].went, 0);
    assert_int_equal(fixture->waiters[1].went, 1);
    budget_give(fixture->accounts[0], BUDGET_intake, 7 * MIB);
    end_one(fixture);
    assert_int_equal(fixture->waiters[0].went, 2);
}

static void one_that_is_over_its_own_limit_goes_on_waiting(void **state)
{
    struct fixture *fixture = *state;
    wait_at(fixture, 0, 0, MIB);
    fixture->waiters[0].held_back = true;
    intake_gate_began(&fixture->gate);
    intake_gate_began(&fixture->gate);
    end_one(fixture);
    assert_int_equal(fixture->waiters[0].went, 0);
    fixture->waiters[0].held_back = false;
    end_one(fixture);
    assert_int_equal(fixture->waiters[0].went, 1);
}

static void when_nothing_is_under_way_the_first_goes_on_though_it_is_large(void **state)
{
    struct fixture *fixture = *state;
    budget_charge(fixture->accounts[1], BUDGET_intake, 12 * MIB); // of other loops
    wait_at(fixture, 0, 0, 20 * MIB);
    wait_at(fixture, 1, 0, 20 * MIB);
    intake_gate_began(&fixture->gate);
    end_one(fixture);
    assert_int_equal(fixture->waiters[0].went, 1);
    assert_int_equal(fixture->waiters[1].went, 0);
    list_remove(&fixture->waiters[1].waiter.node);
    budget_give(fixture->accounts[1], BUDGET_intake, 12 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(those_who_wait_go_on_in_order_as_far_as_there_is_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_account_without_room_does_not_hold_up_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_over_its_own_limit_goes_on_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(when_nothing_is_under_way_the_first_goes_on_though_it_is_large, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
