// Landlock, by programs that are started under it.
#include "runner/process/confine.h"
#include "runner/process/launch.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char *root, *data, *key, *work;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    char made[] = "/var/tmp/runnel-confine-XXXXXX"; // not in /tmp, which may be written
    assert_non_null(mkdtemp(made));
    fixture->root = xstrdup(made);
    fixture->data = xasprintf("%s/data", made);
    fixture->key = xasprintf("%s/data/admin.key", made);
    fixture->work = xasprintf("%s/data/jobs/1/work", made);
    assert_int_equal(dir_make_all(fixture->work, 0755), 0);
    assert_int_equal(file_write_atomic(fixture->key, "secret\n", 7, 0644), 0);
    CLEANUP(free_ptr) char *beside = xasprintf("%s/beside", made);
    assert_int_equal(file_write_atomic(beside, "beside\n", 7, 0644), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(dir_remove_all(fixture->root), 0);
    free(fixture->root);
    free(fixture->data);
    free(fixture->key);
    free(fixture->work);
    free(fixture);
    return 0;
}

// The exit code of a shell command under the ruleset; its errors are not shown.
static int run(const struct confine_options *options, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int run(const struct confine_options *options, const char *fmt, ...)
{
    CLEANUP(close_fd) int ruleset = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char *script = NULL;
    va_list args;
    va_start(args, fmt);
    assert_true(vasprintf(&script, fmt, args) > 0);
    va_end(args);
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", script, NULL};
    char *env[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL};
    sigset_t none;
    sigemptyset(&none);
    assert_int_equal(confine_prepare(options, &ruleset), 0);
    struct launch_options launched = {.argv = argv,
                                      .env = env,
                                      .dir_fd = -1,
                                      .in = null,
                                      .out = null,
                                      .err = null,
                                      .mask = &none,
                                      .cgroup_fd = -1,
                                      .ruleset_fd = ruleset};
    pid_t pid;
    enum launch_step step;
    int status;
    assert_int_equal(launch(&launched, &pid, &step), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    free(script);
    return WEXITSTATUS(status);
}

static void what_is_hidden_can_neither_be_read_nor_listed_by_any_path(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *link = xasprintf("%s/link", fixture->root);
    struct confine_options options = {.hidden = {fixture->data}};
    assert_int_equal(symlink(fixture->data, link), 0);
    assert_int_not_equal(run(&options, "cat %s", fixture->key), 0);
    assert_int_not_equal(run(&options, "ls %s", fixture->data), 0);
    assert_int_not_equal(run(&options, "cat %s/admin.key", link), 0);
    assert_int_not_equal(run(&options, "cat /proc/self/root%s", fixture->key), 0);
    assert_int_not_equal(run(&options, "cd %s && cat data/admin.key", fixture->root), 0);
    assert_int_not_equal(run(&options, "ln %s %s/hard", fixture->key, fixture->root), 0);
    // A name of it that goes by a link hides what it leads to.
    options = (struct confine_options){.hidden = {link}};
    assert_int_not_equal(run(&options, "cat %s", fixture->key), 0);
}

static void what_is_beside_it_is_read_and_not_written(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options options = {.hidden = {fixture->data, "/no/such/folder"}};
    assert_int_equal(run(&options, "cat %s/beside", fixture->root), 0);
    assert_int_equal(run(&options, "ls /usr/bin && cat /etc/passwd"), 0);
    assert_int_not_equal(run(&options, "echo x >> %s/beside", fixture->root), 0);
    assert_int_not_equal(run(&options, "rm %s/beside", fixture->root), 0);
    assert_int_not_equal(run(&options, "mkdir %s/new", fixture->root), 0);
    assert_int_not_equal(run(&options, "echo x > /dev/null"), 0); // unless it is listed
}

static void what_may_be_written_is_also_within_a_hidden_folder(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options options = {.hidden = {fixture->data}, .writable = {fixture->work, "/dev/null"}};
    assert_int_equal(run(&options, "cd %s && mkdir a && echo x > a/b && mv a/b c && cat c && rm c", fixture->work), 0);
    assert_int_equal(run(&options, "echo x > /dev/null"), 0);
    assert_int_not_equal(run(&options, "cat %s/../../../admin.key", fixture->work), 0);
    assert_int_not_equal(run(&options, "ls %s/..", fixture->work), 0);
}

static void what_holds_a_hidden_folder_cannot_be_made_writable(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options options = {.hidden = {fixture->data}, .writable = {fixture->root, "/"}};
    assert_int_not_equal(run(&options, "cat %s", fixture->key), 0);
    assert_int_not_equal(run(&options, "echo x > %s/new", fixture->root), 0);
}

static void nothing_need_be_hidden(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options options = {.writable = {fixture->work}};
    assert_int_equal(run(&options, "cat %s && ls / && echo x > %s/y", fixture->key, fixture->work), 0);
    assert_int_not_equal(run(&options, "echo x > %s/y", fixture->root), 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_hidden_can_neither_be_read_nor_listed_by_any_path),
        CASE(what_is_beside_it_is_read_and_not_written),
        CASE(what_may_be_written_is_also_within_a_hidden_folder),
        CASE(what_holds_a_hidden_folder_cannot_be_made_writable),
        CASE(nothing_need_be_hidden),
    };
    if (!confine_available())
        return 77; // skipped: the kernel has no Landlock
    return cmocka_run_group_tests(tests, NULL, NULL);
}
