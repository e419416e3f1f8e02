#include "runner/container/pull.h"
#include "util/testing.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct seen {
    struct loop *loop;
    int err;
    struct buf text;
};

static void on_progress(void *arg, const char *text)
{
    (void)arg;
    fail_msg("%s", text);
}

static void on_ended(void *arg, int err, const char *text)
{
    struct seen *seen = arg;
    seen->err = err;
    buf_append_text(&seen->text, text);
    loop_stop(seen->loop);
}

static const struct pull_events events = {on_progress, on_ended};

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void pull_from(const char *socket, const struct pull_options *options, struct seen *seen)
{
    struct engine engine = {.socket = socket};
    assert_int_equal(loop_new(&seen->loop), 0);
    engine.loop = seen->loop;
    struct pull *pull = pull_new(&engine, options, &events, seen);
    loop_run(seen->loop);
    pull_free(&pull);
    loop_free(&seen->loop);
}

static void a_pull_of_which_nothing_is_heard_ends_and_says_so(void **state)
{
    char dir[] = "/tmp/runnel-pull-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    CLEANUP(free_ptr) char *path = xasprintf("%s/s", dir);
    CLEANUP(close_fd) int silent = listen_at(path); // a connection waits there for ever
    struct seen seen = {0};
    assert_true(silent >= 0);
    pull_from(path, &(struct pull_options){.image = "small:7", .idle_ms = 1000}, &seen);
    assert_true(seen.err < 0);
    assert_string_equal(buf_cstr(&seen.text), "nothing has come for 1s");
    buf_release(&seen.text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void a_pull_from_an_engine_that_is_not_there_says_so(void **state)
{
    struct seen seen = {0};
    (void)state;
    pull_from("/nonexistent/s", &(struct pull_options){.image = "small:7", .registry_auth = "/nonexistent/f"}, &seen);
    assert_true(seen.err < 0);
    assert_string_equal(buf_cstr(&seen.text), "nothing listens on the engine's socket");
    buf_release(&seen.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pull_of_which_nothing_is_heard_ends_and_says_so),
        cmocka_unit_test(a_pull_from_an_engine_that_is_not_there_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
