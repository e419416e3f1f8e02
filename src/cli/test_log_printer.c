#include "cli/log_printer.h"
#include "util/file.h"
#include "util/testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

struct screen {
    struct log_printer printer;
    int out, err;
};

static void screen_init(struct screen *screen, enum log_form form)
{
    log_printer_init(&screen->printer, "exec_1");
    screen->out = screen->printer.out.fd = memfd_create("out", MFD_CLOEXEC);
    screen->err = screen->printer.err.fd = memfd_create("err", MFD_CLOEXEC);
    screen->printer.form = form;
    if (form == LOG_FORM_LINES)
        log_printer_lines(&screen->printer, false, true);
}

static void screen_release(struct screen *screen)
{
    log_printer_release(&screen->printer);
    close(screen->out);
    close(screen->err);
}

static void assert_written(struct screen *screen, const char *out, const char *err)
{
    log_printer_flush(&screen->printer);
    const int fds[] = {screen->out, screen->err};
    const char *const expected[] = {out, err};
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(buf_release) struct buf text = {0};
        CLEANUP(free_ptr) char *path = xasprintf("/proc/self/fd/%d", fds[i]);
        assert_int_equal(file_read_all(path, 65536, &text), 0);
        assert_string_equal(buf_cstr(&text), expected[i]);
    }
}

static void print(struct screen *screen, uint64_t number, enum record_stream stream, const char *message, bool partial)
{
    struct record record = {.time_ms = 37815000, .stream = stream, .message = str_of(message), .partial = partial};
    log_printer_record(&screen->printer, number, &record, str_n(NULL, 0));
}

static void bytes_are_those_of_the_job(void **state)
{
    (void)state;
    CLEANUP(screen_release) struct screen screen;
    screen_init(&screen, LOG_FORM_BYTES);
    print(&screen, 0, STREAM_STDOUT, "a", false);
    print(&screen, 1, STREAM_STDOUT, "", false);
    print(&screen, 2, STREAM_EVENT, "an event", false);
    print(&screen, 3, STREAM_STDOUT, "Name: ", true);
    print(&screen, 4, STREAM_STDERR, "\033[2J\xff\r", false);
    assert_written(&screen, "a\n\nName: \033[2J\xff\r\n", "");
}

static void events_are_lines_when_asked_for(void **state)
{
    (void)state;
    CLEANUP(screen_release) struct screen screen;
    screen_init(&screen, LOG_FORM_BYTES);
    screen.printer.events = true;
    print(&screen, 0, STREAM_EVENT, "step done", false);
    assert_written(&screen, "step done\n", "");
}

static void lines_show_time_and_stream(void **state)
{
    (void)state;
    CLEANUP(screen_release) struct screen screen;
    screen_init(&screen, LOG_FORM_LINES);
    for (size_t i = 0; i < 2; i++)
        log_line_init(&screen.printer.lines[i], false, true, true);
    screen.printer.lines[0].clock.dates_apart = false;
    print(&screen, 0, STREAM_STDOUT, "Processing file data.csv...", false);
    print(&screen, 1, STREAM_STDERR, "Name: ", true);
    print(&screen, 2, STREAM_EVENT, "\033[2J", false);
    screen.printer.lines[0].colour = true;
    print(&screen, 3, STREAM_STDOUT, "x", false);
    print(&screen, 4, STREAM_STDERR, "", false);
    assert_written(
        &screen,
        "[10:30:15] [stdout] Processing file data.csv...\n[10:30:15] [stderr] Name: \n[10:30:15] [event] ^[[2J\n"
        "[10:30:15] [\033[34mstdout\033[0m] x\n[10:30:15] [\033[31mstderr\033[0m] \n",
        "");
}

static void json_is_as_it_came_or_made(void **state)
{
    (void)state;
    CLEANUP(screen_release) struct screen screen;
    screen_init(&screen, LOG_FORM_JSON);
    struct record record = {.time_ms = 0, .message = STR("m")};
    log_printer_record(&screen.printer, 0, &record, STR("{\"as\":\"it came\"}"));
    print(&screen, 1, STREAM_STDERR, "e", true);
    assert_written(&screen,
                   "{\"as\":\"it came\"}\n"
                   "{\"execution_id\":\"exec_1\",\"sequence_number\":1,\"index\":2,\"timestamp\":\"1970-01-01T10:30:15."
                   "000Z\",\"stream\":\"stderr\","
                   "\"message\":\"e\",\"partial\":true}\n",
                   "");
}

static void no_record_is_printed_twice(void **state)
{
    (void)state;
    CLEANUP(screen_release) struct screen screen;
    screen_init(&screen, LOG_FORM_BYTES);
    print(&screen, 7, STREAM_STDOUT, "seven", false);
    print(&screen, 7, STREAM_STDOUT, "seven", false);
    print(&screen, 8, STREAM_STDOUT, "eight", false);
    print(&screen, 3, STREAM_STDOUT, "three", false);
    log_printer_moved(&screen.printer, 20);
    log_printer_moved(&screen.printer, 5);
    print(&screen, 19, STREAM_STDOUT, "nineteen", false);
    print(&screen, 20, STREAM_STDOUT, "twenty", false);
    assert_written(&screen, "seven\neight\ntwenty\n", "");
    assert_int_equal(screen.printer.next, 21);
}

static void split_sends_stderr_to_stderr(void **state)
{
    (void)state;
    CLEANUP(screen_release) struct screen screen;
    screen_init(&screen, LOG_FORM_BYTES);
    screen.printer.split = true;
    print(&screen, 0, STREAM_STDOUT, "out", false);
    print(&screen, 1, STREAM_STDERR, "err", false);
    print(&screen, 2, STREAM_STDOUT, "out again", false);
    assert_written(&screen, "out\nout again\n", "err\n");
}

static void closed_pipe_ends_it_and_a_full_disk_is_an_error(void **state)
{
    (void)state;
    CLEANUP(screen_release) struct screen screen;
    screen_init(&screen, LOG_FORM_BYTES);
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    screen.printer.out.fd = ends[1];
    print(&screen, 0, STREAM_STDOUT, "lost", false);
    log_printer_flush(&screen.printer);
    assert_true(screen.printer.out.closed);
    assert_int_equal(screen.printer.out.err, 0);
    assert_true(log_printer_ended(&screen.printer));
    close(ends[1]);

    CLEANUP(output_release) struct output full;
    CLEANUP(close_fd) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    output_init(&full, fd);
    buf_append_text(&full.buf, "x");
    output_flush(&full);
    assert_false(full.closed);
    assert_true(full.err < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_the_job),
        cmocka_unit_test(events_are_lines_when_asked_for),
        cmocka_unit_test(lines_show_time_and_stream),
        cmocka_unit_test(json_is_as_it_came_or_made),
        cmocka_unit_test(no_record_is_printed_twice),
        cmocka_unit_test(split_sends_stderr_to_stderr),
        cmocka_unit_test(closed_pipe_ends_it_and_a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, test_use_utc, NULL);
}
