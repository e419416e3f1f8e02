// The parts of `chunks`: one for each day on which executions were made. Whatever the clock says is given by the test.
#include "store/catalogue/parts.h"
#include "store/postgres/days.h"
#include "store/postgres/postgres_fixture.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/statements.h"
#include "store/schema/schema.h"
#include "store/sql/postgres.h"

#include <pthread.h>

#define DAY_MS  ((int64_t)86400000)
#define BEGIN   (20000 * DAY_MS + 3600000) // an hour after a day has begun
#define WAIT_MS 60000

static int64_t number_for(struct sql *sql, const char *format, int64_t value)
{
    CLEANUP(buf_release) struct buf text = {0};
    const char *at = strstr(format, "%N");
    buf_printf(&text, "%.*s%lld%s", (int)(at - format), format, (long long)value, at + 2);
    return fixture_number(sql, buf_cstr(&text));
}

static bool has_part(struct sql *sql, int64_t number)
{
    return number_for(sql, "SELECT (to_regclass('chunks_%N') IS NOT NULL)::int", number) == 1;
}

static void wait_for(struct sql *sql, const char *format, int64_t value, int64_t wanted)
{
    uint64_t end = clock_mono_ms() + WAIT_MS;
    while (number_for(sql, format, value) != wanted)
        assert_true(clock_mono_ms() < end);
}

static void append_line(struct fixture *fixture, int64_t row, uint64_t counter)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(counter, 1, 40, 1763200000000);
    struct store_append append = fixture_append(fixture, row, "p", counter, chunk);
    assert_int_equal(fixture_run(fixture, &append.op), 0);
    store_op_release(&append.op);
}

// The day that the next execution will belong to, as soon as it is another one than `not`.
static int64_t wait_for_day(struct sql *sql, int64_t not )
{
    uint64_t end = clock_mono_ms() + WAIT_MS;
    int64_t day = not ;
    while (day == not ) {
        day = fixture_number(sql, "SELECT coalesce(max(number), 0) FROM chunk_days WHERE begun_ms > 1");
        assert_true(clock_mono_ms() < end);
    }
    return day;
}

// A log of three lines on each of some days, one after the other. Returns the last day.
static int64_t log_for_days(struct fixture *fixture, struct sql *sql, int64_t *ret_rows, size_t count, bool seal)
{
    int64_t account = fixture_account(fixture, "a"), day = 0;
    for (size_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "exec_%zu", i);
        if (i > 0)
            fixture->now_ms += DAY_MS;
        day = wait_for_day(sql, day);
        ret_rows[i] = fixture_create(fixture, account, id, STATUS_RUNNING);
        assert_int_equal(log_part(ret_rows[i]), day);
        for (uint64_t k = 0; k < 3; k++)
            append_line(fixture, ret_rows[i], k);
        if (seal)
            assert_int_equal(fixture_complete_err(fixture, ret_rows[i], "p", 2), 0);
    }
    return day;
}

static void each_day_has_a_part_and_logs_that_were_begun_go_on_in_theirs(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    int64_t rows[3];
    int64_t day = log_for_days(fixture, sql, rows, ARRAY_LEN(rows), false);
    assert_int_equal(day, log_part(rows[0]) + 2);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        append_line(fixture, rows[i], 3);
    wait_for(sql, "SELECT (to_regclass('chunks_%N') IS NOT NULL)::int", day + 1, 1); // the next one is there ahead
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, NULL, NULL), 4);
        assert_int_equal(number_for(sql, "SELECT sum(count) FROM chunks_%N", log_part(rows[i])), 4);
    }
}

