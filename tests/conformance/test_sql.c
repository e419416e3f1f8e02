// What every driver of store/sql/ does. Each test runs on each engine.
#include "store/sql_fixture.h"
#include "util/error.h"

#include <pthread.h>

static struct sql_fixture *engine_under_test;

static void run(struct sql *sql, const char *text)
{
    int err = sql_exec(sql, text);
    if (err < 0) {
        CLEANUP(free_ptr) char *reason = sql_reason(sql);
        fail_msg("%s: %s: %s", text, error_word(err), reason);
    }
}

static int64_t ask(struct sql *sql, const char *text)
{
    int64_t number = 0;
    CLEANUP(sql_statement_free) struct sql_statement *statement = sql_prepare(sql, text);
    assert_int_equal(sql_number(statement, &number), 0);
    return number;
}

#define TABLE "CREATE TABLE things(id {numbered}, number {integer}, words {text}, raw {bytes})"

static int64_t put(struct sql *sql, int64_t number, struct str words, struct str raw)
{
    int64_t id = 0;
    CLEANUP(sql_statement_free)
    struct sql_statement *insert =
        sql_prepare(sql, "INSERT INTO things(number, words, raw) VALUES(?1, ?2, ?3) {new_id}");
    sql_bind_i64(insert, 1, number);
    sql_bind_text(insert, 2, words);
    sql_bind_bytes(insert, 3, raw);
    assert_int_equal(sql_insert(insert, &id), 0);
    return id;
}

static struct sql_statement *get(struct sql *sql, int64_t id)
{
    struct sql_statement *select = sql_prepare(sql, "SELECT number, words, raw FROM things WHERE id = ?1");
    sql_bind_i64(select, 1, id);
    assert_int_equal(sql_row(select), 1);
    return select;
}

// --- Values

static void numbers_come_back_bit_for_bit(void **state)
{
    struct sql *sql = *state;
    static const uint64_t numbers[] = {0,
                                       1,
                                       127,
                                       128,
                                       255,
                                       256,
                                       32767,
                                       32768,
                                       UINT32_MAX,
                                       INT64_MAX,
                                       (uint64_t)INT64_MIN,
                                       UINT64_MAX,
                                       UINT64_MAX - 1,
                                       0x0123456789abcdef};
    run(sql, TABLE);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int64_t id = put(sql, (int64_t)numbers[i], STR(""), STR(""));
        CLEANUP(sql_statement_free) struct sql_statement *row = get(sql, id);
        assert_true(sql_u64(row, 0) == numbers[i]);
        assert_true(sql_i64(row, 0) == (int64_t)numbers[i]);
        assert_false(sql_null(row, 0));
    }
}

static void nothing_and_empty_are_not_the_same(void **state)
{
    struct sql *sql = *state;
    run(sql, TABLE);
    int64_t empty = put(sql, 0, STR(""), STR("")), nothing = put(sql, 0, (struct str){0}, (struct str){0});
    CLEANUP(sql_statement_free) struct sql_statement *row = get(sql, empty);
    for (int column = 1; column <= 2; column++)
        assert_false(sql_null(row, column));
    assert_non_null(sql_text(row, 1).data);
    assert_int_equal(sql_text(row, 1).len, 0);
    assert_non_null(sql_bytes(row, 2).data);
    assert_int_equal(sql_bytes(row, 2).len, 0);
    CLEANUP(free_ptr) char *copy = sql_dup(row, 1);
    assert_string_equal(copy, "");
    sql_statement_free(&row);
    row = get(sql, nothing);
    for (int column = 1; column <= 2; column++)
        assert_true(sql_null(row, column));
    assert_null(sql_text(row, 1).data);
    assert_null(sql_bytes(row, 2).data);
    assert_null(sql_dup(row, 1));
}

static void a_number_that_is_not_there_is_null(void **state)
{
    struct sql *sql = *state;
    run(sql, TABLE);
    CLEANUP(sql_statement_free)
    struct sql_statement *insert = sql_prepare(sql, "INSERT INTO things(number) VALUES(?1) RETURNING number");
    sql_bind_null(insert, 1, SQL_INTEGER);
    assert_int_equal(sql_row(insert), 1);
    assert_true(sql_null(insert, 0));
    assert_int_equal(sql_i64(insert, 0), 0);
}

