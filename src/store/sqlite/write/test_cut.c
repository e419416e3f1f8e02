// Cutting logs at their front while lines come, are merged and are read.
#include "store/sqlite/sqlite_fixture.h"

#define EXECUTIONS 8
#define KEPT       1000

static const struct retention rules = {.log.records_max = KEPT};

struct log {
    int64_t row;
    uint64_t next, first;
};

static void cut_some(struct fixture *fixture, struct log *log)
{
    struct store_front front = {.op.kind = STORE_FRONT, .row = log->row, .rules = &rules};
    assert_int_equal(fixture_run(fixture, &front.op), 0);
    assert_int_equal(front.ret_before.first, log->first);
    assert_true(front.ret_before.has_digest && front.ret_after.has_digest);
    if (front.ret_after.first == log->first)
        return;
    struct store_cut cut = {
        .op.kind = STORE_CUT, .row = log->row, .rules = &rules, .before = front.ret_before, .after = front.ret_after};
    int err = fixture_run(fixture, &cut.op);
    // It is being merged, or was merged after the look.
    assert_true(err == 0 || err == ERR_HELD || err == ERR_CONFLICT);
    if (err == 0)
        log->first = front.ret_after.first;
    assert_true(log->first + KEPT <= log->next);
}

static void append_some(struct fixture *fixture, struct log *log, uint64_t *random)
{
    bool large = test_random(random) % 6 == 0;
    fixture_append_next(fixture, log->row, &log->next, (uint32_t)(1 + test_random(random) % (large ? 4000 : 40)), 60);
}

static void add_to_digest(void *arg, uint64_t sequence, const struct record *record)
{
    uint64_t *digest = arg;
    fixture_check_record(NULL, sequence, record);
    *digest = record_digest_next(*digest, record);
}

// What is left goes on from the digest of what was cut.
static void assert_proved(struct fixture *fixture, int64_t account, const char *id, const struct log *log)
{
    struct execution got = fixture_get(fixture, account, id);
    uint64_t digest = got.cut_digest;
    assert_int_equal(got.first_sequence, log->first);
    assert_int_equal(got.has_cut_digest, log->first > 0);
    assert_int_equal(fixture_read(fixture, log->row, log->first, 1 << 20, add_to_digest, &digest), log->next);
    assert_int_equal(digest, got.digest);
    execution_release(&got);
}

static void random_cuts_with_merges_leave_whole_logs(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 7;
    int64_t account = fixture_account(fixture, "a");
    struct log logs[EXECUTIONS] = {0};
    char ids[EXECUTIONS][8];
    for (int i = 0; i < EXECUTIONS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "e%d", i);
        logs[i].row = fixture_create(fixture, account, ids[i], STATUS_RUNNING);
    }
    for (int step = 0; step < 1200; step++) {
        struct log *log = &logs[test_random(&random) % EXECUTIONS];
        append_some(fixture, log, &random);
        cut_some(fixture, &logs[test_random(&random) % EXECUTIONS]);
        if (test_random(&random) % 8 == 0) {
            uint64_t from = log->first + test_random(&random) % (log->next - log->first);
            assert_int_equal(
                fixture_read(fixture, log->row, from, 1 + test_random(&random) % 100000, fixture_check_record, NULL),
                log->next);
        }
        if (test_random(&random) % 300 == 0)
            fixture_reopen(fixture);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < EXECUTIONS; i++)
            assert_proved(fixture, account, ids[i], &logs[i]);
        fixture_await_merged(fixture);
    }
    // Everything is merged, so nothing keeps the rest from being cut.
    for (int i = 0; i < EXECUTIONS; i++) {
        uint64_t before;
        do {
            before = logs[i].first;
            cut_some(fixture, &logs[i]);
        } while (logs[i].first > before);
        assert_true(logs[i].first > 0);
        assert_proved(fixture, account, ids[i], &logs[i]);
    }
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM chunks c JOIN executions e ON e.id = c.execution "
                                            "WHERE c.first < e.first_sequence"),
                     0);
}

// What is in `hot` is not touched, whatever lies behind it.
static void what_is_not_merged_yet_is_not_cut(void **state)
{
    struct fixture *fixture = *state;
    struct log log = {.row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING)};
    fixture_append_next(fixture, log.row, &log.next, 5, 60); // stays in `hot` for a minute
    for (int i = 0; i < 3; i++)
        fixture_append_next(fixture, log.row, &log.next, 3000, 60);
    cut_some(fixture, &log);
    assert_int_equal(log.first, 0);
    assert_int_equal(fixture_read(fixture, log.row, 0, 1 << 20, fixture_check_record, NULL), log.next);
}

// A log of which a part was damaged is cut as well; only its digest is not known any more.
static void what_cannot_be_read_is_cut_without_a_digest(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct log log = {.row = fixture_create(fixture, account, "e", STATUS_RUNNING)};
    for (int i = 0; i < 4; i++)
        fixture_append_next(fixture, log.row, &log.next, 3000, 60);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = log.row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    store_free(&fixture->store);
    fixture_execute(fixture, "UPDATE chunks SET body = zeroblob(1000) WHERE first = 3000");
    fixture_reopen(fixture);
    struct store_front front = {.op.kind = STORE_FRONT, .row = log.row, .rules = &rules};
    assert_int_equal(fixture_run(fixture, &front.op), 0);
    assert_int_equal(front.ret_after.first, 9000);
    assert_false(front.ret_after.has_digest);
    struct store_cut cut = {
        .op.kind = STORE_CUT, .row = log.row, .rules = &rules, .before = front.ret_before, .after = front.ret_after};
    assert_int_equal(fixture_run(fixture, &cut.op), 0);
    struct execution got = fixture_get(fixture, account, "e");
    assert_int_equal(got.first_sequence, 9000);
    assert_false(got.has_cut_digest);
    execution_release(&got);
    assert_int_equal(fixture_read(fixture, log.row, 9000, 1 << 20, fixture_check_record, NULL), log.next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGING(random_cuts_with_merges_leave_whole_logs),
        PLAIN(what_is_not_merged_yet_is_not_cut),
        PLAIN(what_cannot_be_read_is_cut_without_a_digest),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
