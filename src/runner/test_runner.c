// Whole runs: real children, pipes, spools and sockets. Each run is a process of its own, as its stdout is part of what
// is tested.
#include "runner/runner.h"
#include "runner/test_server.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

struct fixture {
    struct test_server server;
    char *root, *state, *out, *err;
    struct runner_options options;
};

static int setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->root = xasprintf("%s/runnel-run-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->root));
    fixture->state = xasprintf("%s/state", fixture->root);
    fixture->out = xasprintf("%s/out", fixture->root);
    fixture->err = xasprintf("%s/err", fixture->root);
    test_server_start(&fixture->server);
    fixture->options = (struct runner_options){
        .server.url = fixture->server.url,
        .state_dir = fixture->state,
        .deliver_wait_ms = 20000,
        .quiet = true,
    };
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *command = xasprintf("rm -rf '%s'", fixture->root);
    assert_int_equal(system(command), 0);
    test_server_end(&fixture->server);
    free(fixture->root);
    free(fixture->state);
    free(fixture->out);
    free(fixture->err);
    free(fixture);
    return 0;
}

#define UNDELIVERED 99

static void redirect(const char *path, int fd)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || dup2(file, fd) < 0)
        _exit(98);
    close(file);
}

#define RUN_ARGUMENT "--one-run"
enum { RUN_NAME, RUN_MARK, RUN_URL, RUN_STATE, RUN_GRACE, RUN_PATIENCE, RUN_SPOOL_MAX, RUN_FLAGS, RUN_COMMAND };

// What a run's process does: this program, started anew, so that it has no threads yet.
static int one_run(char **arguments)
{
    struct runner_options options = {
        .server.url = arguments[RUN_URL],
        .state_dir = arguments[RUN_STATE],
        .command = arguments[RUN_COMMAND] ? arguments + RUN_COMMAND : NULL,
        .quiet = strchr(arguments[RUN_FLAGS], 'q'),
        .tty = strchr(arguments[RUN_FLAGS], 't'),
        .keep_going = strchr(arguments[RUN_FLAGS], 'k'),
    };
    int exit_code = 97;
    str_to_u64(str_of(arguments[RUN_GRACE]), &options.grandchild_grace_ms);
    str_to_u64(str_of(arguments[RUN_PATIENCE]), &options.deliver_wait_ms);
    str_to_u64(str_of(arguments[RUN_SPOOL_MAX]), &options.spool_max);
    int err = runner_run(&options, &exit_code);
    return err == ERR_UNAVAILABLE ? UNDELIVERED : err < 0 ? 96 : exit_code;
}

static char *number(uint64_t value)
{
    return xasprintf("%llu", (unsigned long long)value);
}

// Starts a run; `input` (may be -1) becomes its stdin, `output` (-1: the file) its stdout. Without a script it is a
// pipe, or the options' command.
static pid_t start(struct fixture *fixture, const char *script, int input, int output)
{
    const struct runner_options *options = &fixture->options;
    char *arguments[16] = {
        [RUN_NAME] = xstrdup("test_runner"),
        [RUN_MARK] = xstrdup(RUN_ARGUMENT),
        [RUN_URL] = xstrdup(options->server.url),
        [RUN_STATE] = xstrdup(options->state_dir),
        [RUN_GRACE] = number(options->grandchild_grace_ms),
        [RUN_PATIENCE] = number(options->deliver_wait_ms),
        [RUN_SPOOL_MAX] = number(options->spool_max),
        [RUN_FLAGS] =
            xasprintf("-%s%s%s", options->quiet ? "q" : "", options->tty ? "t" : "", options->keep_going ? "k" : ""),
    };
    if (options->command) {
        arguments[RUN_COMMAND] = xstrdup(options->command[0]);
    } else if (script) {
        arguments[RUN_COMMAND] = xstrdup("/bin/bash");
        arguments[RUN_COMMAND + 1] = xstrdup("-c");
        arguments[RUN_COMMAND + 2] = xstrdup(script);
    }
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setsid(); // without a terminal, wherever the test runs
        redirect(fixture->out, STDOUT_FILENO);
        redirect(fixture->err, STDERR_FILENO);
        if ((output >= 0 && dup2(output, STDOUT_FILENO) < 0) || (input >= 0 && dup2(input, STDIN_FILENO) < 0))
            _exit(98);
        execv("/proc/self/exe", arguments);
        _exit(98);
    }
    for (char **argument = arguments; *argument; argument++)
        free(*argument);
    return pid;
}

