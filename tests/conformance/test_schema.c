// Migrations, forward and back, on each engine: by a planted table, and each of our own that has a way back.
#include "model/node.h"
#include "store/schema/schema.h"
#include "store/sql_fixture.h"
#include "util/error.h"

#include <pthread.h>

static struct sql_fixture *engine_under_test;

static const struct schema_migration planted[] = {
    {.number = 1, .name = "things", .forward = "CREATE TABLE things(id {numbered}, number {integer})", .loses = "all"},
    {.number = 2,
     .name = "colours",
     .forward = "ALTER TABLE things ADD COLUMN colour {integer} NOT NULL DEFAULT 0",
     .back = "ALTER TABLE things DROP COLUMN colour",
     .loses = "things with a colour",
     .counted_by = "SELECT count(*) FROM things WHERE colour <> 0"},
    {.number = 3,
     .name = "marks",
     .forward = "CREATE TABLE marks(thing {integer} PRIMARY KEY); CREATE INDEX things_by_number ON things(number)",
     .back = "DROP INDEX things_by_number; DROP TABLE marks"},
    {.number = 4, .name = "nothing here", .forward = "", .back = ""},
    {0},
};

static int64_t ask(struct sql *sql, const char *text)
{
    int64_t number = -1;
    CLEANUP(sql_statement_free) struct sql_statement *statement = sql_prepare(sql, text);
    assert_int_equal(sql_number(statement, &number), 0);
    return number;
}

static bool runs(struct sql *sql, const char *text)
{
    return sql_exec(sql, text) == 0;
}

static int version_of(struct sql *sql)
{
    int version = -1;
    assert_int_equal(schema_version(sql, &version), 0);
    return version;
}

static void move(struct sql *sql, const struct schema_migration *table, int to)
{
    CLEANUP(buf_release) struct buf reason = {0};
    if (schema_migrate_by(table, sql, to, &reason) < 0)
        fail_msg("to %d: %s", to, buf_cstr(&reason));
    assert_int_equal(version_of(sql), to);
}

static void refused(struct sql *sql, int to, int expected, const char *says)
{
    CLEANUP(buf_release) struct buf reason = {0};
    int before = version_of(sql);
    assert_int_equal(schema_migrate_by(planted, sql, to, &reason), expected);
    if (!strstr(buf_cstr(&reason), says))
        fail_msg("\"%s\" is not in: %s", says, buf_cstr(&reason));
    assert_int_equal(version_of(sql), before);
}

static void a_schema_goes_forward_and_back_and_forward_again(void **state)
{
    struct sql *sql = *state;
    move(sql, planted, 1);
    assert_true(runs(sql, "INSERT INTO things(number) VALUES(7)"));
    move(sql, planted, 4);
    assert_int_equal(ask(sql, "SELECT colour FROM things WHERE number = 7"), 0);
    move(sql, planted, 4);
    move(sql, planted, 3);
    move(sql, planted, 2);
    assert_false(runs(sql, "SELECT thing FROM marks"));
    move(sql, planted, 1);
    assert_false(runs(sql, "SELECT colour FROM things"));
    assert_int_equal(ask(sql, "SELECT number FROM things"), 7);
    move(sql, planted, 4);
    assert_int_equal(ask(sql, "SELECT colour + number FROM things"), 7);
    assert_true(runs(sql, "INSERT INTO marks(thing) VALUES(1)"));
}

static void a_way_back_is_refused_while_something_would_be_lost(void **state)
{
    struct sql *sql = *state;
    move(sql, planted, 2);
    assert_true(runs(sql, "INSERT INTO things(number, colour) VALUES(7, 1), (8, 0), (9, 2)"));
    refused(sql, 1, ERR_CONFLICT, "2 of things with a colour would be lost");
    refused(sql, 1, ERR_CONFLICT, "a backup that was made before: `runnel restore`");
    assert_int_equal(ask(sql, "SELECT sum(colour) FROM things"), 3);
    assert_true(runs(sql, "UPDATE things SET colour = 0"));
    move(sql, planted, 1);
    assert_int_equal(ask(sql, "SELECT count(*) FROM things"), 3);
}