static void more_days_than_are_kept_prepared_can_be_read(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    int64_t rows[SQL_PARTS + 3];
    log_for_days(fixture, sql, rows, ARRAY_LEN(rows), false);
    for (int times = 0; times < 2; times++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, NULL, NULL), 3);
    // The same on one connection, which says what it has prepared.
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        int64_t row = rows[i % ARRAY_LEN(rows)];
        CLEANUP(sql_reset) struct sql_statement *at = sql_statement_of(sql, POSTGRES_CHUNK_AT, log_part(row));
        sql_bind_i64(at, 1, row);
        sql_bind_i64(at, 2, 0);
        assert_int_equal(sql_row(at), 1);
        assert_int_equal(sql_i64(at, 0), 0);
    }
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM pg_prepared_statements"), SQL_PARTS);
}

static int purge(struct fixture *fixture, int64_t row, const struct retention *rules)
{
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row, .rules = rules};
    return fixture_run(fixture, &purge.op);
}

static void a_day_goes_when_all_of_it_has_expired_and_the_others_stay(void **state)
{
    struct fixture *fixture = *state;
    struct retention rules = {0};
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    int64_t rows[3], first;
    log_for_days(fixture, sql, rows, ARRAY_LEN(rows), true);
    first = log_part(rows[0]);
    int64_t other = number_for(sql, "SELECT relfilenode::bigint FROM pg_class WHERE relname = 'chunks_%N'", first + 1);
    assert_true(retention_parse(STR("2d"), &rules));
    fixture->now_ms += 6 * 3600000; // the first one was sealed two days and six hours ago
    assert_int_equal(purge(fixture, rows[1], &rules), ERR_CONFLICT);
    assert_int_equal(purge(fixture, rows[0], &rules), 0);
    // It went with its day: nothing was deleted before, and what is left of it is noted still.
    wait_for(sql, "SELECT (to_regclass('chunks_%N') IS NOT NULL)::int", first, 0);
    assert_int_equal(number_for(sql, "SELECT count(*) FROM chunk_days WHERE number = %N", first), 0);
    assert_int_equal(number_for(sql, "SELECT count(*) FROM purging WHERE execution >> 32 = %N AND due_ms > 0", first),
                     1);
    for (size_t i = 1; i < ARRAY_LEN(rows); i++)
        assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, NULL, NULL), 3);
    assert_int_equal(number_for(sql, "SELECT relfilenode::bigint FROM pg_class WHERE relname = 'chunks_%N'", first + 1),
                     other);
}

// Its day has others, so it cannot go with that. The other one was asked for, and goes at once.
static void what_cannot_go_with_its_day_goes_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct retention rules = {0};
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    int64_t rows[2];
    log_for_days(fixture, sql, rows, 1, true);
    int64_t day = log_part(rows[0]), account = fixture_account(fixture, "b");
    int64_t kept = fixture_create(fixture, account, "kept", STATUS_RUNNING);
    int64_t asked = fixture_create(fixture, account, "asked", STATUS_RUNNING);
    append_line(fixture, kept, 0);
    append_line(fixture, asked, 0);
    assert_int_equal(fixture_complete_err(fixture, asked, "p", 0), 0);
    fixture->now_ms += 2 * DAY_MS;
    wait_for_day(sql, day);
    assert_true(retention_parse(STR("1d"), &rules));
    assert_int_equal(purge(fixture, rows[0], &rules), 0);
    assert_int_equal(purge(fixture, asked, NULL), 0);
    wait_for(sql, "SELECT count(*) FROM chunks WHERE execution = %N", asked, 0);
    assert_true(number_for(sql, "SELECT count(*) FROM chunks WHERE execution = %N", rows[0]) > 0);
    fixture->now_ms += DAY_MS;                                         // more than a quarter of its age
    struct store_purge again = {.op.kind = STORE_PURGE, .row = asked}; // the writer looks then
    assert_int_equal(fixture_run(fixture, &again.op), 0);
    assert_int_equal(fixture_complete_err(fixture, kept, "p", 0), 0);
    assert_int_equal(purge(fixture, fixture_create(fixture, account, "more", STATUS_RUNNING), NULL), ERR_CONFLICT);
    fixture_reopen(fixture);
    wait_for(sql, "SELECT count(*) FROM chunks WHERE execution = %N", rows[0], 0);
    assert_true(has_part(sql, day));
    assert_int_equal(fixture_read(fixture, kept, 0, 1 << 20, NULL, NULL), 1);
}

