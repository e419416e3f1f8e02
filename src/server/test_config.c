#include "server/config.h"
#include "util/testing.h"

#include <unistd.h>

#define PATH_TEMPLATE "/tmp/runnel-test-config-XXXXXX"

static int load_text(struct config *config, const char *text, struct buf *error)
{
    char path[] = PATH_TEMPLATE;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int err = config_load_file(config, path, error);
    unlink(path);
    return err;
}

static void names_of_flags_and_environment_follow_from_the_setting(void **state)
{
    (void)state;
    const struct config_setting *setting = config_settings;
    while (setting->name && strcmp(setting->name, "failed_logins_max") != 0)
        setting++;
    assert_non_null(setting->name);
    assert_string_equal(setting->flag, "failed-logins-max");
    assert_string_equal(setting->env, "RUNNEL_FAILED_LOGINS_MAX");
    assert_string_equal(setting->default_text, "100");
}

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    CLEANUP(config_release) struct config config;
    config_init(&config);
    assert_int_equal(config.listen.count, 1);
    assert_string_equal(config.listen.items[0], "127.0.0.1:7117");
    assert_string_equal(config.data, "");
    assert_int_equal(config.readers, 2);
    assert_int_equal(config.cache_bytes, 268435456);
    assert_false(config.insecure);
    assert_int_equal(config.cors_origins.count, 0);
}

static void file_sets_every_kind(void **state)
{
    (void)state;
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0};
    config_init(&config);
    int err = load_text(&config,
                        "# a comment\n"
                        "listen = \"127.0.0.1:0\"\n"
                        "loops = 3\n"
                        "insecure = yes\n"
                        "cors_origins = {\"https://a.example\", https://b.example}\n",
                        &error);
    assert_string_equal(buf_cstr(&error), "");
    assert_int_equal(err, 0);
    assert_int_equal(config.listen.count, 1);
    assert_string_equal(config.listen.items[0], "127.0.0.1:0");
    assert_int_equal(config.loops, 3);
    assert_true(config.insecure);
    assert_int_equal(config.cors_origins.count, 2);
    assert_string_equal(config.cors_origins.items[1], "https://b.example");
}

static void empty_file_changes_nothing(void **state)
{
    (void)state;
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0};
    config_init(&config);
    assert_int_equal(load_text(&config, "", &error), 0);
    assert_int_equal(config.readers, 2);
}

static void wrong_files_are_refused_with_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"# x\nloops = many\n", ":2: loops must be a whole number from 0 to 256, not \"many\""},
        {"loops = 257\n", "loops must be a whole number from 0 to 256"},
        {"readers = 1\nworkers = 2\n", ":2: workers is called loops now"},
        {"insecure = perhaps\n", "insecure must be yes or no"},
        {"log_level = loud\n", "log_level must be debug, info, warning or error"},
        {"log_level = or\n", "log_level must be debug, info, warning or error"},
        {"log_form = xml\n", "log_form must be auto, text or json"},
        {"\nlisten_to = 5\n", ":2: no such option 'listen_to'"},
        {"listen = \"127.0.0.1:0\n", ":1: the quote or comment that begins here has no end"},
        {"loops = 1\nreaders = 1\nloops = 2\n", ":3: loops is set a second time; it has a value on line 1"},
        {"\ndata = \"/srv/${RUNNEL_TEST_NO}/x\"\n", ":2: the environment variable RUNNEL_TEST_NO is not set"},
        {"listen = {\"a:1\",\n\"b:${RUNNEL_TEST_NO}\"}\n", ":2: the environment variable RUNNEL_TEST_NO is not set"},
        {"= = {{", ":1: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(config_release) struct config config;
        CLEANUP(buf_release) struct buf error = {0};
        config_init(&config);
        assert_int_equal(load_text(&config, cases[i].text, &error), ERR_INVALID);
        if (!strstr(buf_cstr(&error), cases[i].said))
            fail_msg("\"%s\" was answered by \"%s\"", cases[i].text, buf_cstr(&error));
        assert_non_null(strstr(buf_cstr(&error), "/tmp/runnel-test-config-"));
    }
}

static void missing_file_and_folder_are_errors(void **state)
{
    (void)state;
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0};
    config_init(&config);
    assert_int_equal(config_load_file(&config, "/nonexistent/server.conf", &error), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), "/nonexistent/server.conf: No such file"));
    assert_int_equal(config_load_file(&config, "/tmp", &error), ERR_INVALID);
}

static void environment_beats_what_was_loaded_before(void **state)
{
    (void)state;
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0};
    config_init(&config);
    assert_int_equal(load_text(&config, "readers = 4\nmessage_max = 300\n", &error), 0);
    setenv("RUNNEL_READERS", "5", 1);
    setenv("RUNNEL_ALLOWED_HOSTS", "a.example, b.example,,", 1);
    assert_int_equal(config_load_environment(&config, &error), 0);
    assert_int_equal(config.readers, 5);
    assert_int_equal(config.message_max, 300);
    assert_int_equal(config.allowed_hosts.count, 2);
    assert_string_equal(config.allowed_hosts.items[1], "b.example");

    setenv("RUNNEL_READERS", "0", 1);
    assert_int_equal(config_load_environment(&config, &error), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), "RUNNEL_READERS: readers must be"));
    assert_int_equal(config.readers, 5);
    unsetenv("RUNNEL_READERS");
    unsetenv("RUNNEL_ALLOWED_HOSTS");
}

static void unknown_setting_is_refused(void **state)
{
    (void)state;
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0};
    config_init(&config);
    assert_int_equal(config_set(&config, "colour", "red", &error), ERR_INVALID);
    assert_string_equal(buf_cstr(&error), "there is no setting named colour");
}

static void list_replaces_the_former_one(void **state)
{
    (void)state;
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0};
    config_init(&config);
    assert_int_equal(config_set(&config, "allowed_hosts", "a,b,c", &error), 0);
    assert_int_equal(config_set(&config, "allowed_hosts", "d", &error), 0);
    assert_int_equal(config.allowed_hosts.count, 1);
    assert_string_equal(config.allowed_hosts.items[0], "d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_flags_and_environment_follow_from_the_setting),
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(file_sets_every_kind),
        cmocka_unit_test(empty_file_changes_nothing),
        cmocka_unit_test(wrong_files_are_refused_with_what_is_wrong),
        cmocka_unit_test(missing_file_and_folder_are_errors),
        cmocka_unit_test(environment_beats_what_was_loaded_before),
        cmocka_unit_test(unknown_setting_is_refused),
        cmocka_unit_test(list_replaces_the_former_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
