#include "store/adapter.h"
#include "store/execution_cache.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"

#define CACHE_MAX 4

struct cache_test {
    struct fixture *fixture;
    struct execution_cache *cache;
    int64_t account, row;
};

static int open_store(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    (void)now_ms;
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    CLEANUP(buf_release) struct buf error = {0};
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 2}, &error, ret);
}

static int set_up(void **state)
{
    static const struct fixture_adapter adapter = {"sqlite", open_store};
    struct cache_test *test = xcalloc(1, sizeof(*test));
    test->fixture = fixture_new(&adapter);
    test->cache = execution_cache_new(test->fixture->store, CACHE_MAX);
    test->account = fixture_account(test->fixture, "a");
    test->row = fixture_create(test->fixture, test->account, "one", STATUS_QUEUED);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct cache_test *test = *state;
    execution_cache_free(&test->cache);
    fixture_free(&test->fixture);
    free(test);
    return 0;
}

// --- Steps

static struct store_get ask(struct cache_test *test, const char *execution_id)
{
    struct store_get get = {.op.kind = STORE_GET, .account = test->account, .execution_id = str_of(execution_id)};
    assert_int_equal(fixture_run(test->fixture, &get.op), 0);
    return get;
}

static void keep(struct cache_test *test, struct store_get *got)
{
    struct kept_execution *kept = execution_cache_keep(test->cache, got);
    assert_non_null(kept);
    kept_execution_unref(&kept);
}

static void ask_and_keep(struct cache_test *test, const char *execution_id)
{
    struct store_get got = ask(test, execution_id);
    keep(test, &got);
}

static bool is_kept_of(struct cache_test *test, int64_t account, const char *execution_id)
{
    struct kept_execution *kept = execution_cache_find(test->cache, account, str_of(execution_id));
    bool found = kept != NULL;
    if (found)
        assert_string_equal(kept->execution.execution_id, execution_id);
    kept_execution_unref(&kept);
    return found;
}

static bool is_kept(struct cache_test *test, const char *execution_id)
{
    return is_kept_of(test, test->account, execution_id);
}

// --- Every kind of change, each on what the one before has left

static void change_metadata(struct cache_test *test)
{
    struct store_update update = {.op.kind = STORE_UPDATE, .row = test->row, .metadata_patch = STR("{\"a\":1}")};
    assert_int_equal(fixture_run(test->fixture, &update.op), 0);
    store_op_release(&update.op);
}

static void change_pin(struct cache_test *test)
{
    struct store_update update = {.op.kind = STORE_UPDATE, .row = test->row, .has_pin = true, .pin = true};
    assert_int_equal(fixture_run(test->fixture, &update.op), 0);
    store_op_release(&update.op);
}

static void change_claim(struct cache_test *test)
{
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = test->row, .worker_id = STR("w")};
    assert_int_equal(fixture_run(test->fixture, &claim.op), 0);
    store_op_release(&claim.op);
}

static void change_append(struct cache_test *test)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 10, 40, 1000);
    assert_int_equal(fixture_append(test->fixture, test->row, "p", 0, chunk).op.err, 0);
}

static void change_status(struct cache_test *test)
{
    struct store_update status = {
        .op.kind = STORE_UPDATE, .row = test->row, .has_outcome = true, .outcome = {.status = STATUS_WAITING}};
    assert_int_equal(fixture_run(test->fixture, &status.op), 0);
    store_op_release(&status.op);
}

static void change_complete(struct cache_test *test)
{
    struct store_complete complete = {
        .op.kind = STORE_COMPLETE, .row = test->row, .producer = STR("p"), .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(test->fixture, &complete.op), 0);
    store_op_release(&complete.op);
}

static void change_purge(struct cache_test *test)
{
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = test->row};
    assert_int_equal(fixture_run(test->fixture, &purge.op), 0);
}

static void (*const changes[])(struct cache_test *test) = {
    change_metadata, change_pin, change_claim, change_append, change_status, change_complete, change_purge,
};

// --- Tests

static void what_was_asked_for_is_served_again(void **state)
{
    struct cache_test *test = *state;
    assert_false(is_kept(test, "one"));
    struct store_get got = ask(test, "one");
    struct kept_execution *first = execution_cache_keep(test->cache, &got);
    assert_null(got.ret_execution.execution_id);
    struct kept_execution *again = execution_cache_find(test->cache, test->account, STR("one"));
    assert_ptr_equal(first, again);
    assert_int_equal(again->execution.row, test->row);
    kept_execution_unref(&first);
    kept_execution_unref(&again);
    assert_null(again);
}

