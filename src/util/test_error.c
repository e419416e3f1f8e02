#include "util/error.h"
#include "util/testing.h"

#include <errno.h>

static void every_code_is_found_by_its_word_and_no_word_is_used_twice(void **state)
{
    (void)state;
    for (int err = ERR_FIRST_ + 1; err < ERR_END_; err++)
        assert_int_equal(error_from_word(error_word(err), strlen(error_word(err))), err);
}

static void every_code_has_an_error_status_and_a_failing_exit_code(void **state)
{
    (void)state;
    for (int err = ERR_FIRST_ + 1; err < ERR_END_; err++) {
        assert_in_range(error_http_status(err), 400, 599);
        assert_in_range(error_exit_code(err), 1, 255);
        assert_true(strlen(error_text(err)) > 0);
    }
    assert_int_equal(error_http_status(ERR_SEALED), 409);
    assert_int_equal(error_exit_code(ERR_UNREACHABLE), 5);
}

static void unknown_codes_and_words_are_internal(void **state)
{
    (void)state;
    static const int unknown[] = {-ENOENT, -1, ERR_FIRST_, ERR_END_, INT32_MIN, 0, 7};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_string_equal(error_word(unknown[i]), "internal");
    assert_string_equal(error_text(-ENOENT), "No such file or directory");
    assert_string_equal(error_text(INT32_MIN), "internal error");
    assert_int_equal(error_from_word("gaps", 4), ERR_INTERNAL);
    assert_int_equal(error_from_word("gaps", 3), ERR_GAP);
    assert_int_equal(error_from_word("", 0), ERR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_found_by_its_word_and_no_word_is_used_twice),
        cmocka_unit_test(every_code_has_an_error_status_and_a_failing_exit_code),
        cmocka_unit_test(unknown_codes_and_words_are_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
