#include "model/role.h"
#include "util/testing.h"

static void each_role_is_found_by_its_word(void **state)
{
    (void)state;
    for (enum role role = ROLE_VIEWER; role < ROLE_COUNT; role++) {
        enum role parsed = ROLE_NONE;
        assert_true(role_parse(str_of(role_name(role)), &parsed));
        assert_int_equal(parsed, role);
    }
    assert_string_equal(role_name(ROLE_OPERATOR), "operator");
    assert_string_equal(role_name(ROLE_NONE), "none");
    assert_string_equal(role_name(ROLE_COUNT), "none");
}

static void what_is_no_role_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"none", "Admin", "", "admins"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        enum role untouched = ROLE_ADMIN;
        assert_false(role_parse(str_of(words[i]), &untouched));
        assert_int_equal(untouched, ROLE_ADMIN);
    }
}

static void people_read_the_words_in_order(void **state)
{
    (void)state;
    assert_string_equal(ROLES_SAID, "viewer, user, service, admin or operator");
    assert_string_equal(ROLES_LISTED, "viewer user service admin operator");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_is_found_by_its_word),
        cmocka_unit_test(what_is_no_role_is_refused),
        cmocka_unit_test(people_read_the_words_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
