#include "ingest/lease.h"
#include "util/testing.h"

#define LEASE 30000
#define SEAL  86400000

static uint64_t former;

static enum lease_verdict connect_runner(struct lease_table *table, uint64_t epoch, uint64_t stored, uint64_t holder,
                                         uint64_t now)
{
    return lease_connect(table, 7, epoch, (struct lease_stored){.epoch = stored}, holder, now, &former);
}

static int setup(void **state)
{
    struct lease_table *table = xcalloc(1, sizeof(*table));
    lease_table_init(table, LEASE, SEAL);
    *state = table;
    return 0;
}

static int teardown(void **state)
{
    lease_table_release(*state);
    free(*state);
    return 0;
}

static void hold(struct lease_table *table, uint64_t epoch, uint64_t holder, uint64_t now)
{
    assert_int_equal(connect_runner(table, 0, epoch - 1, holder, now), LEASE_NEW);
    lease_granted(table, 7, epoch, holder, now);
}

struct expired {
    unsigned lost, to_seal;
};

static void count_expired(void *arg, struct lease *lease, enum lease_expiry what)
{
    struct expired *expired = arg;
    assert_int_equal(lease->row, 7);
    if (what == LEASE_BECAME_LOST)
        expired->lost++;
    else
        expired->to_seal++;
}

static void second_runner_is_refused_while_the_lease_holds(void **state)
{
    hold(*state, 1, 10, 1000);
    assert_int_equal(connect_runner(*state, 0, 1, 11, 1000 + LEASE - 1), LEASE_TAKEN);
}

static void second_runner_may_claim_once_the_lease_ran_out(void **state)
{
    hold(*state, 1, 10, 1000);
    assert_int_equal(connect_runner(*state, 0, 1, 11, 1000 + LEASE), LEASE_NEW);
    assert_int_equal(former, 10);
    lease_granted(*state, 7, 2, 11, 1000 + LEASE);
    assert_int_equal(connect_runner(*state, 1, 2, 12, 1000 + LEASE), LEASE_FENCED);
}

static void nobody_may_claim_while_a_claim_is_being_committed(void **state)
{
    assert_int_equal(connect_runner(*state, 0, 0, 10, 1000), LEASE_NEW);
    assert_int_equal(connect_runner(*state, 0, 0, 11, 1000), LEASE_TAKEN);
    lease_refused(*state, 7);
    assert_int_equal(connect_runner(*state, 0, 0, 11, 1000), LEASE_NEW);
}

static void refused_claim_leaves_the_former_lease_as_it_was(void **state)
{
    hold(*state, 1, 10, 1000);
    assert_int_equal(connect_runner(*state, 0, 1, 11, 1000 + LEASE), LEASE_NEW);
    lease_refused(*state, 7);
    assert_int_equal(connect_runner(*state, 1, 1, 12, 1000 + LEASE), LEASE_RESUME);
}

static void same_epoch_comes_back_and_replaces_its_dead_connection(void **state)
{
    hold(*state, 1, 10, 1000);
    assert_int_equal(connect_runner(*state, 1, 1, 11, 2000), LEASE_RESUME);
    assert_int_equal(former, 10);
    lease_disconnect(*state, 7, 10); // the old one's end must not take the new one's place away
    assert_int_equal(lease_find(*state, 7)->holder, 11);
}

static void claim_whose_runner_went_before_it_heard_of_it_holds_nobody_up(void **state)
{
    hold(*state, 1, 10, 1000);
    lease_abandon(*state, 7, 10);
    assert_int_equal(connect_runner(*state, 0, 1, 11, 1001), LEASE_NEW);
    lease_granted(*state, 7, 2, 11, 1001);
    assert_int_equal(connect_runner(*state, 0, 2, 12, 1002), LEASE_TAKEN);
}

static void claim_whose_runner_comes_back_after_all_is_held(void **state)
{
    struct lease_table *table = *state;
    hold(table, 1, 10, 1000);
    lease_abandon(table, 7, 10);
    assert_int_equal(connect_runner(table, 1, 1, 11, 1001), LEASE_RESUME); // it is known by the key of its claim
    assert_int_equal(connect_runner(table, 0, 1, 12, 1002), LEASE_TAKEN);
    lease_abandon(table, 7, 11);
    table->shared = true;
    assert_int_equal(connect_runner(table, 1, 1, 13, 1003), LEASE_RETURN);
    assert_int_equal(lease_returned(table, 7, 1, false, 13, 1004, &former), LEASE_RESUME);
    assert_int_equal(connect_runner(table, 0, 1, 14, 1005), LEASE_TAKEN);
}

