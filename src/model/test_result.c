#include "model/result.h"
#include "util/testing.h"

struct output {
    const char *message;
    bool partial;
};

// The result of an output, or NULL; owned by the caller.
static char *result_of(const struct output *output, size_t count, const char **ret_reason)
{
    CLEANUP(result_reader_release) struct result_reader reader = {0};
    struct buf result = {0};
    for (size_t i = 0; i < count; i++)
        result_read(&reader, str_of(output[i].message), output[i].partial);
    if (result_take(&reader, &result, ret_reason))
        return buf_take(&result);
    assert_int_equal(result.len, 0);
    buf_release(&result);
    return NULL;
}

static void the_whole_output_is_the_result_or_else_its_last_line(void **state)
{
    (void)state;
    static const struct {
        struct output output[4];
        const char *result;
    } cases[] = {
        {{{"{\"n\": 1}", false}}, "{\"n\":1}"},
        {{{"{", false}, {"  \"n\": [1, 2]", false}, {"}", false}}, "{\"n\":[1,2]}"},
        {{{"working", false}, {"{\"n\": 1}", false}}, "{\"n\":1}"},
        {{{"{\"n\": 1}", false}, {"{\"n\": 2}", false}}, "{\"n\":2}"},
        {{{"working", false}, {" 7 ", false}, {"", false}, {" \t", false}}, "7"},
        {{{"{\"a b\": \"", true}, {" c \\\" d\"}", true}}, "{\"a b\":\" c \\\" d\"}"},
        {{{"working", false}, {"[tr", true}, {"ue]", false}}, "[true]"},
        {{{"0.1", false}}, "0.1"},
        {{{"[1234567890123456789, 1.50]", false}}, "[1234567890123456789,1.50]"},
        {{{"\"\xc3\xa9 \\u00e9\"", false}}, "\"\xc3\xa9 \\u00e9\""},
        {{{"{\"n\": 1}", false}, {"done", false}}, NULL},
        {{{"nothing", false}}, NULL},
        {{{"", false}}, NULL},
        {{{"\"\xff\"", false}}, NULL},
        {{{"{\"n\": 1", true}}, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *reason = NULL;
        size_t count = 0;
        while (count < ARRAY_LEN(cases[i].output) && cases[i].output[count].message)
            count++;
        CLEANUP(free_ptr) char *result = result_of(cases[i].output, count, &reason);
        if (cases[i].result)
            assert_string_equal(result, cases[i].result);
        else
            assert_null(result);
        if (!cases[i].result)
            assert_string_equal(reason, "neither its whole output nor its last line is JSON");
    }
}

static void no_output_is_no_result(void **state)
{
    (void)state;
    const char *reason = NULL;
    assert_null(result_of(NULL, 0, &reason));
    assert_non_null(reason);
}

// A text of `len` bytes that is one JSON string.
static char *string_of(size_t len)
{
    char *text = xmalloc(len + 1);
    memset(text, 'x', len);
    text[0] = text[len - 1] = '"';
    text[len] = 0;
    return text;
}

static void what_is_too_long_is_no_result_and_the_last_line_after_much_output_is_one(void **state)
{
    (void)state;
    const char *reason = NULL;
    CLEANUP(free_ptr) char *longest = string_of(RESULT_MAX), *longer = string_of(RESULT_MAX + 1);
    CLEANUP(free_ptr) char *kept = result_of((struct output[]){{longest, true}}, 1, &reason);
    assert_string_equal(kept, longest);
    assert_null(result_of((struct output[]){{longer, false}}, 1, &reason));
    assert_string_equal(reason, "its last line is longer than 64 KiB");
    CLEANUP(free_ptr) char *last = result_of((struct output[]){{longer, false}, {"{}", false}}, 2, &reason);
    assert_string_equal(last, "{}");
    assert_null(result_of((struct output[]){{"{}", false}, {longer, false}}, 2, &reason));
    assert_null(result_of((struct output[]){{longer, false}, {"}", false}}, 2, &reason));
    assert_string_equal(reason, "its output is longer than 64 KiB, and its last line is no JSON");
}

static void whole_numbers_that_many_programs_cannot_read_are_no_result(void **state)
{
    (void)state;
    const char *reason = NULL;
    assert_null(result_of((struct output[]){{"{\"n\": 123456789012345678901}", false}}, 1, &reason));
    assert_string_equal(reason,
                        "its output is JSON with a whole number of more than 64 bits, which many programs cannot read");
}

static void what_is_too_deep_is_no_result(void **state)
{
    (void)state;
    const char *reason = NULL;
    struct buf text = {0};
    for (int i = 0; i < RESULT_DEPTH_MAX; i++)
        buf_append_byte(&text, '[');
    for (int i = 0; i < RESULT_DEPTH_MAX; i++)
        buf_append_byte(&text, ']');
    CLEANUP(free_ptr) char *deepest = result_of((struct output[]){{buf_cstr(&text), false}}, 1, &reason);
    assert_string_equal(deepest, buf_cstr(&text));
    CLEANUP(free_ptr) char *deeper = xasprintf("[%s]", buf_cstr(&text));
    assert_null(result_of((struct output[]){{deeper, false}}, 1, &reason));
    assert_string_equal(reason, "its output is JSON of more than 32 levels");
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_output_is_the_result_or_else_its_last_line),
        cmocka_unit_test(no_output_is_no_result),
        cmocka_unit_test(what_is_too_long_is_no_result_and_the_last_line_after_much_output_is_one),
        cmocka_unit_test(whole_numbers_that_many_programs_cannot_read_are_no_result),
        cmocka_unit_test(what_is_too_deep_is_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