static void every_change_ends_it(void **state)
{
    struct cache_test *test = *state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        ask_and_keep(test, "one");
        assert_true(is_kept(test, "one"));
        changes[i](test);
        assert_false(is_kept(test, "one"));
    }
    ask_and_keep(test, "one");
    struct kept_execution *last = execution_cache_find(test->cache, test->account, STR("one"));
    assert_true(last->execution.purged);
    kept_execution_unref(&last);
}

static void a_change_between_the_query_and_its_answer_ends_it(void **state)
{
    struct cache_test *test = *state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct store_get got = ask(test, "one");
        changes[i](test);
        keep(test, &got);
        assert_false(is_kept(test, "one"));
    }
}

static void a_change_of_another_execution_leaves_it(void **state)
{
    struct cache_test *test = *state;
    fixture_create(test->fixture, test->account, "two", STATUS_QUEUED);
    ask_and_keep(test, "two");
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        changes[i](test);
    assert_true(is_kept(test, "two"));
}

// From before a transaction until its outcome is everywhere: what is asked for meanwhile may be the old or the new
// state.
static void nothing_is_served_or_kept_while_a_change_is_under_way(void **state)
{
    struct cache_test *test = *state;
    struct store_append one = {.op.kind = STORE_APPEND, .row = test->row}, two = one;
    struct store_op *ops[] = {&one.op, &two.op};
    struct store *store = test->fixture->store;
    ask_and_keep(test, "one");
    uint64_t before = store_version(store, test->row);
    store_versions_begin(store, ops, ARRAY_LEN(ops));
    assert_false(is_kept(test, "one"));
    struct store_get got = ask(test, "one");
    assert_int_equal(got.ret_version, before + 1);
    keep(test, &got);
    assert_false(is_kept(test, "one"));
    got = ask(test, "one");
    store_versions_end(store, ops, ARRAY_LEN(ops));
    keep(test, &got);
    assert_false(is_kept(test, "one"));
    assert_int_equal(store_version(store, test->row), before + 2);
    ask_and_keep(test, "one");
    assert_true(is_kept(test, "one"));
}

static void another_account_does_not_see_it(void **state)
{
    struct cache_test *test = *state;
    ask_and_keep(test, "one");
    assert_false(is_kept_of(test, fixture_account(test->fixture, "b"), "one"));
    assert_false(is_kept(test, "on"));
}

static void the_least_recently_used_make_way(void **state)
{
    static const char *const names[] = {"one", "b", "c", "d", "e"};
    struct cache_test *test = *state;
    for (size_t i = 1; i < ARRAY_LEN(names); i++)
        fixture_create(test->fixture, test->account, names[i], STATUS_QUEUED);
    for (size_t i = 0; i < CACHE_MAX; i++)
        ask_and_keep(test, names[i]);
    assert_true(is_kept(test, "one"));
    ask_and_keep(test, "e");
    assert_true(is_kept(test, "one") && is_kept(test, "c") && is_kept(test, "d") && is_kept(test, "e"));
    assert_false(is_kept(test, "b"));
}

static void long_texts_are_not_kept(void **state)
{
    struct cache_test *test = *state;
    CLEANUP(buf_release) struct buf json = {0};
    buf_append_text(&json, "{\"a\":\"");
    while (json.len < EXECUTION_CACHE_TEXT_MAX)
        buf_append_byte(&json, 'x');
    buf_append_text(&json, "\"}");
    struct store_update update = {.op.kind = STORE_UPDATE, .row = test->row, .metadata_patch = buf_str(&json)};
    assert_int_equal(fixture_run(test->fixture, &update.op), 0);
    store_op_release(&update.op);
    ask_and_keep(test, "one");
    assert_false(is_kept(test, "one"));
}

static void a_reference_outlives_the_cache(void **state)
{
    struct cache_test *test = *state;
    struct store_get got = ask(test, "one");
    struct kept_execution *mine = execution_cache_keep(test->cache, &got);
    change_claim(test);
    assert_false(is_kept(test, "one"));
    execution_cache_free(&test->cache);
    assert_int_equal(mine->execution.status, STATUS_QUEUED);
    kept_execution_unref(&mine);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_asked_for_is_served_again),
        TEST(every_change_ends_it),
        TEST(a_change_between_the_query_and_its_answer_ends_it),
        TEST(a_change_of_another_execution_leaves_it),
        TEST(nothing_is_served_or_kept_while_a_change_is_under_way),
        TEST(another_account_does_not_see_it),
        TEST(the_least_recently_used_make_way),
        TEST(long_texts_are_not_kept),
        TEST(a_reference_outlives_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
