// Which files are opened.
#include "store/sqlite/sqlite_fixture.h"

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    struct fixture *fixture = *state;
    store_free(&fixture->store);
    int64_t version = fixture_query(fixture, "PRAGMA user_version");
    fixture_query(fixture, "PRAGMA user_version = 99");
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(fixture_open_tuned(fixture->folder, (struct sqlite_tuning){0}, &error, &fixture->store),
                     ERR_TOO_NEW);
    assert_non_null(strstr(buf_cstr(&error), "schema 99"));
    char known[48], back[48];
    snprintf(known, sizeof(known), "schemas up to %d", (int)version);
    assert_non_null(strstr(buf_cstr(&error), known));
    assert_int_equal(fixture_query(fixture, "PRAGMA user_version"), 99);
    snprintf(back, sizeof(back), "PRAGMA user_version = %d", (int)version);
    fixture_query(fixture, back);
    assert_int_equal(fixture_plain.open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
}

static void a_store_is_opened_once(void **state)
{
    struct fixture *fixture = *state;
    struct store *second = NULL;
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(fixture_open_tuned(fixture->folder, (struct sqlite_tuning){0}, &error, &second), ERR_CONFLICT);
    assert_non_null(strstr(buf_cstr(&error), "in use by another process"));
    assert_null(second);
}

static void a_store_of_the_preview_is_refused_and_left_alone(void **state)
{
    struct fixture *fixture = *state;
    store_free(&fixture->store);
    fixture_execute(fixture, "PRAGMA application_id = 0x526e6c31");
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(fixture_open_tuned(fixture->folder, (struct sqlite_tuning){0}, &error, &fixture->store),
                     ERR_CONFLICT);
    assert_non_null(strstr(buf_cstr(&error), "preview"));
    assert_int_equal(fixture_query(fixture, "PRAGMA application_id"), 0x526e6c31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(a_newer_schema_is_refused_and_left_alone),
        PLAIN(a_store_of_the_preview_is_refused_and_left_alone),
        PLAIN(a_store_is_opened_once),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
