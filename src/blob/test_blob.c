// What every adapter of the port promises; each one runs all of it.
#include "blob/dir/dir.h"
#include "net/digest.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/file.h"
#include "util/testing.h"

#include <unistd.h>

#define ACCOUNT INT64_C(7)

struct shelf {
    const struct adapter *adapter;
    struct loop *loop;
    struct blob_store *store;
    char folder[64];
};

struct adapter {
    const char *name;
    int (*open)(const char *folder, uint64_t size_max, struct blob_store **ret);
};

static struct logger quiet = {.fd = -1, .min_level = LOG_ERROR};

static int open_dir(const char *folder, uint64_t size_max, struct blob_store **ret)
{
    return blob_dir_open(&(struct blob_dir_options){.folder = folder, .logger = &quiet, .size_max = size_max}, ret);
}

static const struct adapter adapters[] = {{"dir", open_dir}};
static const struct adapter *under_test;

static void shelf_open(struct shelf *shelf, uint64_t size_max)
{
    assert_int_equal(shelf->adapter->open(shelf->folder, size_max, &shelf->store), 0);
}

static int set_up(void **state)
{
    struct shelf *shelf = xcalloc(1, sizeof(*shelf));
    shelf->adapter = under_test;
    snprintf(shelf->folder, sizeof(shelf->folder), "/tmp/blob-test-XXXXXX");
    assert_non_null(mkdtemp(shelf->folder));
    assert_int_equal(loop_new(&shelf->loop), 0);
    shelf_open(shelf, 0);
    *state = shelf;
    return 0;
}

static int tear_down(void **state)
{
    struct shelf *shelf = *state;
    blob_free(&shelf->store);
    loop_free(&shelf->loop);
    dir_remove_all(shelf->folder);
    free(shelf);
    return 0;
}

// --- Operations as simple calls

static void stop(struct blob_op *op)
{
    loop_stop(op->reply_to);
}

static int run(struct shelf *shelf, struct blob_op *op, enum blob_op_kind kind)
{
    int64_t account = op->account ? op->account : ACCOUNT;
    *op = (struct blob_op){.kind = kind, .reply_to = shelf->loop, .done = stop, .account = account};
    blob_submit(shelf->store, op);
    loop_run(shelf->loop);
    return op->err;
}

struct sending {
    struct blob_begin begin;
    struct str content;
};

static int begin(struct shelf *shelf, struct sending *sending, struct str content, bool resume)
{
    *sending = (struct sending){.content = content};
    sending->begin.size = content.len;
    sending->begin.resume = resume;
    sending->begin.parts_max = 1000000000;
    sha256(content.data, content.len, sending->begin.hash);
    return run(shelf, &sending->begin.op, BLOB_BEGIN);
}

static int send_bytes(struct shelf *shelf, struct sending *sending, size_t from, size_t len)
{
    struct blob_write write = {.upload = sending->begin.ret_upload, .data = sending->content.data + from, .len = len};
    return run(shelf, &write.op, BLOB_WRITE);
}

static uint64_t pause_sending(struct shelf *shelf, struct sending *sending)
{
    struct blob_pause pause = {.upload = sending->begin.ret_upload};
    assert_int_equal(run(shelf, &pause.op, BLOB_PAUSE), 0);
    return pause.ret_offset;
}

static int finish(struct shelf *shelf, struct sending *sending, char ret_key[BLOB_KEY_MAX + 1])
{
    struct blob_finish finish = {.upload = sending->begin.ret_upload};
    int err = run(shelf, &finish.op, BLOB_FINISH);
    memcpy(ret_key, finish.ret_key, sizeof(finish.ret_key));
    return err;
}

static void put(struct shelf *shelf, struct str content, char ret_key[BLOB_KEY_MAX + 1])
{
    struct sending sending;
    assert_int_equal(begin(shelf, &sending, content, false), 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, content.len), 0);
    assert_int_equal(finish(shelf, &sending, ret_key), 0);
}

static int get(struct shelf *shelf, const char *key, uint64_t at, size_t len, struct buf *ret)
{
    struct blob_read read = {.key = str_of(key), .at = at, .len = len};
    buf_reserve(ret, len + 1);
    read.data = ret->data;
    int err = run(shelf, &read.op, BLOB_READ);
    ret->len = read.ret_len;
    return err;
}