// An operator has dropped it, or an execution was begun when its day was about to end, and came late.
static void an_append_whose_part_is_missing_makes_it(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    int64_t row;
    log_for_days(fixture, sql, &row, 1, false);
    CLEANUP(free_ptr) char *drop = xasprintf("DROP TABLE chunks_%lld", (long long)log_part(row));
    assert_int_equal(sql_exec(sql, drop), 0);
    append_line(fixture, row, 3);
    assert_true(has_part(sql, log_part(row)));
    assert_int_equal(number_for(sql, "SELECT count(*) FROM chunks WHERE execution = %N", row), 1);
}

// --- On a database alone

static char present[32]; // the name of the test's database

static int open_engine(void **state)
{
    static int number;
    snprintf(present, sizeof(present), "days_%d", ++number);
    *state = postgres_fixture_connect(present);
    return 0;
}

static int close_engine(void **state)
{
    struct sql *sql = *state;
    sql_fixture_close(&sql);
    return 0;
}

static int64_t day_after(struct sql *sql, int64_t now_ms)
{
    static const struct logger none = {0};
    assert_int_equal(days_tend(sql, now_ms, &none), 0);
    return fixture_number(sql, "SELECT last_value >> 32 FROM executions_id_seq");
}

static void a_clock_that_is_wrong_makes_a_day_longer_or_shorter_and_no_number_smaller(void **state)
{
    struct sql *sql = *state;
    int64_t day = day_after(sql, BEGIN);
    assert_int_equal(day, 1); // what was there before is day 0
    assert_int_equal(day_after(sql, BEGIN + 22 * 3600000), day);
    assert_int_equal(day_after(sql, BEGIN - 2 * 3600000), day); // a little backwards, into the day before
    assert_int_equal(day_after(sql, BEGIN + DAY_MS), day + 1);
    assert_int_equal(day_after(sql, BEGIN + 5000 * DAY_MS), day + 2); // far ahead
    assert_int_equal(day_after(sql, BEGIN + DAY_MS), day + 3);        // and back
    assert_int_equal(day_after(sql, BEGIN + DAY_MS), day + 3);
    assert_int_equal(day_after(sql, BEGIN + 2 * DAY_MS), day + 4);
    assert_true(has_part(sql, day + 4));
    assert_true(has_part(sql, day + 5));
    // Of the days before nothing is left, as there was nothing.
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunk_days"), 2);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), 2);
}

static void a_number_that_was_gone_over_to_and_not_noted_is_noted(void **state)
{
    struct sql *sql = *state;
    int64_t day = day_after(sql, BEGIN);
    CLEANUP(free_ptr)
    char *set = xasprintf("SELECT setval('executions_id_seq', %lld)", (long long)((day + 1) << LOG_PART_BITS | 7));
    assert_int_equal(sql_exec(sql, set), 0);
    assert_int_equal(day_after(sql, BEGIN), day + 1);
    assert_true(has_part(sql, day + 2));
    assert_int_equal(fixture_number(sql, "SELECT last_value & 255 FROM executions_id_seq"), 7);
    assert_int_equal(day_after(sql, BEGIN + DAY_MS), day + 2);
}

#define ADDED "INSERT INTO executions(account, execution_id, status, created_ms) VALUES(1, "

