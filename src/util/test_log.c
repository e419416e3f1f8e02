#include "util/buf.h"
#include "util/log.h"
#include "util/testing.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

#define THREADS         4
#define LINES_OF_THREAD 100

// What was logged since the last call, as one text.
static void read_log(int fd, struct buf *out)
{
    char block[4096];
    ssize_t got;
    buf_reset(out);
    while ((got = read(fd, block, sizeof(block))) > 0)
        buf_append(out, block, (size_t)got);
}

static void writes_one_json_object_a_line(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    CLEANUP(close_fd) int reader = fds[0];
    CLEANUP(close_fd) int writer = fds[1];
    struct logger logger = {.fd = writer, .min_level = LOG_INFO};
    CLEANUP(buf_release) struct buf text = {0};

    log_warn(&logger, "it \"broke\"\n", LOG_S("path", "/tmp/x"), LOG_STR("bytes", STR("a\xff")), LOG_I("code", -7),
             LOG_S("none", NULL));
    read_log(reader, &text);
    assert_int_equal(text.data[text.len - 1], '\n');
    assert_ptr_equal(memchr(text.data, '\n', text.len), text.data + text.len - 1);
    json_t *line = json_loadb(text.data, text.len, 0, NULL);
    assert_non_null(line);
    assert_int_equal(strlen(json_string_value(json_object_get(line, "timestamp"))), 24);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "WARNING");
    assert_string_equal(json_string_value(json_object_get(line, "message")), "it \"broke\"\n");
    assert_string_equal(json_string_value(json_object_get(line, "path")), "/tmp/x");
    assert_string_equal(json_string_value(json_object_get(line, "bytes")), "a\xef\xbf\xbd");
    assert_int_equal(json_integer_value(json_object_get(line, "code")), -7);
    assert_string_equal(json_string_value(json_object_get(line, "none")), "");
    json_decref(line);
}

static void writes_words_for_people(void **state)
{
    (void)state;
    static const struct {
        enum log_form form;
        const char *rest; // behind the time
    } cases[] = {
        {LOG_TEXT, " WARNING it broke, path: /tmp/\\u001b[2Jx, code: -7\n"},
        {LOG_COLOUR, " \x1b[33mWARNING\x1b[0m it broke, path: /tmp/\\u001b[2Jx, code: -7\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        CLEANUP(close_fd) int reader = fds[0];
        CLEANUP(close_fd) int writer = fds[1];
        struct logger logger = {.fd = writer, .form = cases[i].form};
        CLEANUP(buf_release) struct buf text = {0};
        log_warn(&logger, "it broke", LOG_S("path", "/tmp/\x1b[2Jx"), LOG_I("code", -7));
        read_log(reader, &text);
        assert_true(text.len > 8 && text.data[2] == ':' && text.data[5] == ':');
        assert_string_equal(buf_cstr(&text) + 8, cases[i].rest);
    }
}

static void leaves_out_what_is_below_the_level(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    CLEANUP(close_fd) int reader = fds[0];
    CLEANUP(close_fd) int writer = fds[1];
    struct logger logger = {.fd = writer, .min_level = LOG_WARNING};
    CLEANUP(buf_release) struct buf text = {0};
    log_debug(&logger, "no");
    log_info(&logger, "no");
    log_error(NULL, "no");
    read_log(reader, &text);
    assert_int_equal(text.len, 0);
    log_error(&logger, "yes");
    read_log(reader, &text);
    assert_true(text.len > 0);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < LINES_OF_THREAD; i++)
        log_info(arg, "a line that is somewhat longer than most", LOG_I("number", i));
    return NULL;
}

static void lines_of_several_threads_never_mix(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    CLEANUP(close_fd) int reader = fds[0];
    CLEANUP(close_fd) int writer = fds[1];
    struct logger logger = {.fd = writer, .min_level = LOG_DEBUG};
    CLEANUP(buf_release) struct buf text = {0};
    pthread_t threads[THREADS];
    int lines = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, &logger), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    read_log(reader, &text);
    for (struct str rest = buf_str(&text); rest.len > 0; lines++) {
        struct str line = str_split(&rest, '\n');
        json_t *object = json_loadb(line.data, line.len, 0, NULL);
        assert_non_null(object);
        json_decref(object);
    }
    assert_int_equal(lines, THREADS * LINES_OF_THREAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_json_object_a_line),
        cmocka_unit_test(writes_words_for_people),
        cmocka_unit_test(leaves_out_what_is_below_the_level),
        cmocka_unit_test(lines_of_several_threads_never_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