static void where_there_is_no_way_back_it_is_said_what_would_be_lost(void **state)
{
    struct sql *sql = *state;
    static const struct schema_migration one_way[] = {
        {.number = 1, .name = "a", .forward = "CREATE TABLE a(id {numbered})", .back = "DROP TABLE a"},
        {.number = 2, .name = "b", .forward = "CREATE TABLE b(id {numbered})", .loses = "every b"},
        {0},
    };
    CLEANUP(buf_release) struct buf reason = {0};
    move(sql, one_way, 2);
    assert_int_equal(schema_migrate_by(one_way, sql, 1, &reason), ERR_CONFLICT);
    assert_string_equal(buf_cstr(&reason), "the schema 2 (b) has no way back without loss: every b would be lost. What "
                                           "one goes back to is a backup that was made before: `runnel restore`");
    assert_true(runs(sql, "INSERT INTO b(id) VALUES(1)"));
}

static void only_one_step_leads_back_and_only_to_what_there_is(void **state)
{
    struct sql *sql = *state;
    move(sql, planted, 4);
    refused(sql, 2, ERR_INVALID, "goes back one step at a time: to 3 first");
    refused(sql, 0, ERR_INVALID, "there is no schema 0; this program knows 1 to 4");
    refused(sql, 5, ERR_INVALID, "there is no schema 5");
}

static void a_newer_schema_is_left_alone(void **state)
{
    struct sql *sql = *state;
    move(sql, planted, 4);
    assert_true(runs(sql, "{version_set} 9"));
    refused(sql, 4, ERR_TOO_NEW, "it has the schema 9; this program knows schemas up to 4");
}

static void a_step_that_fails_is_not_there_and_those_before_it_are(void **state)
{
    struct sql *sql = *state;
    static const struct schema_migration broken[] = {
        {.number = 1, .name = "a", .forward = "CREATE TABLE a(id {numbered})"},
        {.number = 2, .name = "b", .forward = "CREATE TABLE b(id {numbered}); INSERT INTO nowhere(id) VALUES(1)"},
        {0},
    };
    CLEANUP(buf_release) struct buf reason = {0};
    assert_true(schema_migrate_by(broken, sql, 2, &reason) < 0);
    assert_non_null(strstr(buf_cstr(&reason), "nowhere"));
    assert_int_equal(version_of(sql), 0); // a new store is made whole, or not at all
    assert_false(runs(sql, "INSERT INTO a(id) VALUES(1)"));
    move(sql, broken, 1);
    buf_reset(&reason);
    assert_true(schema_migrate_by(broken, sql, 2, &reason) < 0);
    assert_non_null(strstr(buf_cstr(&reason), "nowhere"));
    assert_int_equal(version_of(sql), 1);
    assert_true(runs(sql, "INSERT INTO a(id) VALUES(1)"));
    assert_false(runs(sql, "INSERT INTO b(id) VALUES(1)"));
}

static void *migrate_too(void *arg)
{
    struct sql *sql = arg;
    CLEANUP(buf_release) struct buf reason = {0};
    return schema_migrate_by(planted, sql, 4, &reason) == 0 ? sql : NULL;
}

static void two_who_migrate_at_once_do_it_once(void **state)
{
    struct sql *sql = *state;
    CLEANUP(sql_fixture_close) struct sql *other = sql_fixture_connect(engine_under_test);
    pthread_t thread;
    void *done = NULL;
    assert_int_equal(pthread_create(&thread, NULL, migrate_too, other), 0);
    move(sql, planted, 4);
    assert_int_equal(pthread_join(thread, &done), 0);
    assert_ptr_equal(done, other);
    assert_int_equal(version_of(sql), 4);
}

// --- Our own

// Everything that there is: tables with their columns, and indexes.
static const char *const everything[SQL_ENGINES] = {
    [SQL_SQLITE] =
        "SELECT group_concat(what, ' ') FROM (SELECT m.type || m.name || '.' || coalesce(c.name || c.type || "
        "c.\"notnull\" || coalesce(c.dflt_value, ''), '') AS what FROM sqlite_master m "
        "LEFT JOIN pragma_table_info(m.name) c ORDER BY 1)",
    [SQL_POSTGRES] = "SELECT (SELECT string_agg(table_name || '.' || column_name || data_type || is_nullable || "
                     "coalesce(column_default, ''), ' ' ORDER BY table_name, column_name) FROM "
                     "information_schema.columns WHERE table_schema = 'public') || (SELECT string_agg(indexdef, ' ' "
                     "ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public')",
};

