#include "client/content_page.h"
#include "client/test_content_fixture.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int file_of(const char *bytes, struct stat *ret_info)
{
    int fd = memfd_create("content", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(file_write_full(fd, bytes, strlen(bytes)), 0);
    assert_int_equal(fstat(fd, ret_info), 0);
    return fd;
}

static void add(struct fixture *fixture, const char *bytes)
{
    struct stat info;
    CLEANUP(close_fd) int fd = file_of(bytes, &info);
    assert_true(content_page_has_room(&fixture->page, strlen(bytes)));
    assert_int_equal(content_page_read(&fixture->page, fd, &info), 0);
}

static int send_page(struct fixture *fixture)
{
    buf_reset(&fixture->text);
    return content_page_send(&fixture->page, fixture->client, &fixture->text);
}

static void assert_kept(struct fixture *fixture, size_t i, const char *bytes)
{
    const struct content *content = &fixture->page.contents[i];
    const struct kept_content *kept = content_server_find(&fixture->server, content->hash);
    assert_non_null(kept);
    assert_int_equal(content->size, strlen(bytes));
    assert_str(buf_str(&kept->bytes), bytes);
}

static void what_the_server_lacks_goes_in_one_body(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(send_page(fixture), 0); // an empty one asks nothing
    assert_int_equal(fixture->server.requests.len, 0);
    const char *const bytes[] = {"first", "", "with\nlines\n", "third"};
    content_server_add(&fixture->server, "with\nlines\n", 11);
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
        add(fixture, bytes[i]);
    assert_int_equal(send_page(fixture), 0);
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
        assert_kept(fixture, i, bytes[i]);
    assert_str(buf_str(&fixture->server.requests), "POST /api/v1/blobs/missing\nPOST /api/v1/blobs\n");
    assert_int_equal(fixture->server.bodies, 3 * 67 + strlen("first") + strlen("third"));
    buf_reset(&fixture->server.requests);
    assert_int_equal(send_page(fixture), 0); // all of it is there
    assert_str(buf_str(&fixture->server.requests), "POST /api/v1/blobs/missing\n");
}

static void a_file_that_is_not_as_it_was_is_not_added(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;
    CLEANUP(close_fd) int fd = file_of("12345678", &info);
    add(fixture, "before");
    assert_int_equal(ftruncate(fd, 3), 0);
    assert_int_equal(content_page_read(&fixture->page, fd, &info), ERR_CONFLICT);
    assert_int_equal(pwrite(fd, "123456789", 9, 0), 9);
    assert_int_equal(content_page_read(&fixture->page, fd, &info), ERR_CONFLICT);
    assert_int_equal(fixture->page.count, 1);
    add(fixture, "dropped");
    content_page_drop_last(&fixture->page);
    add(fixture, "behind");
    assert_int_equal(send_page(fixture), 0);
    assert_kept(fixture, 0, "before");
    assert_kept(fixture, 1, "behind");
    assert_int_equal(fixture->server.bodies, 2 * 67 + strlen("before") + strlen("behind"));
}

static void a_page_has_its_limits(void **state)
{
    struct fixture *fixture = *state;
    struct content_page *page = &fixture->page;
    assert_true(content_page_has_room(page, CONTENT_PAGE_EACH));
    assert_false(content_page_has_room(page, CONTENT_PAGE_BYTES));
    page->count = CONTENT_PAGE_COUNT;
    assert_false(content_page_has_room(page, 0));
    page->count = CONTENT_PAGE_COUNT - 1;
    assert_true(content_page_has_room(page, 0));
    page->count = 0;
}

static void an_interrupted_page_is_sent_again(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *long_one = xcalloc(1, 3001);
    memset(long_one, 'x', 3000);
    add(fixture, "short");
    add(fixture, long_one);
    fixture->server.cut_after = 50;
    assert_int_equal(send_page(fixture), ERR_UNREACHABLE);
    fixture->server.cut_after = 2000; // the question is shorter, so it is the body that is cut
    int err = send_page(fixture);
    if (err < 0) // what is cut on a connection that was used before, curl tries again by itself
        err = send_page(fixture);
    assert_int_equal(err, 0);
    assert_int_equal(fixture->server.cut_after, 0);
    assert_kept(fixture, 0, "short");
    assert_kept(fixture, 1, long_one);
}

static void a_refusal_is_told_with_the_servers_words(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "content");
    fixture->server.refuse = 413;
    assert_int_equal(send_page(fixture), ERR_TOO_LARGE);
    assert_str(buf_str(&fixture->text), "it says too_large");
    fixture->server.refuse = 503;
    assert_int_equal(send_page(fixture), ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_server_lacks_goes_in_one_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_as_it_was_is_not_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_has_its_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interrupted_page_is_sent_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_is_told_with_the_servers_words, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
