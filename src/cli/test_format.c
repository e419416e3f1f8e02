#include "cli/cli_private.h"
#include "util/file.h"
#include "util/testing.h"

#include <libgen.h>
#include <unistd.h>

#define STARTED "\"started_at\":\"2025-11-15T10:30:15.000Z\""
#define KNOWN                                                                                                        \
    "{\"execution_id\":\"exec_abc123\",\"script_filename\":\"process.py\",\"runtime\":\"python:3.11\"," STARTED      \
    ",\"worker_id\":\"w1\",\"worker_hostname\":\"worker-hetzner-01\",\"cost_micros\":20000,\"cost_display\":\"€0." \
    "02\","

static void format(const char *json, int64_t now_ms, bool colour, struct buf *out)
{
    CLEANUP(json_free) json_t *status = json_loads(json, 0, NULL);
    assert_non_null(status);
    format_status(status, now_ms, colour, false, out);
}

// The files lie in the source tree; __FILE__ is relative to the folder of the build, where this program lies, or
// absolute.
static void read_golden(const char *name, struct buf *out)
{
    char exe[4096] = {0};
    assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
    CLEANUP(free_ptr) char *source = xstrdup(__FILE__);
    CLEANUP(free_ptr)
    char *path = source[0] == '/' ? xasprintf("%s/../../tests/golden/%s", dirname(source), name)
                                  : xasprintf("%s/%s/../../tests/golden/%s", dirname(exe), dirname(source), name);
    assert_int_equal(file_read_all(path, 65536, out), 0);
}

static void status_text_is_that_of_the_golden_files(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf running = {0}, completed = {0}, expected = {0};
    int64_t now;
    assert_true(time_parse_rfc3339(STR("2025-11-15T10:31:00.900Z"), &now));
    format(KNOWN "\"status\":\"running\",\"duration_seconds\":null,\"exit_code\":null,\"artifacts_count\":0}", now,
           false, &running);
    read_golden("status-running.txt", &expected);
    assert_string_equal(buf_cstr(&running), buf_cstr(&expected));

    buf_reset(&expected);
    format(KNOWN "\"status\":\"completed\",\"duration_seconds\":83,\"exit_code\":0,\"artifacts_count\":2}", now, false,
           &completed);
    read_golden("status-completed.txt", &expected);
    assert_string_equal(buf_cstr(&completed), buf_cstr(&expected));
}

static void a_container_is_shown_with_its_image_and_what_that_was(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    format("{\"execution_id\":\"e1\",\"status\":\"completed\",\"executor\":\"container\",\"image\":\"debian:12\","
           "\"reason\":\"why\",\"execution_metadata\":{\"image_digest\":\"sha256:0f\"}}",
           0, false, &out);
    assert_string_equal(buf_cstr(&out), "Execution: e1\nStatus: completed ✓\nExecutor: container\nImage: debian:12\n"
                                        "Image digest: sha256:0f\nReason: why\n");
}

static void what_is_run_is_shown_on_one_line(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    format("{\"execution_id\":\"e1\",\"name\":\"nightly\",\"status\":\"queued\",\"script_filename\":\"a.py\","
           "\"args\":[\"two words\",\"x\"],\"execution_metadata\":{\"runtime_version\":\"python:3.11.7\"}}",
           0, false, &out);
    assert_string_equal(buf_cstr(&out), "Execution: e1\nName: nightly\nStatus: queued\nScript: a.py\n"
                                        "Runtime: python:3.11.7\nArguments: 'two words' x\n");
    buf_reset(&out);
    format("{\"execution_id\":\"e1\",\"status\":\"queued\",\"command\":[\"sh\",\"-c\",\"a\\n b\"]}", 0, false, &out);
    assert_string_equal(buf_cstr(&out), "Execution: e1\nStatus: queued\nCommand: sh -c 'a b'\n");
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    format(
        "{\"execution_id\":\"e1\",\"status\":\"queued\",\"script_filename\":null,\"runtime\":null,\"started_at\":null,"
        "\"duration_seconds\":null,\"worker_hostname\":null,\"cost_display\":null,\"artifacts_count\":null,\"exit_"
        "code\":null}",
        0, false, &out);
    assert_string_equal(buf_cstr(&out), "Execution: e1\nStatus: queued\n");
}

static void failure_shows_the_exit_code_and_where_to_look(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    format("{\"execution_id\":\"e1\",\"status\":\"failed\",\"duration_seconds\":3,\"duration_ms\":3999," STARTED
           ",\"exit_code\":3}",
           0, false, &out);
    assert_string_equal(buf_cstr(&out),
                        "Execution: e1\nStatus: failed ✗\nStarted: 2025-11-15 10:30:15\nDuration: 3s\n\n"
                        "Exit code: 3\nView logs: runnel logs e1\n");
}

static void status_is_coloured_only_when_asked(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    format("{\"execution_id\":\"e1\",\"status\":\"completed\",\"exit_code\":0}", 0, true, &out);
    assert_string_equal(buf_cstr(&out), "Execution: e1\nStatus: \033[32mcompleted ✓\033[0m\n");
}

static void names_from_outside_cannot_control_the_terminal(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    format("{\"execution_id\":\"e1\",\"status\":\"queued\",\"script_filename\":\"a\\u001b[2Jb\"}", 0, false, &out);
    assert_non_null(strstr(buf_cstr(&out), "Script: a^[[2Jb\n"));
}

static void exit_code_of_the_job_comes_first_then_that_of_its_status(void **state)
{
    (void)state;
    static const struct {
        const char *status, *exit_code;
        int expected;
    } cases[] = {
        {"completed", "0", 0},      {"failed", "3", 3},         {"failed", "null", 1},     {"cancelled", "143", 143},
        {"cancelled", "null", 130}, {"timed_out", "null", 124}, {"timed_out", "143", 124}, {"lost", "null", 125},
        {"skipped", "null", 125},   {"running", "null", 1},     {"unheard_of", "null", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_free) json_t *code = json_loads(cases[i].exit_code, JSON_DECODE_ANY, NULL);
        assert_int_equal(exit_code_of_job(cases[i].status, code), cases[i].expected);
    }
}

static void query_values_are_percent_encoded(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf path = {0};
    buf_append_text(&path, "/x");
    query_append(&path, "grep", "a b&c=ü%");
    query_append(&path, "n", "1");
    assert_string_equal(buf_cstr(&path), "/x?grep=a%20b%26c%3D%C3%BC%25&n=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_text_is_that_of_the_golden_files),
        cmocka_unit_test(a_container_is_shown_with_its_image_and_what_that_was),
        cmocka_unit_test(what_is_run_is_shown_on_one_line),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(failure_shows_the_exit_code_and_where_to_look),
        cmocka_unit_test(status_is_coloured_only_when_asked),
        cmocka_unit_test(names_from_outside_cannot_control_the_terminal),
        cmocka_unit_test(exit_code_of_the_job_comes_first_then_that_of_its_status),
        cmocka_unit_test(query_values_are_percent_encoded),
    };
    return cmocka_run_group_tests(tests, test_use_utc, NULL);
}