static char *all_of(struct sql *sql)
{
    CLEANUP(sql_statement_free) struct sql_statement *get = sql_prepare(sql, everything[sql_engine(sql)]);
    assert_int_equal(sql_row(get), 1);
    return sql_dup(get, 0);
}

static void every_way_back_undoes_what_its_migration_did(void **state)
{
    struct sql *sql = *state;
    const struct schema_migration *table = schema_migrations[sql_engine(sql)];
    for (const struct schema_migration *at = table; at->number > 0; at++) {
        CLEANUP(free_ptr) char *before = at->number > 1 ? all_of(sql) : NULL;
        move(sql, table, at->number);
        CLEANUP(free_ptr) char *with = all_of(sql);
        if (!at->back || at->number == 1)
            continue;
        move(sql, table, at->number - 1);
        CLEANUP(free_ptr) char *after = all_of(sql);
        assert_string_equal(after, before);
        move(sql, table, at->number);
        CLEANUP(free_ptr) char *again = all_of(sql);
        assert_string_equal(again, with);
    }
    assert_int_equal(version_of(sql), schema_newest());
}

static void each_migration_says_whether_it_has_a_way_back(void **state)
{
    (void)state;
    for (int engine = 0; engine < SQL_ENGINES; engine++) {
        const struct schema_migration *at = schema_migrations[engine];
        for (int number = 1; at->number > 0; at++, number++) {
            assert_int_equal(at->number, number);
            assert_true(at->back || at->loses);
            assert_true(!at->counted_by || (at->back && at->loses));
            assert_in_range(at->works_with, number < 22 ? 0 : 21, number < 22 ? 0 : number);
        }
        assert_int_equal(at[-1].number, schema_newest());
    }
}

// Our own, and one of a version to come.
static const struct schema_migration *and_next(struct sql *sql, struct schema_migration next[static 64], int works_with)
{
    const struct schema_migration *own = schema_migrations[sql_engine(sql)];
    int newest = schema_newest();
    assert_in_range(newest, 1, 62);
    memcpy(next, own, (size_t)newest * sizeof(*own));
    next[newest] = (struct schema_migration){.number = newest + 1,
                                             .name = "next",
                                             .works_with = works_with,
                                             .forward = "ALTER TABLE nodes ADD COLUMN planted {integer}"};
    next[newest + 1] = (struct schema_migration){0};
    return next;
}

static void add_server(struct sql *sql, int knows, int silent_ms)
{
    CLEANUP(free_ptr)
    char *text = xasprintf("INSERT INTO nodes(kind, started_ms, heartbeat_ms, knows) "
                           "VALUES(1, 0, {now_ms} - %d, %d)",
                           silent_ms, knows);
    assert_true(runs(sql, text));
}

static void servers_that_cannot_work_on_it_keep_a_schema_away(void **state)
{
    struct sql *sql = *state;
    int newest = schema_newest();
    struct schema_migration next[64];
    CLEANUP(buf_release) struct buf reason = {0};
    move(sql, schema_migrations[sql_engine(sql)], newest);
    add_server(sql, newest, 0);
    add_server(sql, newest + 1, 0);
    assert_int_equal(schema_migrate_by(and_next(sql, next, newest + 1), sql, newest + 1, &reason), ERR_HELD);
    assert_non_null(strstr(buf_cstr(&reason), "1 of the servers"));
    assert_int_equal(version_of(sql), newest);
    assert_true(runs(sql, "UPDATE nodes SET fenced_ms = 1 WHERE id > 0"));
    add_server(sql, newest, NODE_SILENT_MS + 1000); // it was killed
    move(sql, next, newest + 1);
    assert_int_equal(ask(sql, "SELECT count(*) FROM nodes WHERE id > 0 AND fenced_ms = 0"), 0); // should it go on
    assert_int_equal(schema_migrate(sql, newest, &reason), ERR_TOO_NEW);
}

