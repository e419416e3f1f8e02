// Nodes and the leases of runners, as every adapter of the store's port keeps them. That two connections agree is in
// test_leases.c.
#include "store/store_fixture.h"

static int64_t start_node(struct fixture *fixture)
{
    struct store_node_start start = {.op.kind = STORE_NODE_START, .node_kind = NODE_SERVER};
    assert_int_equal(fixture_run(fixture, &start.op), 0);
    return start.ret_node;
}

static int claim_err(struct fixture *fixture, int64_t row, int64_t node)
{
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = row, .node = node};
    int err = fixture_run(fixture, &claim.op);
    store_op_release(&claim.op);
    return err;
}

static int change_err(struct fixture *fixture, int64_t row, int64_t node, enum outcome_cause cause)
{
    struct store_update update = {
        .op.kind = STORE_UPDATE, .row = row, .node = node, .has_outcome = true, .outcome = {.cause = cause}};
    int err = fixture_run(fixture, &update.op);
    store_op_release(&update.op);
    return err;
}

static int lease_err(struct fixture *fixture, int64_t row, struct node_lease_ask ask, struct node_lease *ret)
{
    struct store_lease lease = {.op.kind = STORE_LEASE, .lease_kind = LEASE_RUNNER, .subject = row, .ask = ask};
    int err = fixture_run(fixture, &lease.op);
    *ret = lease.ret_lease;
    return err;
}

static size_t adopts(struct fixture *fixture, int64_t node, struct adopted_lease *ret_first)
{
    struct store_lease_adopt adopt = {.op.kind = STORE_LEASE_ADOPT, .lease_kind = LEASE_RUNNER, .node = node};
    assert_int_equal(fixture_run(fixture, &adopt.op), 0);
    size_t count = adopt.ret_count;
    if (count > 0)
        *ret_first = adopt.ret_leases[0];
    store_op_release(&adopt.op);
    return count;
}

// --- A restart

// One that has the store alone fences those before it; others say themselves that they go.
static void server_ends(struct fixture *fixture, int64_t node)
{
    struct store_node_beat beat = {.op.kind = STORE_NODE_BEAT, .node = node, .leaves = true};
    if (!store_alone(fixture->store))
        assert_int_equal(fixture_run(fixture, &beat.op), 0);
    fixture_reopen(fixture);
}

static void the_runners_of_a_server_that_has_gone_are_the_next_ones_once(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), node = start_node(fixture);
    int64_t row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    fixture_create(fixture, account, "no runner", STATUS_QUEUED);
    assert_int_equal(claim_err(fixture, row, node), 0);
    server_ends(fixture, node);
    int64_t next = start_node(fixture);
    assert_int_not_equal(next, node);
    struct adopted_lease adopted = {0};
    assert_int_equal(adopts(fixture, next, &adopted), 1);
    assert_int_equal(adopted.subject, row);
    assert_int_equal(adopted.lease.epoch, 1);
    assert_int_equal(adopted.lease.node, next);
    assert_false(adopted.ran_out);
    assert_int_equal(adopts(fixture, next, &adopted), 0);
    assert_int_equal(claim_err(fixture, row, node), ERR_NODE_FENCED); // the former one has nothing to say any more
    assert_int_equal(change_err(fixture, row, node, OUTCOME_SILENT), ERR_FENCED);
    struct execution got = fixture_get(fixture, account, "e");
    assert_int_equal(got.epoch, 1);
    assert_int_equal(got.status, STATUS_RUNNING);
    execution_release(&got);
    struct store_node_beat beat = {.op.kind = STORE_NODE_BEAT, .node = node};
    assert_int_equal(fixture_run(fixture, &beat.op), ERR_NODE_FENCED);
    beat.node = next;
    assert_int_equal(fixture_run(fixture, &beat.op), 0);
}

// Killed, so that it could not say that it goes; others are alive.
static void a_server_that_starts_again_has_what_it_had(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), node = start_node(fixture);
    int64_t row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    assert_int_equal(claim_err(fixture, row, node), 0);
    fixture_reopen(fixture);
    struct store_node_start start = {.op.kind = STORE_NODE_START, .node_kind = NODE_SERVER, .former = node};
    assert_int_equal(fixture_run(fixture, &start.op), 0);
    struct adopted_lease adopted = {0};
    assert_int_equal(adopts(fixture, start.ret_node, &adopted), 1);
    assert_int_equal(adopted.subject, row);
}

