#include "worker/runtime.h"

#include "model/demand.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSION_WAIT_MS 5000
#define ENDINGS_MAX     3

static const struct kind {
    const char *name;
    const char *programs[12];     // the usual one first
    const char *version_argument; // NULL: it has none
    const char *endings[ENDINGS_MAX];
} kinds[] = {
    {"python",
     {"python3", "python", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9"},
     "-V",
     {".py"}},
    {"node", {"node", "nodejs"}, "--version", {".js", ".mjs", ".cjs"}},
    {"bash", {"bash"}, "--version", {".bash"}},
    {"sh", {"sh"}, NULL, {".sh"}},
    {"perl", {"perl"}, "-v", {".pl"}},
    {"ruby", {"ruby"}, "--version", {".rb"}},
    {"php", {"php"}, "--version", {".php"}},
    {"R", {"Rscript"}, "--version", {".R", ".r"}},
    {"deno", {"deno"}, "--version", {".ts"}},
    {"lua", {"lua"}, "-v", {".lua"}},
};

// --- Finding

static char *find_program(const char *path, const char *name)
{
    struct str rest = str_of(path);
    while (rest.len > 0) {
        struct str folder = str_split(&rest, ':');
        CLEANUP(free_ptr) char *file = xasprintf("%.*s/%s", STR_ARGS(folder), name);
        if (folder.len > 0 && folder.data[0] == '/' && access(file, X_OK) == 0)
            return TAKE_PTR(file);
    }
    return NULL;
}

static void read_all(int fd, pid_t pid, char *out, size_t size)
{
    uint64_t until = clock_mono_ms() + VERSION_WAIT_MS;
    size_t len = 0;
    for (;;) {
        uint64_t now = clock_mono_ms();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (now >= until || poll(&ready, 1, (int)(until - now)) == 0) {
            kill(pid, SIGKILL);
            break;
        }
        ssize_t got = read(fd, out + len, size - 1 - len);
        if (got > 0)
            len += (size_t)got;
        if (got == 0 || (got < 0 && errno != EINTR) || len == size - 1)
            break;
    }
    out[len] = 0;
}

static void ask(const char *path, const char *argument, char *out, size_t size)
{
    int fds[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    char *argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)argument, NULL};
    out[0] = 0;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
    int err = posix_spawn(&pid, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (err == 0) {
        read_all(fds[0], pid, out, size);
        waitpid(pid, NULL, 0);
    }
    close(fds[0]);
}

// Returns the first number with a dot in it: "3.11.7".
static struct str version_in(const char *text)
{
    static const char digits[] = "0123456789";
    for (const char *at = text + strcspn(text, digits); *at; at += strcspn(at, digits)) {
        size_t len = strspn(at, "0123456789.");
        while (len > 0 && at[len - 1] == '.')
            len--;
        if (memchr(at, '.', len))
            return str_n(at, len);
        at += MAX(len, (size_t)1);
    }
    return (struct str){0};
}

static bool has_runtime(const struct runtimes *runtimes, const char *name)
{
    for (size_t i = 0; i < runtimes->count; i++) {
        if (strcmp(runtimes->all[i].name, name) == 0)
            return true;
    }
    return false;
}

static void add_program(struct runtimes *runtimes, const struct kind *kind, const char *path)
{
    char text[1024] = "";
    if (kind->version_argument)
        ask(path, kind->version_argument, text, sizeof(text));
    struct str version = version_in(text);
    if (kind->version_argument && version.len == 0)
        return; // a program that cannot be started does not count
    CLEANUP(free_ptr)
    char *name = version.len > 0 ? xasprintf("%s:%.*s", kind->name, STR_ARGS(version)) : xasprintf("%s", kind->name);
    if (runtimes->count < RUNTIMES_MAX && !has_runtime(runtimes, name))
        runtimes->all[runtimes->count++] = (struct runtime){TAKE_PTR(name), xstrdup(path)};
}

void runtimes_find(const char *path, struct runtimes *ret)
{
    *ret = (struct runtimes){0};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (size_t j = 0; j < ARRAY_LEN(kinds[i].programs) && kinds[i].programs[j]; j++) {
            CLEANUP(free_ptr) char *program = find_program(path, kinds[i].programs[j]);
            if (program)
                add_program(ret, &kinds[i], program);
        }
    }
}

