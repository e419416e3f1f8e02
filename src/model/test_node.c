#include "model/node.h"
#include "util/error.h"
#include "util/testing.h"

#define NOW 1763200000000
#define A   1
#define B   2

static const struct node_sign heard = {.heartbeat_ms = NOW}, silent = {.heartbeat_ms = NOW - 10 * NODE_SILENT_MS},
                              fenced = {.fenced = true, .heartbeat_ms = NOW};
static const struct node_lease of_a = {.node = A, .epoch = 4}, nobodys = {0}, ran_out = {A, 4, NOW, 0},
                               until_later = {A, 4, NOW + 1, 0}, released = {0, 4, 0, 0};

static const struct {
    const char *name;
    const struct node_lease *now;
    const struct node_sign *holder;
    struct node_lease_ask ask;
    int err;
    struct node_lease next;
} cases[] = {
    {"the first claim", &nobodys, &fenced, {NODE_LEASE_CLAIM, A, 0, 0, 0}, 0, {A, 1, 0, 0}},
    {"a claim that counts by itself", &nobodys, &fenced, {NODE_LEASE_CLAIM, A, 9, 0, 0}, 0, {A, 9, 0, 0}},
    {"what another one holds", &of_a, &heard, {NODE_LEASE_CLAIM, B, 0, 0, 0}, ERR_HELD, {0}},
    {"what it holds itself", &of_a, &heard, {NODE_LEASE_CLAIM, A, 0, 0, 0}, 0, {A, 5, 0, 0}},
    {"of a silent node that nobody has fenced", &of_a, &silent, {NODE_LEASE_CLAIM, B, 0, 0, 0}, ERR_HELD, {0}},
    {"of a fenced node", &of_a, &fenced, {NODE_LEASE_CLAIM, B, 0, 7, 0}, 0, {B, 5, 7, 0}},
    {"of a fenced node, whose runner may live", &of_a, &fenced, {NODE_LEASE_CLAIM, B, 5, 0, 0}, ERR_HELD, {0}},
    {"a lost runner's of a fenced node", &ran_out, &fenced, {NODE_LEASE_CLAIM, B, 5, 0, 0}, 0, {B, 5, 0, 0}},
    {"its own runner's", &of_a, &fenced, {NODE_LEASE_CLAIM, A, 5, 0, 0}, 0, {A, 5, 0, 0}},
    {"what has run out", &ran_out, &heard, {NODE_LEASE_CLAIM, B, 0, 0, 0}, 0, {B, 5, 0, 0}},
    {"just before it runs out", &until_later, &heard, {NODE_LEASE_CLAIM, B, 0, 0, 0}, ERR_HELD, {0}},
    {"its runner elsewhere", &of_a, &heard, {NODE_LEASE_RETURN, B, 4, 0, 0}, 0, {B, 4, 0, 0}},
    {"a lost one's runner elsewhere", &ran_out, &heard, {NODE_LEASE_RETURN, B, 4, 0, 0}, 0, {B, 4, NOW, 0}},
    {"an older runner", &of_a, &heard, {NODE_LEASE_RETURN, A, 3, 0, 0}, ERR_FENCED, {0}},
    {"adopting what is held", &of_a, &silent, {NODE_LEASE_ADOPT, B, 0, 0, 0}, ERR_HELD, {0}},
    {"adopting what was left", &of_a, &fenced, {NODE_LEASE_ADOPT, B, 0, 0, 0}, 0, {B, 4, 0, 0}},
    {"adopting a lost one", &ran_out, &fenced, {NODE_LEASE_ADOPT, B, 0, 0, 0}, 0, {B, 4, NOW, 0}},
    {"adopting what was released", &released, &fenced, {NODE_LEASE_ADOPT, B, 0, 0, 0}, 0, {B, 4, 0, 0}},
    {"looking at its own", &of_a, &heard, {NODE_LEASE_ADOPT, A, 0, 0, 0}, 0, {A, 4, 0, 0}},
    {"adopting what nobody ever held", &nobodys, &fenced, {NODE_LEASE_ADOPT, B, 0, 0, 0}, ERR_FENCED, {0}},
    {"renewing", &until_later, &heard, {NODE_LEASE_RENEW, A, 4, NOW + 9, 0}, 0, {A, 4, NOW + 9, 0}},
    {"renewing another one's", &until_later, &heard, {NODE_LEASE_RENEW, B, 4, NOW + 9, 0}, ERR_FENCED, {0}},
    {"renewing an older epoch", &until_later, &heard, {NODE_LEASE_RENEW, A, 3, NOW + 9, 0}, ERR_FENCED, {0}},
    {"releasing", &until_later, &heard, {NODE_LEASE_RELEASE, A, 4, 0, 0}, 0, {0, 4, NOW + 1, 0}},
    {"releasing another one's", &of_a, &heard, {NODE_LEASE_RELEASE, B, 4, 0, 0}, ERR_FENCED, {0}},
};

