#include "model/foreign_json.h"
#include "util/testing.h"

static void assert_text(const char *json, struct str expected)
{
    json_error_t error;
    json_t *value = foreign_json_load(str_of(json), JSON_DECODE_ANY, &error);
    assert_non_null(value);
    assert_int_equal(json_string_length(value), expected.len);
    assert_memory_equal(json_string_value(value), expected.data, expected.len);
    json_decref(value);
}

static void halves_of_pairs_become_the_replacement_character(void **state)
{
    (void)state;
    assert_text("\"\\ud83d\"", STR("\xef\xbf\xbd"));
    assert_text("\"cut \\uD83D here \\uDE00\"", STR("cut \xef\xbf\xbd here \xef\xbf\xbd"));
    assert_text("\"\\ud83d\\ud83d\\ude00\\ude00\"", STR("\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd"));
}

static void all_else_stays(void **state)
{
    (void)state;
    assert_text("\"\\ud83d\\ude00\"", STR("\xf0\x9f\x98\x80"));
    assert_text("\"\\\\ud83d\"", STR("\\ud83d"));
    assert_text("\"\\u0000\\ud7ff\\ue000\"", STR("\0\xed\x9f\xbf\xee\x80\x80"));
}

static void what_is_no_json_is_told(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",        "\"\\ud83",   "\"\\", "\"\\ud83d", "\"\\ud83d\\u\"",
                                        "\\ud83d", "\"\\uzzzz\""};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        json_error_t error = {0};
        assert_null(foreign_json_load(str_of(wrong[i]), JSON_DECODE_ANY, &error));
        assert_true(error.text[0] != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_of_pairs_become_the_replacement_character),
        cmocka_unit_test(all_else_stays),
        cmocka_unit_test(what_is_no_json_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