void runtimes_release(struct runtimes *runtimes)
{
    for (size_t i = 0; i < runtimes->count; i++) {
        free(runtimes->all[i].name);
        free(runtimes->all[i].path);
    }
    runtimes->count = 0;
}

// --- Choosing

static const struct runtime *find_runtime(const struct runtimes *runtimes, struct str wanted)
{
    for (size_t i = 0; i < runtimes->count && wanted.len > 0; i++) {
        if (runtime_matches(wanted, str_of(runtimes->all[i].name)))
            return &runtimes->all[i];
    }
    return NULL;
}

static struct str kind_of_ending(const char *name)
{
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; i < ARRAY_LEN(kinds) && ending; i++) {
        for (size_t j = 0; j < ENDINGS_MAX && kinds[i].endings[j]; j++) {
            if (strcmp(ending, kinds[i].endings[j]) == 0)
                return str_of(kinds[i].name);
        }
    }
    return (struct str){0};
}

// Returns the program of "#!/usr/bin/env python3" or "#!/bin/sh -e".
static struct str shebang_program(struct str text)
{
    struct str line = str_split(&text, '\n');
    line = str_trim(str_n(line.data + 2, line.len - 2));
    struct str program = str_split(&line, ' ');
    const char *slash = memrchr(program.data, '/', program.len);
    struct str base = slash ? str_n(slash + 1, program.len - (size_t)(slash + 1 - program.data)) : program;
    if (str_eq(base, STR("env")) && line.len > 0 && line.data[0] != '-')
        return str_split(&line, ' ');
    return base;
}

// Returns the version of the runtime with that program, for people. The kernel finds the program itself.
static const char *version_of_program(const struct runtimes *runtimes, struct str program)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (size_t j = 0; j < ARRAY_LEN(kinds[i].programs) && kinds[i].programs[j]; j++) {
            const struct runtime *runtime = find_runtime(runtimes, str_of(kinds[i].name));
            if (str_eq(program, str_of(kinds[i].programs[j])) && runtime)
                return runtime->name;
        }
    }
    return NULL;
}

static void append_offered(const struct runtimes *runtimes, struct buf *out)
{
    buf_append_text(out, runtimes->count > 0 ? "; this worker has " : "; this worker has none");
    for (size_t i = 0; i < runtimes->count; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", runtimes->all[i].name);
}

bool runtime_choose(const struct runtimes *runtimes, const struct script *script, struct runtime_choice *ret,
                    struct buf *ret_reason)
{
    struct str wanted = str_of(script->wanted);
    *ret = (struct runtime_choice){0};
    if (wanted.len == 0 && str_starts(script->text, STR("#!"))) {
        ret->version = version_of_program(runtimes, shebang_program(script->text));
        return true;
    }
    if (wanted.len == 0 && str_starts(script->text, STR("\177ELF")))
        return true; // a program that the kernel knows
    if (wanted.len == 0)
        wanted = kind_of_ending(script->name);
    ret->runtime = find_runtime(runtimes, wanted);
    if (ret->runtime) {
        ret->version = ret->runtime->name;
        return true;
    }
    if (wanted.len > 0)
        buf_printf(ret_reason, "there is no runtime \"%.*s\" here", STR_ARGS(wanted));
    else
        buf_printf(ret_reason,
                   "what is to run \"%s\" is not known: name a runtime, begin it with #!, or give it the ending of one",
                   script->name);
    append_offered(runtimes, ret_reason);
    return false;
}

const char *runtime_program(const struct script *script)
{
    struct str wanted = str_of(script->wanted);
    if (wanted.len == 0 && (str_starts(script->text, STR("#!")) || str_starts(script->text, STR("\177ELF"))))
        return "";
    if (wanted.len == 0)
        wanted = kind_of_ending(script->name);
    struct str kind = str_split(&wanted, ':');
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq(kind, str_of(kinds[i].name)))
            return kinds[i].programs[0];
    }
    return NULL;
}
