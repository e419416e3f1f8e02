// Runners of jobs: real ones, started by a spawner, with real programs.
#include "runner/job/control.h"
#include "runner/job_file.h"
#include "runner/job_secrets.h"
#include "runner/process/cgroup.h"
#include "runner/run_file.h"
#include "runner/spawner.h"
#include "runner/spool.h"
#include "util/file.h"
#include "util/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#ifdef __SANITIZE_ADDRESS__
#define LAST_LINES 96
#else
#define LAST_LINES 320 // as many jobs of each kind as must have theirs
#endif

struct fixture {
    struct spawner spawner;
    char *root;
    unsigned count; // of jobs so far
};

struct one { // a job
    char *dir;
    int dir_fd, control;
};

struct ended { // what is left of it
    struct run_file run;
    struct buf log; // "out:message\n", "err:…", "event:…"; '~' for the newline of partial ones
    json_t *details;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->root = xasprintf("%s/runnel-job-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->root));
    chmod(fixture->root, 0755); // so that another user gets to its job
    assert_int_equal(spawner_start(NULL, &fixture->spawner), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    spawner_stop(&fixture->spawner);
    assert_int_equal(dir_remove_all(fixture->root), 0);
    free(fixture->root);
    free(fixture);
    return 0;
}

// --- A job

static json_t *job_of(const char *const argv[])
{
    json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:i, s:[], s:[s]}", "execution_id", "exec_1", "producer", "job-1",
                             "url", "http://127.0.0.1:1", "incarnation", "i", "epoch", 7, "argv", "env",
                             "PATH=/usr/local/bin:/usr/bin:/bin");
    assert_non_null(root);
    for (; *argv; argv++)
        json_array_append_new(json_object_get(root, "argv"), json_string(*argv));
    return root;
}

static json_t *shell(const char *script)
{
    return job_of((const char *const[]){"sh", "-c", script, NULL});
}

