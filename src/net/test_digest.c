#include "net/digest.h"
#include "util/id.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void digests_match_their_standards(void **state)
{
    (void)state;
    uint8_t digest[32];
    char hex[65];
    sha256("abc", 3, digest); // FIPS 180-4
    hex_encode(digest, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256("", 0, digest);
    hex_encode(digest, 32, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    struct sha256_stream *stream = sha256_begin();
    sha256_add(stream, "a", 1);
    sha256_add(stream, "", 0);
    sha256_add(stream, "bc", 2);
    sha256_end(&stream, digest);
    assert_null(stream);
    hex_encode(digest, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_free(&stream);
    sha1("abc", 3, digest);
    hex_encode(digest, 20, hex);
    assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

static void base64_of_the_rfc(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xfb\xff", "+/8="}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        char text[16];
        uint8_t bytes[16];
        size_t len = sizeof(bytes);
        assert_int_equal(base64_encode(pairs[i][0], strlen(pairs[i][0]), text), strlen(pairs[i][1]));
        assert_string_equal(text, pairs[i][1]);
        assert_true(base64_decode(str_of(pairs[i][1]), bytes, &len));
        assert_int_equal(len, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], len);
    }
}

static void base64_decode_inverts_encode(void **state)
{
    (void)state;
    for (size_t size = 0; size < 100; size++) {
        uint8_t bytes[100], back[100];
        char text[140];
        random_bytes(bytes, size);
        size_t len = sizeof(back);
        base64_encode(bytes, size, text);
        assert_true(base64_decode(str_of(text), back, &len));
        assert_int_equal(len, size);
        assert_memory_equal(back, bytes, size);
    }
}

static void malformed_base64_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "Z", "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zh==", "Zm9=", "Z-8=", "=g=="};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        uint8_t bytes[16];
        size_t len = sizeof(bytes);
        if (base64_decode(str_of(wrong[i]), bytes, &len))
            fail_msg("%s", wrong[i]);
    }
    uint8_t small[2];
    size_t len = sizeof(small);
    assert_false(base64_decode(STR("Zm9v"), small, &len));
}

static void base64url_has_one_text_for_each_value_and_no_padding(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"", ""}, {"Zg", "f"}, {"Zm8", "fo"}, {"Zm9v", "foo"}, {"-_-_", "\xfb\xff\xbf"}};
    static const char *const wrong[] = {"Z", "Zg==", "Zh", "Zm9", "+/+/", "Zm 9v", "Zm9v\n", "Zm9v="};
    uint8_t bytes[8];
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        size_t len = sizeof(bytes);
        assert_true(base64url_decode(str_of(good[i][0]), bytes, &len));
        assert_int_equal(len, strlen(good[i][1]));
        assert_memory_equal(bytes, good[i][1], len);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        size_t len = sizeof(bytes);
        if (base64url_decode(str_of(wrong[i]), bytes, &len))
            fail_msg("\"%s\" was taken", wrong[i]);
    }
    size_t small = 2;
    assert_false(base64url_decode(STR("Zm9v"), bytes, &small));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_their_standards),
        cmocka_unit_test(base64_of_the_rfc),
        cmocka_unit_test(base64_decode_inverts_encode),
        cmocka_unit_test(base64url_has_one_text_for_each_value_and_no_padding),
        cmocka_unit_test(malformed_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
