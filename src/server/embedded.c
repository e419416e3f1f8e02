#include "server/embedded.h"

#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGAIN_MS     1000
#define AGAIN_MAX_MS 30000
#define STEADY_MS    60000 // a worker that lived so long did not fail at its start
#define STOP_MS      2000
#define ARGS_MAX     24

struct embedded {
    struct embedded_options options;
    char *url, *data, *ca, *job_user, *container_socket, *registry_auth;
    pid_t pid; // 0: none
    int pidfd;
    struct watch *watch;
    struct timer *again;
    uint64_t started_ms, wait_ms;
};

static void start(struct embedded *embedded);

static char *dup_or_null(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

// Ours without what means this server to a client: it finds the server by its flags, and the key in the data folder.
static char **environment(void)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **ret = xcalloc(count + 1, sizeof(*ret));
    for (size_t i = 0; i < count; i++)
        if (!str_starts(str_of(environ[i]), STR("RUNNEL_")))
            ret[kept++] = environ[i];
    return ret;
}

static void ended(void *arg, unsigned events)
{
    struct embedded *embedded = arg;
    int status = 0;
    (void)events;
    waitpid(embedded->pid, &status, 0);
    watch_free(&embedded->watch);
    close_fd(&embedded->pidfd);
    embedded->pid = 0;
    bool steady = clock_mono_ms() - embedded->started_ms >= STEADY_MS;
    embedded->wait_ms = steady ? AGAIN_MS : MIN(embedded->wait_ms * 2, (uint64_t)AGAIN_MAX_MS);
    log_warn(embedded->options.logger, "the worker within the server has ended; it is started again",
             LOG_I("code", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)),
             LOG_I("wait_ms", embedded->wait_ms));
    timer_start(embedded->again, embedded->wait_ms);
}

static void arguments(const struct embedded *embedded, char *slots, size_t size, const char *args[ARGS_MAX])
{
    size_t count = 0;
    snprintf(slots, size, "%u", embedded->options.slots);
    const char *const always[] = {"runnel", "worker",       "--embedded", "--url", embedded->url,
                                  "--data", embedded->data, "--slots",    slots};
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        args[count++] = always[i];
    if (embedded->ca) {
        args[count++] = "--ca";
        args[count++] = embedded->ca;
    }
    if (embedded->job_user) {
        args[count++] = "--job-user";
        args[count++] = embedded->job_user;
    }
    if (embedded->container_socket) {
        args[count++] = "--container-socket";
        args[count++] = embedded->container_socket;
    }
    if (embedded->registry_auth) {
        args[count++] = "--registry-auth";
        args[count++] = embedded->registry_auth;
    }
    if (embedded->options.unconfined)
        args[count++] = "--unconfined";
    args[count] = NULL;
}

static int spawn(struct embedded *embedded)
{
    char slots[16];
    const char *args[ARGS_MAX];
    CLEANUP(free_ptr) char **env = environment();
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    arguments(embedded, slots, sizeof(slots), args);
    int err = posix_spawn(&embedded->pid, "/proc/self/exe", &files, &attributes, (char **)(uintptr_t)args, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return -err;
}

static void again(void *arg)
{
    start(arg);
}

static void start(struct embedded *embedded)
{
    int err = spawn(embedded);
    if (err == 0) {
        embedded->started_ms = clock_mono_ms();
        embedded->pidfd = (int)syscall(SYS_pidfd_open, embedded->pid, 0);
        err = embedded->pidfd < 0
                  ? -errno
                  : watch_new(embedded->options.loop, embedded->pidfd, ended, embedded, &embedded->watch);
    }
    if (err == 0) {
        watch_set(embedded->watch, WATCH_READ);
        return;
    }
    embedded->pid = 0;
    log_warn(embedded->options.logger, "the worker within the server cannot be started",
             LOG_S("error", error_text(err)));
    timer_start(embedded->again, AGAIN_MAX_MS);
}

struct embedded *embedded_start(const struct embedded_options *options)
{
    struct embedded *embedded = xcalloc(1, sizeof(*embedded));
    embedded->options = *options;
    embedded->url = xstrdup(options->url);
    embedded->data = xstrdup(options->data);
    embedded->ca = dup_or_null(options->ca);
    embedded->job_user = dup_or_null(options->job_user);
    embedded->container_socket = dup_or_null(options->container_socket);
    embedded->registry_auth = dup_or_null(options->registry_auth);
    embedded->pidfd = -1;
    embedded->wait_ms = AGAIN_MS / 2;
    embedded->again = timer_new(options->loop, again, embedded);
    start(embedded);
    return embedded;
}

static void end_worker(const struct embedded *embedded)
{
    // The second one says that it is not to wait for its jobs. Two of the same could become one.
    kill(embedded->pid, SIGTERM);
    kill(embedded->pid, SIGINT);
    struct pollfd gone = {.fd = embedded->pidfd, .events = POLLIN};
    if (poll(&gone, 1, STOP_MS) != 1)
        kill(embedded->pid, SIGKILL);
    waitpid(embedded->pid, NULL, 0);
}

void embedded_stop(struct embedded **embedded_ptr)
{
    struct embedded *embedded = TAKE_PTR(*embedded_ptr);
    if (!embedded)
        return;
    watch_free(&embedded->watch);
    timer_free(&embedded->again);
    if (embedded->pid > 0)
        end_worker(embedded);
    close_fd(&embedded->pidfd);
    free(embedded->url);
    free(embedded->data);
    free(embedded->ca);
    free(embedded->job_user);
    free(embedded->container_socket);
    free(embedded->registry_auth);
    free(embedded);
}
