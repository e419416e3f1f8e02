#include "store/summary_cache.h"
#include "util/testing.h"

#define HELD_SLOTS 4096 // as in summary_cache.c

static struct chunk *chunk_of(uint32_t count, const char *node)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    char extra[80] = "";
    if (node)
        snprintf(extra, sizeof(extra), "\"node_id\":\"%s\"", node);
    for (uint32_t i = 0; i < count; i++) {
        const struct record record = {.message = STR("m"), .extra = str_of(extra)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 1);
}

static void feed(struct summary_cache *cache, int64_t row, uint64_t first, uint32_t count, const char *node)
{
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(count, node);
    const struct store_change change = {.row = row, .first = first, .chunk = chunk};
    summary_cache_feed(cache, &change, 1);
    summary_cache_settle(cache);
}

static uint64_t counted(struct summary_cache *cache, int64_t row)
{
    CLEANUP(summary_release) struct summary summary;
    summary_init(&summary, 0);
    return summary_cache_get(cache, row, &summary) ? summary.next : UINT64_MAX;
}

static void put(struct summary_cache *cache, int64_t row, uint32_t count)
{
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(count, "n");
    CLEANUP(summary_release) struct summary summary;
    summary_init(&summary, 0);
    assert_int_equal(summary_add(&summary, chunk, 0), 0);
    summary_cache_put(cache, row, &summary, 1);
}

static void what_is_committed_is_folded_from_the_first_record_on(void **state)
{
    (void)state;
    struct summary_cache *cache = summary_cache_new(NULL, SUMMARY_CACHE_MAX, NULL);
    feed(cache, 1, 0, 3, "a");
    feed(cache, 1, 3, 2, NULL);
    assert_int_equal(counted(cache, 1), 5);
    feed(cache, 2, 0, 3, NULL); // plain output is counted when somebody asks
    feed(cache, 3, 7, 3, "a");  // and so is a log that was begun before
    assert_int_equal(counted(cache, 2), UINT64_MAX);
    assert_int_equal(counted(cache, 3), UINT64_MAX);
    feed(cache, 3 + HELD_SLOTS, 0, 1, "a"); // looks like it to who feeds
    feed(cache, 3, 7, 3, "a");
    assert_int_equal(counted(cache, 3), UINT64_MAX);
    summary_cache_free(&cache);
    assert_null(cache);
    summary_cache_free(&cache);
}

static void what_was_left_out_is_not_passed_over(void **state)
{
    (void)state;
    struct summary_cache *cache = summary_cache_new(NULL, SUMMARY_CACHE_MAX, NULL);
    feed(cache, 1, 0, 3, "a");
    feed(cache, 1, 5, 3, "a");
    assert_int_equal(counted(cache, 1), 3);
    put(cache, 1, 8); // somebody asked, and has counted it
    feed(cache, 1, 8, 1, "a");
    assert_int_equal(counted(cache, 1), 9);
    put(cache, 1, 4);
    assert_int_equal(counted(cache, 1), 9);
    summary_cache_free(&cache);
}

struct heard {
    unsigned due, behind;
    int64_t row;
};

static void hear_due(void *arg)
{
    ((struct heard *)arg)->due++;
}

static void hear_behind(void *arg, int64_t row)
{
    struct heard *heard = arg;
    heard->behind++;
    heard->row = row;
}

static void what_has_grown_is_to_be_stored_once(void **state)
{
    (void)state;
    struct heard heard = {0};
    const struct summary_cache_owner owner = {.arg = &heard, .due = hear_due, .behind = hear_behind};
    struct summary_cache *cache = summary_cache_new(NULL, SUMMARY_CACHE_MAX, &owner);
    struct summary_due due;
    uint64_t next = 0;
    while (heard.due < 2) { // the second one takes the place of the first
        assert_false(heard.due == 0 && summary_cache_is_due(cache));
        feed(cache, 7, next, 10000, "a node with a name of some length, so that it does not take too long");
        next += 10000;
        assert_true(next < 1000000);
    }
    assert_true(summary_cache_is_due(cache));
    assert_true(summary_cache_take_due(cache, &due));
    assert_int_equal(due.row, 7);
    assert_int_equal(due.next, next);
    CLEANUP(summary_release) struct summary summary;
    assert_int_equal(summary_decode(buf_str(&due.encoded), &summary), 0);
    assert_int_equal(summary_records(&summary), next);
    buf_release(&due.encoded);
    assert_false(summary_cache_is_due(cache));
    assert_false(summary_cache_take_due(cache, &due));
    assert_int_equal(heard.behind, 0);
    feed(cache, 7, next + 1, 1, "a");
    assert_int_equal(heard.behind, 1);
    assert_int_equal(heard.row, 7);
    summary_cache_free(&cache);
}

static void what_is_asked_for_is_to_be_stored_unless_it_is_foreign(void **state)
{
    (void)state;
    struct summary_cache *cache = summary_cache_new(NULL, SUMMARY_CACHE_MAX, NULL);
    struct summary_due due;
    for (int64_t row = 1; row <= 2; row++) {
        CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(5, "n");
        CLEANUP(summary_release) struct summary summary;
        summary_init(&summary, 0);
        assert_int_equal(summary_add(&summary, chunk, 0), 0);
        summary_cache_put(cache, row, &summary, row == 1 ? SUMMARY_FOREIGN : SUMMARY_DUE_BYTES);
    }
    assert_true(summary_cache_take_due(cache, &due));
    assert_int_equal(due.row, 2);
    buf_release(&due.encoded);
    assert_false(summary_cache_take_due(cache, &due));
    summary_cache_free(&cache);
}

static void a_purge_drops_the_summary(void **state)
{
    (void)state;
    struct summary_cache *cache = summary_cache_new(NULL, SUMMARY_CACHE_MAX, NULL);
    put(cache, 1, 4);
    const struct store_change purged = {.row = 1, .purged = true};
    summary_cache_feed(cache, &purged, 1);
    summary_cache_settle(cache);
    assert_int_equal(counted(cache, 1), UINT64_MAX);
    summary_cache_free(&cache);
}

static void the_least_recently_used_goes_first_and_its_memory_is_given_back(void **state)
{
    (void)state;
    struct budget *budget = budget_new((uint64_t)64 * 1024 * 1024);
    struct summary_cache *cache = summary_cache_new(budget, 40000, NULL);
    for (int64_t row = 1; row <= 200; row++) {
        put(cache, row, 3);
        assert_int_equal(counted(cache, 1), 3); // asked for each time
        assert_true(budget_held(budget, BUDGET_cache) <= 40000);
    }
    assert_int_equal(counted(cache, 200), 3);
    assert_int_equal(counted(cache, 2), UINT64_MAX);
    assert_true(budget_held(budget, BUDGET_cache) > 1000);
    summary_cache_free(&cache);
    assert_int_equal(budget_held(budget, BUDGET_cache), 0);
    budget_free(&budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_is_folded_from_the_first_record_on),
        cmocka_unit_test(what_was_left_out_is_not_passed_over),
        cmocka_unit_test(what_has_grown_is_to_be_stored_once),
        cmocka_unit_test(what_is_asked_for_is_to_be_stored_unless_it_is_foreign),
        cmocka_unit_test(a_purge_drops_the_summary),
        cmocka_unit_test(the_least_recently_used_goes_first_and_its_memory_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