static int finish(struct fixture *fixture, pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    // Whoever looks at what came sees all that came before.
    pthread_mutex_lock(&fixture->server.lock);
    pthread_mutex_unlock(&fixture->server.lock);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int run(struct fixture *fixture, const char *script)
{
    return finish(fixture, start(fixture, script, -1, -1));
}

static void assert_file(const char *path, const char *expected)
{
    CLEANUP(buf_release) struct buf content = {0};
    assert_int_equal(file_read_all(path, 1 << 24, &content), 0);
    assert_str(buf_str(&content), expected);
}

static void assert_complete_has(struct fixture *fixture, const char *part)
{
    if (!strstr(buf_cstr(&fixture->server.complete), part))
        fail_msg("not in %s: %s", buf_cstr(&fixture->server.complete), part);
}

static void assert_no_spool_left(struct fixture *fixture)
{
    CLEANUP(free_ptr) char *command = xasprintf("test -z \"$(ls '%s/spool')\"", fixture->state);
    assert_int_equal(system(command), 0);
}

static void output_passes_through_and_is_recorded(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "echo one; echo two; exit 3"), 3);
    assert_file(fixture->out, "one\ntwo\n");
    assert_str(buf_str(&fixture->server.log), "out:one\nout:two\n");
    assert_complete_has(fixture, "\"exit_code\":3,\"final_sequence\":1,\"digest\"");
    assert_non_null(strstr(buf_cstr(&fixture->server.body), "\"command\":[\"/bin/bash\",\"-c\","));
    assert_no_spool_left(fixture);
}

static void both_streams_are_recorded_as_what_they_are(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "echo out; sleep 0.1; echo err >&2"), 0);
    assert_file(fixture->out, "out\n");
    assert_file(fixture->err, "err\n");
    assert_str(buf_str(&fixture->server.log), "out:out\nerr:err\n");
}

static void odd_bytes_are_kept(void **state)
{
    static const char expected[] = "out:\nout:a\rb\nout:n\0l\nout:\xff\xfe\nout:end~";
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "printf '\\na\\rb\\nn\\0l\\n\\377\\376\\nend'"), 0);
    assert_int_equal(fixture->server.log.len, sizeof(expected) - 1);
    assert_memory_equal(fixture->server.log.data, expected, sizeof(expected) - 1);
}

static void a_signal_of_the_job_is_its_exit_code(void **state)
{
    assert_int_equal(run(*state, "kill -9 $$"), 137);
    assert_complete_has(*state, "\"exit_code\":137");
}

static void a_command_that_is_not_there_fails_with_127_and_says_why(void **state)
{
    struct fixture *fixture = *state;
    char *command[] = {(char *)(uintptr_t) "/nowhere/at-all", NULL};
    fixture->options.command = command;
    assert_int_equal(run(fixture, NULL), 127);
    assert_file(fixture->err, "runnel: /nowhere/at-all: No such file or directory\n");
    assert_str(buf_str(&fixture->server.log), "err:runnel: /nowhere/at-all: No such file or directory\n");
    assert_complete_has(fixture, "\"exit_code\":127");
}

static void a_job_without_output_completes(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "true"), 0);
    assert_complete_has(fixture, "\"exit_code\":0,\"final_sequence\":-1,\"digest\":\"0000000000000000\"");
}

static void signals_reach_the_job(void **state)
{
    struct fixture *fixture = *state;
    pid_t pid = start(fixture, "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done", -1, -1);
    test_server_wait_for(&fixture->server, "out:ready\n");
    kill(pid, SIGTERM);
    assert_int_equal(finish(fixture, pid), 5);
    // Its group is meant: the shell's present child gets it, too, and the shell may say so.
    test_server_wait_for(&fixture->server, "out:got it\n");
}

static void a_line_arrives_while_the_job_goes_on(void **state)
{
    struct fixture *fixture = *state;
    pid_t pid = start(fixture, "echo first; read -r line; echo second", -1, -1);
    test_server_wait_for(&fixture->server, "out:first\n");
    kill(pid, SIGTERM);
    finish(fixture, pid);
}

static void read_until(int fd, const char *end)
{
    CLEANUP(buf_release) struct buf got = {0};
    while (!strstr(buf_cstr(&got), end)) {
        buf_reserve(&got, 1);
        assert_int_equal(read(fd, got.data + got.len, 1), 1);
        got.len++;
    }
}