static void assert_content(struct shelf *shelf, const char *key, struct str content)
{
    CLEANUP(buf_release) struct buf got = {0};
    assert_int_equal(get(shelf, key, 0, content.len + 10, &got), 0);
    assert_int_equal(got.len, content.len);
    assert_memory_equal(got.data, content.data, content.len);
}

static uint64_t offset_of(struct shelf *shelf, struct str content, int64_t account)
{
    struct blob_offset offset = {.op.account = account};
    sha256(content.data, content.len, offset.hash);
    assert_int_equal(run(shelf, &offset.op, BLOB_OFFSET), 0);
    return offset.ret_offset;
}

static struct str noise(struct buf *buf, size_t len, uint64_t seed)
{
    while (buf->len < len)
        buf_append_le64(buf, test_random(&seed));
    buf->len = len;
    return buf_str(buf);
}

// --- Tests

static void a_content_that_was_put_is_read_by_ranges(void **state)
{
    struct shelf *shelf = *state;
    CLEANUP(buf_release) struct buf data = {0}, got = {0};
    struct str content = noise(&data, 1000000, 1);
    char key[BLOB_KEY_MAX + 1];
    put(shelf, content, key);
    assert_content(shelf, key, content);
    assert_int_equal(get(shelf, key, 999990, 100, &got), 0);
    assert_int_equal(got.len, 10);
    assert_memory_equal(got.data, content.data + 999990, 10);
    assert_int_equal(get(shelf, key, 2000000, 10, &got), 0);
    assert_int_equal(got.len, 0);
}

static void a_content_without_bytes_is_one_too(void **state)
{
    struct shelf *shelf = *state;
    char key[BLOB_KEY_MAX + 1];
    put(shelf, STR(""), key);
    assert_content(shelf, key, STR(""));
}

static void what_is_not_there_is_not_found(void **state)
{
    struct shelf *shelf = *state;
    CLEANUP(buf_release) struct buf got = {0};
    char key[BLOB_KEY_MAX + 1];
    put(shelf, STR("content"), key);
    static const char *const keys[] = {"", "7/ab/nothing", "../parts", "/etc/passwd", "7/../../x", "7/.hidden", "a\nb"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_int_equal(get(shelf, keys[i], 0, 10, &got), ERR_NOT_FOUND);
    struct blob_remove gone = {.key = str_of(key)};
    assert_int_equal(run(shelf, &gone.op, BLOB_REMOVE), 0);
    assert_int_equal(get(shelf, key, 0, 10, &got), ERR_NOT_FOUND);
    assert_int_equal(run(shelf, &gone.op, BLOB_REMOVE), 0); // nothing happens
}

static void a_key_is_never_given_out_twice(void **state)
{
    struct shelf *shelf = *state;
    char first[BLOB_KEY_MAX + 1], second[BLOB_KEY_MAX + 1];
    put(shelf, STR("content"), first);
    put(shelf, STR("content"), second);
    assert_string_not_equal(first, second);
    struct blob_remove gone = {.key = str_of(first)};
    assert_int_equal(run(shelf, &gone.op, BLOB_REMOVE), 0);
    assert_content(shelf, second, STR("content"));
}

static void another_hash_is_refused_and_nothing_is_kept(void **state)
{
    struct shelf *shelf = *state;
    struct sending sending;
    char key[BLOB_KEY_MAX + 1];
    assert_int_equal(begin(shelf, &sending, STR("content"), false), 0);
    sending.content = STR("CONTENT");
    assert_int_equal(send_bytes(shelf, &sending, 0, 7), 0);
    assert_int_equal(finish(shelf, &sending, key), ERR_DIGEST);
    assert_int_equal(offset_of(shelf, STR("content"), ACCOUNT), 0);
}

static void an_upload_goes_on_after_a_restart(void **state)
{
    struct shelf *shelf = *state;
    CLEANUP(buf_release) struct buf data = {0};
    struct str content = noise(&data, 700000, 2);
    struct sending sending;
    char key[BLOB_KEY_MAX + 1];
    assert_int_equal(begin(shelf, &sending, content, false), 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, 300000), 0);
    assert_int_equal(pause_sending(shelf, &sending), 300000);
    blob_free(&shelf->store);
    shelf_open(shelf, 0);
    assert_int_equal(offset_of(shelf, content, ACCOUNT), 300000);
    assert_int_equal(offset_of(shelf, content, ACCOUNT + 1), 0);
    assert_int_equal(begin(shelf, &sending, content, true), 0);
    assert_int_equal(sending.begin.ret_offset, 300000);
    assert_int_equal(send_bytes(shelf, &sending, 300000, 400000), 0);
    assert_int_equal(finish(shelf, &sending, key), 0);
    assert_content(shelf, key, content);
    assert_int_equal(offset_of(shelf, content, ACCOUNT), 0);
}

