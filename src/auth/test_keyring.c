// Sealing: bound to its place, opened by any of the keys, and files that are refused.
#include "auth/keyring.h"
#include "util/file.h"
#include "util/testing.h"

#include <sys/stat.h>
#include <unistd.h>

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static const struct keyring_place here = {7, STR("NAME")};

static int set_up(void **state)
{
    char dir[] = "/tmp/runnel-keyring.XXXXXX";
    assert_non_null(mkdtemp(dir));
    *state = xstrdup(dir);
    return 0;
}

static int tear_down(void **state)
{
    assert_int_equal(dir_remove_all(*state), 0);
    free(*state);
    return 0;
}

static int load(void **state, const char *text, unsigned mode, struct buf *ret_error, struct keyring **ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/key", (const char *)*state);
    assert_int_equal(file_write_atomic(path, text, strlen(text), mode), 0);
    assert_int_equal(chmod(path, mode), 0);
    return keyring_load(path, ret_error, ret);
}

static struct keyring *must_load(void **state, const char *text)
{
    CLEANUP(buf_release) struct buf error = {0};
    struct keyring *keyring = NULL;
    if (load(state, text, 0600, &error, &keyring) < 0)
        fail_msg("%s", buf_cstr(&error));
    return keyring;
}

static void a_value_comes_back_only_in_its_place(void **state)
{
    CLEANUP(keyring_free) struct keyring *keyring = must_load(state, KEY_A "\n");
    CLEANUP(buf_release) struct buf sealed = {0}, again = {0}, out = {0};
    keyring_seal(keyring, &here, STR("hunter2"), &sealed);
    keyring_seal(keyring, &here, STR("hunter2"), &again);
    assert_int_equal(sealed.len, 1 + 8 + 12 + 7 + 16);
    assert_false(str_eq(buf_str(&sealed), buf_str(&again))); // each has its own nonce
    assert_null(memmem(sealed.data, sealed.len, "hunter2", 7));
    assert_int_equal(keyring_open(keyring, &here, buf_str(&sealed), &out), 0);
    assert_str(buf_str(&out), "hunter2");
    const struct keyring_place others[] = {{8, STR("NAME")}, {7, STR("NAMED")}, {7, STR("N")}};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(keyring_open(keyring, &others[i], buf_str(&sealed), &out), ERR_CORRUPT);
    assert_str(buf_str(&out), "hunter2"); // what failed has added nothing
}

static void an_empty_and_a_large_value_are_sealed(void **state)
{
    CLEANUP(keyring_free) struct keyring *keyring = must_load(state, KEY_A "\n");
    CLEANUP(buf_release) struct buf value = {0};
    for (size_t len = 0; len <= 65536; len += 65536) {
        CLEANUP(buf_release) struct buf sealed = {0}, out = {0};
        buf_reset(&value);
        for (size_t i = 0; i < len; i++)
            buf_append_byte(&value, (char)i);
        keyring_seal(keyring, &here, buf_str(&value), &sealed);
        assert_int_equal(keyring_open(keyring, &here, buf_str(&sealed), &out), 0);
        assert_true(str_eq(buf_str(&out), buf_str(&value)));
    }
}

static void a_file_that_is_read_anew_seals_by_its_first_key(void **state)
{
    CLEANUP(keyring_free) struct keyring *keyring = must_load(state, KEY_A "\n");
    CLEANUP(buf_release) struct buf former = {0}, fresh = {0}, out = {0}, error = {0};
    CLEANUP(free_ptr) char *path = xasprintf("%s/key", (const char *)*state);
    keyring_seal(keyring, &here, STR("hunter2"), &former);
    assert_true(keyring_is_newest(keyring, buf_str(&former)));
    const char *const bad[] = {"", "no key\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(file_write_atomic(path, bad[i], strlen(bad[i]), 0600), 0);
        assert_int_equal(keyring_reload(keyring, path, &error), ERR_INVALID);
        assert_true(keyring_is_newest(keyring, buf_str(&former))); // what was there stays
    }
    assert_int_equal(file_write_atomic(path, KEY_B "\n" KEY_A "\n", 130, 0600), 0);
    assert_int_equal(keyring_reload(keyring, path, &error), 0);
    assert_false(keyring_is_newest(keyring, buf_str(&former)));
    assert_int_equal(keyring_open(keyring, &here, buf_str(&former), &out), 0);
    keyring_seal(keyring, &here, STR("hunter2"), &fresh);
    assert_true(keyring_is_newest(keyring, buf_str(&fresh)));
    assert_int_equal(file_write_atomic(path, KEY_B "\n", 65, 0600), 0);
    assert_int_equal(keyring_reload(keyring, path, &error), 0);
    assert_int_equal(keyring_open(keyring, &here, buf_str(&former), &out), ERR_NOT_FOUND);
    assert_int_equal(keyring_open(keyring, &here, buf_str(&fresh), &out), 0);
    assert_str(buf_str(&out), "hunter2hunter2");
    assert_false(keyring_is_newest(keyring, STR("short")));
}