static void single_lines_gather_while_an_ack_is_owed(void **state)
{
    struct fixture *fixture = *state;
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    fixture->server.deaf = true;
    pid_t pid = start(fixture, "echo first; read -r go; for ((i = 1; i <= 50; i++)); do echo $i; done", in[0], out[1]);
    close_fd(&in[0]);
    close_fd(&out[1]);
    test_server_wait_for(&fixture->server, "out:first\n");
    assert_int_equal(write(in[1], "\n", 1), 1);
    read_until(out[0], "\n50\n"); // what is shown is in the spool
    loop_post(fixture->server.loop, &fixture->server.ack);
    assert_int_equal(finish(fixture, pid), 0);
    assert_int_equal(fixture->server.next[0], 51);
    assert_int_equal(fixture->server.chunks, 2);
    close_fd(&in[1]);
    close_fd(&out[0]);
}

static void a_grandchild_with_the_pipe_does_not_hold_the_run_up(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.grandchild_grace_ms = 300;
    uint64_t before = (uint64_t)time(NULL);
    assert_int_equal(run(fixture, "(sleep 30; echo never) & seq 1 20000; exit 4"), 4);
    assert_true((uint64_t)time(NULL) - before < 15);
    assert_int_equal(fixture->server.next[0], 20000);
}

static int run_without_reader(struct fixture *fixture, const char *script)
{
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    close(pipe_fds[0]);
    pid_t pid = start(fixture, script, -1, pipe_fds[1]);
    close(pipe_fds[1]);
    return finish(fixture, pid);
}

static void a_reader_that_has_gone_ends_the_job_by_sigpipe(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run_without_reader(fixture, "exec yes"), 128 + SIGPIPE);
    assert_complete_has(fixture, "\"exit_code\":141");
    assert_file(fixture->err, "");
}

static void the_other_stream_is_recorded_when_the_reader_of_one_has_gone(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run_without_reader(fixture, "trap '' PIPE; until ! echo x; do :; done 2>/dev/null; echo end >&2"),
                     0);
    assert_non_null(strstr(buf_cstr(&fixture->server.log), "err:end\n"));
    assert_file(fixture->err, "end\n");
}

static void a_reader_that_has_gone_does_not_end_what_is_to_keep_going(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.keep_going = true;
    assert_int_equal(run_without_reader(fixture, "for i in 1 2 3; do echo $i; sleep 0.05; done"), 0);
    assert_str(buf_str(&fixture->server.log), "out:1\nout:2\nout:3\n");
}

static void write_to_a_full_disk(struct fixture *fixture, const char *script, int code, const char *exit_code)
{
    CLEANUP(close_fd) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(finish(fixture, start(fixture, script, -1, full)), code);
    assert_str(buf_str(&fixture->server.log), "out:1\nout:2\n");
    assert_file(fixture->err, "runnel: stdout cannot be written: No space left on device; what the job writes there is "
                              "recorded all the same\n");
    assert_complete_has(fixture, exit_code);
}

static void output_that_cannot_be_written_is_recorded_and_said_once(void **state)
{
    write_to_a_full_disk(*state, "echo 1; sleep 0.1; echo 2", 1, "\"exit_code\":0");
}

static void output_that_cannot_be_written_leaves_a_failed_job_its_code(void **state)
{
    write_to_a_full_disk(*state, "echo 1; sleep 0.1; echo 2; exit 5", 5, "\"exit_code\":5");
}

static void a_pipe_is_recorded_until_its_end(void **state)
{
    struct fixture *fixture = *state;
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t pid = start(fixture, NULL, pipe_fds[0], -1);
    close(pipe_fds[0]);
    assert_int_equal(write(pipe_fds[1], "a\nb", 3), 3);
    test_server_wait_for(&fixture->server, "out:a\n");
    close(pipe_fds[1]);
    assert_int_equal(finish(fixture, pid), 0);
    assert_file(fixture->out, "a\nb");
    assert_str(buf_str(&fixture->server.log), "out:a\nout:b~");
    assert_complete_has(fixture, "\"exit_code\":0");
}