static void silent_runner_is_lost_once_and_running_again_when_heard_of(void **state)
{
    struct expired expired = {0};
    hold(*state, 1, 10, 1000);
    lease_expire(*state, 1000 + LEASE - 1, true, count_expired, &expired);
    assert_int_equal(expired.lost, 0);
    lease_expire(*state, 1000 + LEASE, true, count_expired, &expired);
    lease_expire(*state, 1000 + LEASE + 1, true, count_expired, &expired);
    assert_int_equal(expired.lost, 1);
    assert_true(lease_touch(*state, 7, 10, 1000 + LEASE + 2));
    assert_false(lease_touch(*state, 7, 10, 1000 + LEASE + 3));
}

static void nobody_is_lost_because_the_store_was_away(void **state)
{
    struct expired expired = {0};
    hold(*state, 1, 10, 1000);
    lease_expire(*state, 5000 + LEASE, false, count_expired, &expired); // for longer than a lease
    lease_expire(*state, 5000 + 2 * LEASE - 1, true, count_expired, &expired);
    assert_int_equal(connect_runner(*state, 0, 1, 12, 5000 + 2 * LEASE - 1), LEASE_TAKEN);
    assert_int_equal(expired.lost, 0);
    lease_expire(*state, 5000 + 2 * LEASE, true, count_expired, &expired);
    assert_int_equal(expired.lost, 1);
    lease_expire(*state, 5000 + 2 * LEASE + SEAL, false, count_expired, &expired);
    assert_int_equal(expired.to_seal, 0);
    lease_expire(*state, 5000 + 2 * LEASE + SEAL, true, count_expired, &expired);
    assert_int_equal(expired.to_seal, 1);
}

static void heartbeats_keep_the_lease(void **state)
{
    struct expired expired = {0};
    hold(*state, 1, 10, 0);
    for (uint64_t now = 0; now < 10 * LEASE; now += 10000) {
        lease_touch(*state, 7, 10, now);
        lease_expire(*state, now, true, count_expired, &expired);
    }
    assert_int_equal(expired.lost, 0);
}

static void lost_execution_is_to_be_sealed_after_the_grace(void **state)
{
    struct expired expired = {0};
    hold(*state, 1, 10, 0);
    lease_expire(*state, LEASE, true, count_expired, &expired);
    lease_expire(*state, LEASE + SEAL - 1, true, count_expired, &expired);
    assert_int_equal(expired.to_seal, 0);
    lease_expire(*state, LEASE + SEAL, true, count_expired, &expired);
    assert_int_equal(expired.to_seal, 1);
    lease_end(*state, 7);
    assert_null(lease_find(*state, 7));
}

static void after_a_restart_the_old_runner_has_a_whole_lease_to_come_back(void **state)
{
    struct expired expired = {0};
    lease_restore(*state, 7, 3, false, 500);
    assert_int_equal(connect_runner(*state, 0, 3, 10, 500 + LEASE - 1), LEASE_TAKEN);
    assert_int_equal(connect_runner(*state, 3, 3, 11, 500 + LEASE - 1), LEASE_RESUME);
    lease_touch(*state, 7, 11, 500 + LEASE - 1);
    lease_expire(*state, 500 + LEASE, true, count_expired, &expired);
    assert_int_equal(expired.lost, 0);
}

// It brings the newest epoch, and nothing is known of it here: at another server before, or just after a restart.
static enum lease_verdict returns(struct lease_table *table, bool lost, uint64_t holder, uint64_t now)
{
    assert_int_equal(connect_runner(table, 3, 3, holder, now), LEASE_RETURN);
    assert_null(lease_find(table, 7)); // nothing begins before the store has said so
    return lease_returned(table, 7, 3, lost, holder, now, &former);
}

static void runner_that_is_new_here_goes_on_by_its_epoch(void **state)
{
    assert_int_equal(returns(*state, false, 11, 500), LEASE_RESUME);
    assert_int_equal(former, 0);
    assert_false(lease_touch(*state, 7, 11, 500)); // it was not lost
    lease_restore(*state, 7, 3, false, 600);       // taken over all the same: its runner was quicker
    assert_int_equal(lease_find(*state, 7)->holder, 11);
}

