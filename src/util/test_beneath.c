#include "util/beneath.h"
#include "util/file.h"
#include "util/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char *folder;
    int fd;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->folder = xstrdup("/tmp/runnel-beneath-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->fd = open(fixture->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fixture->fd >= 0);
    assert_int_equal(mkdirat(fixture->fd, "a", 0700), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close_fd(&fixture->fd);
    dir_remove_all(fixture->folder);
    free(fixture->folder);
    free(fixture);
    return 0;
}

static void files_beneath_are_opened(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int made = beneath_open(fixture->fd, "a/new", O_WRONLY | O_CREAT | O_EXCL, 0640);
    assert_true(made >= 0);
    struct stat info;
    assert_int_equal(fstat(made, &info), 0);
    assert_int_equal(info.st_mode & 0600, 0600);
    CLEANUP(close_fd) int found = beneath_open(fixture->fd, "a/new", O_RDONLY, 0);
    assert_true(found >= 0);
    assert_int_equal(beneath_open(fixture->fd, "a/none", O_RDONLY, 0), -ENOENT);
    CLEANUP(close_fd) int itself = beneath_open(fixture->fd, ".", O_RDONLY | O_DIRECTORY, 0);
    assert_true(itself >= 0);
}

static void no_link_is_followed_and_nothing_outside_is_reached(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(symlinkat("/etc", fixture->fd, "folder"), 0);
    assert_int_equal(symlinkat("/etc/passwd", fixture->fd, "file"), 0);
    assert_int_equal(symlinkat("a", fixture->fd, "within"), 0);
    assert_int_equal(beneath_open(fixture->fd, "folder/passwd", O_RDONLY, 0), -ELOOP);
    assert_int_equal(beneath_open(fixture->fd, "file", O_RDONLY, 0), -ELOOP);
    assert_int_equal(beneath_open(fixture->fd, "within/x", O_RDONLY, 0), -ELOOP);
    assert_int_equal(beneath_open(fixture->fd, "../x", O_RDONLY, 0), -EXDEV);
    assert_int_equal(beneath_open(fixture->fd, "/etc/passwd", O_RDONLY, 0), -EXDEV);
}

static void folders_above_a_file_are_made(void **state)
{
    struct fixture *fixture = *state;
    const char *name = NULL;
    CLEANUP(close_fd) int parent = beneath_open_parent(fixture->fd, "a/b/c/d.txt", 0755, &name);
    assert_true(parent >= 0);
    assert_string_equal(name, "d.txt");
    CLEANUP(close_fd) int made = openat(parent, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(made >= 0);
    assert_int_equal(faccessat(fixture->fd, "a/b/c/d.txt", R_OK, 0), 0);
    CLEANUP(close_fd) int same = beneath_open_parent(fixture->fd, "top", 0755, &name);
    assert_true(same >= 0);
    assert_string_equal(name, "top");
    assert_int_equal(symlinkat("/tmp", fixture->fd, "out"), 0);
    assert_int_equal(beneath_open_parent(fixture->fd, "out/x/y", 0755, &name), -ENOTDIR);
    assert_int_equal(beneath_open_parent(fixture->fd, "a/b/c/d.txt/e", 0755, &name), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_beneath_are_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_link_is_followed_and_nothing_outside_is_reached, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_above_a_file_are_made, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