static void text_that_waits_for_its_newline_is_recorded(void **state)
{
    struct fixture *fixture = *state;
    int in[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    pid_t pid = start(fixture, "printf 'out? '; printf 'err? ' >&2; read -r go; echo $go; echo >&2", in[0], -1);
    close(in[0]);
    test_server_wait_for(&fixture->server, "out:out? ~");
    test_server_wait_for(&fixture->server, "err:err? ~");
    assert_int_equal(write(in[1], "yes\n", 4), 4);
    assert_int_equal(finish(fixture, pid), 0);
    close(in[1]);
    assert_file(fixture->out, "out? yes\n");
    assert_non_null(strstr(buf_cstr(&fixture->server.log), "out:yes\n"));
    assert_non_null(strstr(buf_cstr(&fixture->server.log), "err:\n"));
}

static void a_terminal_is_given_on_request(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.tty = true;
    assert_int_equal(run(fixture, "test -t 1 && test -t 2 && echo yes"), 0);
    assert_str(buf_str(&fixture->server.log), "out:yes\n");
}

static void cancelling_ends_the_job_and_kills_what_ignores_it(void **state)
{
    struct fixture *fixture = *state;
    pid_t pid = start(fixture, "trap '' TERM; echo ready; while :; do sleep 0.05; done", -1, -1);
    test_server_wait_for(&fixture->server, "out:ready\n");
    loop_post(fixture->server.loop, &fixture->server.cancel);
    assert_int_equal(finish(fixture, pid), 137);
    assert_complete_has(fixture, "\"status\":\"cancelled\"");
}

static void cancelling_reaches_what_has_made_a_session_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *path = xasprintf("%s/pid", fixture->root);
    CLEANUP(free_ptr)
    char *script = xasprintf("setsid sh -c 'trap \"\" TERM; echo $$ >%s; echo ready; while :; do sleep 100; done' & "
                             "trap 'exit 5' TERM; wait",
                             path);
    CLEANUP(buf_release) struct buf text = {0};
    uint64_t other;
    pid_t pid = start(fixture, script, -1, -1);
    test_server_wait_for(&fixture->server, "out:ready\n");
    loop_post(fixture->server.loop, &fixture->server.cancel);
    assert_int_equal(finish(fixture, pid), 5);
    assert_complete_has(fixture, "\"status\":\"cancelled\"");
    assert_int_equal(file_read_all(path, 64, &text), 0);
    assert_true(str_to_u64(str_trim(buf_str(&text)), &other));
    assert_int_equal(kill((pid_t)other, 0), -1);
}

static void a_command_knows_its_run_and_speaks_to_its_log(void **state)
{
    struct fixture *fixture = *state;
    const char *script =
        "test -n \"$RUNNEL_EXECUTION_ID\" && echo $RUNNEL_ATTEMPT $RUNNEL_URL\n"
        "python3 -c 'import os, socket\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(os.environ[\"RUNNEL_SOCKET\"])\n"
        "s.sendall(b\"{\\\"message\\\":\\\"by the socket\\\",\\\"event_type\\\":\\\"step_started\\\"}\\n\")\n"
        "print(s.makefile().readline(), end=\"\")'";
    assert_int_equal(run(fixture, script), 0);
    CLEANUP(free_ptr) char *first = xasprintf("out:1 %s\n", fixture->server.url);
    const char *log = buf_cstr(&fixture->server.log);
    assert_non_null(strstr(log, first));
    assert_non_null(strstr(log, "event:by the socket\n"));
    assert_non_null(strstr(log, "out:{\"ok\":true}\n"));
}

static void every_record_comes_once_when_the_line_is_cut(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.cut_after = 1; // however few chunks a slow machine makes of them
    assert_int_equal(run(fixture, "for i in $(seq 1 50); do echo $i; sleep 0.005; done"), 0);
    CLEANUP(buf_release) struct buf expected = {0};
    for (int i = 1; i <= 50; i++)
        buf_printf(&expected, "out:%d\n", i);
    assert_str(buf_str(&fixture->server.log), buf_cstr(&expected));
    assert_true(fixture->server.connections >= 2);
}

static size_t read_once(int fd)
{
    char data[65536];
    ssize_t got = read(fd, data, sizeof(data));
    assert_true(got >= 0);
    return (size_t)got;
}

static bool is_said(const struct fixture *fixture, const char *text)
{
    CLEANUP(buf_release) struct buf notices = {0};
    return file_read_all(fixture->err, 1 << 16, &notices) == 0 && strstr(buf_cstr(&notices), text);
}