static void a_lost_one_is_known_as_lost_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), node = start_node(fixture);
    int64_t row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    assert_int_equal(claim_err(fixture, row, node), 0);
    assert_int_equal(change_err(fixture, row, node, OUTCOME_SILENT), 0);
    fixture->now_ms += 1;
    server_ends(fixture, node);
    node = start_node(fixture);
    struct adopted_lease adopted = {0};
    assert_int_equal(adopts(fixture, node, &adopted), 1);
    assert_true(adopted.ran_out);
    assert_int_equal(change_err(fixture, row, node, OUTCOME_BACK), 0);
    struct node_lease lease;
    const struct node_lease_ask look = {.cause = NODE_LEASE_ADOPT, .node = node};
    assert_int_equal(lease_err(fixture, row, look, &lease), 0);
    assert_int_equal(lease.deadline_ms, 0); // as of any runner that is there
}

// --- The end

static void what_is_sealed_is_nobodys(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), node = start_node(fixture);
    int64_t row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    int64_t told = fixture_create(fixture, account, "told", STATUS_QUEUED);
    struct node_lease lease;
    struct adopted_lease adopted;
    const struct node_lease_ask look = {.cause = NODE_LEASE_ADOPT, .node = node};
    assert_int_equal(lease_err(fixture, row, look, &lease), ERR_FENCED); // nobody ever held it
    assert_int_equal(claim_err(fixture, row, node), 0);
    assert_int_equal(lease_err(fixture, row, look, &lease), 0);
    assert_int_equal(lease.epoch, 1);
    struct store_complete complete = {
        .op.kind = STORE_COMPLETE, .row = row, .epoch = 1, .status = STATUS_COMPLETED, .has_exit_code = true};
    assert_int_equal(fixture_run(fixture, &complete.op), 0);
    store_op_release(&complete.op);
    assert_int_equal(lease_err(fixture, row, look, &lease), ERR_FENCED);
    // Also what is sealed as its runner is lost.
    assert_int_equal(claim_err(fixture, told, node), 0);
    assert_int_equal(change_err(fixture, told, node, OUTCOME_SILENT), 0);
    assert_int_equal(change_err(fixture, told, node, OUTCOME_GIVEN_UP), 0);
    assert_int_equal(lease_err(fixture, told, look, &lease), ERR_FENCED);
    fixture_reopen(fixture);
    assert_int_equal(adopts(fixture, start_node(fixture), &adopted), 0);
}

// --- Who may change it

static void only_the_node_that_holds_it_says_that_its_runner_is_silent(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), node = start_node(fixture);
    int64_t row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    assert_int_equal(claim_err(fixture, row, node), 0);
    assert_int_equal(change_err(fixture, row, node + 1, OUTCOME_SILENT), ERR_FENCED);
    struct execution got = fixture_get(fixture, account, "e");
    assert_int_equal(got.status, STATUS_RUNNING);
    execution_release(&got);
    assert_int_equal(change_err(fixture, row, node, OUTCOME_SILENT), 0);
    got = fixture_get(fixture, account, "e");
    assert_int_equal(got.status, STATUS_LOST);
    execution_release(&got);
}

static void a_runner_takes_its_lease_back_by_its_epoch_alone(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), node = start_node(fixture);
    int64_t row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    struct node_lease lease;
    assert_int_equal(claim_err(fixture, row, node), 0);
    assert_int_equal(claim_err(fixture, row, node), 0); // the node decides over what it holds itself
    struct node_lease_ask back = {.cause = NODE_LEASE_RETURN, .node = node, .epoch = 1};
    assert_int_equal(lease_err(fixture, row, back, &lease), ERR_FENCED);
    back.epoch = 2;
    assert_int_equal(lease_err(fixture, row, back, &lease), 0);
    assert_int_equal(lease.epoch, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(the_runners_of_a_server_that_has_gone_are_the_next_ones_once),
        ON_EACH(a_server_that_starts_again_has_what_it_had),
        ON_EACH(a_lost_one_is_known_as_lost_after_a_restart),
        ON_EACH(what_is_sealed_is_nobodys),
        ON_EACH(only_the_node_that_holds_it_says_that_its_runner_is_silent),
        ON_EACH(a_runner_takes_its_lease_back_by_its_epoch_alone),
    };
    return FIXTURE_EACH(tests);
}
