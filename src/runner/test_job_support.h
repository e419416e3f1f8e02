// Jobs of unit tests: started by a spawner of their own, waited for, and what is left of them.
#pragma once

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

static inline int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->root = xasprintf("%s/runnel-job-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->root));
    chmod(fixture->root, 0755); // so that another user gets to its job
    assert_int_equal(spawner_start(NULL, &fixture->spawner), 0);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    spawner_stop(&fixture->spawner);
    assert_int_equal(dir_remove_all(fixture->root), 0);
    free(fixture->root);
    free(fixture);
    return 0;
}

// --- A job

static inline json_t *job_of(const char *const argv[])
{
    json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:i, s:[], s:[s]}", "execution_id", "exec_1", "producer", "job-1",
                             "url", "http://127.0.0.1:1", "incarnation", "i", "epoch", 7, "argv", "env",
                             "PATH=/usr/local/bin:/usr/bin:/bin");
    assert_non_null(root);
    for (; *argv; argv++)
        json_array_append_new(json_object_get(root, "argv"), json_string(*argv));
    return root;
}

static inline json_t *shell(const char *script)
{
    return job_of((const char *const[]){"sh", "-c", script, NULL});
}

// `secrets_fd` is given to it and closed.
static inline struct one start_with(struct fixture *fixture, json_t *root, int secrets_fd)
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

static inline struct one start(struct fixture *fixture, json_t *root)
{
    return start_with(fixture, root, -1);
}

static inline void say(const struct one *one, const char *message)
{
    assert_int_equal(send(one->control, message, strlen(message), MSG_NOSIGNAL), strlen(message));
}

// The type of the next message; empty at the end.
static inline void hear(const struct one *one, char type[32])
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

static inline void append_log(struct spool *spool, struct buf *log)
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

static inline struct ended look(const struct one *one)
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

static inline void one_release(struct one *one)
{
    close_fd(&one->control);
    close_fd(&one->dir_fd);
    free(one->dir);
}

static inline void ended_release(struct ended *ended)
{
    run_file_release(&ended->run);
    buf_release(&ended->log);
    json_decref(ended->details);
}

// Waits for its end.
static inline struct ended hear_out(const struct one *one)
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

static inline struct ended finish(struct one *one)
{
    struct ended ended = hear_out(one);
    one_release(one);
    return ended;
}

static inline struct ended run(struct fixture *fixture, json_t *root)
{
    struct one one = start(fixture, root);
    return finish(&one);
}

static inline const char *reason_of(const struct ended *ended)
{
    const char *reason = json_string_value(json_object_get(ended->details, "reason"));
    return reason ? reason : "";
}

static inline void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

// What it wrote to stdout. Between the two pipes the order is that of reading.
static inline void assert_said(const struct ended *ended, const char *expected)
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
static inline void wait_for(const struct one *one, const char *text)
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

static inline bool is_alive(pid_t pid)
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
static inline pid_t pid_in(const char *log, const char *name)
{
    const char *at = strstr(log, name);
    assert_non_null(at);
    struct str rest = str_of(at + strlen(name));
    uint64_t pid;
    assert_true(str_to_u64(str_split(&rest, '\n'), &pid));
    return (pid_t)pid;
}