static void an_upload_that_does_not_go_on_begins_anew(void **state)
{
    struct shelf *shelf = *state;
    struct sending sending;
    char key[BLOB_KEY_MAX + 1];
    assert_int_equal(begin(shelf, &sending, STR("content"), false), 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, 3), 0);
    assert_int_equal(pause_sending(shelf, &sending), 3);
    assert_int_equal(begin(shelf, &sending, STR("content"), false), 0);
    assert_int_equal(sending.begin.ret_offset, 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, 7), 0);
    assert_int_equal(finish(shelf, &sending, key), 0);
    assert_content(shelf, key, STR("content"));
}

static void two_uploads_of_one_content_do_not_meet(void **state)
{
    struct shelf *shelf = *state;
    struct sending first, second;
    char keys[2][BLOB_KEY_MAX + 1];
    assert_int_equal(begin(shelf, &first, STR("content"), false), 0);
    assert_int_equal(send_bytes(shelf, &first, 0, 3), 0);
    assert_int_equal(begin(shelf, &second, STR("content"), true), 0);
    assert_int_equal(second.begin.ret_offset, 0);
    assert_int_equal(send_bytes(shelf, &second, 0, 7), 0);
    assert_int_equal(send_bytes(shelf, &first, 3, 4), 0);
    assert_int_equal(finish(shelf, &first, keys[0]), 0);
    assert_int_equal(finish(shelf, &second, keys[1]), 0);
    assert_content(shelf, keys[0], STR("content"));
    assert_content(shelf, keys[1], STR("content"));
}

static void more_than_was_announced_is_refused_and_less_is_not_finished(void **state)
{
    struct shelf *shelf = *state;
    struct sending sending;
    char key[BLOB_KEY_MAX + 1];
    assert_int_equal(begin(shelf, &sending, STR("content"), false), 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, 5), 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, 3), ERR_TOO_LARGE);
    assert_int_equal(finish(shelf, &sending, key), ERR_GAP);
    assert_int_equal(offset_of(shelf, STR("content"), ACCOUNT), 5);
}

static void interrupted_uploads_of_an_account_have_a_limit(void **state)
{
    struct shelf *shelf = *state;
    struct sending sending;
    assert_int_equal(begin(shelf, &sending, STR("content"), false), 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, 7), 0);
    assert_int_equal(pause_sending(shelf, &sending), 7);
    struct blob_begin other = {.size = 4, .parts_max = 10};
    assert_int_equal(run(shelf, &other.op, BLOB_BEGIN), ERR_TOO_LARGE);
    other.size = 3;
    assert_int_equal(run(shelf, &other.op, BLOB_BEGIN), 0);
    struct blob_pause pause = {.upload = other.ret_upload};
    assert_int_equal(run(shelf, &pause.op, BLOB_PAUSE), 0);
}

static void without_room_an_upload_is_refused_and_nothing_is_lost(void **state)
{
    struct shelf *shelf = *state;
    struct sending sending;
    char key[BLOB_KEY_MAX + 1];
    put(shelf, STR("old"), key);
    blob_free(&shelf->store);
    shelf_open(shelf, 4);
    assert_int_equal(begin(shelf, &sending, STR("content"), false), ERR_STORE_FULL);
    assert_content(shelf, key, STR("old"));
}

