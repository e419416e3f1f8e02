// Runners of jobs: real ones, started by a spawner, with real programs.
#include "runner/test_job_support.h"

#ifdef __SANITIZE_ADDRESS__
#define LAST_LINES 96
#else
#define LAST_LINES 320 // as many jobs of each kind as must have theirs
#endif

static void a_job_has_its_secrets_in_the_place_of_other_variables_and_they_are_masked(void **state)
{
    struct fixture *fixture = *state;
    json_t *values = json_pack("{s:s, s:s}", "PW", "hunter2", "PATH_OF_KEY", "/tiger 77\"");
    json_t *root = shell("env | grep -c '^PW='; echo $PW; echo ${#PW} ${#PATH_OF_KEY} \"$PATH_OF_KEY\" $OTHER >&2; "
                         "printf hun; printf ter2");
    json_array_append_new(json_object_get(root, "env"), json_string("PW=another"));
    json_array_append_new(json_object_get(root, "env"), json_string("OTHER=stays"));
    int fd = -1;
    assert_int_equal(job_secrets_pass(values, &fd), 0);
    json_decref(values);
    struct one one = start_with(fixture, root, fd);
    CLEANUP(ended_release) struct ended ended = finish(&one);
    assert_int_equal(ended.run.exit_code, 0);
    assert_has(ended.log.data, "out:1\nout:***\n");
    assert_has(ended.log.data, "err:7 10 *** stays\n");
    assert_has(ended.log.data, "out:***~");
    assert_null(strstr(ended.log.data, "hun"));
}

// --- What a job says and how it ends

static void a_job_runs_in_a_fresh_folder_and_its_streams_and_exit_code_are_kept(void **state)
{
    struct fixture *fixture = *state;
    json_t *root = shell("echo \"in $(basename $PWD): $(ls -A | wc -l)\"; echo oops >&2; printf rest; exit 3");
    CLEANUP(ended_release) struct ended ended = run(fixture, root);
    assert_has(ended.log.data, "out:in work: 0\n");
    assert_has(ended.log.data, "err:oops\n");
    assert_has(ended.log.data, "out:rest~");
    assert_true(ended.run.ended && ended.run.has_exit_code);
    assert_int_equal(ended.run.exit_code, 3);
    assert_string_equal(ended.run.status, "");
    assert_int_equal(ended.run.epoch, 7);
    assert_true(ended.run.started_ms > 0 && ended.run.ended_ms >= ended.run.started_ms);
    assert_true(json_integer_value(json_object_get(ended.details, "peak_memory_bytes")) > 100000);
    assert_true(json_is_integer(json_object_get(ended.details, "cpu_time_ms")));
    assert_string_equal(reason_of(&ended), "");
}

