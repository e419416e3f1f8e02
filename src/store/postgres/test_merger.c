// Merging: by a thread and a connection of its own, of whichever server comes first.
#include "store/postgres/postgres_fixture.h"
#include "util/clock.h"

#define LARGE 1000 // lines of 180 bytes that are a large chunk
#define SLICE 1024 // chunks that are looked at, at once

static void append(struct fixture *fixture, int64_t row, uint64_t first, uint32_t count, size_t size)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(first, count, size, 1763200000000);
    struct store_append append = {
        .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = first, .chunk = chunk};
    assert_int_equal(fixture_run(fixture, &append.op), 0);
}

// Single lines, of which each is a chunk.
static void append_lines(struct fixture *fixture, int64_t row, size_t count)
{
    struct store_append *appends = xcalloc(count, sizeof(*appends));
    struct store_op **ops = xcalloc(count, sizeof(struct store_op *));
    for (size_t i = 0; i < count; i++) {
        appends[i] = (struct store_append){.op.kind = STORE_APPEND,
                                           .row = row,
                                           .producer = STR("p"),
                                           .first = i,
                                           .chunk = fixture_chunk(i, 1, 40, 1763200000000)};
        ops[i] = &appends[i].op;
    }
    fixture_run_all(fixture, ops, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ops[i]->err, 0);
        chunk_unref(&appends[i].chunk);
    }
    free(ops);
    free(appends);
}

static void wait_for(struct sql *sql, const char *query, int64_t wanted)
{
    int64_t number = !wanted;
    for (uint64_t end = clock_mono_ms() + 60000; number != wanted && clock_mono_ms() < end;)
        number = fixture_number(sql, query);
    assert_int_equal(number, wanted);
}

static void many_small_appends_become_few_chunks(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    for (uint64_t i = 0; i < 300; i++)
        append(fixture, row, i, 1, 40);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 299), 0);
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    wait_for(sql, "SELECT count(*) FROM chunks", 1);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 300);
}

static void a_chunk_that_came_large_ends_where_it_did(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    for (uint64_t i = 0; i < 4 * LARGE; i += LARGE)
        append(fixture, row, i, LARGE, 180);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 3999), 0);
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    wait_for(sql, "SELECT count(*) FROM unmerged", 0);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks WHERE merged AND first % 1000 = 0"), 4);
}

static void a_log_that_cannot_be_merged_holds_up_no_other(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[2];
    rows[0] = fixture_create(fixture, account, "damaged", STATUS_RUNNING);
    rows[1] = fixture_create(fixture, account, "other", STATUS_RUNNING);
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    CLEANUP(free_ptr)
    char *damage =
        xasprintf("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;"
                  "CREATE TRIGGER refuses BEFORE DELETE ON chunks FOR EACH ROW WHEN (OLD.execution = %lld) "
                  "EXECUTE FUNCTION refuse()",
                  (long long)rows[0]);
    assert_int_equal(sql_exec(sql, damage), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (uint64_t k = 0; k < 8; k++)
            append(fixture, rows[i], k, 1, 40);
        assert_int_equal(fixture_complete_err(fixture, rows[i], "p", 7), 0);
        fixture->now_ms += 1000; // who is put off now is put off behind those before
        if (i == 0)
            assert_int_equal(sql_exec(sql, "UPDATE unmerged SET due_ms = 0"), 0); // it waits longest
    }
    wait_for(sql, "SELECT count(*) FROM unmerged", 1);
    assert_int_equal(fixture_number(sql, "SELECT execution FROM unmerged"), rows[0]);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, NULL, NULL), 8);
}

// With pauses, as servers have them: a log that was looked at while it was open is put off for a minute.
static void a_log_that_was_put_off_is_looked_at_when_it_is_sealed(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    append(fixture, row, 0, 1, 40);
    fixture->now_ms += 6000;
    CLEANUP(free_ptr)
    char *put_off = xasprintf("SELECT count(*) FROM unmerged WHERE due_ms = %lld", (long long)fixture->now_ms + 60000);
    wait_for(sql, put_off, 1);
    append(fixture, row, 1, 1, 40);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 1), 0);
    wait_for(sql, "SELECT count(*) FROM unmerged", 0);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks"), 1);
}

static void a_log_of_more_chunks_than_a_look_takes_becomes_one(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    const uint64_t count = 2 * SLICE + 10;
    append_lines(fixture, row, count);
    assert_int_equal(fixture_complete_err(fixture, row, "p", (int64_t)count - 1), 0);
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks"), count);
    fixture->now_ms += 6000;
    wait_for(sql, "SELECT count(*) FROM unmerged", 0);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks"), 1);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), count);
}

#define COPIES(body)                                                                               \
    "INSERT INTO chunks SELECT execution, first + x, count, time_min, time_max, raw, false, " body \
    " FROM chunks, generate_series(%d, %d) AS x WHERE first = 0"

// Most of them are one run, which fails as a whole; those behind them would be too, if they were looked at again.
static void chunks_that_cannot_be_merged_are_passed_by(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    append(fixture, row, 0, 1, 40);
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    CLEANUP(free_ptr) char *damaged = xasprintf(COPIES("'\\x00'::bytea"), 10, 10 + 2 * SLICE);
    CLEANUP(free_ptr) char *behind = xasprintf(COPIES("body"), 100000, 100009);
    assert_int_equal(sql_exec(sql, damaged), 0);
    assert_int_equal(sql_exec(sql, behind), 0);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 0), 0);
    wait_for(sql, "SELECT count(*) FROM unmerged", 0);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks WHERE first >= 100000 AND merged"), 1);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks WHERE NOT merged"), 2 * SLICE + 1);
}

// A look at a log that grows begins behind what the former one has passed.
static void a_seal_has_all_of_a_log_looked_at_once_more(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    append(fixture, row, 0, 1, 40);
    append(fixture, row, 1, LARGE, 180);
    append(fixture, row, 1 + LARGE, 1, 40);
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    wait_for(sql, "SELECT looked_to FROM unmerged", 1 + LARGE);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks WHERE NOT merged"), 2);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 1 + LARGE), 0);
    wait_for(sql, "SELECT count(*) FROM unmerged", 0);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks WHERE NOT merged"), 0);
}

#define MERGING(test)      cmocka_unit_test_setup_teardown(test, postgres_fixture_set_up, fixture_tear_down)
#define MERGING_LATE(test) cmocka_unit_test_setup_teardown(test, postgres_fixture_set_up_with_pauses, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGING(many_small_appends_become_few_chunks),
        MERGING(a_log_that_cannot_be_merged_holds_up_no_other),
        MERGING(a_chunk_that_came_large_ends_where_it_did),
        MERGING_LATE(a_log_that_was_put_off_is_looked_at_when_it_is_sealed),
        MERGING_LATE(a_log_of_more_chunks_than_a_look_takes_becomes_one),
        MERGING(chunks_that_cannot_be_merged_are_passed_by),
        MERGING(a_seal_has_all_of_a_log_looked_at_once_more),
    };
    return POSTGRES_FIXTURE_RUN(tests);
}
