#include "store/sqlite/sqlite_fixture.h"

#include <sqlite3.h>
#include <sys/stat.h>

#define BUSY_MS 60000               // the store may be writing, also by itself
#define RESERVE (20u * 1024 * 1024) // more than the WAL between two checkpoints

int fixture_open_tuned(const char *folder, struct sqlite_tuning tuning, struct buf *ret_error, struct store **ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 4, .tuning = &tuning}, ret_error, ret);
}

static int open_plain(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    return fixture_open_tuned(folder, (struct sqlite_tuning){.now_ms = fixture_clock, .now_arg = now_ms}, &error, ret);
}

static int open_merging(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct sqlite_tuning tuning = {
        .now_ms = fixture_clock, .now_arg = now_ms, .hot_pieces = 20, .merge_after_ms = 5, .reserve_bytes = RESERVE};
    return fixture_open_tuned(folder, tuning, &error, ret);
}

const struct fixture_adapter fixture_plain = {"sqlite", open_plain},
                             fixture_merging = {"sqlite, merging", open_merging};

int fixture_set_up_plain(void **state)
{
    *state = fixture_new(&fixture_plain);
    return 0;
}

int fixture_set_up_merging(void **state)
{
    *state = fixture_new(&fixture_merging);
    return 0;
}

void fixture_check_record(void *arg, uint64_t sequence, const struct record *record)
{
    (void)arg;
    char expected[40];
    int len = snprintf(expected, sizeof(expected), "line %llu ", (unsigned long long)sequence);
    assert_true(record->message.len >= (size_t)len);
    assert_memory_equal(record->message.data, expected, (size_t)len);
}

static void add_to_digest(void *arg, uint64_t sequence, const struct record *record)
{
    (void)sequence;
    uint64_t *digest = arg;
    *digest = record_digest_next(*digest, record);
}

void fixture_complete_with_digest(struct fixture *fixture, int64_t row, uint64_t count)
{
    struct store_complete end = {
        .op.kind = STORE_COMPLETE,
        .row = row,
        .producer = STR("p"),
        .has_final = true,
        .final = (int64_t)count - 1,
        .has_digest = true,
        .status = STATUS_COMPLETED,
    };
    fixture_read(fixture, row, 0, 1 << 20, add_to_digest, &end.digest);
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    assert_int_equal(end.ret_execution.next_sequence, count);
    store_op_release(&end.op);
}

void fixture_append_next(struct fixture *fixture, int64_t row, uint64_t *next, uint32_t count, size_t size)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(*next, count, size, 1000);
    struct store_append appended = fixture_append(fixture, row, "p", *next, chunk);
    assert_int_equal(appended.op.err, 0);
    assert_int_equal(appended.ret_first_sequence, *next);
    *next += count;
}

int64_t fixture_query_path(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, BUSY_MS);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

int64_t fixture_query(const struct fixture *fixture, const char *sql)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    return fixture_query_path(path, sql);
}

void fixture_execute(const struct fixture *fixture, const char *sql)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, BUSY_MS);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

void fixture_await_merged(struct fixture *fixture)
{
    // Each query also takes a turn in the writer's queue, so this waits for commits and not only for time.
    while (fixture_query(fixture, "SELECT count(*) FROM hot") > 0)
        fixture_account(fixture, "turn");
}

uint64_t fixture_file_bytes(struct fixture *fixture, const char *name)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db%s", fixture->folder, name);
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}
