#include "cli/log_line.h"
#include "util/testing.h"

#include <stdlib.h>
#include <time.h>

#define MORNING 37815000 // 10:30:15 of 1 Jan 1970

static void assert_shown(bool colour, bool terminal, const struct record *records, size_t count, const char *expected)
{
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(log_line_release) struct log_line line;
    log_line_init(&line, colour, terminal, false);
    line.clock.dates_apart = false;
    for (size_t i = 0; i < count; i++)
        log_line_append(&line, &records[i], STR(""), &out);
    log_line_end(&line, &out);
    assert_string_equal(buf_cstr(&out), expected);
}

static void a_line_in_several_records_is_one_line(void **state)
{
    (void)state;
    const struct record records[] = {
        {.time_ms = MORNING, .message = STR("Name: "), .partial = true},
        {.time_ms = MORNING + 5000, .message = STR("Ada"), .partial = true},
        {.time_ms = MORNING + 6000, .message = STR("!")},
        {.time_ms = MORNING + 7000, .message = STR("next")},
    };
    assert_shown(false, true, records, 4, "[10:30:15] [stdout] Name: Ada!\n[10:30:22] [stdout] next\n");
}

static void a_line_that_another_stream_interrupts_begins_again(void **state)
{
    (void)state;
    const struct record records[] = {
        {.time_ms = MORNING, .message = STR("a bar ..."), .partial = true},
        {.time_ms = MORNING, .stream = STREAM_STDERR, .message = STR("oh")},
        {.time_ms = MORNING + 1000, .message = STR("... done")},
        {.time_ms = MORNING + 1000, .message = STR("left open"), .partial = true},
    };
    assert_shown(false, false, records, 4,
                 "[10:30:15] [stdout] a bar ...\n[10:30:15] [stderr] oh\n[10:30:16] [stdout] ... done\n"
                 "[10:30:16] [stdout] left open\n");
}

#define STEP                                                                                                           \
    "\"event_type\":\"step_started\",\"node_id\":\"n1\",\"node_name\":\"Download\",\"step_number\":2,\"total_steps\":" \
    "5,"                                                                                                               \
    "\"progress_percentage\":40,\"user_friendly_message\":\"Fetching \\\"the\\\" file\""

static void what_a_record_says_beside_its_message_is_shown_on_a_terminal(void **state)
{
    (void)state;
    const struct record records[] = {
        {.time_ms = MORNING, .stream = STREAM_EVENT, .message = STR("raw"), .extra = STR(STEP)},
        {.time_ms = MORNING,
         .stream = STREAM_EVENT,
         .extra = STR("\"event_type\":\"step_completed\",\"duration_seconds\":1.5")},
        {.time_ms = MORNING, .stream = STREAM_EVENT, .message = STR("only text"), .extra = STR("\"data\":{}")},
        {.time_ms = MORNING, .level = LEVEL_ERROR, .message = STR("broken")},
        {.time_ms = MORNING, .level = LEVEL_INFO, .message = STR("usual")},
        {.time_ms = MORNING, .message = STR("of a node"), .extra = STR("\"node_id\":\"n1\"")},
        {.time_ms = MORNING, .stream = STREAM_EVENT, .extra = STR("\"event_type\":\"node_failed\"")},
        {.time_ms = MORNING, .stream = STREAM_EVENT, .message = STR("m"), .extra = STR("\"data\":{\"go\":true}")},
        {.time_ms = MORNING, .message = STR("output"), .extra = STR("\"data\":{\"go\":true}")},
    };
    assert_shown(false, true, records, 9,
                 "[10:30:15] [event] step_started Download (n1) 2/5 40%: Fetching \"the\" file\n"
                 "[10:30:15] [event] step_completed 1.5s\n"
                 "[10:30:15] [event] only text\n"
                 "[10:30:15] [stdout] ERROR broken\n"
                 "[10:30:15] [stdout] usual\n"
                 "[10:30:15] [stdout] n1: of a node\n"
                 "[10:30:15] [event] ERROR node_failed\n"
                 "[10:30:15] [event] m {\"go\":true}\n"
                 "[10:30:15] [stdout] output\n");
}

static void of_an_events_data_a_terminal_shows_the_beginning(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf extra = {0}, shown = {0};
    buf_append_text(&extra, "\"data\":{\"a\":\"");
    for (int i = 0; i < 200; i++)
        buf_append_text(&extra, "ü");
    buf_append_text(&extra, "\"}");
    buf_append_text(&shown, "[10:30:15] [event] {\"a\":\"");
    for (int i = 0; i < 93; i++)
        buf_append_text(&shown, "ü");
    buf_append_text(&shown, "…\n");
    const struct record record = {.time_ms = MORNING, .stream = STREAM_EVENT, .extra = buf_str(&extra)};
    assert_shown(false, true, &record, 1, buf_cstr(&shown));
}

static void elsewhere_a_line_of_the_job_is_its_message(void **state)
{
    (void)state;
    const struct record records[] = {
        {.time_ms = MORNING, .level = LEVEL_ERROR, .message = STR("broken"), .extra = STR("\"node_id\":\"n1\"")},
        {.time_ms = MORNING, .stream = STREAM_EVENT, .extra = STR("\"event_type\":\"step_started\"")},
    };
    assert_shown(false, false, records, 2, "[10:30:15] [stdout] broken\n[10:30:15] [event] step_started\n");
}

static void fields_cannot_send_control_sequences(void **state)
{
    (void)state;
    const struct record record = {
        .time_ms = MORNING, .stream = STREAM_EVENT, .extra = STR("\"event_type\":\"a\",\"node_name\":\"\\u001b[2J\"")};
    assert_shown(false, true, &record, 1, "[10:30:15] [event] a ^[[2J\n");
}

static void colours_tell_streams_levels_and_fields_apart(void **state)
{
    (void)state;
    const struct record records[] = {
        {.time_ms = MORNING, .stream = STREAM_STDERR, .level = LEVEL_WARNING, .message = STR("w")},
        {.time_ms = MORNING,
         .stream = STREAM_EVENT,
         .message = STR("m"),
         .extra = STR("\"event_type\":\"a\",\"is_milestone\":true")},
    };
    assert_shown(true, true, records, 2,
                 "[10:30:15] [\033[31mstderr\033[0m] \033[33mWARNING\033[0m w\n"
                 "[10:30:15] [\033[36mevent\033[0m] \033[1;35ma\033[0m: m\n");
}

static void on_a_terminal_a_date_is_a_line_of_its_own(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(log_line_release) struct log_line line;
    const struct record record = {.time_ms = MORNING, .message = STR("x")};
    log_line_init(&line, false, true, true);
    log_line_append(&line, &record, STR("a | "), &out);
    log_line_append(&line, &record, STR("a | "), &out);
    assert_string_equal(buf_cstr(&out), "--- 1 Jan 1970 ---\na | [10:30:15] [stdout] x\na | [10:30:15] [stdout] x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_in_several_records_is_one_line),
        cmocka_unit_test(a_line_that_another_stream_interrupts_begins_again),
        cmocka_unit_test(what_a_record_says_beside_its_message_is_shown_on_a_terminal),
        cmocka_unit_test(of_an_events_data_a_terminal_shows_the_beginning),
        cmocka_unit_test(elsewhere_a_line_of_the_job_is_its_message),
        cmocka_unit_test(fields_cannot_send_control_sequences),
        cmocka_unit_test(colours_tell_streams_levels_and_fields_apart),
        cmocka_unit_test(on_a_terminal_a_date_is_a_line_of_its_own),
    };
    return cmocka_run_group_tests(tests, test_use_utc, NULL);
}