static void bytes_of_every_value_and_a_mebibyte_come_back(void **state)
{
    struct sql *sql = *state;
    CLEANUP(buf_release) struct buf bytes = {0}, text = {0};
    for (size_t i = 0; i < 1 << 20; i++)
        buf_append_byte(&bytes, (char)(i + (i >> 8)));
    while (text.len < 1 << 20)
        buf_append_text(&text, "grün, ' \\ \n \"{text}\" ?1 $1 🜁 ");
    run(sql, TABLE);
    int64_t id = put(sql, 1, buf_str(&text), buf_str(&bytes));
    CLEANUP(sql_statement_free) struct sql_statement *row = get(sql, id);
    assert_true(str_eq(sql_text(row, 1), buf_str(&text)));
    assert_int_equal(sql_bytes(row, 2).len, bytes.len);
    assert_memory_equal(sql_bytes(row, 2).data, bytes.data, bytes.len);
}

static void text_is_in_the_order_of_its_bytes(void **state)
{
    struct sql *sql = *state;
    static const char *const words[] = {"", "B", "Z", "a", "a b", "a-b", "a_b", "ab", "b", "~", "\u00c4", "\u00e4"};
    run(sql, TABLE);
    for (size_t i = ARRAY_LEN(words); i > 0; i--)
        put(sql, 0, str_of(words[i - 1]), STR(""));
    CLEANUP(sql_statement_free)
    struct sql_statement *list = sql_prepare(sql, "SELECT words FROM things ORDER BY words");
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        assert_int_equal(sql_row(list), 1);
        assert_str(sql_text(list, 0), words[i]);
    }
    assert_int_equal(sql_row(list), 0);
    CLEANUP(sql_statement_free)
    struct sql_statement *count = sql_prepare(sql, "SELECT count(*) FROM things WHERE words >= ?1 AND words < ?2");
    sql_bind_text(count, 1, STR("a"));
    sql_bind_text(count, 2, STR("a\x7f"));
    int64_t number;
    assert_int_equal(sql_number(count, &number), 0);
    assert_int_equal(number, 5);
}

static void a_number_of_a_row_is_not_given_out_again(void **state)
{
    struct sql *sql = *state;
    run(sql, TABLE);
    int64_t first = put(sql, 0, STR("a"), STR("")), second = put(sql, 0, STR("b"), STR(""));
    assert_true(second > first);
    run(sql, "DELETE FROM things");
    assert_true(put(sql, 0, STR("c"), STR("")) > second);
}

// --- Statements

static void changes_are_counted(void **state)
{
    struct sql *sql = *state;
    uint64_t changes = 0;
    run(sql, TABLE);
    for (int64_t i = 0; i < 5; i++)
        put(sql, i, STR(""), STR(""));
    CLEANUP(sql_statement_free)
    struct sql_statement *update = sql_prepare(sql, "UPDATE things SET words = 'x' WHERE number < ?1");
    static const int64_t cases[][2] = {{3, 3}, {0, 0}, {100, 5}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sql_bind_i64(update, 1, cases[i][0]);
        assert_int_equal(sql_run(update, &changes), 0);
        assert_int_equal(changes, cases[i][1]);
    }
}

static void a_statement_that_is_wrong_is_an_error_and_no_crash(void **state)
{
    struct sql *sql = *state;
    static const char *const wrong[] = {"SELEC 1", "SELECT * FROM nowhere", "INSERT INTO nowhere VALUES(1)"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        CLEANUP(sql_statement_free) struct sql_statement *statement = sql_prepare(sql, wrong[i]);
        assert_true(sql_row(statement) < 0);
        assert_int_equal(sql_exec(sql, wrong[i]), ERR_INTERNAL);
        CLEANUP(free_ptr) char *reason = sql_reason(sql);
        assert_true(strlen(reason) > 5);
    }
    assert_int_equal(ask(sql, "SELECT 7"), 7);
}

static void what_is_there_already_gets_no_number(void **state)
{
    struct sql *sql = *state;
    int64_t first = 0, second = 0, again = 42;
    run(sql, "CREATE TABLE once(id {numbered}, word {text} NOT NULL UNIQUE)");
    CLEANUP(sql_statement_free)
    struct sql_statement *insert =
        sql_prepare(sql, "INSERT INTO once(word) VALUES(?1) ON CONFLICT DO NOTHING {new_id}");
    sql_bind_text(insert, 1, STR("a"));
    assert_int_equal(sql_insert(insert, &first), 0);
    sql_bind_text(insert, 1, STR("b"));
    assert_int_equal(sql_insert(insert, &second), 0);
    assert_true(first > 0 && second > first);
    sql_bind_text(insert, 1, STR("a"));
    assert_int_equal(sql_insert(insert, &again), ERR_NOT_FOUND);
    assert_int_equal(again, 42);
}

