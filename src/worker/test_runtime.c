// Interpreters that are made up: each a script that prints what a real one would.
#include "util/file.h"
#include "util/testing.h"
#include "worker/runtime.h"

#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char *folder, *path;
    struct runtimes runtimes;
};

static void add(const struct fixture *fixture, const char *name, const char *prints)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", fixture->folder, name);
    CLEANUP(free_ptr) char *script = xasprintf("#!/bin/sh\n%s\n", prints);
    assert_int_equal(file_write_atomic(path, script, strlen(script), 0755), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->folder = xstrdup("/tmp/runnel-runtime-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->path = xasprintf("/no/such/folder:relative::%s", fixture->folder);
    add(fixture, "python3", "echo 'Python 3.11.7'");
    add(fixture, "python3.12", "echo 'Python 3.12.1+' >&2");
    add(fixture, "python3.11", "echo 'Python 3.11.7'"); // the same once more
    add(fixture, "node", "echo v18.19.0");
    add(fixture, "perl", "printf '\\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64\\n'");
    add(fixture, "ruby", "exit 1"); // it cannot be started
    add(fixture, "sh", "exit 9");   // it is not asked
    runtimes_find(fixture->path, &fixture->runtimes);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(dir_remove_all(fixture->folder), 0);
    runtimes_release(&fixture->runtimes);
    free(fixture->folder);
    free(fixture->path);
    free(fixture);
    return 0;
}

static void runtimes_are_found_once_each_with_their_versions(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const expected[] = {"python:3.11.7", "python:3.12.1", "node:18.19.0", "sh", "perl:5.36.0"};
    assert_int_equal(fixture->runtimes.count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(fixture->runtimes.all[i].name, expected[i]);
    assert_true(str_starts(str_of(fixture->runtimes.all[0].path), str_of(fixture->folder)));
}

static void a_script_is_run_by_what_it_asks_for_then_by_its_shebang_then_by_its_ending(void **state)
{
    const struct fixture *fixture = *state;
    const struct {
        const char *wanted, *name, *text, *runtime, *version; // runtime: NULL: as it is
    } cases[] = {
        {NULL, "a.py", "print(1)", "python:3.11.7", "python:3.11.7"},
        {"python:3.12", "a.py", "print(1)", "python:3.12.1", "python:3.12.1"},
        {"python:3.12", "a.js", "#!/bin/sh\n", "python:3.12.1", "python:3.12.1"},
        {"", "a.mjs", "", "node:18.19.0", "node:18.19.0"},
        {NULL, "a.py", "#!/usr/bin/env node\nx", NULL, "node:18.19.0"},
        {NULL, "a", "#!/opt/python3 -u\nx", NULL, "python:3.11.7"},
        {NULL, "a", "#!/opt/brainfuck\nx", NULL, NULL},
        {NULL, "a", "#!", NULL, NULL},
        {"sh", "a", "echo", "sh", "sh"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct script script = {cases[i].wanted, cases[i].name, str_of(cases[i].text)};
        struct runtime_choice choice;
        CLEANUP(buf_release) struct buf reason = {0};
        assert_true(runtime_choose(&fixture->runtimes, &script, &choice, &reason));
        assert_int_equal(choice.runtime != NULL, cases[i].runtime != NULL);
        if (choice.runtime)
            assert_string_equal(choice.runtime->name, cases[i].runtime);
        assert_int_equal(choice.version != NULL, cases[i].version != NULL);
        if (choice.version)
            assert_string_equal(choice.version, cases[i].version);
    }
}

static void what_no_runtime_fits_is_refused_with_what_there_is(void **state)
{
    const struct fixture *fixture = *state;
    const struct {
        const char *wanted, *name, *reason;
    } cases[] = {
        {"python:2", "a.py", "there is no runtime \"python:2\" here; this worker has python:3.11.7, "},
        {"python:3.1", "a.py", "there is no runtime \"python:3.1\" here"},
        {NULL, "a.rb", "there is no runtime \"ruby\" here"},
        {NULL, "a.xyz", "what is to run \"a.xyz\" is not known"},
        {NULL, "script", "what is to run \"script\" is not known"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct script script = {cases[i].wanted, cases[i].name, STR("x")};
        struct runtime_choice choice;
        CLEANUP(buf_release) struct buf reason = {0};
        assert_false(runtime_choose(&fixture->runtimes, &script, &choice, &reason));
        assert_non_null(strstr(buf_cstr(&reason), cases[i].reason));
    }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(runtimes_are_found_once_each_with_their_versions),
        CASE(a_script_is_run_by_what_it_asks_for_then_by_its_shebang_then_by_its_ending),
        CASE(what_no_runtime_fits_is_refused_with_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