static void any_change_of_what_was_sealed_is_found(void **state)
{
    CLEANUP(keyring_free) struct keyring *keyring = must_load(state, KEY_A "\n");
    CLEANUP(buf_release) struct buf sealed = {0}, out = {0};
    keyring_seal(keyring, &here, STR("hunter2"), &sealed);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 1;
        int err = keyring_open(keyring, &here, buf_str(&sealed), &out);
        assert_int_equal(err, i >= 1 && i < 9 ? ERR_NOT_FOUND : ERR_CORRUPT); // bytes 1 to 8 name the key
        sealed.data[i] ^= 1;
    }
    for (size_t len = 0; len < sealed.len; len++)
        assert_int_equal(keyring_open(keyring, &here, str_n(sealed.data, len), &out), ERR_CORRUPT);
    assert_int_equal(out.len, 0);
}

static void the_first_key_seals_and_all_open(void **state)
{
    CLEANUP(keyring_free) struct keyring *old = must_load(state, KEY_A "\n");
    CLEANUP(keyring_free)
    struct keyring *both = must_load(state, "# the new one\n" KEY_B " # since May\n\n" KEY_A "\n");
    CLEANUP(keyring_free) struct keyring *new = must_load(state, KEY_B);
    CLEANUP(buf_release) struct buf before = {0}, after = {0}, out = {0};
    keyring_seal(old, &here, STR("one"), &before);
    keyring_seal(both, &here, STR("two"), &after);
    assert_int_equal(keyring_open(both, &here, buf_str(&before), &out), 0);
    assert_int_equal(keyring_open(both, &here, buf_str(&after), &out), 0);
    assert_int_equal(keyring_open(new, &here, buf_str(&after), &out), 0);
    assert_str(buf_str(&out), "onetwotwo");
    assert_int_equal(keyring_open(new, &here, buf_str(&before), &out), ERR_NOT_FOUND);
    assert_int_equal(keyring_open(old, &here, buf_str(&after), &out), ERR_NOT_FOUND);
}

static void a_file_that_others_may_read_or_that_holds_something_else_is_refused(void **state)
{
    const struct {
        const char *text;
        unsigned mode;
        const char *says;
    } cases[] = {
        {KEY_A "\n", 0640, "others than its owner may read or write it"},
        {KEY_A "\n", 0604, "others than its owner may read or write it"},
        {KEY_A "\n", 0602, "others than its owner may read or write it"},
        {"", 0600, "holds no key"},
        {"# nothing\n", 0600, "holds no key"},
        {"hunter2\n", 0600, "64 hexadecimal digits"},
        {KEY_A "0\n", 0600, "64 hexadecimal digits"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf error = {0};
        struct keyring *keyring = NULL;
        assert_int_equal(load(state, cases[i].text, cases[i].mode, &error, &keyring), ERR_INVALID);
        assert_non_null(strstr(buf_cstr(&error), cases[i].says));
        assert_null(keyring);
    }
    CLEANUP(buf_release) struct buf many = {0};
    for (int i = 0; i <= KEYRING_KEYS_MAX; i++)
        buf_append_text(&many, KEY_A "\n");
    CLEANUP(buf_release) struct buf error = {0};
    struct keyring *keyring = NULL;
    assert_int_equal(load(state, buf_cstr(&many), 0600, &error, &keyring), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), "16 keys at most"));
}

static void a_file_that_is_not_there_or_no_file_is_refused(void **state)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/none", (const char *)*state);
    const char *const paths[] = {path, *state};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        CLEANUP(buf_release) struct buf error = {0};
        struct keyring *keyring = NULL;
        assert_int_equal(keyring_load(paths[i], &error, &keyring), ERR_INVALID);
        assert_non_null(strstr(buf_cstr(&error), i == 0 ? "No such file" : "is not a file"));
    }
}

static void a_made_file_is_private_and_each_has_another_key(void **state)
{
    CLEANUP(buf_release) struct buf error = {0}, sealed = {0}, out = {0};
    struct keyring *rings[2] = {0};
    for (int i = 0; i < 2; i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/made%d", (const char *)*state, i);
        struct stat info;
        assert_int_equal(keyring_make(path), 0);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        assert_int_equal(keyring_load(path, &error, &rings[i]), 0);
    }
    keyring_seal(rings[0], &here, STR("hunter2"), &sealed);
    assert_int_equal(keyring_open(rings[0], &here, buf_str(&sealed), &out), 0);
    assert_int_equal(keyring_open(rings[1], &here, buf_str(&sealed), &out), ERR_NOT_FOUND);
    keyring_free(&rings[0]);
    keyring_free(&rings[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_comes_back_only_in_its_place),
        TEST(an_empty_and_a_large_value_are_sealed),
        TEST(any_change_of_what_was_sealed_is_found),
        TEST(a_file_that_is_read_anew_seals_by_its_first_key),
        TEST(the_first_key_seals_and_all_open),
        TEST(a_file_that_others_may_read_or_that_holds_something_else_is_refused),
        TEST(a_file_that_is_not_there_or_no_file_is_refused),
        TEST(a_made_file_is_private_and_each_has_another_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
