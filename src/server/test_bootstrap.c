#include "net/digest.h"
#include "server/bootstrap.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"
#include "util/file.h"

#include <sys/stat.h>
#include <unistd.h>

static int open_sqlite(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    (void)now_ms;
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    CLEANUP(buf_release) struct buf error = {0};
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 1}, &error, ret);
}

static const struct fixture_adapter sqlite = {"sqlite", open_sqlite};

static int set_up(void **state)
{
    *state = fixture_new(&sqlite);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture_free(&fixture);
    return 0;
}

static int bootstrap(struct fixture *fixture)
{
    return bootstrap_store(fixture->store, fixture->loop, fixture->folder);
}

static void read_key(struct fixture *fixture, struct buf *ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/admin.key", fixture->folder);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(file_read_all(path, 1000, ret), 0);
    assert_int_equal(ret->data[--ret->len], '\n');
}

// Returns how many keys the account `default` has.
static size_t count_keys(struct fixture *fixture)
{
    struct store_key_list list = {.op.kind = STORE_KEY_LIST, .account_name = STR(ACCOUNT_DEFAULT)};
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    size_t count = list.ret_count;
    store_op_release(&list.op);
    return count;
}

static void a_new_store_gets_an_account_and_an_operators_key_once(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(buf_release) struct buf first = {0}, second = {0};
    assert_int_equal(bootstrap(fixture), 0);
    read_key(fixture, &first);
    struct store_key_find find = {.op.kind = STORE_KEY_FIND};
    sha256(first.data, first.len, find.hash);
    assert_int_equal(fixture_run(fixture, &find.op), 0);
    assert_int_equal(find.ret_key.role, ROLE_OPERATOR);
    store_op_release(&find.op);
    assert_int_equal(bootstrap(fixture), 0);
    read_key(fixture, &second);
    assert_str(buf_str(&second), buf_cstr(&first));
    assert_int_equal(count_keys(fixture), 1);
}

static void a_store_whose_key_file_is_gone_gets_another_key(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *path = xasprintf("%s/admin.key", fixture->folder);
    CLEANUP(buf_release) struct buf first = {0}, second = {0};
    assert_int_equal(bootstrap(fixture), 0);
    read_key(fixture, &first);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(bootstrap(fixture), 0);
    read_key(fixture, &second);
    assert_false(str_eq(buf_str(&first), buf_str(&second)));
    assert_int_equal(count_keys(fixture), 2);
}

static void a_key_that_cannot_be_written_down_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    assert_int_not_equal(bootstrap_store(fixture->store, fixture->loop, "/proc"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_store_gets_an_account_and_an_operators_key_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_whose_key_file_is_gone_gets_another_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_cannot_be_written_down_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