static void a_job_has_the_environment_that_it_was_given_and_no_other(void **state)
{
    struct fixture *fixture = *state;
    setenv("RUNNEL_TOKEN", "secret of the worker", 1);
    json_t *root = shell("env | sort; test -S \"$RUNNEL_SOCKET\" && test -d \"$RUNNEL_OUTPUTS\" && echo there");
    json_array_append_new(json_object_get(root, "env"), json_string("NAME=a value"));
    json_object_set_new(root, "batch_id", json_string("batch_9"));
    json_object_set_new(root, "attempt", json_integer(4));
    json_object_set_new(root, "spec_env_count", json_integer(1));
    CLEANUP(ended_release) struct ended ended = run(fixture, root);
    unsetenv("RUNNEL_TOKEN");
    static const char *const expected[] = {
        "out:NAME=a value\n",
        "out:RUNNEL_EXECUTION_ID=exec_1\n",
        "out:RUNNEL_URL=http://127.0.0.1:1\n",
        "out:RUNNEL_ATTEMPT=4\n",
        "out:RUNNEL_BATCH_ID=batch_9\n",
        "out:RUNNEL_OUTPUTS=/",
        "/outputs\n",
        "/voice\n",
        "out:there\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_has(ended.log.data, expected[i]);
    assert_null(strstr(ended.log.data, "secret"));
    assert_int_equal(json_integer_value(json_object_get(ended.details, "env_vars_count")), 1);
}

static void what_cannot_be_run_ends_as_failed_and_its_log_says_why(void **state)
{
    struct fixture *fixture = *state;
    const struct {
        const char *program, *member, *value, *reason;
        int exit_code;
    } cases[] = {
        {"no-such-program-here", NULL, NULL, "the program cannot be run: no-such-program-here: No such file", 127},
        {"/etc/passwd", NULL, NULL, "the program cannot be run: /etc/passwd: Permission denied", 126},
        {"true", "cwd", "/no/such/folder", "cannot be entered: /no/such/folder: No such file", 127},
        {"true", "stdin", "not-there", "its input cannot be read: not-there: No such file", 126},
        {"true", "refusal", "no worker's runtime is called cobol", "no worker's runtime is called cobol", 126},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *root = job_of((const char *const[]){cases[i].program, NULL});
        if (cases[i].member)
            json_object_set_new(root, cases[i].member, json_string(cases[i].value));
        CLEANUP(ended_release) struct ended ended = run(fixture, root);
        assert_true(ended.run.ended);
        assert_string_equal(ended.run.status, "failed");
        assert_int_equal(ended.run.exit_code, cases[i].exit_code);
        assert_has(reason_of(&ended), cases[i].reason);
        assert_has(ended.log.data, "event:");
        assert_has(ended.log.data, cases[i].reason);
    }
}

static void a_job_reads_the_file_that_it_was_given_and_else_nothing(void **state)
{
    struct fixture *fixture = *state;
    json_t *root = shell("cat; echo end");
    CLEANUP(ended_release) struct ended nothing = run(fixture, root);
    assert_string_equal(nothing.log.data, "out:end\n");
    CLEANUP(free_ptr) char *path = xasprintf("%s/input", fixture->root);
    assert_int_equal(file_write_atomic(path, "one\ntwo\n", 8, 0600), 0);
    root = shell("cat; echo end");
    json_object_set_new(root, "stdin", json_string(path));
    CLEANUP(ended_release) struct ended ended = run(fixture, root);
    assert_string_equal(ended.log.data, "out:one\nout:two\nout:end\n");
}

static void a_job_is_ended_by_a_signal_as_a_shell_would_say_it(void **state)
{
    CLEANUP(ended_release) struct ended ended = run(*state, shell("echo before; kill -KILL $$"));
    assert_string_equal(ended.log.data, "out:before\n");
    assert_int_equal(ended.run.exit_code, 137);
    assert_string_equal(ended.run.status, "");
}

static void text_without_its_newline_is_recorded_while_the_job_goes_on(void **state)
{
    struct one one = start(*state, shell("printf 'name? '; exec sleep 100"));
    wait_for(&one, "out:name? ~");
    say(&one, "{\"type\":\"cancel\",\"reason\":\"seen\"}");
    CLEANUP(ended_release) struct ended ended = finish(&one);
    assert_string_equal(ended.log.data, "out:name? ~");
}

// --- Cancel, time-out, lease

static void a_cancel_reaches_every_descendant_also_in_sessions_of_their_own(void **state)
{
    struct one one = start(
        *state, shell("setsid sh -c 'trap \"\" TERM HUP; (trap \"\" TERM; echo deep $(exec sh -c \"echo \\$PPID\"); "
                      "while :; do sleep 100; done) & echo own $$; while :; do sleep 100; done' & "
                      "(setsid sleep 1000 & echo orphan $!); echo shell $$; wait; wait; sleep 100"));
    wait_for(&one, "out:deep ");
    wait_for(&one, "out:own ");
    wait_for(&one, "out:orphan ");
    wait_for(&one, "out:shell ");
    say(&one, "{\"type\":\"cancel\",\"reason\":\"asked by ada\",\"grace_ms\":200}");
    CLEANUP(ended_release) struct ended ended = finish(&one);
    static const char *const names[] = {"out:deep ", "out:own ", "out:orphan ", "out:shell "};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_false(is_alive(pid_in(ended.log.data, names[i])));
    assert_string_equal(ended.run.status, "cancelled");
    assert_int_equal(ended.run.exit_code, 143);
    assert_string_equal(reason_of(&ended), "asked by ada");
}

static void a_job_that_ends_within_the_grace_is_not_killed(void **state)
{
    struct one one = start(*state, shell("trap 'echo cleaned up; exit 9' TERM; echo ready; sleep 1000 & wait"));
    wait_for(&one, "out:ready");
    say(&one, "{\"type\":\"cancel\",\"reason\":\"x\",\"grace_ms\":60000}");
    CLEANUP(ended_release) struct ended ended = finish(&one);
    assert_string_equal(ended.log.data, "out:ready\nout:cleaned up\n");
    assert_int_equal(ended.run.exit_code, 9);
    assert_string_equal(ended.run.status, "cancelled");
}

static void a_job_over_its_time_limit_is_ended_and_the_reason_says_so(void **state)
{
    json_t *root = shell("trap 'echo in time' TERM; echo begun; while :; do sleep 100 & wait; done");
    json_object_set_new(root, "timeout_ms", json_integer(1000));
    json_object_set_new(root, "grace_ms", json_integer(300));
    CLEANUP(ended_release) struct ended ended = run(*state, root);
    assert_string_equal(ended.log.data, "out:begun\nout:in time\n");
    assert_string_equal(ended.run.status, "timed_out");
    assert_int_equal(ended.run.exit_code, 137);
    assert_string_equal(reason_of(&ended), "it ran longer than its time limit of 1s");
}

// A job that is to be run again when it is lost, whose lease lasts for `lease_ms` from now.
static struct one start_leased(struct fixture *fixture, const char *script, uint64_t lease_ms)
{
    json_t *root = shell(script);
    json_object_set_new(root, "retry_on_lost", json_true());
    json_object_set_new(root, "lease_ms", json_integer((json_int_t)lease_ms));
    json_object_set_new(root, "alive_until_ms", json_integer((json_int_t)(clock_boot_ms() + lease_ms)));
    return start(fixture, root);
}

static void a_job_that_is_retried_when_lost_is_killed_as_no_server_is_heard_of(void **state)
{
    struct one one = start_leased(*state, "echo begun; exec sleep 1000", 700);
    CLEANUP(ended_release) struct ended ended = finish(&one);
    assert_string_equal(ended.run.status, "lost");
    assert_false(ended.run.has_exit_code);
    if (strstr(ended.log.data, "begun")) // else the machine was so slow that it never began
        assert_has(reason_of(&ended), "no server was heard of");
}

static void a_job_whose_lease_is_over_never_begins(void **state)
{
    struct one one = start_leased(*state, "echo begun", 0);
    CLEANUP(ended_release) struct ended ended = finish(&one);
    assert_string_equal(ended.run.status, "lost");
    assert_false(ended.run.has_exit_code);
    assert_string_equal(ended.log.data, "");
    assert_has(reason_of(&ended), "its lease was over before it could begin");
}

static void a_job_is_killed_at_the_end_of_its_lease_also_in_the_grace_of_a_cancel(void **state)
{
    bool begun = false;
    for (uint64_t lease_ms = 500; !begun && lease_ms < PATIENCE_MS; lease_ms *= 2) { // so long that it can begin
        struct one one = start_leased(*state, "trap '' TERM; echo begun $$; while :; do sleep 0.1; done", lease_ms);
        say(&one, "{\"type\":\"cancel\",\"reason\":\"enough\",\"grace_ms\":3600000}");
        CLEANUP(ended_release) struct ended ended = finish(&one);
        begun = strstr(ended.log.data, "begun") != NULL;
        if (begun)
            assert_false(is_alive(pid_in(ended.log.data, "out:begun ")));
    }
    assert_true(begun);
}

static void a_word_of_a_server_keeps_such_a_job_alive(void **state)
{
    bool begun = false;
    for (uint64_t lease_ms = 500; !begun && lease_ms < PATIENCE_MS; lease_ms *= 2) { // so long that it can begin
        CLEANUP(free_ptr)
        char *script = xasprintf("echo begun; sleep %llu.5; echo through", (unsigned long long)lease_ms / 1000 + 1);
        struct one one = start_leased(*state, script, lease_ms);
        CLEANUP(free_ptr)
        char *word =
            xasprintf("{\"type\":\"alive\",\"until\":%llu}", (unsigned long long)(clock_boot_ms() + 10 * PATIENCE_MS));
        say(&one, word);
        say(&one, "{\"type\":\"alive\",\"until\":1}"); // an older word takes nothing back
        CLEANUP(ended_release) struct ended ended = finish(&one);
        begun = strcmp(ended.run.status, "lost") != 0;
        if (begun)
            assert_string_equal(ended.log.data, "out:begun\nout:through\n");
    }
    assert_true(begun);
}

static void what_a_job_leaves_in_the_background_is_heard_out_and_then_killed(void **state)
{
    CLEANUP(ended_release)
    struct ended ended = run(*state, shell("(setsid sh -c 'echo left $$; sleep 0.2; echo late; exec sleep 1000' &) ; "
                                           "echo done; exit 5"));
    assert_has(ended.log.data, "out:done\n");
    assert_has(ended.log.data, "out:late\n");
    assert_int_equal(ended.run.exit_code, 5);
    assert_string_equal(ended.run.status, "");
    assert_false(is_alive(pid_in(ended.log.data, "out:left ")));
}

// --- The last lines

struct batch {
    const char *script, *message; // what is said to it once `ready` is there
    const char *last;             // NULL: the last line of its file `last`
    uint64_t timeout_ms;
};

static void assert_has_its_last_line(const struct one *one, const struct ended *ended, const char *last)
{
    CLEANUP(buf_release) struct buf file = {0};
    CLEANUP(buf_release) struct buf line = {0};
    CLEANUP(free_ptr) char *path = xasprintf("%s/work/last", one->dir);
    if (last) {
        size_t len = strlen(last);
        assert_true(ended->log.len >= len);
        assert_string_equal(ended->log.data + ended->log.len - len, last);
        return;
    }
    // It was ended before it had written any, or after it had.
    if (file_read_all(path, 1 << 20, &file) < 0 || file.len == 0)
        return;
    const char *at = memrchr(file.data, '\n', file.len - 1);
    size_t from = at ? (size_t)(at + 1 - file.data) : 0;
    buf_append_text(&line, "out:");
    buf_append(&line, file.data + from, file.len - from);
    assert_has(ended->log.data, buf_cstr(&line));
}

static void assert_all_have_their_last_line(struct fixture *fixture, const struct batch *batch)
{
    enum { AT_ONCE = 16 };
    for (unsigned done = 0; done < LAST_LINES; done += AT_ONCE) {
        struct one ones[AT_ONCE];
        for (unsigned i = 0; i < AT_ONCE; i++) {
            json_t *root = shell(batch->script);
            json_object_set_new(root, "timeout_ms", json_integer((json_int_t)batch->timeout_ms));
            ones[i] = start(fixture, root);
        }
        for (unsigned i = 0; i < AT_ONCE && batch->message; i++) {
            wait_for(&ones[i], "out:ready\n");
            say(&ones[i], batch->message);
        }
        for (unsigned i = 0; i < AT_ONCE; i++) {
            CLEANUP(ended_release) struct ended ended = hear_out(&ones[i]);
            assert_true(ended.run.ended);
            assert_has_its_last_line(&ones[i], &ended, batch->last);
            dir_remove_all(ones[i].dir);
            one_release(&ones[i]);
        }
    }
}

static void the_last_lines_before_an_exit_are_in_the_log(void **state)
{
    static const struct batch batch = {
        .script = "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); done; echo last",
        .last = "out:last\n",
    };
    assert_all_have_their_last_line(*state, &batch);
}

static void the_last_lines_before_a_cancel_are_in_the_log(void **state)
{
    static const struct batch batch = {
        .script = "trap 'echo last; exit 1' TERM; echo ready; sleep 1000 & wait",
        .message = "{\"type\":\"cancel\",\"reason\":\"x\",\"grace_ms\":60000}",
        .last = "out:last\n",
    };
    assert_all_have_their_last_line(*state, &batch);
}

static void the_last_lines_before_a_time_out_are_in_the_log(void **state)
{
    static const struct batch batch = {
        .script = "i=0; while :; do echo $i; echo $i >> last; i=$((i+1)); done",
        .timeout_ms = 50,
    };
    assert_all_have_their_last_line(*state, &batch);
}

// --- The runner itself

// As a worker that has found its folder.
static int connect_again(const struct one *one)
{
    int fd = -1;
    int err;
    while ((err = control_connect(one->dir_fd, JOB_CONTROL, &fd)) == -ENOENT || err == -ECONNREFUSED)
        sched_yield();
    assert_int_equal(err, 0);
    return fd;
}

static pid_t runner_of(const struct one *one)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    int fd = connect_again(one);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
    close_fd(&fd);
    return peer.pid;
}

