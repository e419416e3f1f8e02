#include "client/url.h"
#include "util/testing.h"

static void a_host_is_without_user_port_and_brackets(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://127.0.0.1:7117", "127.0.0.1"},
        {"https://runnel.example/base?x", "runnel.example"},
        {"http://me:secret@[::1]:7117/", "::1"},
        {"http://localhost", "localhost"},
        {"http://127.0.0.1@evil.example", "evil.example"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str host = url_host(cases[i][0]);
        assert_int_equal(host.len, strlen(cases[i][1]));
        assert_memory_equal(host.data, cases[i][1], host.len);
    }
}

static void a_user_is_told_from_the_rest_and_not_shown(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"https://runnel.example/base", "", "https://runnel.example/base"},
        {"https://me:secret@runnel.example/base", "me:secret", "https://runnel.example/base"},
        {"https://me:p@ss@runnel.example", "me:p@ss", "https://runnel.example"},
        {"https://runnel.example/a@b", "", "https://runnel.example/a@b"},
        {"https://@runnel.example", "", "https://@runnel.example"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *shown = url_without_user(cases[i][0]);
        assert_str(url_user(cases[i][0]), cases[i][1]);
        assert_string_equal(shown, cases[i][2]);
    }
}

static void a_redirect_is_followed_to_https_of_the_same_host_alone(void **state)
{
    (void)state;
    static const struct {
        const char *url, *location, *instead; // NULL: not followed
    } cases[] = {
        {"http://runnel.example", "https://runnel.example/api/v1/x?a=1", "https://runnel.example"},
        {"http://runnel.example:80", "https://Runnel.Example:8443/api/v1/x?a=1", "https://Runnel.Example:8443"},
        {"http://runnel.example/base", "https://runnel.example/base/api/v1/x?a=1", "https://runnel.example/base"},
        {"http://runnel.example", "https://evil.example/api/v1/x?a=1", NULL},
        {"http://runnel.example", "https://runnel.example@evil.example/api/v1/x?a=1", NULL},
        {"http://runnel.example", "http://runnel.example:81/api/v1/x?a=1", NULL},
        {"http://runnel.example", "https://runnel.example/login", NULL},
        {"http://runnel.example", "https://runnel.example/api/v1/x", NULL},
        {"http://runnel.example", "/api/v1/x?a=1", NULL},
        {"https://runnel.example", "https://runnel.example:1/api/v1/x?a=1", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *instead = NULL;
        bool followed = url_redirected(cases[i].url, "/api/v1/x?a=1", cases[i].location, &instead);
        assert_int_equal(followed, cases[i].instead != NULL);
        if (followed)
            assert_string_equal(instead, cases[i].instead);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_without_user_port_and_brackets),
        cmocka_unit_test(a_user_is_told_from_the_rest_and_not_shown),
        cmocka_unit_test(a_redirect_is_followed_to_https_of_the_same_host_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
