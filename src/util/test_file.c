#include "util/file.h"
#include "util/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static int make_folder(void **state)
{
    char *folder = xstrdup("/tmp/runnel-test-file-XXXXXX");
    *state = folder;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    CLEANUP(free_ptr) char *folder = *state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int count_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)walk;
    if (type == FTW_F && strstr(path, ".tmp"))
        fail_msg("left behind: %s", path);
    return 0;
}

static void writes_atomically_and_reads_back(void **state)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/value", (char *)*state);
    CLEANUP(buf_release) struct buf content = {0};
    struct stat info;
    mode_t mask = umask(077);
    assert_int_equal(file_write_atomic(path, "first, longer", 13, 0644), 0);
    assert_int_equal(file_write_atomic(path, "second", 6, 0640), 0);
    umask(mask);
    assert_int_equal(file_read_all(path, 6, &content), 0);
    assert_str(buf_str(&content), "second");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(nftw(*state, count_entry, 8, 0), 0);
}

// What the code under test syncs, in the place of the library's own.
static char synced[64];

int fsync(int fd)
{
    struct stat info;
    int kind = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode) ? 'd' : 'f';
    size_t len = strlen(synced);
    if (len + 1 < sizeof(synced))
        synced[len] = (char)kind;
    return (int)syscall(SYS_fsync, fd);
}

static void an_atomic_write_is_durable_with_its_name(void **state)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/value", (char *)*state);
    memset(synced, 0, sizeof(synced));
    assert_int_equal(file_write_atomic(path, "x", 1, 0600), 0);
    // The content before it gets its name, the folder after that.
    assert_string_equal(synced, "fd");
}

static void a_failed_write_leaves_the_old_file_and_no_other(void **state)
{
    CLEANUP(free_ptr) char *folder = xasprintf("%s/taken", (char *)*state);
    CLEANUP(free_ptr) char *missing = xasprintf("%s/missing/value", (char *)*state);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(file_write_atomic(folder, "x", 1, 0600), -EISDIR);
    assert_int_equal(file_write_atomic(missing, "x", 1, 0600), -ENOENT);
    assert_int_equal(nftw(*state, count_entry, 8, 0), 0);
}

static void refuses_files_over_the_limit_and_keeps_the_output(void **state)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/large", (char *)*state);
    CLEANUP(buf_release) struct buf content = {0};
    buf_append_text(&content, "kept");
    assert_int_equal(file_write_atomic(path, "1234567", 7, 0600), 0);
    assert_int_equal(file_read_all(path, 6, &content), -EFBIG);
    assert_int_equal(file_read_all("/proc/self/status", 10, &content), -EFBIG);
    assert_int_equal(file_read_all("/nonexistent/file", 10, &content), -ENOENT);
    assert_str(buf_str(&content), "kept");
}

static void reads_files_that_tell_no_size(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf content = {0};
    assert_int_equal(file_read_all("/proc/self/status", 1 << 20, &content), 0);
    assert_true(content.len > 100);
    assert_true(str_starts(buf_str(&content), STR("Name:")));
}

#define PIPE_BYTES (1 << 20) // more than a pipe holds, so that writes come up short

static void *drain(void *arg)
{
    int fd = *(int *)arg;
    char block[777];
    size_t total = 0;
    ssize_t got;
    while ((got = read(fd, block, sizeof(block))) > 0)
        total += (size_t)got;
    return (void *)total;
}

static void write_to_a_slow_reader(int flags)
{
    int fds[2];
    pthread_t reader;
    void *total;
    CLEANUP(free_ptr) char *data = xcalloc(1, PIPE_BYTES);
    assert_int_equal(pipe2(fds, flags), 0);
    // The reader blocks; it is the other end that may not.
    assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0);
    assert_int_equal(pthread_create(&reader, NULL, drain, &fds[0]), 0);
    assert_int_equal(file_write_full(fds[1], data, PIPE_BYTES), 0);
    close(fds[1]);
    pthread_join(reader, &total);
    close(fds[0]);
    assert_int_equal((size_t)total, PIPE_BYTES);
}

static void writes_all_of_it_to_a_slow_reader(void **state)
{
    (void)state;
    write_to_a_slow_reader(O_CLOEXEC);
    write_to_a_slow_reader(O_CLOEXEC | O_NONBLOCK);
    assert_int_equal(file_write_full(-1, "x", 1), -EBADF);
}

static void makes_folders_with_their_parents(void **state)
{
    CLEANUP(free_ptr) char *deep = xasprintf("%s/a//b/c/", (char *)*state);
    CLEANUP(free_ptr) char *file = xasprintf("%s/file", (char *)*state);
    CLEANUP(free_ptr) char *below = xasprintf("%s/file/x", (char *)*state);
    struct stat info;
    assert_int_equal(dir_make_all(deep, 0700), 0);
    assert_int_equal(dir_make_all(deep, 0700), 0);
    assert_int_equal(stat(deep, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_int_equal(file_write_atomic(file, "", 0, 0600), 0);
    assert_int_equal(dir_make_all(file, 0700), -ENOTDIR);
    assert_int_equal(dir_make_all(below, 0700), -ENOTDIR);
    assert_int_equal(dir_make_all("/", 0700), 0);
    assert_int_equal(dir_make_all("", 0700), -ENOENT);
    assert_int_equal(dir_sync(file), -ENOTDIR);
}

static void removes_a_folder_however_deep_and_follows_no_link(void **state)
{
    CLEANUP(free_ptr) char *kept = xasprintf("%s/kept", (char *)*state);
    CLEANUP(free_ptr) char *top = xasprintf("%s/top", (char *)*state);
    assert_int_equal(file_write_atomic(kept, "x", 1, 0600), 0);
    assert_int_equal(mkdir(top, 0700), 0);
    int at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int depth = 0; depth < 300; depth++) {
        assert_int_equal(mkdirat(at, "a folder of some length", 0700), 0);
        assert_int_equal(symlinkat(*state, at, "up"), 0);
        int below = openat(at, "a folder of some length", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(below >= 0);
        if (depth % 50 == 49)
            fchmod(at, 0);
        close(at);
        at = below;
    }
    close(at);
    assert_int_equal(dir_remove_all(top), 0);
    assert_int_equal(access(top, F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(dir_remove_all(top), -ENOENT);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(writes_atomically_and_reads_back),
        CASE(an_atomic_write_is_durable_with_its_name),
        CASE(a_failed_write_leaves_the_old_file_and_no_other),
        CASE(refuses_files_over_the_limit_and_keeps_the_output),
        CASE(reads_files_that_tell_no_size),
        CASE(writes_all_of_it_to_a_slow_reader),
        CASE(makes_folders_with_their_parents),
        CASE(removes_a_folder_however_deep_and_follows_no_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