static void a_number_is_asked_for_where_there_is_none(void **state)
{
    struct sql *sql = *state;
    int64_t number = 42;
    run(sql, TABLE);
    CLEANUP(sql_statement_free) struct sql_statement *none = sql_prepare(sql, "SELECT id FROM things");
    assert_int_equal(sql_number(none, &number), ERR_NOT_FOUND);
    assert_int_equal(number, 42);
}

// --- Transactions

static void what_is_rolled_back_was_never_there(void **state)
{
    struct sql *sql = *state;
    run(sql, TABLE);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    put(sql, 1, STR("gone"), STR(""));
    assert_int_equal(sql_rollback(sql), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM things"), 0);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    put(sql, 1, STR("stays"), STR(""));
    assert_int_equal(sql_commit(sql), 0);
    assert_int_equal(sql_rollback(sql), 0); // none is under way
    assert_int_equal(ask(sql, "SELECT count(*) FROM things"), 1);
}

static void after_an_error_a_transaction_is_rolled_back_and_the_connection_goes_on(void **state)
{
    struct sql *sql = *state;
    run(sql, "CREATE TABLE once(word {text} NOT NULL UNIQUE)");
    run(sql, "INSERT INTO once VALUES('a')");
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    run(sql, "INSERT INTO once VALUES('b')");
    CLEANUP(sql_statement_free) struct sql_statement *again = sql_prepare(sql, "INSERT INTO once VALUES(?1)");
    sql_bind_text(again, 1, STR("a"));
    assert_int_equal(sql_run(again, NULL), ERR_CONFLICT);
    assert_false(sql_again(sql)); // it would be the same
    assert_int_equal(sql_rollback(sql), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM once"), 1);
    sql_bind_text(again, 1, STR("c"));
    assert_int_equal(sql_run(again, NULL), 0);
}

static void a_reader_sees_one_state_and_cannot_write(void **state)
{
    struct sql *sql = *state;
    run(sql, TABLE);
    CLEANUP(sql_fixture_close) struct sql *other = sql_fixture_connect(engine_under_test);
    assert_int_equal(sql_begin(other, SQL_READ), 0);
    assert_int_equal(ask(other, "SELECT count(*) FROM things"), 0);
    put(sql, 1, STR(""), STR(""));
    assert_int_equal(ask(other, "SELECT count(*) FROM things"), 0);
    assert_int_equal(sql_commit(other), 0);
    assert_int_equal(ask(other, "SELECT count(*) FROM things"), 1);
}

// --- Two at once

#define STEPS 200

static void *count_up(void *arg)
{
    struct sql *sql = sql_fixture_connect(engine_under_test);
    (void)arg;
    for (int i = 0; i < STEPS; i++) {
        assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
        int64_t now = ask(sql, "SELECT number FROM things WHERE words = 'count' {locked}");
        CLEANUP(sql_statement_free)
        struct sql_statement *set = sql_prepare(sql, "UPDATE things SET number = ?1 WHERE words = 'count'");
        sql_bind_i64(set, 1, now + 1);
        assert_int_equal(sql_run(set, NULL), 0);
        sql_statement_free(&set);
        assert_int_equal(sql_commit(sql), 0);
    }
    sql_fixture_close(&sql);
    return NULL;
}

static void what_is_read_locked_is_changed_by_one_at_a_time(void **state)
{
    struct sql *sql = *state;
    pthread_t threads[2];
    run(sql, TABLE);
    put(sql, 0, STR("count"), STR(""));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ask(sql, "SELECT number FROM things"), 2 * STEPS);
}

struct crossing {
    const char *first, *second; // rows to be locked, in this order
    pthread_barrier_t *both;    // hold their first
    int err;
    bool again;
};

static void *cross(void *arg)
{
    struct crossing *crossing = arg;
    struct sql *sql = sql_fixture_connect(engine_under_test);
    const char *const texts[] = {crossing->first, crossing->second};
    crossing->err = sql_begin(sql, SQL_WRITE);
    for (size_t i = 0; i < ARRAY_LEN(texts) && crossing->err == 0; i++) {
        crossing->err = sql_exec(sql, texts[i]);
        if (i == 0)
            pthread_barrier_wait(crossing->both);
    }
    crossing->again = sql_again(sql);
    if (crossing->err == 0)
        crossing->err = sql_commit(sql);
    else
        sql_rollback(sql);
    sql_fixture_close(&sql);
    return NULL;
}

static void who_loses_a_deadlock_may_begin_again(void **state)
{
    struct sql *sql = *state;
    if (sql_engine(sql) == SQL_SQLITE)
        return; // it has one writer: no two transactions wait for each other
    run(sql, TABLE);
    put(sql, 1, STR(""), STR(""));
    put(sql, 2, STR(""), STR(""));
    pthread_barrier_t both;
    pthread_barrier_init(&both, NULL, 2);
    static const char one[] = "UPDATE things SET words = 'x' WHERE number = 1",
                      two[] = "UPDATE things SET words = 'x' WHERE number = 2";
    struct crossing crossings[] = {{one, two, &both, 0, false}, {two, one, &both, 0, false}};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, cross, &crossings[i]), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&both);
    const struct crossing *loser = &crossings[crossings[0].err == 0];
    assert_int_equal(loser->err, ERR_UNAVAILABLE);
    assert_true(loser->again);
    assert_int_equal(crossings[crossings[0].err < 0].err, 0);
}

