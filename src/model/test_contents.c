#include "model/contents.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/id.h"
#include "util/testing.h"

#define HASH  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OTHER "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void contents_come_one_after_the_other(void **state)
{
    struct str rest = STR(HASH " 0\n" OTHER " 3\na\nb" HASH " 003\n\n\n\n");
    struct contents_item item;
    const char *problem = NULL;
    char hex[2 * CONTENT_HASH_BYTES + 1];
    (void)state;
    assert_int_equal(contents_next(&rest, &item, &problem), 1);
    hex_encode(item.hash, sizeof(item.hash), hex);
    assert_string_equal(hex, HASH);
    assert_int_equal(item.bytes.len, 0);
    assert_int_equal(contents_next(&rest, &item, &problem), 1);
    hex_encode(item.hash, sizeof(item.hash), hex);
    assert_string_equal(hex, OTHER);
    assert_str(item.bytes, "a\nb");
    assert_int_equal(contents_next(&rest, &item, &problem), 1);
    assert_str(item.bytes, "\n\n\n");
    assert_int_equal(contents_next(&rest, &item, &problem), 0);
    assert_int_equal(contents_next(&rest, &item, &problem), 0);
    assert_null(problem);
}

static void what_is_malformed_is_refused_and_explained(void **state)
{
    static const char *const bodies[] = {
        "x",
        "\n",
        HASH,
        HASH "\n",
        HASH " \n",
        HASH " 3",
        HASH " -1\nabc",
        HASH " +3\nabc",
        HASH " 3 \nabc",
        HASH " 3\r\nabc",
        HASH " 0x3\nabc",
        HASH "  3\nabc",
        HASH " 18446744073709551616\nabc",
        HASH "0 3\nabc",
        "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 3\nabc",
        "g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 3\nabc",
        "3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 3\nabc",
        HASH " 4\nabc",
        HASH " 000000000000000000000000000000003\nabc",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct str rest = str_of(bodies[i]);
        struct contents_item item;
        const char *problem = NULL;
        assert_int_equal(contents_next(&rest, &item, &problem), ERR_MALFORMED);
        assert_non_null(problem);
    }
}

static void a_large_content_is_refused_before_its_bytes_are_looked_for(void **state)
{
    struct str rest = STR(HASH " 1048577\nabc"), most = STR(HASH " 1048576\nabc");
    struct contents_item item;
    const char *problem = NULL;
    (void)state;
    assert_int_equal(contents_next(&rest, &item, &problem), ERR_TOO_LARGE);
    assert_non_null(strstr(problem, "PUT"));
    assert_int_equal(contents_next(&most, &item, &problem), ERR_MALFORMED);
    CLEANUP(buf_release) struct buf body = {0};
    buf_append_text(&body, HASH " 1048576\n");
    buf_reserve(&body, CONTENTS_EACH_MAX);
    memset(body.data + body.len, '7', CONTENTS_EACH_MAX);
    body.len += CONTENTS_EACH_MAX;
    rest = buf_str(&body);
    assert_int_equal(contents_next(&rest, &item, &problem), 1);
    assert_int_equal(item.bytes.len, CONTENTS_EACH_MAX);
    assert_int_equal(contents_next(&rest, &item, &problem), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_come_one_after_the_other),
        cmocka_unit_test(what_is_malformed_is_refused_and_explained),
        cmocka_unit_test(a_large_content_is_refused_before_its_bytes_are_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
