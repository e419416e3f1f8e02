// What a run is called, and the file that keeps it.
#include "runner/describe.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/testing.h"

#include <jansson.h>

static char *const *words(char *line, char *out[8])
{
    size_t count = 0;
    for (struct str rest = str_of(line); rest.len > 0 && count < 7;) {
        struct str word = str_split(&rest, ' ');
        ((char *)(uintptr_t)word.data)[word.len] = 0;
        out[count++] = (char *)(uintptr_t)word.data;
    }
    out[count] = NULL;
    return out;
}

static void the_script_is_what_a_person_would_say(void **state)
{
    static const struct {
        const char *command, *name;
    } cases[] = {
        {"make test", "make"},
        {"/usr/bin/make", "make"},
        {"./dir/job.sh a b", "job.sh"},
        {"python3 -u process.py --fast", "process.py"},
        {"/opt/python3.11 /srv/jobs/process.py", "process.py"},
        {"python3 -m pytest", "python3"},
        {"bash -c x", "bash"},
        {"bash", "bash"},
        {"shred file", "shred"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *line = xstrdup(cases[i].command);
        char *arguments[8];
        CLEANUP(run_file_release) struct run_file run = {0};
        run_describe(&(struct runner_options){.server.url = "u", .command = words(line, arguments)}, "e1", &run);
        assert_string_equal(run.script_filename, cases[i].name);
        assert_true(str_starts(str_of(run.producer), STR("wrap-")));
    }
}

static void each_run_is_a_producer_of_its_own(void **state)
{
    (void)state;
    char program[] = "true";
    char *const command[] = {program, NULL};
    CLEANUP(run_file_release) struct run_file first = {0};
    CLEANUP(run_file_release) struct run_file second = {0};
    run_describe(&(struct runner_options){.server.url = "u", .command = command}, "e1", &first);
    run_describe(&(struct runner_options){.server.url = "u", .command = command}, "e1", &second);
    assert_string_not_equal(first.producer, second.producer);
    assert_true(first.started_ms > 0 && first.started_ms <= second.started_ms && second.started_ms <= clock_real_ms());
}

static void a_run_is_read_back_as_it_was_saved(void **state)
{
    CLEANUP(free_ptr) char *dir = xasprintf("%s/runnel-run-file-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    CLEANUP(free_ptr) char *remove_it = NULL;
    CLEANUP(run_file_release) struct run_file run = {0};
    CLEANUP(run_file_release) struct run_file again = {0};
    char odd[] = "a\"b\\\xff\n", echo[] = "echo";
    char *const command[] = {echo, odd, NULL};
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(run_file_load(dir, &again), ERR_NOT_FOUND);
    run_describe(
        &(struct runner_options){.server.url = "http://h:1", .command = command, .metadata_json = "{\"a\":[1]}"},
        "exec_1", &run);
    run.epoch = 12;
    run.ended = run.has_exit_code = true;
    run.exit_code = 3;
    run.existed = true;
    run.started_ms = 1700000000123;
    run.ended_ms = 1700000004567;
    snprintf(run.status, sizeof(run.status), "cancelled");
    snprintf(run.incarnation, sizeof(run.incarnation), "inc");
    for (int sync = 0; sync < 2; sync++) {
        assert_int_equal(run_file_save(&run, dir, sync), 0);
        run_file_release(&again);
        assert_int_equal(run_file_load(dir, &again), 0);
        assert_string_equal(again.execution_id, "exec_1");
        assert_string_equal(again.url, "http://h:1");
        assert_string_equal(again.script_filename, "echo");
        assert_string_equal(again.command_json, "[\"echo\",\"a\\\"b\\\\\xef\xbf\xbd\\n\"]");
        assert_string_equal(again.metadata_json, "{\"a\":[1]}");
        assert_string_equal(again.status, "cancelled");
        assert_string_equal(again.incarnation, "inc");
        assert_int_equal(again.epoch, 12);
        assert_int_equal(again.exit_code, 3);
        assert_int_equal(again.started_ms, 1700000000123);
        assert_int_equal(again.ended_ms, 1700000004567);
        assert_true(again.ended && again.has_exit_code && again.existed && !again.registered);
    }
    assert_int_equal(run_file_sync(dir), 0);

    CLEANUP(free_ptr) char *path = xasprintf("%s/run.json", dir);
    struct str outside = STR("{\"execution_id\":\"../x\",\"url\":\"u\",\"producer\":\"p\"}");
    assert_int_equal(file_write_atomic(path, outside.data, outside.len, 0600), 0);
    struct run_file bad = {0};
    assert_int_equal(run_file_load(dir, &bad), ERR_CORRUPT);
    remove_it = xasprintf("rm -rf '%s'", dir);
    assert_int_equal(system(remove_it), 0);
}

static void describe(char *const *command, struct run_file *ret)
{
    struct runner_options options = {.server.url = "http://h:1", .command = command};
    run_describe(&options, "exec_1", ret);
}

static void a_command_that_no_server_would_take_is_described_by_its_beginning(void **state)
{
    CLEANUP(run_file_release) struct run_file many = {0}, most = {0}, longer = {0};
    char *command[5001] = {0};
    (void)state;
    for (size_t i = 0; i < 5000; i++)
        command[i] = (char *)(uintptr_t) "a";
    describe(command, &many);
    json_t *arguments = json_loads(many.command_json, 0, NULL);
    assert_int_equal(json_array_size(arguments), 4096);
    assert_string_equal(json_string_value(json_array_get(arguments, 4094)), "a");
    assert_string_equal(json_string_value(json_array_get(arguments, 4095)), "a…");
    json_decref(arguments);

    command[4096] = NULL;
    describe(command, &most);
    arguments = json_loads(most.command_json, 0, NULL);
    assert_int_equal(json_array_size(arguments), 4096);
    assert_string_equal(json_string_value(json_array_get(arguments, 4095)), "a");
    json_decref(arguments);

    CLEANUP(free_ptr) char *text = xcalloc(1, (1 << 20) + 2);
    memset(text, 'x', 1 << 20);
    memcpy(text, "é", 2);
    memcpy(text + 128 * 1024 - 1, "é", 2); // falls on the limit, and is not cut in two
    char *one[] = {text, (char *)(uintptr_t) "more", NULL};
    describe(one, &longer);
    arguments = json_loads(longer.command_json, 0, NULL);
    assert_int_equal(json_array_size(arguments), 1);
    assert_int_equal(strlen(json_string_value(json_array_get(arguments, 0))), 128 * 1024 - 1 + strlen("…"));
    json_decref(arguments);
    assert_int_equal(strlen(longer.script_filename), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_script_is_what_a_person_would_say),
        cmocka_unit_test(each_run_is_a_producer_of_its_own),
        cmocka_unit_test(a_command_that_no_server_would_take_is_described_by_its_beginning),
        cmocka_unit_test(a_run_is_read_back_as_it_was_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
