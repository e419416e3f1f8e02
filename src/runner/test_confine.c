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

static void root_has_no_way_around_it(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options options = {.hidden = {fixture->data}};
    // With what this process was started; a capability lets root read that of any process on some kernels.
    assert_int_not_equal(run(&options, "cat /proc/%d/environ", getpid()), 0);
    static const char *const sets[] = {"CapPrm", "CapEff", "CapBnd"};
    for (size_t i = 0; i < ARRAY_LEN(sets) && geteuid() == 0; i++)
        assert_int_equal(
            run(&options, "set -- $(grep %s: /proc/self/status); test $((0x$2 & 0x1c3086b0004)) = 0", sets[i]), 0);
    assert_int_equal(run(&options, "kill -0 $$ && test -r /etc/passwd"), 0);
}

static void signals_reach_only_what_was_started_under_it(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options options = {.hidden = {fixture->data}, .writable = {"/dev/null"}};
    assert_int_equal(run(&options, "sleep 60 & kill -KILL $! && ! wait $!"), 0);
    if (confine_scopes_signals())
        assert_int_not_equal(run(&options, "kill -0 %d", getpid()), 0);
    else
        skip();
}

static void nothing_need_be_hidden(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options options = {.writable = {fixture->work}};
    assert_int_equal(run(&options, "cat %s && ls / && echo x > %s/y", fixture->key, fixture->work), 0);
    assert_int_not_equal(run(&options, "echo x > %s/y", fixture->root), 0);
}

// --- A base that several rulesets are made of

static void make_file(const struct fixture *fixture, const char *name)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", fixture->root, name);
    assert_int_equal(file_write_atomic(path, "x\n", 2, 0644), 0);
}

static void a_base_hides_and_allows_the_same_each_time(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options shared = {.hidden = {fixture->data}, .writable = {"/dev/null"}};
    struct confine_base *base = confine_base_new(&shared);
    const struct confine_options options = {.writable = {fixture->work}, .base = base};
    for (int i = 0; i < 2; i++) {
        confine_base_refresh(base);
        assert_true(confine_base_hides(base, shared.hidden));
        assert_int_not_equal(run(&options, "cat %s", fixture->key), 0);
        assert_int_not_equal(run(&options, "echo x >> %s/beside", fixture->root), 0);
        assert_int_equal(run(&options, "cat %s/beside && ls /usr/bin && test -r /proc/self/status", fixture->root), 0);
        assert_int_equal(run(&options, "echo x > %s/y && echo x > /dev/null", fixture->work), 0);
    }
    confine_base_free(&base);
}

static void a_base_takes_in_what_is_made_beside_the_hidden_folder(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options shared = {.hidden = {fixture->data}};
    struct confine_base *base = confine_base_new(&shared);
    const struct confine_options options = {.base = base};
    for (int i = 0; i < 3; i++) {
        char name[32];
        confine_base_refresh(base);
        snprintf(name, sizeof(name), "new-%d", i);
        make_file(fixture, name);
        confine_base_refresh(base); // at once, within the same tick of the clock
        assert_int_equal(run(&options, "cat %s/%s", fixture->root, name), 0);
        assert_int_not_equal(run(&options, "cat %s", fixture->key), 0);
    }
    confine_base_free(&base);
}

static void a_base_hides_what_a_link_leads_to_now(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *link = xasprintf("%s/link", fixture->root);
    CLEANUP(free_ptr) char *other = xasprintf("%s/other", fixture->root);
    CLEANUP(free_ptr) char *file = xasprintf("%s/other/file", fixture->root);
    assert_int_equal(dir_make_all(other, 0755), 0);
    assert_int_equal(file_write_atomic(file, "x\n", 2, 0644), 0);
    assert_int_equal(symlink(fixture->data, link), 0);
    const struct confine_options shared = {.hidden = {link}};
    struct confine_base *base = confine_base_new(&shared);
    const struct confine_options options = {.base = base};
    confine_base_refresh(base);
    assert_int_not_equal(run(&options, "cat %s", fixture->key), 0);
    assert_int_equal(run(&options, "cat %s", file), 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(other, link), 0);
    confine_base_refresh(base);
    assert_int_equal(run(&options, "cat %s", fixture->key), 0);
    assert_int_not_equal(run(&options, "cat %s", file), 0);
    confine_base_free(&base);
}

static void a_base_with_too_much_beside_it_is_only_watched(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options shared = {.hidden = {fixture->data}};
    for (int i = 0; i < 600; i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/many-%d", fixture->root, i);
        CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
    }
    struct confine_base *base = confine_base_new(&shared);
    do { // until the clock has moved on since the last of them was made
        confine_base_refresh(base);
        assert_false(confine_base_hides(base, shared.hidden));
        confine_base_watch(base);
    } while (!confine_base_unchanged(base));
    make_file(fixture, "one more");
    assert_false(confine_base_unchanged(base));
    confine_base_free(&base);
}

static void a_base_is_for_no_other_folders(void **state)
{
    const struct fixture *fixture = *state;
    const struct confine_options shared = {.hidden = {fixture->data, fixture->work}};
    struct confine_base *base = confine_base_new(&shared);
    const char *const fewer[CONFINE_PATHS_MAX] = {fixture->data}, *const others[CONFINE_PATHS_MAX] = {fixture->work};
    assert_false(confine_base_hides(base, shared.hidden)); // nothing was found yet
    confine_base_refresh(base);
    assert_true(confine_base_hides(base, shared.hidden));
    assert_false(confine_base_hides(base, fewer));
    assert_false(confine_base_hides(base, others));
    confine_base_forget(base);
    assert_false(confine_base_hides(base, shared.hidden));
    confine_base_free(&base);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_hidden_can_neither_be_read_nor_listed_by_any_path),
        CASE(what_is_beside_it_is_read_and_not_written),
        CASE(what_may_be_written_is_also_within_a_hidden_folder),
        CASE(what_holds_a_hidden_folder_cannot_be_made_writable),
        CASE(root_has_no_way_around_it),
        CASE(signals_reach_only_what_was_started_under_it),
        CASE(nothing_need_be_hidden),
        CASE(a_base_hides_and_allows_the_same_each_time),
        CASE(a_base_takes_in_what_is_made_beside_the_hidden_folder),
        CASE(a_base_hides_what_a_link_leads_to_now),
        CASE(a_base_with_too_much_beside_it_is_only_watched),
        CASE(a_base_is_for_no_other_folders),
    };
    if (!confine_available())
        return 77; // skipped: the kernel has no Landlock
    return cmocka_run_group_tests(tests, NULL, NULL);
}
