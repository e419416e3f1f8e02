#include "cli/batch_display.h"
#include "util/testing.h"

static json_t *status_of(const char *text)
{
    json_t *status = json_loads(text, 0, NULL);
    assert_non_null(status);
    return status;
}

static void assert_shown(const char *status_text, const char *wanted, size_t width)
{
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(json_free) json_t *status = status_of(status_text);
    batch_append_progress(&out, status, false, width);
    assert_string_equal(buf_cstr(&out), wanted);
}

#define UNDER_WAY                                                                                                 \
    "{\"status\":\"running\",\"total_count\":100,\"completed_count\":45,\"failed_count\":3,\"running_count\":10," \
    "\"queued_count\":42,\"skipped_count\":0,\"duration_seconds\":150,\"eta_seconds\":195,\"cost_display\":\"€0.90\"}"

static void the_progress_is_two_lines(void **state)
{
    (void)state;
    assert_shown(UNDER_WAY,
                 "[=========>           ] 45/100 complete (3 failed, 10 running, 42 queued)\n"
                 "Duration: 2m 30s | ETA: 3m 15s | Cost: €0.90\n",
                 0);
}

static void what_is_not_known_yet_is_a_dash(void **state)
{
    (void)state;
    assert_shown(
        "{\"status\":\"queued\",\"total_count\":2,\"completed_count\":0,\"failed_count\":0,\"running_count\":0,"
        "\"queued_count\":2,\"skipped_count\":0,\"duration_seconds\":null,\"eta_seconds\":null,"
        "\"cost_display\":\"€0.00\"}",
        "[                     ] 0/2 complete (0 failed, 0 running, 2 queued)\n"
        "Duration: – | ETA: – | Cost: €0.00\n",
        0);
}

static void a_batch_without_jobs_is_whole(void **state)
{
    (void)state;
    CLEANUP(json_free)
    json_t *status = status_of("{\"status\":\"completed\",\"total_count\":0,\"completed_count\":0,\"failed_count\":0,"
                               "\"running_count\":0,\"queued_count\":0,\"skipped_count\":0,\"duration_seconds\":null,"
                               "\"eta_seconds\":0,\"cost_display\":\"€0.00\"}");
    CLEANUP(buf_release) struct buf out = {0};
    batch_append_progress(&out, status, false, 0);
    assert_true(str_starts(buf_str(&out), STR("[=====================] 0/0 complete")));
    assert_true(batch_over(status));
    assert_int_equal(batch_exit_code(status), 0);
}

static void a_batch_that_only_waits_for_more_jobs_says_so(void **state)
{
    (void)state;
    static const char open[] = "{\"batch_id\":\"b1\",\"status\":\"running\",\"open\":true,\"total_count\":2,"
                               "\"completed_count\":2,\"failed_count\":0,\"running_count\":%d,\"queued_count\":0,"
                               "\"skipped_count\":0,\"duration_seconds\":1,\"eta_seconds\":0,"
                               "\"cost_display\":\"€0.01\"}";
    for (int running = 0; running < 2; running++) {
        CLEANUP(buf_release) struct buf out = {0}, text = {0};
        buf_printf(&text, open, running);
        CLEANUP(json_free) json_t *status = status_of(buf_cstr(&text));
        batch_append_progress(&out, status, false, 0);
        bool said = strstr(buf_cstr(&out), "\nIt is open for more jobs: runnel batch close b1\n") != NULL;
        assert_true(said == (running == 0));
    }
}

static void a_narrow_terminal_cuts_lines(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(json_free) json_t *status = status_of(UNDER_WAY);
    batch_append_progress(&out, status, false, 30);
    struct str rest = buf_str(&out);
    for (int i = 0; i < 2; i++) {
        struct str line = str_split(&rest, '\n');
        assert_true(line.len > 20 && line.len <= 34); // characters, of which some have more bytes
    }
    assert_int_equal(rest.len, 0);
}

static void failures_come_with_the_command_that_shows_their_log(void **state)
{
    (void)state;
    assert_shown(
        "{\"status\":\"running\",\"total_count\":2,\"completed_count\":0,\"failed_count\":2,\"running_count\":0,"
        "\"queued_count\":0,\"skipped_count\":0,\"duration_seconds\":1,\"eta_seconds\":0,"
        "\"cost_display\":\"€0.01\",\"failures\":[{\"execution_id\":\"exec_2\",\"status\":\"timed_out\","
        "\"exit_code\":null},{\"execution_id\":\"exec_1\",\"title\":\"a\\nb\",\"status\":\"failed\",\"exit_code\":3}]}",
        "[=====================] 0/2 complete (2 failed, 0 running, 0 queued)\n"
        "Duration: 1s | ETA: 0s | Cost: €0.01\n"
        "✗ timed out: runnel logs exec_2\n"
        "✗ exit code 3: runnel logs exec_1  a b\n",
        0);
}

