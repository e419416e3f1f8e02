// A disk without room, the reserve that is kept for it, and a process without descriptors.
#include "store/sqlite/sqlite_fixture.h"

#include <sys/resource.h>

#define RESTING_RESERVE (1024u * 1024)
#define RESTING_WAL     (512u * 1024)
// An append that fills a disk: 300 KB, of which zstd leaves half.
#define LINES      300
#define LINE_BYTES 1000

// Asking is no load: until the WAL is cut and the reserve small.
static void await_rest(struct fixture *fixture, int64_t account, const char *execution_id)
{
    while (fixture_file_bytes(fixture, "-wal") > RESTING_WAL ||
           fixture_file_bytes(fixture, ".reserve") > RESTING_RESERVE) {
        struct execution got = fixture_get(fixture, account, execution_id);
        execution_release(&got);
    }
}

static void the_reserve_covers_the_wal_and_both_are_small_without_load(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    uint64_t next = 0, wal = 0;
    assert_int_equal(fixture_file_bytes(fixture, ".reserve"), RESTING_RESERVE);
    while (wal < 8 * 1024 * 1024) {
        fixture_append_next(fixture, row, &next, LINES, LINE_BYTES);
        wal = fixture_file_bytes(fixture, "-wal");
        assert_true(fixture_file_bytes(fixture, ".reserve") > wal);
    }
    await_rest(fixture, account, "e");
    fixture_append_next(fixture, row, &next, 10, 100); // no reason to grow
    assert_int_equal(fixture_file_bytes(fixture, ".reserve"), RESTING_RESERVE);
    store_free(&fixture->store);
    assert_int_equal(fixture_file_bytes(fixture, ".reserve"), RESTING_RESERVE);
    fixture_reopen(fixture);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
}

static void full_disk(struct fixture *fixture, bool rested)
{
    int64_t account = fixture_account(fixture, "a");
    int64_t old = fixture_create(fixture, account, "old", STATUS_RUNNING);
    int64_t row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    uint64_t old_next = 0, next = 0;
    while (old_next < 45 * LINES) // more, as stored, than what counts as room
        fixture_append_next(fixture, old, &old_next, LINES, LINE_BYTES);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = old, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);

    if (rested)
        await_rest(fixture, account, "e");
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.write_error, 0);
    sqlite_store_limit(fixture->store, stats.bytes + 4 * 1024 * 1024);
    int err = 0;
    for (int i = 0; i < 200 && err == 0; i++) {
        CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(next, LINES, LINE_BYTES, 1000);
        struct store_append append = fixture_append(fixture, row, "p", next, chunk);
        err = append.op.err;
        next += err == 0 ? LINES : 0;
    }
    assert_int_equal(err, ERR_STORE_FULL);
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.write_error, ERR_STORE_FULL);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL),
                     next); // nothing of what was refused
    struct store_create create = {.op.kind = STORE_CREATE, .execution = {.account = account, .status = STATUS_QUEUED}};
    struct store_update pause = {
        .op.kind = STORE_UPDATE, .row = row, .has_outcome = true, .outcome = {.status = STATUS_PAUSED}};
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(next, LINES, LINE_BYTES, 1000);
    struct store_append refused = {
        .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = next, .chunk = chunk};
    struct store_op *ops[] = {&refused.op, &pause.op};
    fixture_run_all(fixture, ops, ARRAY_LEN(ops));
    assert_int_equal(refused.op.err, ERR_STORE_FULL);
    assert_int_equal(pause.op.err, 0); // in one group with what was refused
    store_op_release(&pause.op);

    struct store_purge purge = {.op.kind = STORE_PURGE, .row = old};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    while (fixture_query(fixture, "SELECT count(*) FROM purging") > 0)
        fixture_account(fixture, "turn");
    // It looks for space by itself, and finds it within the file.
    do {
        fixture_account(fixture, "turn");
        store_stats(fixture->store, &stats);
    } while (stats.write_error != 0);
    fixture_append_next(fixture, row, &next, LINES, LINE_BYTES);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
    sqlite_store_limit(fixture->store, 0);
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    store_op_release(&create.op);
    fixture_reopen(fixture);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
}

static void a_full_store_refuses_records_but_can_be_purged(void **state)
{
    full_disk(*state, false);
}

// The disk became full while little was kept aside.
static void a_store_that_was_at_rest_on_a_full_disk_can_be_purged(void **state)
{
    full_disk(*state, true);
}

