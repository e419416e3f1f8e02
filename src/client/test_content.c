#include "client/content.h"
#include "client/test_content_fixture.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define LARGE (3u * 1024 * 1024)

// A file of so many bytes, none like the other.
static int file_of(size_t size)
{
    int fd = memfd_create("content", MFD_CLOEXEC);
    CLEANUP(free_ptr) uint64_t *data = xcalloc(size / 8 + 1, 8);
    uint64_t random = size;
    for (size_t i = 0; i <= size / 8; i++)
        data[i] = test_random(&random);
    assert_true(fd >= 0);
    assert_int_equal(file_write_full(fd, data, size), 0);
    return fd;
}

static size_t count_of(const struct buf *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text->len > 0 ? text->data : ""; at && (at = strstr(at, what)); at++)
        count++;
    return count;
}

static void hashes_are_written_in_one_way(void **state)
{
    (void)state;
    assert_true(content_hash_valid(STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")));
    assert_false(content_hash_valid(STR("E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")));
    assert_false(content_hash_valid(STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85")));
    assert_false(content_hash_valid(STR("../../../../../../../../../../../../../../../../../../../../../")));
}

static void a_file_is_named_by_its_bytes(void **state)
{
    CLEANUP(close_fd) int empty = file_of(0), small = memfd_create("abc", MFD_CLOEXEC);
    struct content content;
    atomic_bool abort_it = true;
    (void)state;
    assert_int_equal(content_of_file(empty, NULL, &content), 0);
    assert_int_equal(content.size, 0);
    assert_string_equal(content.hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(file_write_full(small, "abc", 3), 0);
    assert_int_equal(content_of_file(small, NULL, &content), 0);
    assert_int_equal(content.size, 3);
    assert_string_equal(content.hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(content_of_file(small, &abort_it, &content), ERR_CANCELED);
    close_fd(&small);
}

static void a_content_is_sent_once(void **state)
{
    struct fixture *fixture = *state;
    const size_t sizes[] = {0, 1, 70000, LARGE};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(close_fd) int fd = file_of(sizes[i]);
        struct content content;
        atomic_ullong moved = 0;
        assert_int_equal(content_of_file(fd, NULL, &content), 0);
        assert_int_equal(content_send(fixture->client, fd, &content, &moved, &fixture->text), 0);
        assert_int_equal(moved, sizes[i]);
        const struct kept_content *kept = content_server_find(&fixture->server, content.hash);
        assert_non_null(kept);
        assert_int_equal(kept->bytes.len, sizes[i]);
    }
    unsigned before = fixture->server.bodies;
    CLEANUP(close_fd) int fd = file_of(LARGE);
    struct content content;
    assert_int_equal(content_of_file(fd, NULL, &content), 0);
    assert_int_equal(content_send(fixture->client, fd, &content, NULL, &fixture->text), 0);
    assert_int_equal(fixture->server.bodies, before);
}

static void an_interrupted_upload_goes_on_where_it_ended(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int fd = file_of(LARGE);
    struct content content;
    assert_int_equal(content_of_file(fd, NULL, &content), 0);
    fixture->server.cut_after = LARGE / 3;
    int err = content_send(fixture->client, fd, &content, NULL, &fixture->text);
    assert_int_equal(err, ERR_UNREACHABLE);
    assert_true(content_may_retry(err));
    assert_int_equal(content_send(fixture->client, fd, &content, NULL, &fixture->text), 0);
    assert_int_equal(fixture->server.bodies, LARGE); // no byte twice
}

// An upload that another one has overtaken is told by 409 where to go on.
static void an_upload_goes_on_where_the_server_says(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int fd = file_of(1000);
    struct content content;
    assert_int_equal(content_of_file(fd, NULL, &content), 0);
    struct kept_content *kept = content_server_keep(&fixture->server, content.hash, 1000);
    char data[400];
    assert_int_equal(pread(fd, data, sizeof(data), 0), sizeof(data));
    buf_append(&kept->bytes, data, sizeof(data));
    struct client_response response = {0};
    struct client_source source = {.fd = fd, .from = 100, .to = 1000};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/blobs/%s", content.hash);
    assert_int_equal(
        client_upload(fixture->client, "PUT", path, &source, "Content-Range: bytes 100-999/1000", &response), 0);
    assert_int_equal(response.status, 409);
    assert_true(response.has_upload_offset);
    assert_int_equal(response.upload_offset, 400);
    client_response_release(&response);
}

static void a_file_that_changes_meanwhile_is_told(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int fd = file_of(70000);
    struct content content;
    assert_int_equal(content_of_file(fd, NULL, &content), 0);
    assert_int_equal(pwrite(fd, "x", 1, 100), 1);
    assert_int_equal(content_send(fixture->client, fd, &content, NULL, &fixture->text), ERR_CONFLICT);
    assert_null(content_server_find(&fixture->server, content.hash));
    assert_int_equal(ftruncate(fd, 10), 0);
    assert_int_equal(content_send(fixture->client, fd, &content, NULL, &fixture->text), ERR_CONFLICT);
}

static void a_refusal_is_told_with_the_servers_words(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int fd = file_of(70000);
    struct content content;
    assert_int_equal(content_of_file(fd, NULL, &content), 0);
    fixture->server.refuse = 413;
    int err = content_send(fixture->client, fd, &content, NULL, &fixture->text);
    assert_int_equal(err, ERR_TOO_LARGE);
    assert_false(content_may_retry(err));
    assert_str(buf_str(&fixture->text), "it says too_large");
    buf_reset(&fixture->text);
    fixture->server.refuse = 503;
    err = content_send(fixture->client, fd, &content, NULL, &fixture->text);
    assert_int_equal(err, ERR_UNAVAILABLE);
    assert_true(content_may_retry(err));
}

// --- From the server

static void assert_same(int a, int b)
{
    struct content one, other;
    assert_int_equal(content_of_file(a, NULL, &one), 0);
    assert_int_equal(content_of_file(b, NULL, &other), 0);
    assert_string_equal(one.hash, other.hash);
}

// Gives the server what the file has. `path` is where it is fetched from.
static struct content kept_by_server(struct fixture *fixture, int fd, char **ret_path)
{
    struct content content;
    assert_int_equal(content_of_file(fd, NULL, &content), 0);
    assert_int_equal(content_send(fixture->client, fd, &content, NULL, &fixture->text), 0);
    *ret_path = xasprintf("/api/v1/executions/e/inputs/%s", content.hash);
    return content;
}

static void a_content_is_fetched_whole(void **state)
{
    struct fixture *fixture = *state;
    const size_t sizes[] = {0, 1, LARGE};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(close_fd) int from = file_of(sizes[i]), to = memfd_create("to", MFD_CLOEXEC);
        CLEANUP(free_ptr) char *path = NULL;
        struct content content = kept_by_server(fixture, from, &path);
        assert_int_equal(content_fetch(fixture->client, path, to, &content, &fixture->text), 0);
        assert_same(from, to);
        close_fd(&to);
    }
}

static void an_interrupted_download_goes_on_where_it_ended(void **state)
{
    struct fixture *fixture = *state;
    for (int whole = 0; whole < 2; whole++) { // a server, or a proxy, may not know ranges
        CLEANUP(close_fd) int from = file_of(LARGE), to = memfd_create("to", MFD_CLOEXEC);
        CLEANUP(free_ptr) char *path = NULL;
        struct stat info;
        struct content content = kept_by_server(fixture, from, &path);
        fixture->server.whole = whole;
        fixture->server.cut_after = 100000;
        int err = content_fetch(fixture->client, path, to, &content, &fixture->text);
        assert_int_equal(err, ERR_CLOSED);
        assert_true(content_may_retry(err));
        assert_int_equal(fstat(to, &info), 0);
        assert_int_equal(info.st_size, 100000);
        assert_int_equal(content_fetch(fixture->client, path, to, &content, &fixture->text), 0);
        assert_same(from, to);
        close_fd(&to);
    }
}

static void what_is_not_what_its_hash_says_is_not_kept(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int from = file_of(1000), to = memfd_create("to", MFD_CLOEXEC);
    CLEANUP(free_ptr) char *path = NULL;
    struct stat info;
    struct content content = kept_by_server(fixture, from, &path);
    content_server_find(&fixture->server, content.hash)->bytes.data[7] ^= 1;
    assert_int_equal(content_fetch(fixture->client, path, to, &content, &fixture->text), ERR_CORRUPT);
    assert_int_equal(fstat(to, &info), 0);
    assert_int_equal(info.st_size, 0);
    // What is there already may be wrong, too: from the beginning it comes right.
    content_server_find(&fixture->server, content.hash)->bytes.data[7] ^= 1;
    assert_int_equal(pwrite(to, "something else", 14, 0), 14);
    assert_int_equal(content_fetch(fixture->client, path, to, &content, &fixture->text), ERR_CORRUPT);
    assert_int_equal(content_fetch(fixture->client, path, to, &content, &fixture->text), 0);
    assert_same(from, to);
    content.size--; // more comes than was told
    assert_int_equal(ftruncate(to, 0), 0);
    assert_int_equal(content_fetch(fixture->client, path, to, &content, &fixture->text), ERR_CORRUPT);
    close_fd(&to);
}

static void what_is_not_there_is_told(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int to = memfd_create("to", MFD_CLOEXEC);
    const struct content content = {.hash = "x", .size = 5};
    assert_int_equal(content_fetch(fixture->client, "/api/v1/executions/e/inputs/none", to, &content, &fixture->text),
                     ERR_NOT_FOUND);
    assert_str(buf_str(&fixture->text), "it says not_found");
    assert_int_equal(count_of(&fixture->server.requests, "GET "), 1);
}

static void names_are_encoded_for_a_path(void **state)
{
    CLEANUP(buf_release) struct buf path = {0};
    (void)state;
    content_append_name(&path, "a b/ü%?#~-_.c");
    assert_str(buf_str(&path), "a%20b/%C3%BC%25%3F%23~-_.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_written_in_one_way),
        cmocka_unit_test(a_file_is_named_by_its_bytes),
        cmocka_unit_test(names_are_encoded_for_a_path),
        cmocka_unit_test_setup_teardown(a_content_is_sent_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interrupted_upload_goes_on_where_it_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_goes_on_where_the_server_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_changes_meanwhile_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_is_told_with_the_servers_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_content_is_fetched_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interrupted_download_goes_on_where_it_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_what_its_hash_says_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
