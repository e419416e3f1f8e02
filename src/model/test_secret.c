// Which values may be kept, and in which forms they are masked; records that were made elsewhere.
#include "model/record_mask.h"
#include "model/secret.h"
#include "model/testing.h"

static const char pem[] = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\nkq+/x9\nab\n-----END KEY-----\n";
static const char json[] = "{\"type\": \"account\", \"id\": 7, \"deep\": [{\"pass\": \"a\\\"b/\\u00e9\\n!\"}]}";

static void assert_masked(const char *value, const char *text, const char *expected)
{
    CLEANUP(mask_free) struct mask *mask = mask_new();
    CLEANUP(buf_release) struct buf out = {0};
    secret_add_forms(mask, str_of(value));
    mask_seal(mask);
    mask_text(mask, str_of(text), &out);
    if (!str_eq(buf_str(&out), str_of(expected)))
        fail_msg("\"%s\" became \"%.*s\", not \"%s\"", text, STR_ARGS(buf_str(&out)), expected);
}

static void names_are_those_of_variables(void **state)
{
    (void)state;
    char longest[SECRET_NAME_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    static const char *const good[] = {"A", "_", "a1", "DB_PASSWORD"};
    static const char *const bad[] = {"", "1A", "A-B", "A.B", "A B", "Ä", "A="};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(secret_name_valid(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(secret_name_valid(str_of(bad[i])));
    assert_true(secret_name_valid(str_n(longest, SECRET_NAME_MAX)));
    assert_false(secret_name_valid(str_n(longest, SECRET_NAME_MAX + 1)));
}

static void a_use_may_rename_the_variable(void **state)
{
    (void)state;
    struct str name, variable;
    static const char *const bad[] = {"", "=", "A=", "=A", "A=B=C", "A B", "A=1", "@", "@runs", "A=@run", "@run="};
    assert_true(secret_use_parse(STR("A"), &name, &variable));
    assert_str(name, "A");
    assert_str(variable, "A");
    assert_true(secret_use_parse(STR("A=B"), &name, &variable));
    assert_str(name, "A");
    assert_str(variable, "B");
    assert_true(secret_use_parse(STR("@run"), &name, &variable));
    assert_true(secret_is_run_token(name));
    assert_str(variable, "RUNNEL_TOKEN");
    assert_true(secret_use_parse(STR("@run=B"), &name, &variable));
    assert_true(secret_is_run_token(name));
    assert_str(variable, "B");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(secret_use_parse(str_of(bad[i]), &name, &variable));
}

static void a_value_must_have_something_that_can_be_masked(void **state)
{
    (void)state;
    static const char *const good[] = {"abcd", " abcd\n", "a\nb\nabcd\n", pem, json, "[\"a\", \"abcd\"]", "[1, 2, 3]"};
    static const char *const bad[] = {"", "abc", "  abc \n", "\n\n\n\n", "ab\ncd\nef", "{\"pin\":\"123\",\"b\":\"c\"}"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_null(secret_value_problem(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_non_null(secret_value_problem(str_of(bad[i])));
    CLEANUP(free_ptr) char *large = xmalloc(SECRET_VALUE_MAX + 1);
    memset(large, 'x', SECRET_VALUE_MAX + 1);
    assert_null(secret_value_problem(str_n(large, SECRET_VALUE_MAX)));
    assert_string_equal(secret_value_problem(str_n(large, SECRET_VALUE_MAX + 1)), "is larger than 64 KiB");
    large[7] = 0;
    assert_non_null(strstr(secret_value_problem(str_n(large, 10)), "zero byte"));
}

static void a_value_is_masked_without_the_white_space_around_it(void **state)
{
    (void)state;
    assert_masked(" hunter2\n", "PW=hunter2;", "PW=***;");
    assert_masked("abc", "abc", "abc");
}

static void each_line_is_masked_and_the_whole_at_once(void **state)
{
    (void)state;
    assert_masked(pem, pem, "***\n");
    assert_masked(pem, "> kq+/x9\n> MC4CAQAwBQYDK2VwBCIEIJ\n> ab\n", "> ***\n> ***\n> ab\n");
    assert_masked(pem, "-----BEGIN KEY-----\r\nMC4CAQAwBQYDK2VwBCIEIJ\r\nkkk", "***\r\n***\r\nkkk");
}

static void strings_in_json_are_masked_as_they_are_and_as_json_writes_them(void **state)
{
    (void)state;
    assert_masked(json, json, "***");
    assert_masked(json, "type account, 7", "type ***, 7");
    assert_masked(json, "a\"b/é\n!", "***");
    assert_masked(json, "a\\\"b/é\\n!", "***");
    assert_masked(json, "a\\\"b/\\u00e9\\n!", "***");
    assert_masked(json, "a\\\"b\\/\\u00E9\\n!", "***");
    assert_masked("two\nlines", "{\"x\":\"two\\nlines\"}", "{\"x\":\"***\"}");
    assert_masked("say \"hi\"", "\"say \\\"hi\\\"\"", "\"***\"");
}

static void base64_is_masked_in_both_alphabets_and_at_each_place(void **state)
{
    (void)state;
    assert_masked("hunter2", "aHVudGVyMg==", "***"); // alone, padded
    assert_masked("hunter2", "aHVudGVyMg.", "***.");
    assert_masked("hunter2", "dXNlcjpodW50ZXIy", "dXNlcjp***"); // user:hunter2
    assert_masked("hunter2", "dTpodW50ZXIyLi4=", "dTp***Li4="); // u:hunter2..
    assert_masked("hunter2", "dXM6aHVudGVyMiE=", "dXM6***iE="); // us:hunter2!
    assert_masked("\?\?\?\?>>>>", "Pz8/Pz4+Pj4=", "***");
    assert_masked("\?\?\?\?>>>>", "Pz8_Pz4-Pj4=", "***");
    assert_masked("\?\?\?\?>>>>", "Pz8_Pz4-Pj4", "***");
}

static void base64_that_a_program_breaks_into_lines_is_masked(void **state)
{
    (void)state;
    assert_masked("0123456789012345678901234567890123456789012345678901234567890123456789",
                  "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\n"
                  "Nzg5MDEyMzQ1Njc4OQ==\n",
                  "***\n***Q==\n");
    assert_masked("0123456789012345678901234567890123456789012345678901234567890123456789",
                  "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3\n", "***\n");
}

// --- Records

static void assert_extra(const char *value, const char *extra, const char *expected)
{
    CLEANUP(mask_free) struct mask *mask = mask_new();
    CLEANUP(record_masked_release) struct record_masked scratch = {0};
    const struct record record = {.message = STR("says hunter2"), .extra = str_of(extra)};
    struct record masked;
    secret_add_forms(mask, str_of(value));
    mask_seal(mask);
    record_mask(mask, &record, &scratch, &masked);
    assert_str(masked.extra, expected);
}

static void a_record_is_masked_in_its_message_and_in_all_strings_of_its_fields(void **state)
{
    (void)state;
    CLEANUP(mask_free) struct mask *mask = mask_new();
    CLEANUP(record_masked_release) struct record_masked scratch = {0};
    const struct record record = {.message = STR("says hunter2")};
    struct record masked;
    secret_add_forms(mask, STR("hunter2"));
    mask_seal(mask);
    record_mask(mask, &record, &scratch, &masked);
    assert_str(masked.message, "says ***");
    assert_extra("hunter2", "", "");
    assert_extra("hunter2", "\"node_id\":\"n1\",\"data\":{\"a\":[1.50,null]}",
                 "\"node_id\":\"n1\",\"data\":{\"a\":[1.50,null]}");
    assert_extra("hunter2", "\"node_id\":\"a hunter2\"", "\"node_id\":\"a ***\"");
    assert_extra("hunter2", "\"data\":{\"a\":[1,{\"hunter2\":\"\\u0068unter2!\"}],\"b\":true}",
                 "\"data\":{\"a\":[1,{\"***\":\"***!\"}],\"b\":true}");
    assert_extra("hunter2", "\"event_type\":\"has_hunter2\"", "\"event_type\":\"masked\"");
    assert_extra("12345678", "\"step_number\":12345678,\"data\":12345678", "\"step_number\":12345678,\"data\":\"***\"");
    assert_extra("12345678", "\"data\":[123456789012345678901234567890]", "\"data\":\"***\"");
    assert_extra("business", "\"category\":\"business\",\"node_name\":\"business\"",
                 "\"category\":\"business\",\"node_name\":\"***\"");
    assert_extra("hunter2", "\"data\":[\"hunter2\",0.1,2.5]", "\"data\":[\"***\",0.1,2.5]");
    assert_extra("hunter2", "\"data\":[\"hunter2\",1e2,1e2,1e2]", "\"data\":\"***\""); // it would be longer than it was
    // A text that spans the marks of JSON does not break it.
    assert_extra("{\"a\":\"bcdefg\"}", "\"data\":{\"a\":\"bcdefg\"}", "\"data\":{\"a\":\"***\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_variables),
        cmocka_unit_test(a_use_may_rename_the_variable),
        cmocka_unit_test(a_value_must_have_something_that_can_be_masked),
        cmocka_unit_test(a_value_is_masked_without_the_white_space_around_it),
        cmocka_unit_test(each_line_is_masked_and_the_whole_at_once),
        cmocka_unit_test(strings_in_json_are_masked_as_they_are_and_as_json_writes_them),
        cmocka_unit_test(base64_is_masked_in_both_alphabets_and_at_each_place),
        cmocka_unit_test(base64_that_a_program_breaks_into_lines_is_masked),
        cmocka_unit_test(a_record_is_masked_in_its_message_and_in_all_strings_of_its_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