// A small append that shares its transaction with what the disk has no room for.
static void what_was_rolled_back_is_not_shown(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    uint64_t next = 0;
    fixture_append_next(fixture, row, &next, 10, 100);
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    sqlite_store_limit(fixture->store, stats.bytes + 64u * 1024);
    int err = 0;
    for (int i = 0; i < 900 && err == 0; i++) {
        CLEANUP(chunk_unref) struct chunk *small = fixture_chunk(next, 10, 100, 1000);
        CLEANUP(chunk_unref) struct chunk *large = fixture_chunk(next + 10, 300, 100, 1000);
        struct store_append appends[2] = {
            {.op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = next, .chunk = small},
            {.op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = next + 10, .chunk = large},
        };
        struct store_op *ops[] = {&appends[0].op, &appends[1].op};
        fixture_run_all(fixture, ops, ARRAY_LEN(ops));
        next += appends[0].ret_appended * (appends[0].op.err == 0) + appends[1].ret_appended * (appends[1].op.err == 0);
        err = appends[1].op.err;
    }
    assert_int_equal(err, ERR_STORE_FULL);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
    sqlite_store_limit(fixture->store, 0);
    do {
        fixture_account(fixture, "turn");
        store_stats(fixture->store, &stats);
    } while (stats.write_error != 0);
    for (int i = 0; i < 3; i++)
        fixture_append_next(fixture, row, &next, 7, 100); // of other lengths than those that were refused
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
    fixture_complete_with_digest(fixture, row, next);
}

// Executions that a full disk kept from being made are not among those that are open.
static void what_was_counted_in_a_failed_commit_does_not_count(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    fixture_create(fixture, account, "e", STATUS_RUNNING);
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    sqlite_store_limit(fixture->store, stats.bytes);
    struct store_create create = {.op.kind = STORE_CREATE, .open_max = 1000};
    int err = 0;
    for (int i = 0; i < 900 && err == 0; i++) { // until what is free within the file is full too
        create.execution = (struct execution){.account = account, .status = STATUS_QUEUED};
        create.execution.metadata_json = xcalloc(1, 60001);
        snprintf(create.execution.metadata_json, 60001, "{\"k\":\"%059980d\"}", 0);
        err = fixture_run(fixture, &create.op);
        store_op_release(&create.op);
        assert_int_not_equal(err, ERR_RATE);
    }
    assert_int_equal(err, ERR_STORE_FULL);
    sqlite_store_limit(fixture->store, 0);
    do {
        fixture_account(fixture, "turn");
        store_stats(fixture->store, &stats);
    } while (stats.write_error != 0);
    struct store_count_open open = {.op.kind = STORE_COUNT_OPEN, .account = account};
    assert_int_equal(fixture_run(fixture, &open.op), 0);
    create.open_max = open.ret_count + 1;
    create.execution = (struct execution){.account = account, .status = STATUS_QUEUED};
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    store_op_release(&create.op);
    create.execution = (struct execution){.account = account, .status = STATUS_QUEUED};
    assert_int_equal(fixture_run(fixture, &create.op), ERR_RATE);
    store_op_release(&create.op);
}

// The disk has room; it is descriptors that are lacking.
static void a_process_without_files_to_open_is_not_a_full_disk(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    struct rlimit former, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = former.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (fixture_file_bytes(fixture, "-wal") < 4u * RESTING_RESERVE) // the reserve grows with it
        fixture_append_next(fixture, row, &next, LINES, LINE_BYTES);
    CLEANUP(free_ptr) char *folder = xasprintf("%s/backups", fixture->folder);
    struct store_backup backup = {.op.kind = STORE_BACKUP, .folder = str_of(folder), .name = STR("copy.db")};
    int err = fixture_run(fixture, &backup.op);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
    assert_int_equal(err, ERR_NO_FILES);
    assert_non_null(strstr(backup.ret_reason, "limit of open files"));
    store_op_release(&backup.op);
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.write_error, 0);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(the_reserve_covers_the_wal_and_both_are_small_without_load),
        MERGING(a_full_store_refuses_records_but_can_be_purged),
        MERGING(a_store_that_was_at_rest_on_a_full_disk_can_be_purged),
        PLAIN(a_process_without_files_to_open_is_not_a_full_disk),
        PLAIN(what_was_rolled_back_is_not_shown),
        PLAIN(what_was_counted_in_a_failed_commit_does_not_count),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
