#include "model/statistics.h"
#include "model/testing.h"

static struct chunk *events(unsigned count, int64_t time_ms, int64_t step_ms, unsigned types)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (unsigned i = 0; i < count; i++) {
        char extra[120] = "";
        if (types > 0)
            snprintf(extra, sizeof(extra), "\"event_type\":\"t%u\",\"%s\":\"n%u\"", i % types,
                     i % 2 ? "node_name" : "node_id", i % 3);
        const struct record record = {.time_ms = time_ms + (int64_t)i * step_ms,
                                      .level = i % 4 ? LEVEL_INFO : LEVEL_ERROR,
                                      .message = STR("m"),
                                      .extra = str_of(extra)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 1);
}

static void records_are_counted_in_the_bucket_of_their_time(void **state)
{
    (void)state;
    CLEANUP(statistics_release) struct statistics statistics;
    CLEANUP(chunk_unref) struct chunk *chunk = events(12, 1000, 10, 2);
    statistics_init(&statistics, 1000, 1110, 3);
    assert_int_equal(statistics.bucket_ms, 37);
    assert_int_equal(statistics.bucket_count, 3);
    assert_true(statistics_wants_open(&statistics, chunk));
    statistics_add(&statistics, chunk, 0, 12);
    static const unsigned records[] = {4, 4, 4};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(statistics.buckets[i].records, records[i]);
        assert_int_equal(statistics.buckets[i].levels[LEVEL_ERROR], 1);
        assert_int_equal(statistics.buckets[i].event_types[0], 2);
        assert_int_equal(statistics.buckets[i].event_types[1], 2);
    }
    assert_int_equal(statistics.event_types.count, 2);
    assert_str(buf_str(&statistics.event_types.names[1]), "t1");
    assert_int_equal(statistics.nodes.count, 3);
    assert_int_equal(statistics.buckets[0].nodes[0], 2); // of 0 and 3: by id and by name
    assert_int_equal(statistics.buckets[0].nodes[STATISTICS_NAMES_MAX], 0);
}

static void a_part_of_a_chunk_counts_for_itself(void **state)
{
    (void)state;
    CLEANUP(statistics_release) struct statistics statistics;
    CLEANUP(chunk_unref) struct chunk *chunk = events(12, 1000, 10, 2);
    statistics_init(&statistics, 1000, 1110, 1);
    statistics_add(&statistics, chunk, 3, 5);
    assert_int_equal(statistics.bucket_count, 1);
    assert_int_equal(statistics.buckets[0].records, 2);
    assert_int_equal(statistics.buckets[0].levels[LEVEL_ERROR], 1);
}

static void plain_output_of_one_bucket_is_counted_closed(void **state)
{
    (void)state;
    CLEANUP(statistics_release) struct statistics statistics;
    CLEANUP(chunk_unref) struct chunk *chunk = events(12, 1000, 1, 0), *closed = NULL;
    struct str bytes = chunk_encoded(chunk);
    assert_int_equal(chunk_decode_closed(bytes.data, bytes.len, &closed), 0);
    statistics_init(&statistics, 1000, 1999, 10);
    assert_false(statistics_wants_open(&statistics, closed));
    statistics_add(&statistics, closed, 0, 12);
    chunk_unref(&closed);
    assert_int_equal(statistics.buckets[0].records, 12);
    assert_int_equal(statistics.buckets[0].levels[LEVEL_ERROR], 3);
    assert_int_equal(statistics.buckets[1].records, 0);
}

static void what_is_too_much_for_a_list_is_counted_together(void **state)
{
    (void)state;
    CLEANUP(statistics_release) struct statistics statistics;
    statistics_init(&statistics, 0, 0, 5);
    assert_int_equal(statistics.bucket_count, 1);
    CLEANUP(chunk_unref) struct chunk *some = events(60, 0, 0, 60), *many = events(100, 0, 0, 100);
    statistics_add(&statistics, some, 0, 60);
    statistics_add(&statistics, many, 0, 100);
    assert_int_equal(statistics.event_types.count, STATISTICS_NAMES_MAX);
    assert_int_equal(statistics.buckets[0].event_types[5], 2);
    assert_int_equal(statistics.buckets[0].event_types[STATISTICS_NAMES_MAX], 36);
}

static void times_outside_and_extreme_ones_find_a_bucket(void **state)
{
    (void)state;
    CLEANUP(statistics_release) struct statistics statistics, whole;
    CLEANUP(chunk_unref) struct chunk *early = events(1, -5, 0, 1), *late = events(1, INT64_MAX, 0, 1);
    statistics_init(&statistics, 0, 99, 10);
    statistics_add(&statistics, early, 0, 1);
    statistics_add(&statistics, late, 0, 1);
    assert_int_equal(statistics.buckets[0].records, 1);
    assert_int_equal(statistics.buckets[9].records, 1);
    statistics_init(&whole, INT64_MIN / 2, INT64_MAX / 2, 7);
    assert_true(whole.bucket_count <= 7);
    statistics_add(&whole, late, 0, 1);
    assert_int_equal(whole.buckets[whole.bucket_count - 1].records, 1);
}

static void a_whole_log_counts_in_the_bucket_of_its_time(void **state)
{
    (void)state;
    CLEANUP(statistics_release) struct statistics statistics;
    CLEANUP(summary_release) struct summary summary;
    CLEANUP(chunk_unref) struct chunk *chunk = events(12, 1000, 10, 2);
    struct statistics_bucket sum = {0};
    summary_init(&summary, 0);
    assert_int_equal(summary_add(&summary, chunk, 0), 0);
    statistics_init(&statistics, 5000, 5099, 10);
    statistics_add_summary(&statistics, &summary, 5010);
    statistics_add_summary(&statistics, &summary, 5099);
    assert_int_equal(statistics.buckets[1].records, 12);
    assert_int_equal(statistics.buckets[9].levels[LEVEL_ERROR], 3);
    assert_int_equal(statistics.buckets[9].event_types[1], 6);
    for (unsigned i = 0; i < statistics.bucket_count; i++)
        statistics_bucket_add(&sum, &statistics.buckets[i]);
    assert_int_equal(sum.records, 24);
    assert_int_equal(sum.levels[LEVEL_INFO], 18);
    assert_int_equal(sum.event_types[0], 12);
    assert_int_equal(sum.nodes[0] + sum.nodes[1] + sum.nodes[2], 24);
    assert_int_equal(sum.nodes[STATISTICS_NAMES_MAX], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_counted_in_the_bucket_of_their_time),
        cmocka_unit_test(a_part_of_a_chunk_counts_for_itself),
        cmocka_unit_test(plain_output_of_one_bucket_is_counted_closed),
        cmocka_unit_test(what_is_too_much_for_a_list_is_counted_together),
        cmocka_unit_test(times_outside_and_extreme_ones_find_a_bucket),
        cmocka_unit_test(a_whole_log_counts_in_the_bucket_of_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
