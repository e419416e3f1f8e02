#include "cli/cli_private.h"
#include "client/url.h"
#include "util/file.h"
#include "util/testing.h"

#include <unistd.h>

struct place {
    struct arena arena;
    char folder[40], *config, *key;
};

static const char config_text[] = "current = \"home\"\n"
                                  "context \"home\" { url = \"http://127.0.0.1:7001\" token = \"home-token\" }\n"
                                  "context \"work\" {\n  url = \"https://logs.example\"\n  token = \"work-token\"\n  "
                                  "ca_file = \"/etc/work.pem\"\n}\n";

static int make_place(void **state)
{
    struct place *place = xcalloc(1, sizeof(*place));
    snprintf(place->folder, sizeof(place->folder), "/tmp/runnel-test-context-XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    place->config = xasprintf("%s/config", place->folder);
    place->key = xasprintf("%s/admin.key", place->folder);
    *state = place;
    return file_write_atomic(place->config, config_text, sizeof(config_text) - 1, 0600);
}

static int remove_place(void **state)
{
    struct place *place = *state;
    unlink(place->config);
    unlink(place->key);
    rmdir(place->folder);
    arena_release(&place->arena);
    free(place->config);
    free(place->key);
    free(place);
    return 0;
}

static void assert_resolved(struct place *place, struct context_inputs inputs, const char *url, const char *token)
{
    CLEANUP(buf_release) struct buf error = {0};
    struct client_options server;
    inputs.config_path = place->config;
    inputs.data_dir = place->folder;
    assert_int_equal(context_resolve(&inputs, &place->arena, &server, &error), 0);
    assert_string_equal(server.url, url);
    if (token)
        assert_string_equal(server.token, token);
    else
        assert_null(server.token);
}

static void flags_beat_environment_beats_file(void **state)
{
    struct place *place = *state;
    assert_resolved(place, (struct context_inputs){0}, "http://127.0.0.1:7001", "home-token");
    assert_resolved(place, (struct context_inputs){.context_env = "work"}, "https://logs.example", "work-token");
    assert_resolved(place, (struct context_inputs){.context_flag = "home", .context_env = "work"},
                    "http://127.0.0.1:7001", "home-token");
    assert_resolved(place, (struct context_inputs){.url_env = "http://a:1", .token_env = "t"}, "http://a:1", "t");
    assert_resolved(place, (struct context_inputs){.context_flag = "work", .url_env = "http://a:1", .token_env = "t"},
                    "https://logs.example", "work-token");
    assert_resolved(
        place,
        (struct context_inputs){.url_flag = "http://b:2", .url_env = "http://a:1", .token_flag = "f", .token_env = "t"},
        "http://b:2", "f");
}

static void token_of_a_context_goes_to_its_server_alone(void **state)
{
    struct place *place = *state;
    assert_resolved(place, (struct context_inputs){.url_flag = "https://elsewhere.example"},
                    "https://elsewhere.example", NULL);
    assert_resolved(place, (struct context_inputs){.url_env = "https://elsewhere.example"}, "https://elsewhere.example",
                    NULL);
}

static void key_of_the_data_folder_goes_to_loopback_alone(void **state)
{
    struct place *place = *state;
    assert_int_equal(file_write_atomic(place->key, "rnl_admin\n", 10, 0600), 0);
    assert_resolved(place, (struct context_inputs){.url_flag = "http://localhost:7117"}, "http://localhost:7117",
                    "rnl_admin");
    assert_resolved(place, (struct context_inputs){.url_flag = "http://10.0.0.1:7117"}, "http://10.0.0.1:7117", NULL);
    assert_resolved(place, (struct context_inputs){.url_flag = "http://localhost:7117", .token_env = "t"},
                    "http://localhost:7117", "t");
}

static void loopback_is_judged_by_the_host_alone(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool loopback;
    } cases[] = {
        {"http://127.0.0.1:7117", true},
        {"http://127.1.2.3", true},
        {"http://localhost", true},
        {"https://[::1]:1/x", true},
        {"http://127.0.0.1.example:1", false},
        {"http://127.example.com", false},
        {"http://localhost.example", false},
        {"http://127.0.0.1@evil.example", false},
        {"http://128.0.0.1", false},
        {"http://evil.example/@127.0.0.1", false},
        {"http://evil.example?x=@localhost", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (url_is_loopback(cases[i].url) != cases[i].loopback)
            fail_msg("%s was judged wrongly", cases[i].url);
}

static void missing_file_means_the_default(void **state)
{
    struct place *place = *state;
    unlink(place->config);
    assert_resolved(place, (struct context_inputs){0}, "http://127.0.0.1:7117", NULL);
}

static void assert_refused(struct place *place, struct context_inputs inputs, const char *said)
{
    CLEANUP(buf_release) struct buf error = {0};
    struct client_options server;
    inputs.config_path = place->config;
    assert_int_equal(context_resolve(&inputs, &place->arena, &server, &error), ERR_INVALID);
    if (!strstr(buf_cstr(&error), said))
        fail_msg("it said \"%s\"", buf_cstr(&error));
}

static void what_cannot_be_used_is_refused_with_the_reason(void **state)
{
    struct place *place = *state;
    assert_refused(place, (struct context_inputs){.context_flag = "play"}, "there is no context named \"play\"");
    assert_refused(place, (struct context_inputs){.url_flag = "127.0.0.1:7117"}, "must be http://HOST");
    assert_refused(place, (struct context_inputs){.url_flag = "http://"}, "must be http://HOST");
    assert_int_equal(file_write_atomic(place->config, "current = home\ncontext x { uri = 5 }\n", 36, 0600), 0);
    assert_refused(place, (struct context_inputs){0}, "config:2: no such option 'uri'");
}

static void a_variable_that_is_not_set_is_an_error_only_where_it_is_used(void **state)
{
    struct place *place = *state;
    static const char text[] = "current = \"home\"\n"
                               "context \"home\" { url = \"http://127.0.0.1:7001\" token = \"${TEST_HOME}\" }\n"
                               "context \"work\" { url = \"http://${TEST_WORK}:80\" token = ${TEST_WORK_TOKEN} }\n"
                               "context \"other\" { url = \"http://${TEST_WORK:-c}\" token = \"x${TEST_HOME}\" }\n";
    assert_int_equal(file_write_atomic(place->config, text, sizeof(text) - 1, 0600), 0);
    setenv("TEST_HOME", "t1", 1);
    assert_resolved(place, (struct context_inputs){0}, "http://127.0.0.1:7001", "t1");
    assert_resolved(place, (struct context_inputs){.context_flag = "other"}, "http://c", "xt1");
    assert_refused(place, (struct context_inputs){.context_flag = "work"},
                   "the environment variable TEST_WORK is not set; set it, or write ${TEST_WORK:-TEXT}");
    assert_resolved(place, (struct context_inputs){.context_env = "work", .url_env = "http://b"}, "http://b", NULL);
    setenv("TEST_WORK", "b", 1);
    assert_refused(place, (struct context_inputs){.context_flag = "work"}, "TEST_WORK_TOKEN is not set");
    assert_resolved(place, (struct context_inputs){.context_flag = "work", .token_flag = "t2"}, "http://b:80", "t2");
    unsetenv("TEST_HOME");
    unsetenv("TEST_WORK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flags_beat_environment_beats_file, make_place, remove_place),
        cmocka_unit_test_setup_teardown(token_of_a_context_goes_to_its_server_alone, make_place, remove_place),
        cmocka_unit_test_setup_teardown(key_of_the_data_folder_goes_to_loopback_alone, make_place, remove_place),
        cmocka_unit_test(loopback_is_judged_by_the_host_alone),
        cmocka_unit_test_setup_teardown(missing_file_means_the_default, make_place, remove_place),
        cmocka_unit_test_setup_teardown(what_cannot_be_used_is_refused_with_the_reason, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_variable_that_is_not_set_is_an_error_only_where_it_is_used, make_place,
                                        remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