static void what_was_interrupted_is_forgotten_by_its_age(void **state)
{
    struct shelf *shelf = *state;
    struct sending sending, other;
    assert_int_equal(begin(shelf, &sending, STR("content"), false), 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, 3), 0);
    assert_int_equal(pause_sending(shelf, &sending), 3);
    assert_int_equal(begin(shelf, &other, STR("other"), false), 0);
    assert_int_equal(send_bytes(shelf, &other, 0, 2), 0);
    struct blob_forget forget = {.before_ms = 1000};
    assert_int_equal(run(shelf, &forget.op, BLOB_FORGET), 0);
    assert_int_equal(forget.ret_count, 0);
    forget.before_ms = INT64_MAX;
    assert_int_equal(run(shelf, &forget.op, BLOB_FORGET), 0);
    assert_int_equal(forget.ret_count, 1); // not the one that is under way
    assert_int_equal(offset_of(shelf, STR("content"), ACCOUNT), 0);
    assert_int_equal(send_bytes(shelf, &other, 2, 3), 0);
    assert_int_equal(finish(shelf, &other, (char[BLOB_KEY_MAX + 1]){0}), 0);
}

static void all_content_is_listed_once_in_order(void **state)
{
    struct shelf *shelf = *state;
    enum { COUNT = 25 };
    char key[BLOB_KEY_MAX + 1], last[BLOB_KEY_MAX + 1] = "";
    struct blob_list nothing = {0};
    assert_int_equal(run(shelf, &nothing.op, BLOB_LIST), 0);
    assert_int_equal(nothing.ret_count, 0);
    for (uint32_t i = 0; i < COUNT; i++)
        put(shelf, str_n((const char *)&i, sizeof(i)), key);
    struct blob_list list = {.limit = 7};
    size_t count = 0;
    do {
        assert_int_equal(run(shelf, &list.op, BLOB_LIST), 0);
        assert_true(list.ret_count <= 7);
        for (size_t i = 0; i < list.ret_count; i++) {
            assert_true(strcmp(last, list.ret_entries[i].key) < 0);
            assert_true(list.ret_entries[i].changed_ms > 1600000000000);
            snprintf(last, sizeof(last), "%s", list.ret_entries[i].key);
        }
        count += list.ret_count;
        snprintf(list.after, sizeof(list.after), "%s", last);
    } while (list.ret_count > 0);
    assert_int_equal(count, COUNT);
}

static void after_the_stop_everything_is_refused(void **state)
{
    struct shelf *shelf = *state;
    struct sending sending, never;
    assert_int_equal(begin(shelf, &sending, STR("content"), false), 0);
    assert_int_equal(send_bytes(shelf, &sending, 0, 3), 0);
    blob_stop(shelf->store);
    struct blob_pause pause = {.upload = sending.begin.ret_upload};
    assert_int_equal(run(shelf, &pause.op, BLOB_PAUSE), ERR_SHUTTING_DOWN);
    assert_int_equal(begin(shelf, &never, STR("other"), false), ERR_SHUTTING_DOWN);
    blob_free(&shelf->store);
    shelf_open(shelf, 0);
    assert_int_equal(offset_of(shelf, STR("content"), ACCOUNT), 3);
}

#define ON_EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(a_content_that_was_put_is_read_by_ranges),
        ON_EACH(a_content_without_bytes_is_one_too),
        ON_EACH(what_is_not_there_is_not_found),
        ON_EACH(a_key_is_never_given_out_twice),
        ON_EACH(another_hash_is_refused_and_nothing_is_kept),
        ON_EACH(an_upload_goes_on_after_a_restart),
        ON_EACH(an_upload_that_does_not_go_on_begins_anew),
        ON_EACH(two_uploads_of_one_content_do_not_meet),
        ON_EACH(more_than_was_announced_is_refused_and_less_is_not_finished),
        ON_EACH(interrupted_uploads_of_an_account_have_a_limit),
        ON_EACH(without_room_an_upload_is_refused_and_nothing_is_lost),
        ON_EACH(what_was_interrupted_is_forgotten_by_its_age),
        ON_EACH(all_content_is_listed_once_in_order),
        ON_EACH(after_the_stop_everything_is_refused),
    };
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(adapters); i++) {
        under_test = &adapters[i];
        failed += cmocka_run_group_tests_name(under_test->name, tests, NULL, NULL);
    }
    return failed;
}
