// Logs that nobody ends: which are found, and when one is sealed. The rules are tested beside model/quiet.c.
#include "store/store_fixture.h"

static int64_t make(struct fixture *fixture, int64_t account, const char *id, struct execution like)
{
    struct store_create create = {.op.kind = STORE_CREATE, .execution = like};
    create.execution.account = account;
    create.execution.execution_id = xstrdup(id);
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    int64_t row = create.execution.row;
    store_op_release(&create.op);
    return row;
}

static const struct execution quiet = {.status = STATUS_RUNNING, .quiet_ms = 5000},
                              late = {.status = STATUS_RUNNING, .quiet_ms = 5000, .late = true};

static int seal_as(struct fixture *fixture, int64_t row, uint64_t next, enum execution_status status)
{
    struct store_update update = {.op.kind = STORE_UPDATE,
                                  .row = row,
                                  .has_outcome = true,
                                  .outcome = {.cause = OUTCOME_QUIET},
                                  .quiet = {.next = next, .status = status}};
    int err = fixture_run(fixture, &update.op);
    store_op_release(&update.op);
    return err;
}

static int seal(struct fixture *fixture, int64_t row, uint64_t next)
{
    return seal_as(fixture, row, next, STATUS_RUNNING);
}

static void tell(struct fixture *fixture, int64_t row, enum execution_status status)
{
    struct store_update update = {
        .op.kind = STORE_UPDATE, .row = row, .has_outcome = true, .outcome = {.cause = OUTCOME_TOLD, .status = status}};
    assert_int_equal(fixture_run(fixture, &update.op), 0);
    store_op_release(&update.op);
}

static void what_may_end_by_being_quiet_is_found_with_the_end_of_its_log(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    fixture_create(fixture, account, "other", STATUS_RUNNING); // ended by whoever made it
    int64_t row = make(fixture, account, "quiet", quiet), held = make(fixture, account, "held", quiet);
    fixture_append_lines(fixture, row, "p", 0, 3);
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = held};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    store_op_release(&claim.op);
    fixture_reopen(fixture);
    struct store_quiet_look look = {.op.kind = STORE_QUIET_LOOK};
    assert_int_equal(fixture_run(fixture, &look.op), 0);
    assert_int_equal(look.ret_count, 1);
    assert_int_equal(look.ret_last, 0);
    assert_int_equal(look.ret_found[0].row, row);
    assert_int_equal(look.ret_found[0].next, 3);
    assert_int_equal(look.ret_found[0].quiet_ms, 5000);
    assert_int_equal(look.ret_found[0].status, STATUS_RUNNING);
    assert_int_equal(seal(fixture, row, 3), 0);
    assert_int_equal(fixture_run(fixture, &look.op), 0);
    assert_int_equal(look.ret_count, 0);
}

static void what_is_still_elsewhere_is_known_until_it_was_fetched(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct execution elsewhere = late;
    elsewhere.to_fetch = true;
    int64_t row = make(fixture, account, "elsewhere", elsewhere);
    fixture_reopen(fixture);
    struct store_quiet_look look = {.op.kind = STORE_QUIET_LOOK};
    struct store_get get = {.op.kind = STORE_GET, .account = account, .execution_id = STR("elsewhere")};
    assert_int_equal(fixture_run(fixture, &get.op), 0);
    assert_true(get.ret_execution.to_fetch);
    store_op_release(&get.op);
    assert_int_equal(fixture_run(fixture, &look.op), 0);
    assert_true(look.ret_found[0].to_fetch);
    assert_int_equal(look.ret_found[0].account, account);
    assert_string_equal(look.ret_found[0].execution_id, "elsewhere");
    struct store_update update = {.op.kind = STORE_UPDATE, .row = row, .fetched = true};
    assert_int_equal(fixture_run(fixture, &update.op), 0);
    assert_false(update.ret_execution.to_fetch);
    store_op_release(&update.op);
    fixture_reopen(fixture);
    assert_int_equal(fixture_run(fixture, &look.op), 0);
    assert_int_equal(look.ret_count, 1);
    assert_false(look.ret_found[0].to_fetch);
}

static void many_are_found_a_page_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    const size_t count = STORE_QUIET_MAX + 2;
    int64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "e%zu", i);
        make(fixture, account, id, quiet);
    }
    struct store_quiet_look look = {.op.kind = STORE_QUIET_LOOK};
    size_t found = 0;
    do {
        assert_int_equal(fixture_run(fixture, &look.op), 0);
        for (size_t i = 0; i < look.ret_count; i++) {
            assert_true(look.ret_found[i].row > last);
            last = look.ret_found[i].row;
        }
        found += look.ret_count;
        look.after = look.ret_last;
    } while (look.ret_last);
    assert_int_equal(found, count);
}

static void what_came_since_it_was_quiet_forbids_the_seal(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = make(fixture, account, "one", quiet);
    fixture_append_lines(fixture, row, "p", 0, 2);
    assert_int_equal(seal(fixture, row, 1), ERR_CONFLICT);
    assert_int_equal(seal(fixture, row, 2), 0);
    struct execution got = fixture_get(fixture, account, "one");
    assert_true(got.sealed && got.status == STATUS_LOST && !got.has_exit_code && got.next_sequence == 2);
    execution_release(&got);
}

static void a_late_log_stays_open_after_its_execution(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = make(fixture, account, "one", late);
    tell(fixture, row, STATUS_COMPLETED);
    fixture_reopen(fixture);
    fixture_append_lines(fixture, row, "p", 0, 2);
    struct execution got = fixture_get(fixture, account, "one");
    assert_true(got.status == STATUS_COMPLETED && !got.sealed && got.next_sequence == 2);
    execution_release(&got);
    assert_int_equal(seal(fixture, row, 2), ERR_CONFLICT); // its end was told since it was quiet
    assert_int_equal(seal_as(fixture, row, 2, STATUS_COMPLETED), 0);
    got = fixture_get(fixture, account, "one");
    assert_true(got.status == STATUS_COMPLETED && got.sealed);
    execution_release(&got);
}

static void nothing_of_a_suspended_account_is_sealed(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = make(fixture, fixture_account(fixture, "a"), "one", quiet);
    struct store_account_change change = {
        .op.kind = STORE_ACCOUNT_CHANGE, .name = STR("a"), .state = ACCOUNT_SUSPENDED};
    assert_int_equal(fixture_run(fixture, &change.op), 0);
    assert_int_equal(seal(fixture, row, 0), ERR_SUSPENDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(what_may_end_by_being_quiet_is_found_with_the_end_of_its_log),
        ON_EACH(what_is_still_elsewhere_is_known_until_it_was_fetched),
        ON_EACH(many_are_found_a_page_at_a_time),
        ON_EACH(what_came_since_it_was_quiet_forbids_the_seal),
        ON_EACH(a_late_log_stays_open_after_its_execution),
        ON_EACH(nothing_of_a_suspended_account_is_sealed),
    };
    return FIXTURE_EACH(tests);
}