static void runner_that_is_new_here_and_was_lost_is_running_again_when_heard_of(void **state)
{
    struct expired expired = {0};
    assert_int_equal(returns(*state, true, 11, 500), LEASE_RESUME);
    lease_expire(*state, 500 + SEAL - 1, true, count_expired, &expired); // before anything of it was heard
    assert_int_equal(expired.lost, 0);
    assert_int_equal(expired.to_seal, 0);
    assert_true(lease_touch(*state, 7, 11, 500 + SEAL - 1));
}

// This server had it, then another one, which may have told its runner until just now that it lasts.
static void what_comes_back_from_another_server_has_a_whole_lease(void **state)
{
    struct expired expired = {0};
    hold(*state, 1, 10, 0);
    lease_restore(*state, 7, 1, false, LEASE - 1); // the other one has gone
    lease_expire(*state, 2 * LEASE - 2, true, count_expired, &expired);
    assert_int_equal(expired.lost, 0);
    lease_expire(*state, 2 * LEASE - 1, true, count_expired, &expired);
    assert_int_equal(expired.lost, 1);
}

static void what_ran_out_here_while_another_server_had_it_has_a_whole_lease(void **state)
{
    struct expired expired = {0};
    hold(*state, 1, 10, 0);
    lease_expire(*state, LEASE, true, count_expired, &expired);
    assert_int_equal(expired.lost, 1); // which the store refused
    lease_restore(*state, 7, 1, false, LEASE + 10);
    lease_expire(*state, 2 * LEASE + 9, true, count_expired, &expired);
    assert_int_equal(expired.lost, 1);
    assert_int_equal(expired.to_seal, 0);
    lease_expire(*state, 2 * LEASE + 10, true, count_expired, &expired);
    assert_int_equal(expired.lost, 2);
    lease_restore(*state, 7, 1, true, 2 * LEASE + 20); // it is lost there, too, maybe only now: so is its grace
    lease_expire(*state, 2 * LEASE + 19 + SEAL, true, count_expired, &expired);
    assert_int_equal(expired.to_seal, 0);
    lease_expire(*state, 2 * LEASE + 20 + SEAL, true, count_expired, &expired);
    assert_int_equal(expired.to_seal, 1);
}

static void runner_that_returns_and_goes_again_is_found_silent(void **state)
{
    struct expired expired = {0};
    (*(struct lease_table **)state)->shared = true;
    hold(*state, 1, 10, 0);
    lease_expire(*state, LEASE, true, count_expired, &expired); // which the store refused: it was another server's
    assert_int_equal(connect_runner(*state, 1, 1, 11, LEASE + 10), LEASE_RETURN);
    assert_int_equal(lease_returned(*state, 7, 1, false, 11, LEASE + 20, &former), LEASE_RESUME);
    lease_disconnect(*state, 7, 11); // before anything was heard
    lease_expire(*state, 2 * LEASE + 19, true, count_expired, &expired);
    assert_int_equal(expired.lost, 1);
    lease_expire(*state, 2 * LEASE + 20, true, count_expired, &expired);
    assert_int_equal(expired.lost, 2);
}

static void of_two_that_return_at_once_the_later_has_it(void **state)
{
    assert_int_equal(connect_runner(*state, 3, 3, 11, 500), LEASE_RETURN);
    assert_int_equal(connect_runner(*state, 3, 3, 12, 500), LEASE_RETURN);
    assert_int_equal(lease_returned(*state, 7, 3, false, 11, 510, &former), LEASE_RESUME);
    assert_int_equal(lease_returned(*state, 7, 3, false, 12, 520, &former), LEASE_RESUME);
    assert_int_equal(former, 11);
    assert_int_equal(lease_find(*state, 7)->holder, 12);
}

static void runner_that_returns_after_another_one_claimed_is_fenced(void **state)
{
    assert_int_equal(connect_runner(*state, 3, 3, 11, 500), LEASE_RETURN);
    lease_granted(*state, 7, 4, 12, 510);
    assert_int_equal(lease_returned(*state, 7, 3, false, 11, 520, &former), LEASE_FENCED);
    assert_int_equal(lease_find(*state, 7)->holder, 12);
}