// Reads until stderr says so.
static size_t read_until_said(const struct fixture *fixture, int fd, const char *text)
{
    size_t all = 0;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (!is_said(fixture, text)) {
        size_t got = poll(&poll_fd, 1, 50) > 0 ? read_once(fd) : 1;
        if (got == 0)
            fail_msg("it has ended and not said: %s", text);
        all += poll_fd.revents ? got : 0;
    }
    return all;
}

static void read_to_end(int fd)
{
    while (read_once(fd) > 0)
        ;
    close(fd);
}

static void a_server_that_is_away_costs_only_disk(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.away = true;
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t pid = start(fixture, "seq 1 300000", -1, pipe_fds[1]);
    close(pipe_fds[1]);
    // All of it passes through although nobody takes it.
    size_t passed = 0;
    while (passed < 1988895)
        passed += read_once(pipe_fds[0]);
    close(pipe_fds[0]);
    fixture->server.away = false;
    assert_int_equal(finish(fixture, pid), 0);
    assert_int_equal(fixture->server.next[0], 300000);
    assert_complete_has(fixture, "\"final_sequence\":299999");
}

// Nobody loses anything because a machine was updated before the server was.
static void an_older_server_is_waited_for(struct fixture *fixture, atomic_bool *older)
{
    CLEANUP(buf_release) struct buf notices = {0};
    struct test_server *server = &fixture->server;
    *older = true;
    fixture->options.quiet = false;
    pid_t pid = start(fixture, "echo one; echo two >&2; exit 3", -1, -1);
    pthread_mutex_lock(&server->lock);
    while (server->connections < 3)
        pthread_cond_wait(&server->changed, &server->lock);
    assert_int_equal(server->log.len, 0);
    pthread_mutex_unlock(&server->lock);
    *older = false;
    assert_int_equal(finish(fixture, pid), 3);
    assert_int_equal(server->next[0], 2);
    assert_complete_has(fixture, "\"exit_code\":3");
    assert_no_spool_left(fixture);
    assert_int_equal(file_read_all(fixture->err, 1 << 16, &notices), 0);
    const char *told =
        strstr(buf_cstr(&notices), "the server is older than this runnel and cannot read what it records");
    assert_non_null(told);
    assert_null(strstr(told + 1, "the server is older than this runnel")); // once
}

static void a_server_that_says_it_is_older_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    an_older_server_is_waited_for(fixture, &fixture->server.older);
}

static void a_server_that_finds_a_chunk_too_new_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    an_older_server_is_waited_for(fixture, &fixture->server.older_unsaid);
}

static void what_an_older_server_does_not_take_stays_on_disk(void **state)
{
    struct fixture *fixture = *state;
    struct runner_resumed counts;
    fixture->server.older = true;
    fixture->options.deliver_wait_ms = 200;
    assert_int_equal(run(fixture, "echo kept; exit 6"), UNDELIVERED);
    fixture->server.older = false;
    fixture->options.deliver_wait_ms = 20000;
    assert_int_equal(runner_resume(&fixture->options, NULL, NULL, NULL, &counts), 0);
    assert_int_equal(counts.delivered, 1);
    assert_str(buf_str(&fixture->server.log), "out:kept\n");
}

static void what_is_not_delivered_in_time_is_delivered_later(void **state)
{
    struct fixture *fixture = *state;
    struct runner_resumed counts;
    fixture->server.away = true;
    fixture->options.deliver_wait_ms = 200;
    assert_int_equal(run(fixture, "echo kept; exit 6"), UNDELIVERED);
    fixture->server.away = false;
    fixture->options.deliver_wait_ms = 20000;
    assert_int_equal(runner_resume(&fixture->options, NULL, NULL, NULL, &counts), 0);
    assert_int_equal(counts.delivered, 1);
    assert_int_equal(counts.left, 0);
    assert_str(buf_str(&fixture->server.log), "out:kept\n");
    assert_complete_has(fixture, "\"exit_code\":6");
    assert_no_spool_left(fixture);
}