static void a_job_dies_with_its_runner_and_what_was_captured_is_left(void **state)
{
    struct one one = start(*state, shell("echo pid $$; exec sleep 1000"));
    wait_for(&one, "out:pid ");
    assert_int_equal(kill(runner_of(&one), SIGKILL), 0);
    char type[32];
    hear(&one, type);
    assert_string_equal(type, "");
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_false(ended.run.ended);
    pid_t pid = pid_in(ended.log.data, "out:pid ");
    for (int i = 0; i < PATIENCE_MS && is_alive(pid); i++)
        poll(NULL, 0, 1);
    assert_false(is_alive(pid));
    one_release(&one);
}

static void a_runner_outlives_its_worker_and_spawner_and_is_found_again(void **state)
{
    struct fixture *fixture = *state;
    struct one one = start(fixture, shell("mkfifo go; echo begun; read x < go; echo got $x; exit 4"));
    wait_for(&one, "out:begun");
    close_fd(&one.control);
    spawner_stop(&fixture->spawner);
    assert_int_equal(spawner_start(NULL, &fixture->spawner), 0);
    one.control = connect_again(&one);
    CLEANUP(free_ptr) char *fifo = xasprintf("%s/work/go", one.dir);
    CLEANUP(close_fd) int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "on\n", 3), 3);
    CLEANUP(ended_release) struct ended ended = finish(&one);
    assert_string_equal(ended.log.data, "out:begun\nout:got on\n");
    assert_int_equal(ended.run.exit_code, 4);
}

