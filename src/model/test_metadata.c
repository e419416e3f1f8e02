#include "model/metadata.h"
#include "util/buf.h"
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

static void label_append(void *arg, struct str name, struct str value)
{
    buf_printf(arg, "%.*s=%.*s;", STR_ARGS(name), STR_ARGS(value));
}

static void scalars_at_the_top_are_labels(void **state)
{
    (void)state;
    static const struct {
        const char *metadata, *labels;
    } cases[] = {
        {"{}", ""},
        {"{\"a\":\"x\",\"b\":\"\",\"c\":true,\"d\":false}", "a=x;b=;c=true;d=false;"},
        {"{\"n\":null,\"o\":{\"in\":1},\"l\":[1],\"last\":\"\\u00e4\"}", "last=\u00e4;"},
        {"{\"a\":0,\"b\":-7,\"c\":9223372036854775807}", "a=0;b=-7;c=9223372036854775807;"},
        {"{\"a\":1.5,\"b\":2.0,\"c\":1e100,\"d\":1e15,\"e\":0.1,\"f\":1e14,\"g\":0.00001}",
         "a=1.5;b=2.0;c=1.0e+100;d=1.0e+15;e=0.1;f=100000000000000.0;g=1.0e-05;"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf labels = {0};
        assert_int_equal(metadata_labels(str_of(cases[i].metadata), label_append, &labels), 0);
        assert_string_equal(buf_cstr(&labels), cases[i].labels);
    }
    assert_int_equal(metadata_labels(STR("[1]"), label_append, NULL), ERR_INVALID);
    assert_int_equal(metadata_labels(STR(""), label_append, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_patch_is_merged_into_what_is_there),
        cmocka_unit_test(what_becomes_too_large_is_refused),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(scalars_at_the_top_are_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
