// Transactions that begin with what is sent next.
#include "store/postgres/postgres_fixture.h"
#include "store/sql/postgres.h"
#include "util/error.h"

enum { MAKE, ADD, ADD_IF, COUNT };

static const char *const items[] = {
    "CREATE TABLE IF NOT EXISTS later(id BIGINT PRIMARY KEY)",
    "INSERT INTO later(id) VALUES(?1) RETURNING id",
    "INSERT INTO later(id) VALUES(?1) RETURNING 1 / CAST(?2 = 1 AS integer)",
    "SELECT count(*) FROM later",
};

static struct sql *connect_empty(struct sql **ret_other)
{
    static const struct sql_texts texts = {.items = items, .count = ARRAY_LEN(items)};
    CLEANUP(free_ptr) char *where = sql_fixture_database(postgres_fixture_engine(), "later");
    CLEANUP(buf_release) struct buf reason = {0};
    struct sql *sql = NULL;
    assert_int_equal(sql_postgres_open(where, texts, &sql, &reason), 0);
    assert_int_equal(sql_postgres_open(where, texts, ret_other, &reason), 0);
    assert_int_equal(sql_run(sql_statement(sql, MAKE), NULL), 0);
    assert_int_equal(sql_exec(sql, "TRUNCATE later"), 0);
    return sql;
}

static int64_t count(struct sql *sql)
{
    int64_t found = -1;
    assert_int_equal(sql_number(sql_statement(sql, COUNT), &found), 0);
    return found;
}

static struct sql_statement *adding(struct sql *sql, int64_t id)
{
    struct sql_statement *add = sql_statement(sql, ADD);
    sql_bind_i64(add, 1, id);
    return add;
}

static struct sql_statement *adding_if(struct sql *sql, int64_t id, bool holds)
{
    struct sql_statement *add = sql_statement(sql, ADD_IF);
    sql_bind_i64(add, 1, id);
    sql_bind_i64(add, 2, holds);
    return add;
}

static void it_begins_with_what_is_asked_first(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *other = NULL;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_empty(&other);
    struct sql_statement *first = adding(sql, 1);
    sql_postgres_begin_later(sql, first);
    assert_false(sql_postgres_begun(sql));
    assert_int_equal(count(sql), 1); // sees what the first has added
    assert_true(sql_postgres_begun(sql));
    assert_int_equal(count(other), 0); // and is in a transaction
    assert_int_equal(sql_row(first), 1);
    assert_int_equal(sql_i64(first, 0), 1);
    assert_int_equal(sql_commit(sql), 0);
    assert_int_equal(count(other), 1);
}

static void the_first_itself_can_be_asked(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *other = NULL;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_empty(&other);
    struct sql_statement *first = adding(sql, 1);
    sql_postgres_begin_later(sql, first);
    assert_int_equal(sql_row(first), 1);
    assert_int_equal(sql_i64(first, 0), 1);
    assert_int_equal(sql_exec(sql, "SELECT 1"), 0);
    assert_int_equal(count(other), 0);
    assert_int_equal(sql_commit(sql), 0);
    assert_int_equal(count(other), 1);
}

static void it_is_sent_with_its_commit(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *other = NULL;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_empty(&other);
    struct sql_statement *add = adding_if(sql, 2, true);
    sql_postgres_begin_later(sql, adding(sql, 1));
    assert_int_equal(sql_postgres_together(sql, SQL_POSTGRES_COMMIT, &add, 1), 0);
    assert_int_equal(count(other), 2);
    sql_postgres_begin_later(sql, adding(sql, 3));
    assert_int_equal(sql_commit(sql), 0); // with nothing else
    assert_int_equal(count(other), 3);
}

static void one_that_was_not_sent_is_rolled_back_without_a_word(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *other = NULL;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_empty(&other);
    sql_postgres_begin_later(sql, adding(sql, 1));
    assert_int_equal(sql_rollback(sql), 0);
    assert_true(sql_postgres_begun(sql));
    assert_int_equal(count(sql), 0);
}

static void a_condition_that_does_not_hold_ends_all_of_it(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *other = NULL;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_empty(&other);
    struct sql_statement *add = adding(sql, 2);
    sql_postgres_begin_later(sql, adding_if(sql, 1, false));
    assert_int_equal(sql_postgres_together(sql, SQL_POSTGRES_COMMIT, &add, 1), ERR_UNAVAILABLE);
    assert_true(sql_again(sql) && sql_postgres_unmet(sql));
    assert_int_equal(sql_rollback(sql), 0);
    assert_false(sql_postgres_unmet(sql));
    assert_int_equal(count(other), 0);
}

// Waits until they have ended.
static void end_all_but(struct sql *sql)
{
    assert_int_equal(fixture_number(sql, "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE "
                                         "datname = current_database() AND pid <> pg_backend_pid()"),
                     1);
}

// What was remembered belongs to the connection that was lost.
static void it_does_not_begin_on_another_connection(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *other = NULL;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_empty(&other);
    struct sql_statement *add = adding(sql, 2);
    end_all_but(other);
    sql_postgres_begin_later(sql, adding(sql, 1));
    assert_int_equal(sql_postgres_together(sql, SQL_POSTGRES_COMMIT, &add, 1), ERR_UNAVAILABLE);
    assert_int_equal(sql_postgres_connection(sql), 0);
    assert_int_equal(sql_rollback(sql), 0);
    sql_postgres_begin_later(sql, adding(sql, 1));
    assert_int_equal(sql_postgres_together(sql, SQL_POSTGRES_COMMIT, &add, 1), ERR_UNAVAILABLE);
    assert_true(sql_again(sql)); // it is known that nothing was sent
    assert_int_equal(sql_rollback(sql), 0);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0); // on a new one
    assert_int_equal(count(sql), 0);
    assert_int_equal(sql_rollback(sql), 0);
}

static void one_whose_beginning_was_lost_can_be_begun_again(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *other = NULL;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_empty(&other);
    sql_postgres_begin_later(sql, adding(sql, 1));
    end_all_but(other);
    assert_int_equal(sql_exec(sql, "SELECT 1"), ERR_UNAVAILABLE);
    assert_true(sql_again(sql));
    assert_int_equal(sql_rollback(sql), 0);
    assert_int_equal(count(other), 0);
}

static void an_end_that_has_come_is_noticed_before_anything_is_sent(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *other = NULL;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_empty(&other);
    assert_true(sql_postgres_connection(sql) != 0);
    end_all_but(other);
    assert_int_equal(sql_postgres_connection(sql), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_with_what_is_asked_first),
        cmocka_unit_test(the_first_itself_can_be_asked),
        cmocka_unit_test(it_is_sent_with_its_commit),
        cmocka_unit_test(one_that_was_not_sent_is_rolled_back_without_a_word),
        cmocka_unit_test(a_condition_that_does_not_hold_ends_all_of_it),
        cmocka_unit_test(it_does_not_begin_on_another_connection),
        cmocka_unit_test(one_whose_beginning_was_lost_can_be_begun_again),
        cmocka_unit_test(an_end_that_has_come_is_noticed_before_anything_is_sent),
    };
    return POSTGRES_FIXTURE_RUN(tests);
}