static void second_runner_of_what_is_not_held_here_waits_unless_it_is_lost(void **state)
{
    assert_int_equal(connect_runner(*state, 0, 3, 10, 500), LEASE_ELSEWHERE);
    assert_null(lease_find(*state, 7));
    lease_restore(*state, 7, 3, false, 600);
    assert_int_equal(connect_runner(*state, 0, 3, 12, 600 + LEASE - 1), LEASE_TAKEN);
    assert_int_equal(connect_runner(*state, 3, 3, 11, 700), LEASE_RESUME);
    lease_end(*state, 7);
    const struct lease_stored lost = {.epoch = 3, .lost = true};
    assert_int_equal(lease_connect(*state, 7, 0, lost, 13, 800, &former), LEASE_NEW);
}

// Its runner has gone on at another server, and nobody has heard of that here.
static void second_runner_of_what_is_lost_here_alone_waits(void **state)
{
    struct expired expired = {0};
    const struct lease_stored lost = {.epoch = 1, .lost = true}, ended = {.epoch = 1, .ended = true};
    (*(struct lease_table **)state)->shared = true;
    hold(*state, 1, 10, 0);
    assert_int_equal(connect_runner(*state, 0, 1, 11, LEASE), LEASE_ELSEWHERE); // also before it is noticed here
    lease_expire(*state, LEASE, true, count_expired, &expired);
    assert_int_equal(connect_runner(*state, 0, 1, 11, LEASE + 10), LEASE_ELSEWHERE);
    assert_int_equal(lease_find(*state, 7)->state, LEASE_LOST);
    assert_int_equal(lease_connect(*state, 7, 0, ended, 11, LEASE + 10, &former), LEASE_NEW); // which is refused
    lease_refused(*state, 7);
    assert_int_equal(lease_connect(*state, 7, 0, lost, 11, LEASE + 10, &former), LEASE_NEW);
}

static void runner_that_comes_back_to_what_is_lost_here_keeps_others_away(void **state)
{
    struct expired expired = {0};
    const struct lease_stored lost = {.epoch = 1, .lost = true};
    (*(struct lease_table **)state)->shared = true;
    hold(*state, 1, 10, 0);
    lease_expire(*state, LEASE, true, count_expired, &expired);
    assert_int_equal(connect_runner(*state, 1, 1, 11, LEASE + 10), LEASE_RETURN);
    assert_int_equal(lease_connect(*state, 7, 0, lost, 12, LEASE + 20, &former), LEASE_TAKEN);
    assert_int_equal(lease_returned(*state, 7, 1, true, 11, LEASE + 30, &former), LEASE_RESUME);
    assert_true(lease_touch(*state, 7, 11, LEASE + 40));
}

static void runner_whose_epoch_another_server_gave_it_is_not_fenced_by_a_claim_here(void **state)
{
    (*(struct lease_table **)state)->shared = true;
    assert_int_equal(connect_runner(*state, 0, 0, 10, 100), LEASE_NEW);
    assert_int_equal(connect_runner(*state, 1, 1, 11, 200), LEASE_TAKEN);
    lease_refused(*state, 7);
    assert_int_equal(connect_runner(*state, 1, 1, 11, 300), LEASE_RETURN);
}

static void what_is_another_servers_by_now_is_forgotten_by_its_epoch(void **state)
{
    hold(*state, 1, 10, 1000);
    assert_false(lease_forget(*state, 7, 2, 10)); // of another epoch
    assert_false(lease_forget(*state, 7, 1, 9));  // it has come back meanwhile
    assert_int_equal(lease_find(*state, 7)->holder, 10);
    assert_true(lease_forget(*state, 7, 1, 10));
    assert_null(lease_find(*state, 7));
    assert_false(lease_forget(*state, 7, 1, 10));
    lease_granted(*state, 7, 2, 11, 1000);
    assert_int_equal(connect_runner(*state, 0, 2, 12, 1000 + LEASE), LEASE_NEW);
    assert_false(lease_forget(*state, 7, 2, 11)); // whoever claims it just now stays
    lease_granted(*state, 7, 3, 12, 1000 + LEASE);
    assert_int_equal(lease_find(*state, 7)->holder, 12);
}

static void count_forgotten(void *arg, int64_t row, uint64_t holder)
{
    unsigned *forgotten = arg;
    assert_int_equal(row, 7);
    assert_int_equal(holder, 10);
    *forgotten += 1;
}

