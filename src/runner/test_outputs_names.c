#include "runner/outputs.h"
#include "runner/outputs_names.h"
#include "util/file.h"
#include "util/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char *folder;
    int dir_fd, fd; // the run's folder, that of its outputs
    struct mask *mask;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->folder = xstrdup("/tmp/runnel-names-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->dir_fd = open(fixture->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(outputs_names_begin(fixture->dir_fd), 0);
    assert_int_equal(mkdirat(fixture->dir_fd, OUTPUTS_FOLDER, 0700), 0);
    fixture->fd = openat(fixture->dir_fd, OUTPUTS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fixture->mask = mask_new();
    mask_add(fixture->mask, STR("s3cret"));
    mask_add(fixture->mask, STR("aa/bb"));
    mask_seal(fixture->mask);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    mask_free(&fixture->mask);
    close_fd(&fixture->fd);
    close_fd(&fixture->dir_fd);
    dir_remove_all(fixture->folder);
    free(fixture->folder);
    free(fixture);
    return 0;
}

static void make_folder(const struct fixture *fixture, const char *path)
{
    assert_int_equal(mkdirat(fixture->fd, path, 0700), 0);
}

static void put(const struct fixture *fixture, const char *path, const char *content)
{
    CLEANUP(close_fd) int fd = openat(fixture->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_full(fd, content, strlen(content)), 0);
}

static void assert_content(const struct fixture *fixture, const char *path, const char *content)
{
    char text[16] = "";
    CLEANUP(close_fd) int fd = openat(fixture->fd, path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof(text) - 1) >= 0);
    assert_string_equal(text, content);
}

static bool is_there(const struct fixture *fixture, const char *path)
{
    return faccessat(fixture->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void mask_names(const struct fixture *fixture)
{
    assert_true(outputs_names_marked(fixture->dir_fd));
    assert_int_equal(outputs_names_mask(fixture->dir_fd, fixture->mask), 0);
    assert_false(outputs_names_marked(fixture->dir_fd));
}

static void what_has_a_secret_in_its_name_gets_a_masked_one(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "plain", "1");
    put(fixture, "of-s3cret.txt", "2");
    make_folder(fixture, "deep");
    make_folder(fixture, "deep/s3cret");
    make_folder(fixture, "deep/s3cret/more");
    put(fixture, "deep/s3cret/more/file", "3");
    put(fixture, "deep/s3cret/s3cret", "4");
    assert_int_equal(symlinkat("nowhere", fixture->fd, "s3cret-link"), 0);
    assert_int_equal(mkfifoat(fixture->fd, "s3cret-pipe", 0600), 0);
    mask_names(fixture);
    assert_content(fixture, "plain", "1");
    assert_content(fixture, "of-***.txt", "2");
    assert_content(fixture, "deep/***/more/file", "3");
    assert_content(fixture, "deep/***/***", "4");
    assert_true(is_there(fixture, "***-link") && is_there(fixture, "***-pipe"));
    assert_false(is_there(fixture, "deep/s3cret") || is_there(fixture, "of-s3cret.txt"));
    assert_false(is_there(fixture, "s3cret-link") || is_there(fixture, "s3cret-pipe"));
}

static void a_secret_across_folders_is_found(void **state)
{
    struct fixture *fixture = *state;
    make_folder(fixture, "xaa");
    put(fixture, "xaa/bby", "1");
    put(fixture, "xaa/other", "2");
    mask_names(fixture);
    assert_content(fixture, "x***y", "1");
    assert_content(fixture, "xaa/other", "2");
    assert_false(is_there(fixture, "xaa/bby"));
}

static void a_name_that_is_taken_gets_a_number(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "***", "old");
    put(fixture, "s3cret", "1");
    put(fixture, "***.d", "a file");
    make_folder(fixture, "s3cret.d");
    put(fixture, "s3cret.d/file", "2"); // there is no such folder to be made
    mask_names(fixture);
    assert_content(fixture, "***", "old");
    assert_content(fixture, "***.d", "a file");
    // In the order of their names.
    assert_content(fixture, "***.2", "1");
    assert_content(fixture, "***.3", "2");
    assert_false(is_there(fixture, "s3cret.d"));
}

static void a_folder_that_was_made_unwritable_is_no_way_out(void **state)
{
    struct fixture *fixture = *state;
    make_folder(fixture, "kept");
    put(fixture, "kept/s3cret", "1");
    assert_int_equal(fchmodat(fixture->fd, "kept", 0500, 0), 0);
    mask_names(fixture);
    assert_content(fixture, "kept/***", "1");
}

static void nothing_outside_is_touched_through_a_link(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *outside = xasprintf("%s/outside", fixture->folder);
    assert_int_equal(mkdir(outside, 0700), 0);
    CLEANUP(free_ptr) char *file = xasprintf("%s/s3cret", outside);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(symlinkat(outside, fixture->fd, "link"), 0);
    mask_names(fixture);
    assert_int_equal(access(file, F_OK), 0);
    assert_true(is_there(fixture, "link"));
}

static void without_the_folder_there_is_nothing_to_mask(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(unlinkat(fixture->dir_fd, OUTPUTS_FOLDER, AT_REMOVEDIR), 0);
    mask_names(fixture);
}

static void what_cannot_be_looked_at_keeps_the_mark(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(unlinkat(fixture->dir_fd, OUTPUTS_FOLDER, AT_REMOVEDIR), 0);
    assert_int_equal(symlinkat("/etc", fixture->dir_fd, OUTPUTS_FOLDER), 0);
    assert_true(outputs_names_mask(fixture->dir_fd, fixture->mask) < 0);
    assert_true(outputs_names_marked(fixture->dir_fd));
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_has_a_secret_in_its_name_gets_a_masked_one),
        CASE(a_secret_across_folders_is_found),
        CASE(a_name_that_is_taken_gets_a_number),
        CASE(a_folder_that_was_made_unwritable_is_no_way_out),
        CASE(nothing_outside_is_touched_through_a_link),
        CASE(without_the_folder_there_is_nothing_to_mask),
        CASE(what_cannot_be_looked_at_keeps_the_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