// --- The connection

static void a_lost_connection_is_made_again(void **state)
{
    struct sql *sql = *state;
    if (sql_engine(sql) == SQL_SQLITE)
        return; // it has none
    run(sql, TABLE);
    CLEANUP(sql_fixture_close) struct sql *other = sql_fixture_connect(engine_under_test);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    put(sql, 1, STR("lost"), STR(""));
    int64_t there = ask(sql, "SELECT pg_backend_pid()");
    CLEANUP(free_ptr) char *end = xasprintf("SELECT pg_terminate_backend(%lld)", (long long)there);
    run(other, end);
    assert_int_equal(sql_commit(sql), ERR_UNAVAILABLE);
    assert_int_equal(sql_rollback(sql), 0);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    put(sql, 2, STR("stays"), STR(""));
    assert_int_equal(sql_commit(sql), 0);
    assert_int_equal(ask(sql, "SELECT number FROM things"), 2);
}

static void a_commit_of_what_has_failed_is_an_error(void **state)
{
    struct sql *sql = *state;
    if (sql_engine(sql) == SQL_SQLITE)
        return; // there a statement fails alone
    run(sql, TABLE);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    put(sql, 1, STR("gone"), STR(""));
    assert_int_equal(sql_exec(sql, "SELECT nothing_of_that_name()"), ERR_INTERNAL);
    assert_int_equal(sql_commit(sql), ERR_INTERNAL);
    assert_int_equal(ask(sql, "SELECT count(*) FROM things"), 0);
}

static void text_with_what_is_no_text_is_refused(void **state)
{
    struct sql *sql = *state;
    if (sql_engine(sql) == SQL_SQLITE)
        return; // it takes any bytes
    CLEANUP(sql_statement_free) struct sql_statement *bad = sql_prepare(sql, "SELECT ?1");
    sql_bind_text(bad, 1, STR("\xff\xfe"));
    assert_int_equal(sql_row(bad), ERR_INVALID);
}

static void a_server_that_is_not_there_is_said_to_be_away(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf reason = {0};
    struct sql *none = NULL;
    assert_int_equal(sql_fixture_connect_nowhere(&none, &reason), ERR_UNAVAILABLE);
    assert_null(none);
    assert_true(reason.len > 0);
}

// --- All of them

static int set_up(void **state)
{
    sql_fixture_reset(engine_under_test);
    *state = sql_fixture_connect(engine_under_test);
    return 0;
}

static int tear_down(void **state)
{
    sql_fixture_close((struct sql **)state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_come_back_bit_for_bit),
        TEST(nothing_and_empty_are_not_the_same),
        TEST(a_number_that_is_not_there_is_null),
        TEST(bytes_of_every_value_and_a_mebibyte_come_back),
        TEST(text_is_in_the_order_of_its_bytes),
        TEST(a_number_of_a_row_is_not_given_out_again),
        TEST(changes_are_counted),
        TEST(a_statement_that_is_wrong_is_an_error_and_no_crash),
        TEST(what_is_there_already_gets_no_number),
        TEST(a_number_is_asked_for_where_there_is_none),
        TEST(what_is_rolled_back_was_never_there),
        TEST(after_an_error_a_transaction_is_rolled_back_and_the_connection_goes_on),
        TEST(a_reader_sees_one_state_and_cannot_write),
        TEST(what_is_read_locked_is_changed_by_one_at_a_time),
        TEST(who_loses_a_deadlock_may_begin_again),
        TEST(a_lost_connection_is_made_again),
        TEST(a_commit_of_what_has_failed_is_an_error),
        TEST(text_with_what_is_no_text_is_refused),
        TEST(a_server_that_is_not_there_is_said_to_be_away),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