static void one_execution_that_is_kept_keeps_its_day(void **state)
{
    struct sql *sql = *state;
    int64_t day = day_after(sql, BEGIN);
    assert_int_equal(sql_exec(sql, ADDED "'a', 'completed', 1), (1, 'b', 'completed', 1), (1, 'c', 'completed', 1)"),
                     0);
    assert_int_equal(sql_exec(sql, "INSERT INTO chunks SELECT id, 0, 1, 1, 1, 1, true, 'x' FROM executions"), 0);
    day_after(sql, BEGIN + DAY_MS);
    assert_int_equal(sql_exec(sql, "UPDATE executions SET purged = 1 WHERE execution_id <> 'b'"), 0);
    day_after(sql, BEGIN + DAY_MS);
    assert_true(has_part(sql, day));
    // What lies before the one that is kept is not looked at again.
    assert_int_equal(number_for(sql, "SELECT kept_from & 255 FROM chunk_days WHERE number = %N", day), 2);
    // Somebody reads: then it is tried again later, and nothing else is held up.
    CLEANUP(sql_fixture_close) struct sql *other = postgres_fixture_connect(present);
    assert_int_equal(sql_begin(other, SQL_READ), 0);
    assert_int_equal(fixture_number(other, "SELECT count(*) FROM chunks"), 3);
    assert_int_equal(sql_exec(sql, "UPDATE executions SET purged = 1"), 0);
    static const struct logger none = {0};
    assert_int_equal(days_tend(sql, BEGIN + DAY_MS, &none), ERR_UNAVAILABLE);
    assert_true(sql_again(sql));
    assert_int_equal(fixture_number(other, "SELECT count(*) FROM chunks"), 3);
    sql_rollback(other);
    day_after(sql, BEGIN + DAY_MS);
    assert_false(has_part(sql, day));
}

static void who_has_prepared_for_a_day_that_went_begins_again(void **state)
{
    struct sql *reader = *state;
    int64_t day = day_after(reader, BEGIN);
    static const int expected[] = {0, ERR_UNAVAILABLE, 0};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        if (i == 1) {
            CLEANUP(free_ptr) char *drop = xasprintf("DROP TABLE chunks_%lld", (long long)day);
            assert_int_equal(sql_exec(reader, drop), 0);
        }
        assert_int_equal(sql_begin(reader, SQL_READ), 0);
        CLEANUP(sql_reset) struct sql_statement *at = sql_statement_of(reader, POSTGRES_CHUNK_AT, day);
        sql_bind_i64(at, 1, day << LOG_PART_BITS | 1);
        sql_bind_i64(at, 2, 1);
        assert_int_equal(sql_row(at), expected[i]);
        assert_int_equal(sql_again(reader), expected[i] < 0);
        sql_reset(&at);
        at = NULL;
        sql_rollback(reader);
    }
}

// Returns NULL if a number became smaller, or may be given out without a part. The other one may be further already.
static void *tend_too(void *arg)
{
    static const struct logger none = {0};
    static const char number_now[] = "SELECT last_value >> 32 FROM executions_id_seq";
    struct sql *sql = arg;
    int64_t day = 0;
    bool good = true;
    for (int i = 0; i < 60 && good; i++) {
        int err = days_tend(sql, BEGIN + i / 3 * DAY_MS, &none);
        good = err == 0 || sql_again(sql);
        int64_t before = day;
        day = fixture_number(sql, number_now);
        good = good && day >= before && (day == 0 || has_part(sql, day) || fixture_number(sql, number_now) > day);
    }
    return good ? sql : NULL;
}

static void two_who_look_after_days_at_once_do_each_thing_once(void **state)
{
    struct sql *sql = *state;
    CLEANUP(sql_fixture_close) struct sql *other = postgres_fixture_connect(present);
    pthread_t thread;
    void *done = NULL;
    assert_int_equal(pthread_create(&thread, NULL, tend_too, other), 0);
    assert_ptr_equal(tend_too(sql), sql);
    assert_int_equal(pthread_join(thread, &done), 0);
    assert_ptr_equal(done, other);
    int64_t day = day_after(sql, BEGIN + 30 * DAY_MS);
    assert_true(day > 2); // who was behind has left it to the other, or had a clock that was wrong for it
    assert_int_equal(day_after(sql, BEGIN + 31 * DAY_MS), day + 1);
    day++;
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"),
                     fixture_number(sql, "SELECT count(*) FROM chunk_days"));
    assert_true(has_part(sql, day) && has_part(sql, day + 1));
}

