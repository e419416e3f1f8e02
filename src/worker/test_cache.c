#include "net/digest.h"
#include "util/file.h"
#include "util/id.h"
#include "util/testing.h"
#include "worker/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS 4

struct fixture {
    char *folder;
    struct cache *cache;
    const char *text; // what a fetch brings
    int err;          // or how it fails
    atomic_uint fetches;
};

static struct fixture *made(uint64_t bytes_max)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->folder = xstrdup("/tmp/runnel-cache-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(cache_open(fixture->folder, bytes_max, &fixture->cache), 0);
    return fixture;
}

static int set_up(void **state)
{
    *state = made(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    cache_free(&fixture->cache);
    dir_remove_all(fixture->folder);
    free(fixture->folder);
    free(fixture);
    return 0;
}

static int bring(void *arg, int fd, const struct content *content, struct buf *ret_text)
{
    struct fixture *fixture = arg;
    (void)content;
    fixture->fetches++;
    if (fixture->err < 0) {
        buf_append_text(ret_text, "it is away");
        return fixture->err;
    }
    return file_write_full(fd, fixture->text, strlen(fixture->text));
}

static struct content content_of(const char *text)
{
    struct content content = {.size = strlen(text)};
    uint8_t digest[32];
    sha256(text, strlen(text), digest);
    hex_encode(digest, sizeof(digest), content.hash);
    return content;
}

static int new_file(void)
{
    int fd = memfd_create("copy", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int copy_to(struct fixture *fixture, const char *text, int fd)
{
    CLEANUP(buf_release) struct buf reason = {0};
    struct content content = content_of(text);
    return cache_copy(fixture->cache, &content, fd, bring, fixture, &reason);
}

static void assert_holds(int fd, const char *text)
{
    char data[64] = "";
    assert_int_equal(pread(fd, data, sizeof(data), 0), strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

static bool has(const struct fixture *fixture, const char *text)
{
    struct content content = content_of(text);
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", fixture->folder, content.hash);
    return access(path, F_OK) == 0;
}

static void a_content_is_fetched_once_for_many(void **state)
{
    struct fixture *fixture = *state;
    fixture->text = "hello";
    for (int i = 0; i < 3; i++) {
        CLEANUP(close_fd) int fd = new_file();
        assert_int_equal(copy_to(fixture, "hello", fd), 0);
        assert_holds(fd, "hello");
        assert_int_equal(pwrite(fd, "JELLO", 5, 0), 5); // of its own: the next one does not get that
    }
    assert_int_equal(fixture->fetches, 1);
    cache_free(&fixture->cache);
    assert_int_equal(cache_open(fixture->folder, 1 << 20, &fixture->cache), 0);
    CLEANUP(close_fd) int fd = new_file();
    assert_int_equal(copy_to(fixture, "hello", fd), 0);
    assert_int_equal(fixture->fetches, 1); // the next worker has it
}

static void what_somebody_has_changed_in_it_is_fetched_anew(void **state)
{
    struct fixture *fixture = *state;
    struct content content = content_of("hello");
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", fixture->folder, content.hash);
    CLEANUP(close_fd) int first = new_file(), second = new_file();
    fixture->text = "hello";
    assert_int_equal(copy_to(fixture, "hello", first), 0);
    assert_int_equal(file_write_atomic(path, "jello", 5, 0600), 0);
    assert_int_equal(copy_to(fixture, "hello", second), 0);
    assert_holds(second, "hello");
    assert_int_equal(fixture->fetches, 2);
    close_fd(&second);
}

static void what_comes_with_another_hash_is_given_to_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;
    CLEANUP(close_fd) int fd = new_file();
    fixture->text = "jello";
    assert_int_equal(copy_to(fixture, "hello", fd), ERR_CORRUPT);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_size, 0);
    assert_false(has(fixture, "hello"));
    fixture->err = ERR_UNREACHABLE;
    assert_int_equal(copy_to(fixture, "hello", fd), ERR_UNREACHABLE);
    fixture->err = 0;
    fixture->text = "hello";
    assert_int_equal(copy_to(fixture, "hello", fd), 0);
    assert_holds(fd, "hello");
}

static void what_was_not_used_for_longest_goes_first(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;
    const char *const texts[] = {"one", "two", "six"};
    fixture->text = texts[0];
    CLEANUP(close_fd) int fd = new_file();
    assert_int_equal(copy_to(fixture, texts[0], fd), 0);
    struct content content = content_of(texts[0]);
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", fixture->folder, content.hash);
    assert_int_equal(stat(path, &info), 0);
    cache_free(&fixture->cache);
    uint64_t cost = MAX((uint64_t)info.st_blocks * 512, (uint64_t)info.st_size);
    assert_int_equal(cache_open(fixture->folder, cost * 2 + cost / 2, &fixture->cache), 0); // room for two
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(close_fd) int one = new_file();
        const struct timespec used[2] = {{.tv_sec = (time_t)i + 1}, {.tv_sec = (time_t)i + 1}};
        content = content_of(texts[i]);
        CLEANUP(free_ptr) char *file = xasprintf("%s/%s", fixture->folder, content.hash);
        fixture->text = texts[i];
        assert_int_equal(copy_to(fixture, texts[i], one), 0);
        assert_int_equal(utimensat(AT_FDCWD, file, used, 0), 0);
    }
    assert_false(has(fixture, "one"));
    assert_true(has(fixture, "two") && has(fixture, "six"));
}

static void what_is_larger_than_the_cache_goes_by_it(void **state)
{
    struct fixture *fixture = *state;
    cache_free(&fixture->cache);
    assert_int_equal(cache_open(fixture->folder, 3, &fixture->cache), 0);
    CLEANUP(close_fd) int fd = new_file();
    fixture->text = "hello";
    assert_int_equal(copy_to(fixture, "hello", fd), 0);
    assert_holds(fd, "hello");
    assert_false(has(fixture, "hello"));
}

static void what_a_killed_worker_has_begun_is_removed(void **state)
{
    struct fixture *fixture = *state;
    struct content content = content_of("hello");
    CLEANUP(free_ptr) char *part = xasprintf("%s/%s.part", fixture->folder, content.hash);
    assert_int_equal(file_write_atomic(part, "hel", 3, 0600), 0);
    cache_free(&fixture->cache);
    assert_int_equal(cache_open(fixture->folder, 1 << 20, &fixture->cache), 0);
    assert_int_equal(access(part, F_OK), -1);
}

static void *copy_thread(void *arg)
{
    struct fixture *fixture = arg;
    for (int i = 0; i < 20; i++) {
        CLEANUP(close_fd) int fd = new_file();
        if (copy_to(fixture, "hello", fd) < 0)
            return arg;
    }
    return NULL;
}

static void threads_that_want_the_same_wait_for_one_fetch(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    fixture->text = "hello";
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, copy_thread, fixture), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(fixture->fetches, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_content_is_fetched_once_for_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_somebody_has_changed_in_it_is_fetched_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_with_another_hash_is_given_to_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_used_for_longest_goes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_larger_than_the_cache_goes_by_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_killed_worker_has_begun_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_that_want_the_same_wait_for_one_fetch, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
