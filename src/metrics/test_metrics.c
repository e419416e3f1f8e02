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
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(3, NULL);
    CLEANUP(buf_release) struct buf text = {0};
    for (unsigned shard = 0; shard < 3; shard++)
        metrics_add(metrics, shard, METRIC_records_ingested_total, 5);
    metrics_add(metrics, 0, METRIC_runners, 2);
    metrics_add(metrics, 1, METRIC_runners, -1);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_records_ingested_total 15"));
    assert_true(has_line(&text, "runnel_runners 1"));
    assert_true(has_line(&text, "# TYPE runnel_runners gauge"));
}

static void set_gauges_and_totals_replace_what_was_set(void **state)
{
    (void)state;
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(2, NULL);
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
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(2, NULL);
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
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(1, NULL);
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
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(1, NULL);
    CLEANUP(buf_release) struct buf text = {0};
    metrics_refused(metrics, 0, ERR_RATE);
    metrics_refused(metrics, 0, ERR_CLOSED);
    metrics_refused(metrics, 0, -5);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_refusals_total{reason=\"too_many_requests\"} 1"));
    assert_true(has_line(&text, "runnel_refusals_total{reason=\"closed\"} 1"));
    assert_true(has_line(&text, "runnel_refusals_total{reason=\"internal\"} 1"));
}

static void colour_label(struct buf *out, size_t cell, const void *arg)
{
    const char *const *words = arg;
    buf_printf(out, "colour=\"%s\"", words[cell]);
}

static struct metrics *with_routes(const char *const *words, size_t count)
{
    const struct metric_cells cells[METRIC_LABELS_COUNT] = {[METRIC_BY_route] = {count, colour_label, words}};
    return metrics_new(2, cells);
}

static void cells_are_told_apart_and_a_sparse_one_is_shown_once_it_counts(void **state)
{
    (void)state;
    static const char *const words[] = {"red", "green"};
    CLEANUP(metrics_free) struct metrics *metrics = with_routes(words, ARRAY_LEN(words));
    CLEANUP(buf_release) struct buf text = {0};
    metrics_observe_in(metrics, 0, METRIC_http_request_seconds, 1, 64000);
    metrics_observe_in(metrics, 1, METRIC_http_request_seconds, 1, 64001);
    metrics_add_to(metrics, 1, METRIC_followers, METRIC_SSE, 3);
    metrics_export(metrics, &text);
    assert_true(has_line(&text, "runnel_http_request_seconds_bucket{colour=\"green\",le=\"0.000064\"} 1"));
    assert_true(has_line(&text, "runnel_http_request_seconds_count{colour=\"green\"} 2"));
    assert_true(has_line(&text, "runnel_http_request_seconds_sum{colour=\"green\"} 0.000128001"));
    assert_null(strstr(buf_cstr(&text), "colour=\"red\""));
    assert_true(has_line(&text, "runnel_followers{transport=\"sse\"} 3"));
    assert_true(has_line(&text, "runnel_followers{transport=\"websocket\"} 0"));
}

static void a_cell_that_there_is_not_is_nobodys(void **state)
{
    (void)state;
    static const char *const words[] = {"red"};
    CLEANUP(metrics_free) struct metrics *metrics = with_routes(words, 1);
    CLEANUP(buf_release) struct buf before = {0}, after = {0};
    metrics_export(metrics, &before);
    metrics_observe_in(metrics, 0, METRIC_http_request_seconds, 1, 5);
    metrics_add_to(metrics, 0, METRIC_http_answers_total, 0, 5);
    metrics_add_to(metrics, 0, METRIC_followers, METRIC_HTTP + 1, 5);
    metrics_export(metrics, &after);
    assert_string_equal(buf_cstr(&before), buf_cstr(&after));
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
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(2, NULL);
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
#define DOCUMENTED(kind, name, labels, help) assert_non_null(strstr(buf_cstr(&text), "`runnel_" #name));
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
        cmocka_unit_test(cells_are_told_apart_and_a_sparse_one_is_shown_once_it_counts),
        cmocka_unit_test(a_cell_that_there_is_not_is_nobodys),
        cmocka_unit_test(threads_lose_no_count),
        cmocka_unit_test(document_names_every_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