static void a_full_spool_holds_the_job_up_until_something_is_acked(void **state)
{
    json_t *root = shell("head -c 3000000 /dev/urandom | base64 -w 99; echo last");
    json_object_set_new(root, "limits", json_pack("{s:i}", "spool", 1000000));
    struct one one = start(*state, root);
    struct spool *spool = NULL;
    char type[32] = "x", text[80];
    uint64_t lines = 0;
    while (spool_attach(&(struct spool_options){.dir = one.dir, .bytes_max = UINT64_MAX}, &spool) == ERR_NOT_FOUND)
        sched_yield();
    while (type[0] && strcmp(type, "ended") != 0) {
        bool more = true;
        while (more)
            assert_int_equal(spool_follow(spool, &more), 0);
        assert_true(spool_next(spool) >= lines);
        lines = spool_next(spool);
        snprintf(text, sizeof(text), "{\"type\":\"acked\",\"counter\":%llu}", (unsigned long long)lines);
        send(one.control, text, strlen(text), MSG_NOSIGNAL); // it may have ended
        snprintf(text, sizeof(text), "{\"type\":\"notice\",\"end\":%llu}", (unsigned long long)spool_end(spool) + 1);
        send(one.control, text, strlen(text), MSG_NOSIGNAL);
        hear(&one, type);
    }
    bool more = true;
    while (more)
        assert_int_equal(spool_follow(spool, &more), 0);
    assert_int_equal(spool_next(spool), 40406); // 4,000,000 bytes in lines of 99, and the last one
    struct stat info;
    CLEANUP(free_ptr) char *path = xasprintf("%s/spool", one.dir);
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_blocks * 512 < 2500000);
    spool_free(&spool);
    one_release(&one);
}