static void what_a_store_asks_for_rises_and_falls_only_to_what_one_goes_back_to(void **state)
{
    struct sql *sql = *state;
    int newest = schema_newest();
    struct schema_migration next[64];
    and_next(sql, next, newest - 1);
    next[newest].back = "ALTER TABLE nodes DROP COLUMN planted";
    move(sql, next, newest);
    CLEANUP(free_ptr) char *asks = xasprintf("UPDATE schema_reader SET minimum = %d", newest);
    assert_true(runs(sql, asks)); // of what it holds
    move(sql, next, newest + 1);
    assert_int_equal(ask(sql, "SELECT minimum FROM schema_reader"), newest);
    next[newest].works_with = newest + 1;
    move(sql, next, newest);
    move(sql, next, newest + 1);
    assert_int_equal(ask(sql, "SELECT minimum FROM schema_reader"), newest + 1);
    move(sql, next, newest);
    assert_int_equal(ask(sql, "SELECT minimum FROM schema_reader"), newest);
}

static void a_newer_schema_that_works_with_a_program_is_left_as_it_is(void **state)
{
    struct sql *sql = *state;
    int newest = schema_newest();
    struct schema_migration next[64];
    CLEANUP(buf_release) struct buf reason = {0};
    move(sql, schema_migrations[sql_engine(sql)], newest);
    add_server(sql, newest, 0);
    move(sql, and_next(sql, next, newest), newest + 1);
    assert_int_equal(schema_migrate(sql, newest, &reason), 0);
    assert_int_equal(version_of(sql), newest + 1);
}

// Until somebody waits for a lock, or nobody does any more.
static bool wait_for(struct sql *sql, bool somebody)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    for (int i = 0; i < 6000; i++) {
        if ((ask(sql, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0) == somebody)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static void *stay_until_it_gives_way(void *arg)
{
    return wait_for(arg, true) && wait_for(arg, false) && sql_commit(arg) == 0 ? arg : NULL;
}

// Behind a step that waits for a reader, everybody else would wait.
static void a_step_gives_way_to_a_long_transaction(void **state)
{
    struct sql *sql = *state;
    if (sql_engine(sql) == SQL_SQLITE)
        return; // has one writer, and its readers are in nobody's way
    CLEANUP(sql_fixture_close) struct sql *other = sql_fixture_connect(engine_under_test);
    int newest = schema_newest();
    struct schema_migration next[64];
    pthread_t thread;
    void *released = NULL;
    move(sql, schema_migrations[SQL_POSTGRES], newest);
    assert_int_equal(sql_begin(other, SQL_READ), 0);
    assert_int_equal(ask(other, "SELECT count(*) FROM nodes"), 1);
    assert_int_equal(pthread_create(&thread, NULL, stay_until_it_gives_way, other), 0);
    move(sql, and_next(sql, next, newest), newest + 1);
    assert_int_equal(pthread_join(thread, &released), 0);
    assert_ptr_equal(released, other);
}

static int set_up(void **state)
{
    sql_fixture_empty(engine_under_test);
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
        TEST(a_schema_goes_forward_and_back_and_forward_again),
        TEST(a_way_back_is_refused_while_something_would_be_lost),
        TEST(where_there_is_no_way_back_it_is_said_what_would_be_lost),
        TEST(only_one_step_leads_back_and_only_to_what_there_is),
        TEST(a_newer_schema_is_left_alone),
        TEST(a_step_that_fails_is_not_there_and_those_before_it_are),
        TEST(two_who_migrate_at_once_do_it_once),
        TEST(servers_that_cannot_work_on_it_keep_a_schema_away),
        TEST(what_a_store_asks_for_rises_and_falls_only_to_what_one_goes_back_to),
        TEST(a_newer_schema_that_works_with_a_program_is_left_as_it_is),
        TEST(a_step_gives_way_to_a_long_transaction),
        TEST(every_way_back_undoes_what_its_migration_did),
        TEST(each_migration_says_whether_it_has_a_way_back),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