// `secrets_fd` is given to it and closed.
static struct one start_with(struct fixture *fixture, json_t *root, int secrets_fd)
{
    struct one one = {.dir = xasprintf("%s/%u", fixture->root, fixture->count++)};
    assert_int_equal(mkdir(one.dir, 0711), 0);
    one.dir_fd = open(one.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(job_file_save(one.dir_fd, root), 0);
    json_decref(root);
    int err;
    while ((err = spawner_ask(&fixture->spawner, one.dir, secrets_fd, &one.control)) == -EAGAIN) {
        struct pollfd fd = {.fd = fixture->spawner.fd, .events = POLLOUT};
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    }
    assert_int_equal(err, 0);
    close_fd(&secrets_fd);
    return one;
}

static struct one start(struct fixture *fixture, json_t *root)
{
    return start_with(fixture, root, -1);
}

static void say(const struct one *one, const char *message)
{
    assert_int_equal(send(one->control, message, strlen(message), MSG_NOSIGNAL), strlen(message));
}

// The type of the next message; empty at the end.
static void hear(const struct one *one, char type[32])
{
    char text[1024];
    struct pollfd fd = {.fd = one->control, .events = POLLIN};
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    ssize_t len = recv(one->control, text, sizeof(text), 0);
    if (len > 0 && memmem(text, (size_t)len, "\"started\"", 9)) {
        hear(one, type);
        return;
    }
    json_t *root = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
    const char *word = json_string_value(json_object_get(root, "type"));
    snprintf(type, 32, "%s", word ? word : "");
    json_decref(root);
}

static void append_log(struct spool *spool, struct buf *log)
{
    static const char *const streams[] = {"out", "err", "event"};
    for (uint64_t at = spool_first(spool); at < spool_next(spool);) {
        CLEANUP(chunk_unref) struct chunk *chunk = NULL;
        uint64_t first;
        assert_int_equal(spool_read(spool, at, &first, &chunk), 0);
        for (uint32_t i = 0; i < chunk_count(chunk); i++) {
            struct record record;
            chunk_record(chunk, i, &record);
            buf_printf(log, "%s:", streams[record.stream]);
            buf_append_str(log, record.message);
            buf_append_byte(log, record.partial ? '~' : '\n');
        }
        at = first + chunk_count(chunk);
    }
}

static struct ended look(const struct one *one)
{
    struct ended ended = {0};
    struct spool *spool = NULL;
    bool torn;
    assert_int_equal(run_file_load(one->dir, &ended.run), 0);
    int err;
    while ((err = spool_open(&(struct spool_options){.dir = one->dir, .bytes_max = UINT64_MAX}, &torn, &spool)) ==
           ERR_HELD)
        sched_yield(); // the runner's descriptors close one after the other
    assert_int_equal(err, 0);
    append_log(spool, &ended.log);
    if (ended.run.ended)
        assert_int_equal(ended.run.records, spool_next(spool));
    spool_free(&spool);
    buf_append_byte(&ended.log, 0);
    ended.log.len--;
    ended.details = ended.run.details_json ? json_loads(ended.run.details_json, 0, NULL) : NULL;
    return ended;
}

static void one_release(struct one *one)
{
    close_fd(&one->control);
    close_fd(&one->dir_fd);
    free(one->dir);
}

static void ended_release(struct ended *ended)
{
    run_file_release(&ended->run);
    buf_release(&ended->log);
    json_decref(ended->details);
}

// Waits for its end.
static struct ended hear_out(const struct one *one)
{
    char type[32] = "x";
    bool told = false;
    while (type[0]) {
        hear(one, type);
        told |= strcmp(type, "ended") == 0;
    }
    struct ended ended = look(one);
    assert_int_equal(told, ended.run.ended);
    return ended;
}

static struct ended finish(struct one *one)
{
    struct ended ended = hear_out(one);
    one_release(one);
    return ended;
}

static struct ended run(struct fixture *fixture, json_t *root)
{
    struct one one = start(fixture, root);
    return finish(&one);
}

static const char *reason_of(const struct ended *ended)
{
    const char *reason = json_string_value(json_object_get(ended->details, "reason"));
    return reason ? reason : "";
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

// What it wrote to stdout. Between the two pipes the order is that of reading.
static void assert_said(const struct ended *ended, const char *expected)
{
    CLEANUP(buf_release) struct buf said = {0};
    struct str rest = buf_str(&ended->log);
    while (rest.len > 0) {
        struct str line = str_split(&rest, '\n');
        if (str_starts(line, STR("out:")))
            buf_printf(&said, "%.*s\n", STR_ARGS(line));
    }
    assert_string_equal(buf_cstr(&said), expected);
}

// Waits until the log has `text`, as one who delivers it would.
static void wait_for(const struct one *one, const char *text)
{
    struct spool *spool = NULL;
    char type[32], notice[64];
    bool found = false, more = true;
    int err;
    while ((err = spool_attach(&(struct spool_options){.dir = one->dir, .bytes_max = UINT64_MAX}, &spool)) ==
           ERR_NOT_FOUND)
        sched_yield();
    assert_int_equal(err, 0);
    while (!found) {
        for (more = true; more;)
            assert_int_equal(spool_follow(spool, &more), 0);
        CLEANUP(buf_release) struct buf log = {0};
        append_log(spool, &log);
        found = log.len > 0 && memmem(log.data, log.len, text, strlen(text));
        if (found)
            break;
        snprintf(notice, sizeof(notice), "{\"type\":\"notice\",\"end\":%llu}",
                 (unsigned long long)spool_end(spool) + 1);
        say(one, notice);
        hear(one, type);
        assert_string_equal(type, "spooled");
    }
    spool_free(&spool);
}

static bool is_alive(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (len <= 0)
        return false;
    text[len] = 0;
    return !strstr(text, ") Z");
}

// The number behind `name` in its log.
static pid_t pid_in(const char *log, const char *name)
{
    const char *at = strstr(log, name);
    assert_non_null(at);
    struct str rest = str_of(at + strlen(name));
    uint64_t pid;
    assert_true(str_to_u64(str_split(&rest, '\n'), &pid));
    return (pid_t)pid;
}

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

// --- One that stays

struct word { // of a runner whose job is over
    bool stays, clean, group;
};

// Waits for the end of the job; empty: its runner has ended, too.
static struct word hear_end(const struct one *one)
{
    for (;;) {
        char text[1024];
        struct pollfd fd = {.fd = one->control, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
        ssize_t len = recv(one->control, text, sizeof(text), 0);
        json_t *root = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
        const char *type = json_string_value(json_object_get(root, "type"));
        bool over = !type || strcmp(type, "ended") == 0;
        struct word word = {json_is_true(json_object_get(root, "stays")), json_is_true(json_object_get(root, "clean")),
                            json_object_get(root, "cgroup") != NULL};
        json_decref(root);
        if (over)
            return word;
    }
}

static json_t *staying(const char *script)
{
    json_t *root = shell(script);
    json_object_set_new(root, "stays", json_true());
    return root;
}

static void say_run(const struct one *one, const char *dir, bool again)
{
    CLEANUP(free_ptr)
    char *text = xasprintf("{\"type\":\"run\",\"dir\":\"%s\",\"again\":%s}", dir, again ? "true" : "false");
    say(one, text);
}

// The next job, in a folder of its own, by the runner of `one`.
static struct one start_next(struct fixture *fixture, const struct one *one, json_t *root)
{
    struct one next = {.dir = xasprintf("%s/%u", fixture->root, fixture->count++), .control = one->control};
    assert_int_equal(mkdir(next.dir, 0711), 0);
    next.dir_fd = open(next.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(job_file_save(next.dir_fd, root), 0);
    json_decref(root);
    say_run(one, next.dir, false);
    return next;
}

// The next job, in the folder of `one`, which gets another name.
static void start_again(struct fixture *fixture, struct one *one, json_t *root)
{
    char *name = xasprintf("%s/%u", fixture->root, fixture->count++);
    assert_int_equal(unlinkat(one->dir_fd, "spool", 0), 0);
    assert_int_equal(job_file_save(one->dir_fd, root), 0);
    json_decref(root);
    assert_int_equal(rename(one->dir, name), 0);
    free(one->dir);
    one->dir = name;
    say_run(one, one->dir, true);
}

static void a_runner_that_stays_takes_one_job_after_the_other(void **state)
{
    struct fixture *fixture = *state;
    struct one one = start(fixture, staying("echo one $PPID; exit 3"));
    struct word word = hear_end(&one);
    CLEANUP(ended_release) struct ended first = look(&one);
    assert_true(word.stays && word.clean && first.run.ended);
    assert_int_equal(first.run.exit_code, 3);
    struct one next = start_next(fixture, &one, staying("echo two $PPID; echo x > here; exit 4"));
    word = hear_end(&next);
    assert_true(word.stays && !word.clean); // something is left in its folder
    CLEANUP(ended_release) struct ended second = look(&next);
    assert_int_equal(second.run.exit_code, 4);
    assert_int_equal(pid_in(second.log.data, "out:two "), pid_in(first.log.data, "out:one "));
    pid_t runner = pid_in(first.log.data, "out:one ");
    close_fd(&one.control);
    for (int i = 0; i < PATIENCE_MS && is_alive(runner); i++)
        poll(NULL, 0, 1);
    assert_false(is_alive(runner)); // it ends with its worker
    next.control = -1;
    one_release(&one);
    one_release(&next);
}

static void a_job_in_the_folder_of_the_one_before_finds_it_as_new(void **state)
{
    struct fixture *fixture = *state;
    struct one one = start(fixture, staying("echo x > here; rm here; sleep 0.3"));
    assert_true(hear_end(&one).clean);
    for (int i = 0; i < 3; i++) {
        json_t *root = staying("ls -A; ls -A $RUNNEL_OUTPUTS; pwd; test -S $RUNNEL_SOCKET && echo voice; exit 5");
        json_object_set_new(root, "producer", json_string("job-2"));
        start_again(fixture, &one, root);
        assert_true(hear_end(&one).clean);
        CLEANUP(ended_release) struct ended ended = look(&one);
        CLEANUP(free_ptr) char *expected = xasprintf("out:%s/work\nout:voice\n", one.dir);
        assert_string_equal(ended.log.data, expected);
        assert_int_equal(ended.run.exit_code, 5);
        assert_string_equal(ended.run.producer, "job-2");
        // What it used is its own: the one before it has slept for longer, and used no more.
        assert_true(json_integer_value(json_object_get(ended.details, "peak_memory_bytes")) > 100000);
    }
    one_release(&one);
}

static void a_folder_that_was_changed_is_not_for_the_next_job(void **state)
{
    static const char *const scripts[] = {
        "mkdir ../work/left",
        "touch .hidden",
        "echo x > $RUNNEL_OUTPUTS/file",
        "chmod 0755 .",
        "chmod 1700 $RUNNEL_OUTPUTS",
        "rmdir $RUNNEL_OUTPUTS",
        "rmdir $RUNNEL_OUTPUTS && ln -s /tmp $RUNNEL_OUTPUTS",
    };
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct one one = start(*state, staying(scripts[i]));
        struct word word = hear_end(&one);
        assert_true(word.stays);
        assert_false(word.clean);
        one_release(&one);
    }
}

static void an_attribute_of_a_folder_is_not_for_the_next_job(void **state)
{
    json_t *root =
        job_of((const char *const[]){"/usr/bin/python3", "-c", "import os; os.setxattr('.', 'user.left', b'x')", NULL});
    json_object_set_new(root, "stays", json_true());
    struct one one = start(*state, root);
    struct word word = hear_end(&one);
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_int_equal(word.clean, ended.run.exit_code != 0); // where the file system has none, it fails
    one_release(&one);
}

static void a_runner_does_not_stay_after_a_job_with_secrets(void **state)
{
    json_t *values = json_pack("{s:s}", "PW", "hunter2");
    int fd = -1;
    assert_int_equal(job_secrets_pass(values, &fd), 0);
    json_decref(values);
    struct one one = start_with(*state, staying("echo $PW"), fd);
    char type[32];
    assert_false(hear_end(&one).stays);
    hear(&one, type);
    assert_string_equal(type, ""); // it has ended
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_string_equal(ended.log.data, "out:***\n");
    one_release(&one);
}

// A runner that is killed while it writes how its job ended has left a part of that line.
static void half_of_an_outcome_is_none(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *path = xasprintf("%s/job.json", fixture->root);
    CLEANUP(close_fd) int dir_fd = open(fixture->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    json_t *root = shell("true");
    json_object_set_new(root, "boot", json_string("this one"));
    json_object_set_new(root, "cgroup", json_string("/its/group"));
    assert_int_equal(job_file_save(dir_fd, root), 0);
    json_decref(root);
    struct run_file outcome = {.execution_id = xstrdup("exec_1"),
                               .url = xstrdup("http://127.0.0.1:1"),
                               .producer = xstrdup("job-1"),
                               .ended = true,
                               .has_exit_code = true,
                               .exit_code = 9};
    struct stat whole;
    struct stat begun;
    assert_int_equal(stat(path, &begun), 0);
    assert_int_equal(run_file_append(&outcome, dir_fd), 0);
    assert_int_equal(stat(path, &whole), 0);
    for (off_t len = whole.st_size; len >= begun.st_size; len--) {
        CLEANUP(run_file_release) struct run_file run = {0};
        CLEANUP(job_file_release) struct job_file file = {0};
        assert_int_equal(truncate(path, len), 0);
        assert_int_equal(run_file_load(fixture->root, &run), 0);
        assert_int_equal(run.ended, len == whole.st_size);
        assert_string_equal(run.producer, "job-1");
        if (!run.ended) {
            assert_int_equal(run.epoch, 7);
            assert_true(run.registered && run.existed && !run.has_exit_code);
            assert_string_equal(run.boot, "this one");
            assert_string_equal(run.cgroup, "/its/group");
        }
        assert_int_equal(job_file_load(dir_fd, &file), 0); // what was to be run is known all the same
        assert_string_equal(file.argv[2], "true");
    }
    run_file_release(&outcome);
}

static void what_was_said_to_the_job_before_is_not_for_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct one one = start(fixture, staying("echo one"));
    assert_true(hear_end(&one).stays);
    say(&one, "{\"type\":\"cancel\",\"reason\":\"too late\",\"grace_ms\":0}");
    say(&one, "{\"type\":\"acked\",\"counter\":1}");
    struct one next = start_next(fixture, &one, staying("echo two"));
    assert_true(hear_end(&next).stays);
    CLEANUP(ended_release) struct ended ended = look(&next);
    assert_string_equal(ended.run.status, "");
    assert_string_equal(ended.log.data, "out:two\n");
    one.control = -1;
    one_release(&one);
    one_release(&next);
}

static void a_confined_job_sees_nothing_of_the_one_before_it(void **state)
{
    struct fixture *fixture = *state;
    const char *const hidden[CONFINE_PATHS_MAX] = {fixture->root};
    if (!confine_available())
        skip();
    spawner_stop(&fixture->spawner);
    assert_int_equal(spawner_start(hidden, &fixture->spawner), 0);
    struct one one = start(fixture, staying("true"));
    assert_true(hear_end(&one).clean);
    CLEANUP(free_ptr) char *other = xasprintf("%s/admin.key", fixture->root);
    assert_int_equal(file_write_atomic(other, "secret\n", 7, 0644), 0);
    for (int i = 0; i < 3; i++) {
        CLEANUP(free_ptr)
        char *script =
            xasprintf("cat %s; cat ../job.json; ls ..; echo x > here && cat here && rm here; echo over", other);
        json_t *root = staying(script);
        json_object_set_new(root, "hidden", json_pack("[s]", fixture->root));
        start_again(fixture, &one, root);
        assert_true(hear_end(&one).clean);
        CLEANUP(ended_release) struct ended ended = look(&one);
        assert_null(strstr(ended.log.data, "secret"));
        assert_null(strstr(ended.log.data, "execution_id"));
        assert_said(&ended, "out:x\nout:over\n");
    }
    one_release(&one);
}

// Of the file that its job has said the inode of.
static uint64_t inode_said(const struct one *one)
{
    CLEANUP(ended_release) struct ended ended = look(one);
    assert_has(ended.log.data, "out:inode ");
    return strtoull(strstr(ended.log.data, "out:inode ") + strlen("out:inode "), NULL, 10);
}

static void a_voice_is_kept_for_the_next_job_only_as_it_was_made(void **state)
{
    struct fixture *fixture = *state;
    const char *look_script = "stat -c 'inode %i\nmode %a' $RUNNEL_SOCKET";
    struct one one = start(fixture, staying(look_script));
    assert_true(hear_end(&one).clean);
    uint64_t first = inode_said(&one);
    start_again(fixture, &one, staying("stat -c 'inode %i' $RUNNEL_SOCKET; chmod 0777 $RUNNEL_SOCKET"));
    assert_true(hear_end(&one).clean);
    assert_int_equal(inode_said(&one), first);
    start_again(fixture, &one, staying(look_script));
    assert_true(hear_end(&one).clean);
    assert_true(inode_said(&one) != first);
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_has(ended.log.data, "out:mode 700\n");
    one_release(&one);
}

static void who_speaks_between_two_jobs_is_not_in_the_log_of_the_next(void **state)
{
    static const char stray[] = "{\"message\":\"stray\"}\n";
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct one one = start(fixture, staying("true"));
    assert_true(hear_end(&one).clean);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" JOB_VOICE, one.dir_fd);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, stray, strlen(stray), MSG_NOSIGNAL), strlen(stray));
    start_again(fixture, &one, staying("echo mine"));
    assert_true(hear_end(&one).clean);
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_string_equal(ended.log.data, "out:mine\n");
    char answer[16];
    assert_true(recv(fd, answer, sizeof(answer), 0) <= 0);
    one_release(&one);
}

// --- Limits and users

static void limits_hold_where_there_is_no_control_group(void **state)
{
    json_t *root = shell("ulimit -d; echo");
    json_object_set_new(root, "limits", json_pack("{s:i}", "memory", 64 * 1024 * 1024));
    CLEANUP(ended_release) struct ended ended = run(*state, root);
    assert_has(ended.log.data, "out:65536\n");
}

static void a_control_group_holds_all_of_a_job_and_is_gone_with_it(void **state)
{
    CLEANUP(free_ptr) char *base = NULL;
    if (cgroup_base("/proc/self", &base) < 0)
        skip();
    json_t *root = shell("setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 100; done' & "
                         "grep ^0:: /proc/self/cgroup; wait");
    CLEANUP(free_ptr) char *group = xasprintf("%s/runnel-job-%d", base, getpid());
    json_object_set_new(root, "cgroup", json_string(group));
    struct one one = start(*state, root);
    wait_for(&one, "out:pid ");
    wait_for(&one, "/runnel-job-");
    CLEANUP(run_file_release) struct run_file run = {0};
    assert_int_equal(run_file_load(one.dir, &run), 0);
    assert_int_equal(access(run.cgroup, F_OK), 0);
    say(&one, "{\"type\":\"cancel\",\"grace_ms\":50}");
    CLEANUP(ended_release) struct ended ended = finish(&one);
    assert_false(is_alive(pid_in(ended.log.data, "out:pid ")));
    assert_string_equal(ended.run.status, "cancelled");
    assert_int_equal(access(run.cgroup, F_OK), -1);
}

// What is charged for memory cannot be had anew.
static bool groups_charge_memory(const char *base)
{
    CLEANUP(free_ptr) char *group = xasprintf("%s/runnel-probe-%d", base, getpid());
    CLEANUP(free_ptr) char *file = xasprintf("%s/memory.current", group);
    assert_int_equal(mkdir(group, 0755), 0);
    bool none = access(file, F_OK) < 0;
    return rmdir(group) == 0 && !none;
}

static json_t *in_group(const struct fixture *fixture, const char *script, const char *group)
{
    CLEANUP(free_ptr) char *whole = xasprintf("%s; stat -c 'inode %%i' %s", script, group);
    json_t *root = staying(whole);
    json_object_set_new(root, "cgroup", json_string(group));
    json_object_set_new(root, "hidden", json_pack("[s]", fixture->root));
    return root;
}

static json_int_t cpu_ms(const struct one *one)
{
    CLEANUP(ended_release) struct ended ended = look(one);
    return json_integer_value(json_object_get(ended.details, "cpu_time_ms"));
}

static void a_control_group_is_kept_for_a_job_without_limits_which_is_not_charged_for_the_one_before(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *base = NULL;
    if (cgroup_base("/proc/self", &base) < 0 || !confine_available())
        skip();
    bool keeps = !groups_charge_memory(base);
    CLEANUP(free_ptr) char *group = xasprintf("%s/runnel-job-kept-%d", base, getpid());
    const char *busy = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done";
    struct one one = start(fixture, in_group(fixture, busy, group));
    assert_int_equal(hear_end(&one).group, keeps);
    uint64_t first = inode_said(&one);
    json_int_t used = cpu_ms(&one);
    start_again(fixture, &one, in_group(fixture, "true", group));
    assert_int_equal(hear_end(&one).group, keeps);
    assert_int_equal(inode_said(&one) == first, keeps);
    assert_true(cpu_ms(&one) < used);

    json_t *limited = in_group(fixture, "true", group);
    json_object_set_new(limited, "limits", json_pack("{s:i}", "processes", 100));
    start_again(fixture, &one, limited);
    assert_false(hear_end(&one).group);
    assert_true(inode_said(&one) != first);
    assert_int_equal(access(group, F_OK), -1);

    json_t *unconfined = in_group(fixture, "true", group); // it may have written there
    json_object_del(unconfined, "hidden");
    start_again(fixture, &one, unconfined);
    assert_false(hear_end(&one).group);
    start_again(fixture, &one, in_group(fixture, "true", group));
    assert_int_equal(hear_end(&one).group, keeps);
    close_fd(&one.control);
    for (int i = 0; i < PATIENCE_MS && access(group, F_OK) == 0; i++)
        poll(NULL, 0, 1);
    assert_int_equal(access(group, F_OK), -1); // it ends with its runner
    one_release(&one);
}

static void a_confined_job_sees_its_own_folders_and_none_of_the_others(void **state)
{
    struct fixture *fixture = *state;
    if (!confine_available())
        skip();
    CLEANUP(free_ptr) char *other = xasprintf("%s/admin.key", fixture->root);
    CLEANUP(free_ptr)
    char *script =
        xasprintf("cat %s; ls %s; cat ../job.json; ls ..; ls -d /etc; echo x > here && echo y > $RUNNEL_OUTPUTS/there "
                  "&& cat here; echo z > /dev/null && echo null; test -S $RUNNEL_SOCKET && echo voice",
                  other, fixture->root);
    assert_int_equal(file_write_atomic(other, "secret\n", 7, 0644), 0);
    json_t *root = shell(script);
    json_object_set_new(root, "hidden", json_pack("[s]", fixture->root));
    CLEANUP(ended_release) struct ended ended = run(fixture, root);
    assert_null(strstr(ended.log.data, "secret"));
    assert_null(strstr(ended.log.data, "execution_id"));
    assert_said(&ended, "out:/etc\nout:x\nout:null\nout:voice\n");
    assert_has(ended.log.data, "Permission denied");
}

static void a_job_runs_as_the_user_that_it_is_given(void **state)
{
    if (geteuid() != 0)
        skip();
    json_t *root = shell("id -u; id -g; touch here \"$RUNNEL_OUTPUTS\"/there && echo made; cat ../job.json; ls ..");
    json_object_set_new(root, "user", json_pack("{s:i, s:i, s:[i]}", "uid", 65534, "gid", 65533, "groups", 65533));
    CLEANUP(ended_release) struct ended ended = run(*state, root);
    assert_has(ended.log.data, "out:65534\nout:65533\nout:made\n");
    assert_has(ended.log.data, "job.json: Permission denied");
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
        CASE(a_runner_that_stays_takes_one_job_after_the_other),
        CASE(a_job_in_the_folder_of_the_one_before_finds_it_as_new),
        CASE(a_folder_that_was_changed_is_not_for_the_next_job),
        CASE(an_attribute_of_a_folder_is_not_for_the_next_job),
        CASE(a_runner_does_not_stay_after_a_job_with_secrets),
        CASE(half_of_an_outcome_is_none),
        CASE(what_was_said_to_the_job_before_is_not_for_the_next),
        CASE(a_confined_job_sees_nothing_of_the_one_before_it),
        CASE(a_voice_is_kept_for_the_next_job_only_as_it_was_made),
        CASE(who_speaks_between_two_jobs_is_not_in_the_log_of_the_next),
        CASE(limits_hold_where_there_is_no_control_group),
        CASE(a_control_group_holds_all_of_a_job_and_is_gone_with_it),
        CASE(a_control_group_is_kept_for_a_job_without_limits_which_is_not_charged_for_the_one_before),
        CASE(a_confined_job_sees_its_own_folders_and_none_of_the_others),
        CASE(a_job_runs_as_the_user_that_it_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
