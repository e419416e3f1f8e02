// Merging what cannot be read, or is not there.
#include "store/sqlite/merge/merge_job.h"
#include "store/sqlite/sqlite_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_damaged_pack_costs_its_records_alone_and_is_kept(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[2];
    uint64_t next[2] = {0};
    rows[0] = fixture_create(fixture, account, "damaged", STATUS_RUNNING);
    rows[1] = fixture_create(fixture, account, "whole", STATUS_RUNNING);
    fixture_append_next(fixture, rows[0], &next[0], 10, 100);
    fixture_append_next(fixture, rows[1], &next[1], 10, 100);
    store_free(&fixture->store);
    fixture_execute(fixture, "UPDATE hot SET body = substr(body, 1, 40) || x'00000000' || substr(body, 45) "
                             "WHERE id = (SELECT min(id) FROM hot)");
    fixture->adapter = &fixture_merging;
    assert_int_equal(fixture_merging.open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    fixture_await_merged(fixture);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM damaged"), 1);
    assert_int_equal(fixture_read(fixture, rows[1], 0, 1 << 20, fixture_check_record, NULL), next[1]);
    struct store_read read = {.op.kind = STORE_READ, .row = rows[0], .max_bytes = 1 << 20};
    assert_int_equal(fixture_run(fixture, &read.op), ERR_CORRUPT);
    store_op_release(&read.op);
}

static void damage_last_pack(const struct fixture *fixture)
{
    fixture_execute(fixture, "UPDATE hot SET body = substr(body, 1, 40) || x'00000000' || substr(body, 45) "
                             "WHERE id = (SELECT max(id) FROM hot)");
}

static int read_from(struct fixture *fixture, int64_t row, uint64_t from, uint64_t *ret_first)
{
    struct store_read read = {.op.kind = STORE_READ, .row = row, .from = from, .max_bytes = 1};
    int err = fixture_run(fixture, &read.op);
    if (err == 0 && read.ret_count > 0) {
        struct record record;
        *ret_first = read.ret_segments[0].first;
        chunk_record(read.ret_segments[0].chunk, 0, &record);
        fixture_check_record(NULL, *ret_first, &record);
    }
    store_op_release(&read.op);
    return err;
}

static void merge_all(struct fixture *fixture)
{
    store_free(&fixture->store);
    assert_int_equal(fixture_merging.open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    fixture_await_merged(fixture);
    store_free(&fixture->store);
}

// Small chunks on both sides of what is damaged must not become one, whose numbers would be others'.
static void a_merge_leaves_a_hole_where_records_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0, first = 0;
    fixture_append_next(fixture, row, &next, 10, 100);
    merge_all(fixture);
    fixture_reopen(fixture);
    fixture_append_next(fixture, row, &next, 10, 100);
    store_free(&fixture->store);
    damage_last_pack(fixture);
    merge_all(fixture);
    fixture_reopen(fixture);
    fixture_append_next(fixture, row, &next, 10, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0); // so that all that can be merged is
    store_op_release(&end.op);
    merge_all(fixture);
    fixture_reopen(fixture);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM chunks"), 2);
    assert_int_equal(read_from(fixture, row, 0, &first), 0);
    assert_int_equal(first, 0);
    assert_int_equal(read_from(fixture, row, 10, &first), ERR_CORRUPT);
    assert_int_equal(read_from(fixture, row, 25, &first), 0);
    assert_int_equal(first, 20);
}

static void a_merge_of_chunks_that_are_not_there_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    fixture_append_next(fixture, row, &next, 10, 100);
    merge_all(fixture);
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 10, 100, 1000);
    uint64_t first = 0;
    struct db db;
    assert_int_equal(db_open(&db, path, NULL, DB_WRITER), 0);
    struct merge_job job = {.row = row, .chunks = &chunk, .firsts = &first, .chunk_count = 1, .replaced_count = 1};
    job.replaced[0] = fixture_query_path(path, "SELECT id FROM chunks") + 1;
    assert_int_equal(merge_job_apply(&job, &db), ERR_CONFLICT);
    job.replaced[0]--;
    assert_int_equal(merge_job_apply(&job, &db), 0);
    job.replaced[0]++; // the new one
    assert_int_equal(merge_job_apply(&job, &db), 0);
    db_close(&db);
    fixture_reopen(fixture);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
}

static int open_giving_up(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct sqlite_tuning tuning = {
        .now_ms = fixture_clock, .now_arg = now_ms, .hot_pieces = 2, .merge_after_ms = 1, .merge_tries = 1};
    return fixture_open_tuned(folder, tuning, &error, ret);
}

// The chain of pages of a large value leads nowhere.
static void break_last_value(const struct fixture *fixture)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, info.st_size - 3 * 4096), 4);
}

static void what_sqlite_cannot_read_stops_merging_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[2];
    uint64_t next[2] = {0};
    rows[0] = fixture_create(fixture, account, "damaged", STATUS_RUNNING);
    rows[1] = fixture_create(fixture, account, "whole", STATUS_RUNNING);
    fixture_append_next(fixture, rows[0], &next[0], 400, 100);
    store_free(&fixture->store);
    break_last_value(fixture);
    assert_int_equal(open_giving_up(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    // More than would wait for the merger if it still tried.
    for (int i = 0; i < 50; i++)
        fixture_append_next(fixture, rows[1], &next[1], 10, 100);
    assert_int_equal(fixture_read(fixture, rows[1], 0, 1 << 20, fixture_check_record, NULL), next[1]);
    struct store_read read = {.op.kind = STORE_READ, .row = rows[0], .max_bytes = 1 << 20};
    assert_true(fixture_run(fixture, &read.op) < 0);
    store_op_release(&read.op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(a_damaged_pack_costs_its_records_alone_and_is_kept),
        PLAIN(a_merge_leaves_a_hole_where_records_cannot_be_read),
        PLAIN(a_merge_of_chunks_that_are_not_there_is_given_up),
        PLAIN(what_sqlite_cannot_read_stops_merging_and_nothing_else),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