// --- From the schema before

static void move(struct sql *sql, int to)
{
    CLEANUP(buf_release) struct buf reason = {0};
    if (schema_migrate(sql, to, &reason) < 0)
        fail_msg("to %d: %s", to, buf_cstr(&reason));
}

static void what_was_there_becomes_the_first_part_without_being_written_anew(void **state)
{
    struct sql *sql = *state;
    for (int to = schema_newest() - 1; to >= 25; to--)
        move(sql, to);
    assert_int_equal(sql_exec(sql, ADDED "'a', 'completed', 1), (1, 'b', 'completed', 1)"), 0);
    assert_int_equal(sql_exec(sql, "INSERT INTO chunks SELECT id, 0, 1, 1, 1, 1, true, 'x' FROM executions"), 0);
    int64_t file = fixture_number(sql, "SELECT pg_relation_filenode('chunks')::bigint");
    int64_t index = fixture_number(sql, "SELECT pg_relation_filenode('chunks_pkey')::bigint");
    move(sql, 26);
    assert_int_equal(fixture_number(sql, "SELECT pg_relation_filenode('chunks_0')::bigint"), file);
    assert_int_equal(fixture_number(sql, "SELECT pg_relation_filenode('chunks_0_pkey')::bigint"), index);
    int64_t day = day_after(sql, BEGIN);
    assert_int_equal(sql_exec(sql, ADDED "'c', 'completed', 1)"), 0);
    assert_int_equal(sql_exec(sql, "INSERT INTO chunks SELECT id, 0, 1, 1, 1, 1, true, 'x' FROM executions "
                                   "WHERE execution_id = 'c'"),
                     0);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks_0"), 2);
    assert_int_equal(number_for(sql, "SELECT count(*) FROM chunks_%N", day), 1);
    // Back, and forward again: then all that there is by now is the first part.
    move(sql, 25);
    assert_int_equal(fixture_number(sql, "SELECT pg_relation_filenode('chunks')::bigint"), file);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks"), 3);
    move(sql, 26);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks_0"), 3);
    assert_int_equal(day_after(sql, BEGIN), day + 1);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM chunks"), 3);
}

int main(void)
{
#define WITH_STORE(test)  cmocka_unit_test_setup_teardown(test, postgres_fixture_set_up, fixture_tear_down)
#define WITH_ENGINE(test) cmocka_unit_test_setup_teardown(test, open_engine, close_engine)
    const struct CMUnitTest tests[] = {
        WITH_STORE(each_day_has_a_part_and_logs_that_were_begun_go_on_in_theirs),
        WITH_STORE(more_days_than_are_kept_prepared_can_be_read),
        WITH_STORE(a_day_goes_when_all_of_it_has_expired_and_the_others_stay),
        WITH_STORE(what_cannot_go_with_its_day_goes_by_itself),
        WITH_STORE(an_append_whose_part_is_missing_makes_it),
        WITH_ENGINE(a_clock_that_is_wrong_makes_a_day_longer_or_shorter_and_no_number_smaller),
        WITH_ENGINE(a_number_that_was_gone_over_to_and_not_noted_is_noted),
        WITH_ENGINE(one_execution_that_is_kept_keeps_its_day),
        WITH_ENGINE(who_has_prepared_for_a_day_that_went_begins_again),
        WITH_ENGINE(two_who_look_after_days_at_once_do_each_thing_once),
        WITH_ENGINE(what_was_there_becomes_the_first_part_without_being_written_anew),
    };
    return POSTGRES_FIXTURE_RUN(tests);
}