static void a_server_that_was_fenced_forgets_all(void **state)
{
    unsigned forgotten = 0;
    hold(*state, 1, 10, 1000);
    lease_restore(*state, 8, 1, false, 1000); // nobody is connected
    lease_forget_all(*state, count_forgotten, &forgotten);
    assert_int_equal(forgotten, 1);
    assert_null(lease_find(*state, 7));
    assert_null(lease_find(*state, 8));
    lease_granted(*state, 7, 2, 11, 2000); // and goes on
    assert_int_equal(lease_find(*state, 7)->holder, 11);
}

static void status_that_could_not_be_stored_is_asked_for_again(void **state)
{
    struct expired expired = {0};
    hold(*state, 1, 10, 0);
    lease_expire(*state, LEASE, true, count_expired, &expired);
    lease_change_failed(*state, 7, 1, true, LEASE + 5);
    lease_expire(*state, LEASE + 10, true, count_expired, &expired);
    assert_int_equal(expired.lost, 2);
    assert_true(lease_touch(*state, 7, 10, LEASE + 20));
    assert_false(lease_touch(*state, 7, 10, LEASE + 30));
    lease_change_failed(*state, 7, 1, false, LEASE + 40);
    assert_true(lease_touch(*state, 7, 10, LEASE + 50));
    lease_change_failed(*state, 7, 1, true, LEASE + 60); // an old answer: it is not lost any more
    assert_false(lease_touch(*state, 7, 10, LEASE + 70));
}

static void what_could_not_be_stored_while_the_server_could_not_judge_has_its_whole_time_again(void **state)
{
    struct expired expired = {0};
    hold(*state, 1, 10, 0);
    lease_expire(*state, LEASE, true, count_expired, &expired);
    assert_int_equal(expired.lost, 1);
    lease_expire(*state, 3 * LEASE, false, count_expired, &expired); // it stood still, or the store was away
    lease_change_failed(*state, 7, 1, true, 3 * LEASE + 5);
    lease_expire(*state, 4 * LEASE - 1, true, count_expired, &expired);
    assert_int_equal(expired.lost, 1);
    lease_expire(*state, 4 * LEASE, true, count_expired, &expired);
    assert_int_equal(expired.lost, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(second_runner_is_refused_while_the_lease_holds),
        TEST(second_runner_may_claim_once_the_lease_ran_out),
        TEST(nobody_may_claim_while_a_claim_is_being_committed),
        TEST(refused_claim_leaves_the_former_lease_as_it_was),
        TEST(same_epoch_comes_back_and_replaces_its_dead_connection),
        TEST(claim_whose_runner_went_before_it_heard_of_it_holds_nobody_up),
        TEST(claim_whose_runner_comes_back_after_all_is_held),
        TEST(silent_runner_is_lost_once_and_running_again_when_heard_of),
        TEST(nobody_is_lost_because_the_store_was_away),
        TEST(heartbeats_keep_the_lease),
        TEST(lost_execution_is_to_be_sealed_after_the_grace),
        TEST(after_a_restart_the_old_runner_has_a_whole_lease_to_come_back),
        TEST(runner_that_is_new_here_goes_on_by_its_epoch),
        TEST(runner_that_is_new_here_and_was_lost_is_running_again_when_heard_of),
        TEST(what_comes_back_from_another_server_has_a_whole_lease),
        TEST(what_ran_out_here_while_another_server_had_it_has_a_whole_lease),
        TEST(runner_that_returns_and_goes_again_is_found_silent),
        TEST(of_two_that_return_at_once_the_later_has_it),
        TEST(runner_that_returns_after_another_one_claimed_is_fenced),
        TEST(second_runner_of_what_is_not_held_here_waits_unless_it_is_lost),
        TEST(second_runner_of_what_is_lost_here_alone_waits),
        TEST(runner_that_comes_back_to_what_is_lost_here_keeps_others_away),
        TEST(runner_whose_epoch_another_server_gave_it_is_not_fenced_by_a_claim_here),
        TEST(what_is_another_servers_by_now_is_forgotten_by_its_epoch),
        TEST(a_server_that_was_fenced_forgets_all),

        TEST(status_that_could_not_be_stored_is_asked_for_again),
        TEST(what_could_not_be_stored_while_the_server_could_not_judge_has_its_whole_time_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