static void a_job_speaks_to_its_own_log(void **state)
{
    json_t *root = job_of((const char *const[]){
        "/usr/bin/python3", "-c",
        "import os, socket\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(os.environ['RUNNEL_SOCKET'])\n"
        "s.sendall(b'{\"event_type\":\"step_started\",\"node_id\":\"n1\",\"message\":\"hello\"}\\nnot json\\n"
        "{\"message\":\"by itself\",\"stream\":\"stderr\"}\\n')\n"
        "s.shutdown(socket.SHUT_WR)\n"
        "print(*s.makefile(), sep='', end='')\n",
        NULL});
    CLEANUP(ended_release) struct ended ended = run(*state, root);
    assert_has(ended.log.data, "event:hello\n");
    assert_has(ended.log.data, "err:by itself\n");
    assert_has(ended.log.data, "out:{\"ok\":true}\nout:{\"error\":{\"code\":\"malformed\"");
    assert_int_equal(ended.run.exit_code, 0);
}

static void what_a_job_said_last_by_its_socket_is_in_its_log(void **state)
{
    json_t *root =
        job_of((const char *const[]){"/usr/bin/python3", "-c",
                                     "import os, socket\n"
                                     "s = socket.socket(socket.AF_UNIX); s.connect(os.environ['RUNNEL_SOCKET'])\n"
                                     "s.sendall(b'{\"message\":\"%d\"}\\n' * 1000 % tuple(range(1000)))\n"
                                     "os._exit(0)\n",
                                     NULL});
    CLEANUP(ended_release) struct ended ended = run(*state, root);
    assert_has(ended.log.data, "out:0\n");
    assert_has(ended.log.data, "out:999\n");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_job_has_its_secrets_in_the_place_of_other_variables_and_they_are_masked),
        CASE(a_job_runs_in_a_fresh_folder_and_its_streams_and_exit_code_are_kept),
        CASE(a_job_has_the_environment_that_it_was_given_and_no_other),
        CASE(what_cannot_be_run_ends_as_failed_and_its_log_says_why),
        CASE(a_job_reads_the_file_that_it_was_given_and_else_nothing),
        CASE(a_job_is_ended_by_a_signal_as_a_shell_would_say_it),
        CASE(text_without_its_newline_is_recorded_while_the_job_goes_on),
        CASE(a_cancel_reaches_every_descendant_also_in_sessions_of_their_own),
        CASE(a_job_that_ends_within_the_grace_is_not_killed),
        CASE(a_job_over_its_time_limit_is_ended_and_the_reason_says_so),
        CASE(a_job_that_is_retried_when_lost_is_killed_as_no_server_is_heard_of),
        CASE(a_job_whose_lease_is_over_never_begins),
        CASE(a_job_is_killed_at_the_end_of_its_lease_also_in_the_grace_of_a_cancel),
        CASE(a_word_of_a_server_keeps_such_a_job_alive),
        CASE(what_a_job_leaves_in_the_background_is_heard_out_and_then_killed),
        CASE(the_last_lines_before_an_exit_are_in_the_log),
        CASE(the_last_lines_before_a_cancel_are_in_the_log),
        CASE(the_last_lines_before_a_time_out_are_in_the_log),
        CASE(a_job_dies_with_its_runner_and_what_was_captured_is_left),
        CASE(a_runner_outlives_its_worker_and_spawner_and_is_found_again),
        CASE(a_full_spool_holds_the_job_up_until_something_is_acked),
        CASE(a_job_speaks_to_its_own_log),
        CASE(what_a_job_said_last_by_its_socket_is_in_its_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
