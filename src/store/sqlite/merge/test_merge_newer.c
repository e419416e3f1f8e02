// Merging beside records that a newer version of the program has written.
#include "store/sqlite/log/pack.h"
#include "store/sqlite/merge/merge_job.h"
#include "store/sqlite/sqlite_fixture.h"
#include "util/file.h"

#include <endian.h>
#include <fcntl.h>
#include <xxhash.h>

#define FLAGS_AT 11 // in a chunk, behind magic, version and checksum: docs/internals/chunk.md
#define NEWER    8  // a flag that has to be understood

static void set_flags(uint8_t *chunk, size_t len, uint8_t flags)
{
    uint64_t seed = chunk[0] | (uint64_t)chunk[1] << 8 | (uint64_t)chunk[2] << 16;
    chunk[FLAGS_AT] = flags;
    uint64_t sum = htole64(XXH3_64bits_withSeed(chunk + FLAGS_AT, len - FLAGS_AT, seed));
    memcpy(chunk + 3, &sum, sizeof(sum));
}

static void open_db(const struct fixture *fixture, struct db *ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    assert_int_equal(db_open(ret, path, NULL, DB_WRITER), 0);
}

static sqlite3_stmt *prepare(struct db *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL), SQLITE_OK);
    return statement;
}

// The pack that came last holds one chunk, which gets the flag. The store is closed meanwhile.
static void make_last_pack_newer(const struct fixture *fixture)
{
    struct db db;
    CLEANUP(buf_release) struct buf body = {0}, plain = {0};
    open_db(fixture, &db);
    sqlite3_stmt *get = prepare(&db, "SELECT body FROM hot ORDER BY id DESC LIMIT 1");
    assert_int_equal(db_row(get), 1);
    assert_int_equal(pack_body_unpack(db_column_blob(get, 0), &body), 0);
    sqlite3_finalize(get);
    set_flags((uint8_t *)body.data, body.len, (uint8_t)body.data[FLAGS_AT] | NEWER);
    buf_append_byte(&plain, 0); // not packed
    buf_append(&plain, body.data, body.len);
    sqlite3_stmt *put = prepare(&db, "UPDATE hot SET body = ?1 WHERE id = (SELECT max(id) FROM hot)");
    db_bind_blob(put, 1, buf_str(&plain));
    assert_int_equal(db_run(put), 0);
    sqlite3_finalize(put);
    db_close(&db);
}

// As the version that knows the flag would read them.
static size_t make_chunks_known(const struct fixture *fixture)
{
    struct db db;
    size_t count = 0;
    open_db(fixture, &db);
    sqlite3_stmt *get = prepare(&db, "SELECT id, body FROM chunks ORDER BY id");
    sqlite3_stmt *put = prepare(&db, "UPDATE chunks SET body = ?2 WHERE id = ?1");
    while (db_row(get) == 1) {
        CLEANUP(buf_release) struct buf body = {0};
        buf_append_str(&body, db_column_blob(get, 1));
        if (!(body.data[FLAGS_AT] & NEWER))
            continue;
        set_flags((uint8_t *)body.data, body.len, (uint8_t)(body.data[FLAGS_AT] & ~NEWER));
        db_bind_i64(put, 1, db_column_i64(get, 0));
        db_bind_blob(put, 2, buf_str(&body));
        assert_int_equal(db_run(put), 0);
        count++;
    }
    sqlite3_finalize(get);
    sqlite3_finalize(put);
    db_close(&db);
    return count;
}

struct told {
    char path[80];
    struct logger logger;
};

static int open_telling(struct fixture *fixture, const struct told *told)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    CLEANUP(buf_release) struct buf error = {0};
    const struct sqlite_tuning tuning = {
        .now_ms = fixture_clock, .now_arg = &fixture->now_ms, .hot_pieces = 1, .merge_after_ms = 1};
    const struct sqlite_options options = {.path = path, .readers = 2, .tuning = &tuning, .logger = &told->logger};
    return sqlite_store_open(&options, &error, &fixture->store);
}

static size_t times_told(const struct told *told)
{
    CLEANUP(buf_release) struct buf text = {0};
    size_t count = 0;
    assert_int_equal(file_read_all(told->path, 1 << 20, &text), 0);
    for (const char *at = buf_cstr(&text); (at = strstr(at, "a newer version of this program")); at++)
        count++;
    return count;
}

static int read_at(struct fixture *fixture, int64_t row, uint64_t from, uint64_t *ret_first)
{
    struct store_read read = {.op.kind = STORE_READ, .row = row, .from = from, .max_bytes = 1};
    int err = fixture_run(fixture, &read.op);
    if (err == 0 && read.ret_count > 0)
        *ret_first = read.ret_segments[0].first;
    store_op_release(&read.op);
    return err;
}

// One append, and one that a newer version has written.
static void append_newer(struct fixture *fixture, int64_t row, uint64_t *next)
{
    fixture_append_next(fixture, row, next, 10, 100);
    store_free(&fixture->store);
    make_last_pack_newer(fixture);
}

static void what_a_newer_version_wrote_stays_and_the_rest_is_merged(void **state)
{
    struct fixture *fixture = *state;
    struct told told = {.logger = {.min_level = LOG_INFO}};
    int64_t account = fixture_account(fixture, "a"), mixed = fixture_create(fixture, account, "mixed", STATUS_RUNNING);
    int64_t plain = fixture_create(fixture, account, "plain", STATUS_RUNNING);
    uint64_t next = 0, plain_next = 0, first = 99;
    for (int i = 0; i < 5; i++)
        fixture_append_next(fixture, plain, &plain_next, 10, 100);
    fixture_append_next(fixture, mixed, &next, 10, 100);
    append_newer(fixture, mixed, &next);
    fixture_reopen(fixture);
    fixture_append_next(fixture, mixed, &next, 10, 100);
    append_newer(fixture, mixed, &next);

    snprintf(told.path, sizeof(told.path), "%s/log", fixture->folder);
    told.logger.fd = open(told.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(told.logger.fd >= 0);
    assert_int_equal(open_telling(fixture, &told), 0);
    fixture_await_merged(fixture);
    fixture_append_next(fixture, mixed, &next, 10, 100);
    fixture_append_next(fixture, plain, &plain_next, 10, 100);
    fixture_await_merged(fixture);
    assert_int_equal(times_told(&told), 1);
    CLEANUP(free_ptr) char *chunks = xasprintf("SELECT count(*) FROM chunks WHERE execution = %lld", (long long)plain);
    assert_in_range(fixture_query(fixture, chunks), 1, 2);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM damaged"), 0);
    assert_int_equal(fixture_read(fixture, plain, 0, 1 << 20, fixture_check_record, NULL), plain_next);
    for (uint64_t from = 0; from < next; from += 10) {
        bool newer = from == 10 || from == 30;
        assert_int_equal(read_at(fixture, mixed, from + 3, &first), newer ? ERR_TOO_NEW : 0);
        assert_true(newer || first == from);
    }
    store_free(&fixture->store);
    assert_int_equal(make_chunks_known(fixture), 2);
    fixture_reopen(fixture);
    fixture_complete_with_digest(fixture, mixed, next);
    assert_int_equal(fixture_read(fixture, mixed, 0, 1 << 20, fixture_check_record, NULL), next);
    close_fd(&told.logger.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {PLAIN(what_a_newer_version_wrote_stays_and_the_rest_is_merged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
