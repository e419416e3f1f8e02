#include "server/front.h"
#include "util/testing.h"

static int take(struct config *config, struct front *ret, const char *said)
{
    CLEANUP(buf_release) struct buf error = {0};
    int err = front_take(config, ret, &error);
    assert_int_equal(strncmp(buf_cstr(&error), said, strlen(said)), 0);
    return err;
}

static void set(char **field, const char *value)
{
    free(*field);
    *field = xstrdup(value);
}

static void a_base_path_has_no_slash_at_its_end(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""}, {"/", ""}, {"///", ""}, {"/runnel", "/runnel"}, {"/a/b//", "/a/b"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(config_release) struct config config;
        CLEANUP(front_release) struct front front;
        config_init(&config);
        set(&config.base_path, cases[i][0]);
        assert_int_equal(take(&config, &front, ""), 0);
        assert_string_equal(front.base_path, cases[i][1]);
    }
}

static void what_can_be_no_path_of_a_url_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"runnel", "/a b", "/a//b", "/a?b", "/a#b", "/%41", "/\\a", "/\xc3\xa9", "/\t"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(config_release) struct config config;
        CLEANUP(front_release) struct front front;
        config_init(&config);
        set(&config.base_path, cases[i]);
        assert_int_equal(take(&config, &front, "base_path: "), ERR_INVALID);
    }
}

static void the_header_of_a_proxy_is_believed_of_named_ones_alone(void **state)
{
    (void)state;
    CLEANUP(config_release) struct config config;
    CLEANUP(front_release) struct front front;
    config_init(&config);
    config.proxy_protocol = true;
    assert_int_equal(take(&config, &front, "proxy_protocol: "), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_path_has_no_slash_at_its_end),
        cmocka_unit_test(what_can_be_no_path_of_a_url_is_refused),
        cmocka_unit_test(the_header_of_a_proxy_is_believed_of_named_ones_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