static void a_lease_changes_hands_only_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct node_lease next = {-1, 77, -1, -1};
        int err = node_lease_next(cases[i].now, cases[i].holder, &cases[i].ask, NOW, &next);
        bool same = next.node == cases[i].next.node && next.epoch == cases[i].next.epoch &&
                    next.deadline_ms == cases[i].next.deadline_ms;
        if (err != cases[i].err || (err == 0 && !same) || (err < 0 && next.epoch != 77))
            fail_msg("%s: %s, node %d, epoch %d", cases[i].name, error_word(err), (int)next.node, (int)next.epoch);
    }
}

static void what_is_released_is_held_by_nobody_and_its_epoch_goes_on(void **state)
{
    (void)state;
    struct node_lease lease = until_later;
    assert_true(node_lease_held(&lease, &heard, NOW));
    const struct node_lease_ask release = {NODE_LEASE_RELEASE, A, 4, 0, 0}, claim = {NODE_LEASE_CLAIM, B, 0, 0, 0};
    assert_int_equal(node_lease_next(&lease, &heard, &release, NOW, &lease), 0);
    assert_false(node_lease_held(&lease, &heard, NOW));
    assert_int_equal(node_lease_next(&lease, &fenced, &claim, NOW, &lease), 0);
    assert_int_equal(lease.epoch, 5);
}

// The holder goes from A to B; what it has asked A for comes to the store only then.
static void what_a_holder_asked_for_before_it_went_on_does_not_take_the_lease_back(void **state)
{
    (void)state;
    static const struct {
        int64_t node, asked_ms;
        int err;
    } asked[] = {
        {A, 4999, ERR_HELD}, {A, 5000, 0}, {A, 5001, 0}, {A, 0, 0}, {B, 4999, 0}, {A, 999000 - NODE_OVERTAKEN_MS, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        struct node_lease lease = {.node = A, .epoch = 4};
        const int64_t last_ms = i == ARRAY_LEN(asked) - 1 ? 999000 : 5000; // the last: its machine has started anew
        const struct node_lease_ask went = {NODE_LEASE_RETURN, B, 4, 0, last_ms},
                                    late = {NODE_LEASE_RETURN, asked[i].node, 4, 0, asked[i].asked_ms};
        assert_int_equal(node_lease_next(&lease, &heard, &went, NOW, &lease), 0);
        assert_int_equal(node_lease_next(&lease, &heard, &late, NOW, &lease), asked[i].err);
        assert_int_equal(lease.node, asked[i].err ? B : asked[i].node);
    }
}

// Whatever its machine's clock says: another machine may have claimed.
static void a_claim_takes_the_lease_from_former_epochs_and_from_nobody_who_returns_with_its_own(void **state)
{
    (void)state;
    struct node_lease lease = {.node = A, .epoch = 4, .deadline_ms = NOW - 1, .asked_ms = 5000};
    const struct node_lease_ask claim = {NODE_LEASE_CLAIM, B, 5, 0, 0}, former = {NODE_LEASE_RETURN, A, 4, 0, 9000},
                                own = {NODE_LEASE_RETURN, A, 5, 0, 1};
    assert_int_equal(node_lease_next(&lease, &heard, &claim, NOW, &lease), 0);
    assert_int_equal(node_lease_next(&lease, &heard, &former, NOW, &lease), ERR_FENCED);
    assert_int_equal(node_lease_next(&lease, &heard, &own, NOW, &lease), 0);
    assert_true(lease.node == A && lease.epoch == 5 && lease.asked_ms == 1);
}

static void a_node_that_was_away_itself_fences_nobody(void **state)
{
    (void)state;
    assert_true(node_may_fence(NOW - NODE_BEAT_MS, NOW));
    assert_true(node_may_fence(NOW - 10000, NOW));
    assert_false(node_may_fence(NOW - 10001, NOW));
    assert_int_equal(node_silent_before(NOW), NOW - 30000);
}

static void a_server_vouches_until_others_may_have_fenced_it(void **state)
{
    (void)state;
    assert_true(node_may_vouch(1000, 1000));
    assert_true(node_may_vouch(1000, 1000 + NODE_SILENT_MS - 1));
    assert_false(node_may_vouch(1000, 1000 + NODE_SILENT_MS));
}

static void a_server_that_did_not_reach_the_store_of_late_judges_nobody(void **state)
{
    (void)state;
    assert_true(node_may_judge(1000, 1000));
    assert_true(node_may_judge(1000, 1000 + 2 * NODE_BEAT_MS));
    assert_false(node_may_judge(1000, 1001 + 2 * NODE_BEAT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_changes_hands_only_as_the_table_says),
        cmocka_unit_test(what_is_released_is_held_by_nobody_and_its_epoch_goes_on),
        cmocka_unit_test(what_a_holder_asked_for_before_it_went_on_does_not_take_the_lease_back),
        cmocka_unit_test(a_claim_takes_the_lease_from_former_epochs_and_from_nobody_who_returns_with_its_own),
        cmocka_unit_test(a_node_that_was_away_itself_fences_nobody),
        cmocka_unit_test(a_server_vouches_until_others_may_have_fenced_it),
        cmocka_unit_test(a_server_that_did_not_reach_the_store_of_late_judges_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
