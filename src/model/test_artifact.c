#include "model/artifact.h"
#include "util/testing.h"

static void names_beneath_the_folder_are_good(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a.txt", "a/b/c", "..a", "a..", ".hidden", "ä/ü ß.csv", "a b", "-x", "…"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_null(artifact_name_problem(str_of(good[i])));
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "/",    "/a",    "a/",   "..",       ".",     "a/../b",   "a/..",
                                      "./a", "a//b", "a/./b", "a\nb", "\x1b[2Ja", "a\x7f", "\xc2\x9b", "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_non_null(artifact_name_problem(str_of(bad[i])));
    assert_non_null(artifact_name_problem(str_n("a\0b", 3)));
}

static void names_of_up_to_512_bytes_are_good(void **state)
{
    (void)state;
    char name[ARTIFACT_NAME_MAX + 2];
    memset(name, 'a', sizeof(name));
    assert_null(artifact_name_problem(str_n(name, ARTIFACT_NAME_MAX)));
    assert_non_null(artifact_name_problem(str_n(name, ARTIFACT_NAME_MAX + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_beneath_the_folder_are_good),
        cmocka_unit_test(names_that_lead_elsewhere_are_refused),
        cmocka_unit_test(names_of_up_to_512_bytes_are_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
