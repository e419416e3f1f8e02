#include "model/metadata.h"

#include "util/error.h"
#include "util/testing.h"

// The cases of RFC 7396, appendix A, whose target and patch are objects, and some more.
static void a_patch_is_merged_into_what_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *current, *patch, *expected;
    } cases[] = {
        {"", "{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":7}", "{\"a\":{\"b\":{\"c\":true,\"d\":null}}}", "{\"a\":{\"b\":{\"c\":true}}}"},
        {"{\"a\":1}", "{}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *merged = NULL;
        assert_int_equal(metadata_merge(str_of(cases[i].current), str_of(cases[i].patch), 0, &merged), 0);
        assert_string_equal(merged, cases[i].expected);
    }
}

static void what_becomes_too_large_is_refused(void **state)
{
    (void)state;
    char *merged = NULL;
    assert_int_equal(metadata_merge(STR("{\"a\":\"12\"}"), STR("{\"b\":1}"), 15, &merged), ERR_TOO_LARGE);
    assert_null(merged);
    assert_int_equal(metadata_merge(STR("{\"a\":\"12\"}"), STR("{\"b\":1}"), 16, &merged), 0);
    assert_string_equal(merged, "{\"a\":\"12\",\"b\":1}");
    free(merged);
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    char *merged = NULL;
    assert_int_equal(metadata_merge(STR("{}"), STR("[1]"), 0, &merged), ERR_INVALID);
    assert_int_equal(metadata_merge(STR("{}"), STR("{"), 0, &merged), ERR_INVALID);
    assert_int_equal(metadata_merge(STR("7"), STR("{}"), 0, &merged), ERR_CORRUPT);
    assert_null(merged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_patch_is_merged_into_what_is_there),
        cmocka_unit_test(what_becomes_too_large_is_refused),
        cmocka_unit_test(what_is_no_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
