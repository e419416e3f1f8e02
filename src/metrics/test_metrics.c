#include "metrics/metrics.h"
#include "util/error.h"
#include "util/testing.h"

#include <pthread.h>

static bool has_line(struct buf *text, const char *line)
{
    CLEANUP(free_ptr) char *whole = xasprintf("\n%s\n", line);
    return strstr(buf_cstr(text), whole) != NULL;
}

static void counters_sum_over_shards(void **state)
{
    (void)state;
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(3);
    CLEANUP(buf_release) struct buf text = {0};
    for (unsigned shard = 0; shard < 3; shard++)
        metrics_add(metrics, shard, METRIC_records_ingested_total, 5);
    metrics_add(metrics, 0, METRIC_followers, 2);
    metrics_add(metrics, 1, METRIC_followers, -1);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_records_ingested_total 15"));
    assert_true(has_line(&text, "runnel_followers 1"));
    assert_true(has_line(&text, "# TYPE runnel_followers gauge"));
}

static void set_gauges_and_totals_replace_what_was_set(void **state)
{
    (void)state;
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(2);
    CLEANUP(buf_release) struct buf text = {0};
    metrics_set(metrics, METRIC_store_bytes, 7);
    metrics_set(metrics, METRIC_store_bytes, 4096);
    metrics_set_total(metrics, METRIC_store_commits_total, 9);
    metrics_set_total(metrics, METRIC_store_commits_total, 11);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_store_bytes 4096"));
    assert_true(has_line(&text, "runnel_store_commits_total 11"));
}

static void histogram_buckets_are_cumulative_and_inclusive(void **state)
{
    (void)state;
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(2);
    CLEANUP(buf_release) struct buf text = {0};
    metrics_observe_ns(metrics, 0, METRIC_status_seconds, 64000);
    metrics_observe_ns(metrics, 1, METRIC_status_seconds, 64001);
    metrics_observe_ns(metrics, 1, METRIC_status_seconds, 3600u * 1000000000ull);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_status_seconds_bucket{le=\"0.000064\"} 1"));
    assert_true(has_line(&text, "runnel_status_seconds_bucket{le=\"0.000128\"} 2"));
    assert_true(has_line(&text, "runnel_status_seconds_bucket{le=\"33.554432\"} 2"));
    assert_true(has_line(&text, "runnel_status_seconds_bucket{le=\"+Inf\"} 3"));
    assert_true(has_line(&text, "runnel_status_seconds_sum 3600.000128001"));
    assert_true(has_line(&text, "runnel_status_seconds_count 3"));
}

static void histograms_counted_elsewhere_are_taken_over(void **state)
{
    (void)state;
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(1);
    CLEANUP(buf_release) struct buf text = {0};
    metrics_set_histogram(metrics, METRIC_commit_seconds, (uint64_t[20]){[0] = 3, [1] = 2, [19] = 1}, 20, 2000000000);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_commit_seconds_bucket{le=\"0.000128\"} 5"));
    assert_true(has_line(&text, "runnel_commit_seconds_count 6"));
    assert_true(has_line(&text, "runnel_commit_seconds_sum 2.0"));
}

static void refusals_are_labelled_by_code_word(void **state)
{
    (void)state;
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(1);
    CLEANUP(buf_release) struct buf text = {0};
    metrics_refused(metrics, 0, ERR_RATE);
    metrics_refused(metrics, 0, ERR_CLOSED);
    metrics_refused(metrics, 0, -5);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_refusals_total{reason=\"too_many_requests\"} 1"));
    assert_true(has_line(&text, "runnel_refusals_total{reason=\"closed\"} 1"));
    assert_true(has_line(&text, "runnel_refusals_total{reason=\"internal\"} 1"));
}

static void *add_many(void *arg)
{
    for (unsigned i = 0; i < 50000; i++)
        metrics_add(arg, i, METRIC_connections_total, 1);
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    (void)state;
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(2);
    CLEANUP(buf_release) struct buf text = {0};
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, metrics), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_connections_total 200000"));
}

static void document_names_every_metric(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf text = {0};
    metrics_document(&text);
#define DOCUMENTED(kind, name, help) assert_non_null(strstr(buf_cstr(&text), "`runnel_" #name "`"));
    METRICS(DOCUMENTED)
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_sum_over_shards),
        cmocka_unit_test(set_gauges_and_totals_replace_what_was_set),
        cmocka_unit_test(histogram_buckets_are_cumulative_and_inclusive),
        cmocka_unit_test(histograms_counted_elsewhere_are_taken_over),
        cmocka_unit_test(refusals_are_labelled_by_code_word),
        cmocka_unit_test(threads_lose_no_count),
        cmocka_unit_test(document_names_every_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
