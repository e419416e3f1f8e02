// What every adapter of the port promises; each one runs all of it.
#include "blob/dir/dir.h"
#include "blob/s3/s3_fixture.h"
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
    bool in_files;      // in that folder, with limited room
    bool uploads_alone; // it differs from the one before in these
};

static struct logger quiet = {.fd = -1, .min_level = LOG_ERROR};
static struct s3_fixture *s3;

static int open_dir(const char *folder, uint64_t size_max, struct blob_store **ret)
{
    return blob_dir_open(&(struct blob_dir_options){.folder = folder, .logger = &quiet, .size_max = size_max}, ret);
}

static int open_s3(const char *folder, uint64_t size_max, struct blob_store **ret)
{
    (void)size_max;
    return s3_fixture_open(s3, strrchr(folder, '/') + 1, 0, ret);
}

// As small parts as S3 itself does not take: contents of the tests are multipart uploads then.
static int open_s3_in_parts(const char *folder, uint64_t size_max, struct blob_store **ret)
{
    (void)size_max;
    return s3_fixture_open(s3, strrchr(folder, '/') + 1, 200000, ret);
}

static const struct adapter adapters[] = {
    {"dir", open_dir, .in_files = true},
    {"s3", open_s3, .in_files = false},
    {"s3, in parts", open_s3_in_parts, .uploads_alone = true},
};
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
    if (op->ret_reason[0])
        print_message("%s\n", op->ret_reason);
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
    static const char *const keys[] = {
        "",
        "7/ab/nothing",
        "../parts",
        "/etc/passwd",
        "7/../../x",
        "7/.hidden",
        "a\nb",
        "7/pk/id.0000.00000028.00000007",
        "../pk/x.0.0.1",
        "7/pk/../x.0.0.1",
        "7/pk/id.0.0.99999999999999999999",
        "7/pk/id.",
    };
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

// How many there are, listed in slices; each once and in order.
static size_t count_listed(struct shelf *shelf, unsigned limit)
{
    struct blob_list list = {.limit = limit};
    size_t count = 0;
    do {
        assert_int_equal(run(shelf, &list.op, BLOB_LIST), 0);
        assert_true(list.ret_count <= limit);
        for (size_t i = 0; i < list.ret_count; i++) {
            assert_true(strcmp(list.after, list.ret_entries[i].key) < 0);
            assert_true(list.ret_entries[i].changed_ms > 1600000000000);
            snprintf(list.after, sizeof(list.after), "%s", list.ret_entries[i].key);
        }
        count += list.ret_count;
    } while (list.ret_count > 0);
    return count;
}

static void all_content_is_listed_once_in_order(void **state)
{
    struct shelf *shelf = *state;
    char key[BLOB_KEY_MAX + 1];
    assert_int_equal(count_listed(shelf, 7), 0);
    for (uint32_t i = 0; i < 25; i++)
        put(shelf, str_n((const char *)&i, sizeof(i)), key);
    assert_int_equal(count_listed(shelf, 7), 25);
}

// --- Contents that come together

#define MANY 40

struct many {
    struct blob_keep keep;
    struct blob_content contents[MANY];
    uint64_t numbers[MANY]; // their bytes; content i has i % 9 of them
};

static void many_of(struct many *many, size_t count, uint64_t seed)
{
    *many = (struct many){.keep.contents = many->contents, .keep.count = count};
    for (size_t i = 0; i < count; i++) {
        many->numbers[i] = seed + i * 0x0101010101;
        many->contents[i].bytes = str_n((const char *)&many->numbers[i], i % 9);
        sha256(many->contents[i].bytes.data, i % 9, many->contents[i].hash);
    }
}

