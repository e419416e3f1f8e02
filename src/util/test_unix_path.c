#include "util/error.h"
#include "util/file.h"
#include "util/testing.h"
#include "util/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static int set_up(void **state)
{
    char *folder = xstrdup("/tmp/runnel-unix-path-XXXXXX");
    assert_non_null(mkdtemp(folder));
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    dir_remove_all(*state);
    free(*state);
    return 0;
}

static void letters(char *out, size_t count)
{
    memset(out, 'x', count);
    out[count] = '\0';
}

// A path of `len` bytes below a folder that is made; the last part is `name`.
static char *path_of(const char *folder, size_t len, const char *name)
{
    char filler[300];
    size_t left = len - strlen(folder) - strlen(name) - 2;
    letters(filler, left);
    CLEANUP(free_ptr) char *parent = xasprintf("%s/%s", folder, filler);
    assert_true(mkdir(parent, 0700) == 0 || errno == EEXIST);
    return xasprintf("%s/%s", parent, name);
}

static void check_meets(const char *path)
{
    CLEANUP(unix_path_release) struct unix_path bound = {.dir_fd = -1}, reached = {.dir_fd = -1};
    CLEANUP(close_fd) int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CLEANUP(close_fd) int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat info;
    assert_int_equal(unix_path_find(path, &bound), 0);
    assert_int_equal(bind(server, (struct sockaddr *)&bound.address, sizeof(bound.address)), 0);
    assert_int_equal(listen(server, 1), 0);
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(unix_path_find(path, &reached), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&reached.address, sizeof(reached.address)), 0);
}

static void sockets_meet_at_paths_of_any_length(void **state)
{
    static const size_t lengths[] = {60, ROOM - 1, ROOM, ROOM + 1, ROOM + 2, 250};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        CLEANUP(free_ptr) char *path = path_of(*state, lengths[i], "voice");
        assert_int_equal(strlen(path), lengths[i]);
        check_meets(path);
    }
}

static void a_path_that_fits_is_the_address_itself(void **state)
{
    struct unix_path found;
    char path[ROOM + 1];
    (void)state;
    letters(path, ROOM);
    assert_int_equal(unix_path_find(path, &found), 0);
    assert_int_equal(found.dir_fd, -1);
    assert_string_equal(found.address.sun_path, path);
}

static void a_folder_that_may_only_be_gone_through_is_enough(void **state)
{
    CLEANUP(free_ptr) char *path = path_of(*state, 150, "voice");
    CLEANUP(free_ptr) char *parent = xstrndup(path, strlen(path) - strlen("/voice"));
    assert_int_equal(chmod(parent, 0300), 0);
    check_meets(path);
    assert_int_equal(chmod(parent, 0700), 0);
}

static void what_cannot_be_an_address_is_refused(void **state)
{
    struct unix_path found = {.dir_fd = -7};
    struct sockaddr_un address;
    char name[201];
    letters(name, 200);
    CLEANUP(free_ptr) char *long_name = xasprintf("%s/%s", (const char *)*state, name);
    CLEANUP(free_ptr) char *no_folder = xasprintf("%s/%s/voice", (const char *)*state, name);
    assert_int_equal(unix_path_find("", &found), ERR_MALFORMED);
    assert_int_equal(unix_path_find(long_name, &found), -ENAMETOOLONG);
    assert_int_equal(unix_path_find(no_folder, &found), -ENOENT);
    assert_int_equal(unix_path_at(1, name, &address), -ENAMETOOLONG);
    assert_int_equal(found.dir_fd, -7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sockets_meet_at_paths_of_any_length, set_up, tear_down),
        cmocka_unit_test(a_path_that_fits_is_the_address_itself),
        cmocka_unit_test_setup_teardown(a_folder_that_may_only_be_gone_through_is_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_an_address_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