static void a_killed_run_is_delivered_by_the_next_one_as_lost(void **state)
{
    struct fixture *fixture = *state;
    pid_t pid = start(fixture, "echo before; sleep 60", -1, -1);
    test_server_wait_for(&fixture->server, "out:before\n");
    kill(pid, SIGKILL);
    assert_int_equal(finish(fixture, pid), 256 + SIGKILL);
    struct runner_resumed counts;
    assert_int_equal(runner_resume(&fixture->options, NULL, NULL, NULL, &counts), 0);
    assert_int_equal(counts.delivered, 1);
    assert_str(buf_str(&fixture->server.log), "out:before\nevent:The runner was interrupted: what the job wrote after "
                                              "this, if anything, was not recorded.\n");
    assert_complete_has(fixture, "\"exit_code\":null,\"final_sequence\":0,\"digest\"");
    assert_complete_has(fixture, "\"status\":\"lost\"");
    CLEANUP(free_ptr) char *resumed = xasprintf("%s.resumed", fixture->server.producers[0]);
    assert_string_equal(fixture->server.producers[1], resumed);
    assert_no_spool_left(fixture);
}

static void a_small_spool_holds_the_job_up_until_the_server_takes_it(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.spool_max = 4 << 20;
    fixture->server.away = true;
    fixture->options.quiet = false;
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    // 24 MiB that do not compress much: more than the spool, the slots and the pipes hold together.
    pid_t pid = start(fixture, "head -c 18874368 /dev/urandom | base64 -w 1000", -1, pipe_fds[1]);
    close(pipe_fds[1]);
    // What passes through stops before the end, as the notice says.
    size_t passed = read_until_said(fixture, pipe_fds[0], "the spool is full");
    assert_in_range(passed, 3 << 20, 20 << 20);
    fixture->server.away = false;
    read_to_end(pipe_fds[0]);
    assert_int_equal(finish(fixture, pid), 0);
    // A line that had to wait may have become two records.
    size_t lines = 0;
    for (size_t i = 0; i < fixture->server.log.len; i++)
        lines += fixture->server.log.data[i] == '\n';
    assert_int_equal(lines, 25166);
}

int main(int argc, char **argv)
{
    if (argc > RUN_FLAGS && strcmp(argv[RUN_MARK], RUN_ARGUMENT) == 0)
        return one_run(argv);
    const struct CMUnitTest tests[] = {
#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        RUN_TEST(output_passes_through_and_is_recorded),
        RUN_TEST(both_streams_are_recorded_as_what_they_are),
        RUN_TEST(odd_bytes_are_kept),
        RUN_TEST(a_signal_of_the_job_is_its_exit_code),
        RUN_TEST(a_command_that_is_not_there_fails_with_127_and_says_why),
        RUN_TEST(a_job_without_output_completes),
        RUN_TEST(signals_reach_the_job),
        RUN_TEST(a_line_arrives_while_the_job_goes_on),
        RUN_TEST(single_lines_gather_while_an_ack_is_owed),
        RUN_TEST(a_grandchild_with_the_pipe_does_not_hold_the_run_up),
        RUN_TEST(a_reader_that_has_gone_ends_the_job_by_sigpipe),
        RUN_TEST(the_other_stream_is_recorded_when_the_reader_of_one_has_gone),
        RUN_TEST(a_reader_that_has_gone_does_not_end_what_is_to_keep_going),
        RUN_TEST(output_that_cannot_be_written_is_recorded_and_said_once),
        RUN_TEST(output_that_cannot_be_written_leaves_a_failed_job_its_code),
        RUN_TEST(a_pipe_is_recorded_until_its_end),
        RUN_TEST(text_that_waits_for_its_newline_is_recorded),
        RUN_TEST(a_terminal_is_given_on_request),
        RUN_TEST(cancelling_ends_the_job_and_kills_what_ignores_it),
        RUN_TEST(cancelling_reaches_what_has_made_a_session_of_its_own),
        RUN_TEST(a_command_knows_its_run_and_speaks_to_its_log),
        RUN_TEST(every_record_comes_once_when_the_line_is_cut),
        RUN_TEST(a_server_that_is_away_costs_only_disk),
        RUN_TEST(a_server_that_says_it_is_older_is_waited_for),
        RUN_TEST(a_server_that_finds_a_chunk_too_new_is_waited_for),
        RUN_TEST(what_an_older_server_does_not_take_stays_on_disk),
        RUN_TEST(what_is_not_delivered_in_time_is_delivered_later),
        RUN_TEST(a_killed_run_is_delivered_by_the_next_one_as_lost),
        RUN_TEST(a_small_spool_holds_the_job_up_until_the_server_takes_it),
#undef RUN_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