static void contents_that_came_together_are_read_and_removed_one_by_one(void **state)
{
    struct shelf *shelf = *state;
    CLEANUP(buf_release) struct buf got = {0};
    struct many many;
    many_of(&many, MANY, 1);
    many.contents[7].known = true;
    assert_int_equal(run(shelf, &many.keep.op, BLOB_KEEP), 0);
    assert_string_equal(many.contents[7].ret_key, "");
    blob_free(&shelf->store);
    shelf_open(shelf, 0);
    for (size_t i = 0; i < MANY; i++) {
        if (i == 7)
            continue;
        assert_content(shelf, many.contents[i].ret_key, many.contents[i].bytes);
        assert_int_equal(get(shelf, many.contents[i].ret_key, 6, 10, &got), 0); // never the next one's
        assert_int_equal(got.len, i % 9 > 6 ? i % 9 - 6 : 0);
    }
    for (size_t i = 0; i < MANY; i++) {
        struct blob_remove gone = {.key = str_of(many.contents[i].ret_key)};
        assert_int_equal(run(shelf, &gone.op, BLOB_REMOVE), 0);
        assert_int_equal(get(shelf, many.contents[i].ret_key, 0, 10, &got), ERR_NOT_FOUND);
        assert_int_equal(run(shelf, &gone.op, BLOB_REMOVE), 0); // nothing happens
        if (i + 1 < MANY && i + 1 != 7)
            assert_content(shelf, many.contents[i + 1].ret_key, many.contents[i + 1].bytes);
    }
    struct blob_list nothing = {0};
    assert_int_equal(run(shelf, &nothing.op, BLOB_LIST), 0);
    assert_int_equal(nothing.ret_count, 0);
}

static void one_wrong_hash_and_none_of_them_is_kept(void **state)
{
    struct shelf *shelf = *state;
    struct blob_list list = {0};
    struct many many;
    many_of(&many, MANY, 1);
    many.contents[23].hash[31] ^= 1;
    assert_int_equal(run(shelf, &many.keep.op, BLOB_KEEP), ERR_DIGEST);
    assert_int_equal(many.keep.ret_wrong, 23);
    many.contents[23].known = true; // it is looked at all the same
    assert_int_equal(run(shelf, &many.keep.op, BLOB_KEEP), ERR_DIGEST);
    for (size_t i = 0; i < MANY; i++)
        assert_string_equal(many.contents[i].ret_key, "");
    assert_int_equal(run(shelf, &list.op, BLOB_LIST), 0);
    assert_int_equal(list.ret_count, 0);
}

static void without_room_none_of_many_is_kept(void **state)
{
    struct shelf *shelf = *state;
    struct blob_list list = {0};
    struct many many;
    blob_free(&shelf->store);
    shelf_open(shelf, 50);
    many_of(&many, MANY, 1);
    assert_int_equal(run(shelf, &many.keep.op, BLOB_KEEP), ERR_STORE_FULL);
    assert_int_equal(run(shelf, &list.op, BLOB_LIST), 0);
    assert_int_equal(list.ret_count, 0);
    many.keep.count = 0;
    assert_int_equal(run(shelf, &many.keep.op, BLOB_KEEP), 0);
}

static void contents_of_all_kinds_are_listed_once_in_order(void **state)
{
    struct shelf *shelf = *state;
    char key[BLOB_KEY_MAX + 1];
    for (uint32_t i = 0; i < 5; i++) {
        struct many many;
        many_of(&many, 11, i * 1000);
        many.keep.op.account = ACCOUNT + i % 2;
        assert_int_equal(run(shelf, &many.keep.op, BLOB_KEEP), 0);
        put(shelf, str_n((const char *)&i, sizeof(i)), key);
        struct blob_remove gone = {.key = str_of(many.contents[3].ret_key)};
        assert_int_equal(run(shelf, &gone.op, BLOB_REMOVE), 0);
    }
    for (unsigned limit = 1; limit < 14; limit += 4)
        assert_int_equal(count_listed(shelf, limit), 5 * 10 + 5);
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

// --- The folder

static void write_file(const char *folder, const char *name, const void *data, size_t len)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/content/%s", folder, name);
    assert_int_equal(file_write_atomic(path, data, len, 0600), 0);
}