static void one_can_be_chosen_of_what_failed_and_what_runs(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(json_free)
    json_t *status = status_of("{\"status\":\"running\",\"total_count\":4,\"completed_count\":0,\"failed_count\":1,"
                               "\"running_count\":2,\"queued_count\":1,\"skipped_count\":0,\"duration_seconds\":60,"
                               "\"eta_seconds\":30,\"cost_display\":\"€0.01\",\"failures\":[{\"execution_id\":\"e1\","
                               "\"status\":\"cancelled\",\"exit_code\":143}]}");
    CLEANUP(json_free)
    json_t *running = json_loads("[{\"execution_id\":\"e2\",\"status\":\"running\",\"duration_ms\":4000,"
                                 "\"script_filename\":\"a.py\",\"args\":[\"data/2.csv\"]},{\"execution_id\":\"e3\","
                                 "\"status\":\"paused\",\"name\":\"3\",\"duration_ms\":null}]",
                                 0, NULL);
    struct batch_view view = {.status = status,
                              .running = running,
                              .passed_ms = 5000,
                              .listed_ms = 3000,
                              .rows = 10,
                              .keys = true,
                              .chosen = "e2",
                              .hint = "keys"};
    batch_append_view(&out, &view);
    assert_string_equal(buf_cstr(&out), "[=====>               ] 0/4 complete (1 failed, 2 running, 1 queued)\n"
                                        "Duration: 1m 5s | ETA: 25s | Cost: €0.01\n"
                                        "  ✗ cancelled: runnel logs e1\n"
                                        "> ● running 7s: runnel logs e2  a.py data/2.csv\n"
                                        "  ● paused: runnel logs e3  3\n"
                                        "keys\n");
    assert_int_equal(batch_view_count(&view), 3);
    assert_string_equal(batch_view_id(&view, 2), "e3");
    view.rows = 1;
    assert_int_equal(batch_view_count(&view), 1);
}

static void a_line_is_cut_where_it_is_seen_to_end(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(json_free) json_t *status = status_of(UNDER_WAY);
    json_object_set_new(status, "failures", json_pack("[{s:s,s:s}]", "execution_id", "e1", "status", "lost"));
    struct batch_view view = {.status = status, .colour = true, .rows = 1, .width = 22};
    batch_append_view(&out, &view);
    assert_non_null(strstr(buf_cstr(&out), "\033[31m✗\033[0m lost: runnel logs e1\n")); // 22 characters
    buf_reset(&out);
    view.width = 21;
    batch_append_view(&out, &view);
    assert_non_null(strstr(buf_cstr(&out), "\033[31m✗\033[0m lost: runnel logs …\n"));
}

static void the_summary_has_three_lines(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(json_free)
    json_t *status = status_of("{\"status\":\"completed\",\"total_count\":100,\"completed_count\":97,"
                               "\"failed_count\":3,\"skipped_count\":0,\"duration_seconds\":342,"
                               "\"cost_display\":\"€1.82\"}");
    batch_append_summary(&out, status, false);
    assert_string_equal(buf_cstr(&out), "✓ Batch complete: 97 succeeded, 3 failed\n"
                                        "Total duration: 5m 42s\n"
                                        "Total cost: €1.82\n");
    assert_int_equal(batch_exit_code(status), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_progress_is_two_lines),
        cmocka_unit_test(what_is_not_known_yet_is_a_dash),
        cmocka_unit_test(a_batch_without_jobs_is_whole),
        cmocka_unit_test(a_batch_that_only_waits_for_more_jobs_says_so),
        cmocka_unit_test(a_narrow_terminal_cuts_lines),
        cmocka_unit_test(failures_come_with_the_command_that_shows_their_log),
        cmocka_unit_test(one_can_be_chosen_of_what_failed_and_what_runs),
        cmocka_unit_test(a_line_is_cut_where_it_is_seen_to_end),
        cmocka_unit_test(the_summary_has_three_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
