// What a purge gives back.
#include "store/sqlite/sqlite_fixture.h"

static void purged_chunks_leave_the_file(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    for (int i = 0; i < 40; i++)
        fixture_append_next(fixture, row, &next, 200, 1000);
    fixture_append_next(fixture, row, &next, 5, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    fixture_run(fixture, &end.op);
    store_op_release(&end.op);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    fixture_await_merged(fixture);
    while (fixture_query(fixture, "SELECT count(*) FROM purging") > 0)
        fixture_account(fixture, "turn");
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM chunks"), 0);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM producers"), 0);
}

// While other logs are appended to and read.
static void room_is_given_back_after_a_purge(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    int64_t other = fixture_create(fixture, account, "other", STATUS_RUNNING);
    uint64_t next = 0, other_next = 0;
    for (int i = 0; i < 60; i++) {
        fixture_append_next(fixture, row, &next, 300, 1000);
        fixture_append_next(fixture, other, &other_next, 30, 100);
    }
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    fixture_await_merged(fixture);
    store_free(&fixture->store); // all of it is in the file
    uint64_t before = fixture_file_bytes(fixture, "");
    assert_true(before > 4u * 1024 * 1024);
    fixture_reopen(fixture);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    while (fixture_file_bytes(fixture, "") > before / 2) {
        if (other_next < 2400)
            fixture_append_next(fixture, other, &other_next, 1, 100);
        else
            assert_int_equal(fixture_read(fixture, other, other_next - 1, 1 << 20, fixture_check_record, NULL),
                             other_next);
    }
    fixture_reopen(fixture);
    assert_int_equal(fixture_read(fixture, other, 0, 1 << 20, fixture_check_record, NULL), other_next);
    store_free(&fixture->store);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
                     1);
    fixture_reopen(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGING(purged_chunks_leave_the_file),
        MERGING(room_is_given_back_after_a_purge),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