// A power loss may leave any part of a pack that was being written. The sweep finds it under a name of its own.
static void a_torn_pack_is_listed_and_removed_as_one(void **state)
{
    struct shelf *shelf = *state;
    CLEANUP(buf_release) struct buf pack = {0};
    CLEANUP(free_ptr) char *path = xasprintf("%s/content", shelf->folder);
    struct many many;
    many_of(&many, 3, 1);
    assert_int_equal(run(shelf, &many.keep.op, BLOB_KEEP), 0);
    const char *key = many.contents[0].ret_key;
    CLEANUP(free_ptr) char *whole = xasprintf("%s/%.*s", path, (int)strcspn(key, "."), key);
    assert_int_equal(file_read_all(whole, 1000, &pack), 0);
    assert_int_equal(unlink(whole), 0);
    char zeros[100] = {0};
    write_file(shelf->folder, "7/pk/a", "", 0);
    write_file(shelf->folder, "7/pk/b", zeros, sizeof(zeros));
    write_file(shelf->folder, "7/pk/c", pack.data, 20); // cut within its index
    memset(pack.data + 16, 0, pack.len - 16);
    write_file(shelf->folder, "7/pk/d", pack.data, pack.len); // its index never came
    memset(pack.data + 8, 0xff, 4);
    write_file(shelf->folder, "7/pk/e", pack.data, pack.len); // of a count that cannot be
    struct blob_list list = {.limit = 2};
    static const char *const torn[] = {"7/pk/a", "7/pk/b", "7/pk/c", "7/pk/d", "7/pk/e"};
    for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
        assert_int_equal(run(shelf, &list.op, BLOB_LIST), 0);
        assert_int_equal(list.ret_count, i + 1 < ARRAY_LEN(torn) ? 2 : 1);
        assert_string_equal(list.ret_entries[0].key, torn[i]);
        snprintf(list.after, sizeof(list.after), "%s", torn[i]);
        struct blob_remove gone = {.key = str_of(torn[i])};
        assert_int_equal(run(shelf, &gone.op, BLOB_REMOVE), 0);
    }
    list.after[0] = 0;
    assert_int_equal(run(shelf, &list.op, BLOB_LIST), 0);
    assert_int_equal(list.ret_count, 0);
}

static const char *missing;

static void a_server_that_is_not_here(void **state)
{
    (void)state;
    print_message("skipped: %s\n", missing);
    skip();
}

#define ON_EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(a_content_that_was_put_is_read_by_ranges),
        ON_EACH(a_key_is_never_given_out_twice),
        ON_EACH(another_hash_is_refused_and_nothing_is_kept),
        ON_EACH(an_upload_goes_on_after_a_restart),
        ON_EACH(an_upload_that_does_not_go_on_begins_anew),
        ON_EACH(two_uploads_of_one_content_do_not_meet),
        ON_EACH(more_than_was_announced_is_refused_and_less_is_not_finished),
        ON_EACH(what_was_interrupted_is_forgotten_by_its_age),
        ON_EACH(after_the_stop_everything_is_refused),
#define UPLOADS 9 // those until here
        ON_EACH(a_content_without_bytes_is_one_too),
        ON_EACH(what_is_not_there_is_not_found),
        ON_EACH(interrupted_uploads_of_an_account_have_a_limit),
        ON_EACH(all_content_is_listed_once_in_order),
        ON_EACH(contents_that_came_together_are_read_and_removed_one_by_one),
        ON_EACH(one_wrong_hash_and_none_of_them_is_kept),
        ON_EACH(contents_of_all_kinds_are_listed_once_in_order),
#define FILES 3 // those from here on: what only files can show
        ON_EACH(without_room_an_upload_is_refused_and_nothing_is_lost),
        ON_EACH(without_room_none_of_many_is_kept),
        ON_EACH(a_torn_pack_is_listed_and_removed_as_one),
    };
    static const struct CMUnitTest none[] = {cmocka_unit_test(a_server_that_is_not_here)};
    int failed = 0;
    s3 = s3_fixture_new(&missing);
    for (size_t i = 0; i < ARRAY_LEN(adapters); i++) {
        under_test = &adapters[i];
        bool here = s3 || under_test->in_files;
        size_t count = under_test->uploads_alone ? UPLOADS
                       : under_test->in_files    ? ARRAY_LEN(tests)
                                                 : ARRAY_LEN(tests) - FILES;
        failed +=
            _cmocka_run_group_tests(under_test->name, here ? tests : none, here ? count : ARRAY_LEN(none), NULL, NULL);
    }
    s3_fixture_free(&s3);
    return failed;
}
