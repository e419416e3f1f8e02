#include "runner/process/launch.h"

#include "util/str.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <paths.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// What parent and child share until the program runs.
struct start {
    const struct launch_options *options;
    char **candidates; // where its program may be, NULL-terminated
    char **shell_argv; // "sh", then its path, then its arguments
    volatile int err;
    volatile enum launch_step step;
};

// --- Before: nothing of this may be done between vfork and exec.

static const char *env_value(char *const *env, const char *name)
{
    size_t len = strlen(name);
    for (; *env; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    }
    return NULL;
}

static char **find_candidates(const struct launch_options *options)
{
    const char *program = options->argv[0], *path = env_value(options->env, "PATH");
    struct str rest = str_of(path ? path : _PATH_DEFPATH);
    size_t count = 0, capacity = 2;
    for (size_t i = 0; i < rest.len; i++)
        capacity += rest.data[i] == ':';
    char **candidates = xcalloc(capacity + 1, sizeof(*candidates));
    if (strchr(program, '/') || !program[0]) {
        candidates[0] = xstrdup(program);
        return candidates;
    }
    while (rest.len > 0) {
        struct str folder = str_split(&rest, ':');
        candidates[count++] =
            folder.len == 0 ? xasprintf("./%s", program) : xasprintf("%.*s/%s", STR_ARGS(folder), program);
    }
    return candidates;
}

static char **shell_arguments(char *const *argv)
{
    size_t count = 0;
    while (argv[count])
        count++;
    char **arguments = xcalloc(count + 2, sizeof(*arguments));
    arguments[0] = (char *)(uintptr_t) "sh";
    memcpy(arguments + 1, argv, count * sizeof(*arguments)); // [1] is to become the path that was found
    return arguments;
}

static void free_all(char ***texts)
{
    for (char **text = *texts; text && *text; text++)
        free(*text);
    free(*texts);
}

// --- The child's side. It shares our memory: system calls only, and only what tells no other thread.

NORETURN static void give_up(struct start *start, enum launch_step step)
{
    start->err = -errno;
    start->step = step;
    _exit(127);
}

static void set_limit(struct start *start, __rlimit_resource_t resource, uint64_t max)
{
    const struct rlimit limit = {.rlim_cur = max, .rlim_max = max};
    if (max > 0 && setrlimit(resource, &limit) < 0)
        give_up(start, LAUNCH_SETUP);
}

static void enter_cgroup(struct start *start)
{
    if (start->options->cgroup_fd < 0)
        return;
    int fd = openat(start->options->cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        give_up(start, LAUNCH_CGROUP);
    close(fd);
}

static void become_user(struct start *start)
{
    const struct launch_user *user = start->options->user;
    if (!user)
        return;
    // Of the calling task alone: the library's own would tell all threads of the process whose memory this is.
    if (syscall(SYS_setgroups, user->group_count, user->groups) < 0 ||
        syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
        syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
        give_up(start, LAUNCH_USER);
}

// By each of these root could see, or do to others, what a ruleset keeps from it: other ways to files and memory,
// devices of its own, and the kernel itself.
static const unsigned char ways_around[] = {
    CAP_DAC_READ_SEARCH, CAP_SYS_MODULE,   CAP_SYS_RAWIO, CAP_SYS_PTRACE,
    CAP_SYS_ADMIN,       CAP_SYS_BOOT,     CAP_MKNOD,     CAP_MAC_OVERRIDE,
    CAP_MAC_ADMIN,       38 /* perfmon */, 39 /* bpf */,  40 /* checkpoint and restore */,
};

static void drop_capabilities(struct start *start)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, has) < 0)
        give_up(start, LAUNCH_CONFINE);
    for (size_t i = 0; i < ARRAY_LEN(ways_around); i++) {
        struct __user_cap_data_struct *word = &has[ways_around[i] / 32];
        uint32_t rest = ~(1u << ways_around[i] % 32);
        word->effective &= rest;
        word->permitted &= rest;
        word->inheritable &= rest;
        prctl(PR_CAPBSET_DROP, ways_around[i], 0, 0, 0); // who may not has none, or the kernel does not know it
    }
    if (syscall(SYS_capset, &header, has) < 0)
        give_up(start, LAUNCH_CONFINE);
}

static void confine(struct start *start)
{
    if (start->options->ruleset_fd < 0)
        return;
    drop_capabilities(start);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, start->options->ruleset_fd, 0) < 0)
        give_up(start, LAUNCH_CONFINE);
}

static void place_fds(struct start *start)
{
    int fds[] = {start->options->in, start->options->out, start->options->err};
    // Out of the way first, so that none is written over by another's place.
    for (int i = 0; i < 3; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (fds[i] < 0)
            give_up(start, LAUNCH_SETUP);
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(fds[i], i) < 0)
            give_up(start, LAUNCH_SETUP);
    }
}

static void reset_signals(struct start *start)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int signum = 1; signum < NSIG; signum++) {
        struct sigaction now;
        if (sigaction(signum, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
            sigaction(signum, &standard, NULL);
    }
    if (sigprocmask(SIG_SETMASK, start->options->mask, NULL) < 0)
        give_up(start, LAUNCH_SETUP);
}

// The system call itself: what a profiler wraps around execve() would run with the job's limits, and write into its
// output.
static void replace_by(const char *path, char *const *argv, char *const *env)
{
    syscall(SYS_execve, path, argv, env);
}

NORETURN static void run_program(struct start *start)
{
    const struct launch_options *options = start->options;
    bool denied = false;
    for (char **candidate = start->candidates; *candidate; candidate++) {
        replace_by(*candidate, options->argv, options->env);
        if (errno == ENOEXEC) {
            // A script without "#!" is the shell's, as everywhere else.
            start->shell_argv[1] = *candidate;
            replace_by("/bin/sh", start->shell_argv, options->env);
        }
        denied |= errno == EACCES;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    if (denied && errno == ENOENT)
        errno = EACCES;
    give_up(start, LAUNCH_EXEC);
}

NORETURN static void child(struct start *start, pid_t parent)
{
    const struct launch_options *options = start->options;
    if (setsid() < 0)
        give_up(start, LAUNCH_SETUP);
    enter_cgroup(start);
    reset_signals(start);
    place_fds(start);
    set_limit(start, RLIMIT_NPROC, options->processes_max);
    become_user(start);
    // After that, as a change of the user forgets it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
        give_up(start, LAUNCH_SETUP);
    // As the user that it is.
    if ((options->dir_fd >= 0 && fchdir(options->dir_fd) < 0) || (options->cwd && chdir(options->cwd) < 0))
        give_up(start, LAUNCH_CWD);
    confine(start);
    set_limit(start, RLIMIT_DATA, options->memory_max); // last: what was done before it may need memory of its own
    run_program(start);
}

int launch(const struct launch_options *options, pid_t *ret_pid, enum launch_step *ret_step)
{
    CLEANUP(free_all) char **candidates = find_candidates(options);
    CLEANUP(free_ptr) char **shell_argv = shell_arguments(options->argv);
    struct start start = {.options = options, .candidates = candidates, .shell_argv = shell_argv};
    pid_t parent = getpid();
    sigset_t all, before;
    // The child must not run a handler of ours, with our memory.
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork(); // NOLINT: what it does before the exec is what this file is about
    if (pid == 0)
        child(&start, parent); // NOLINT: system calls alone
    int err = pid < 0 ? -errno : start.err;
    sigprocmask(SIG_SETMASK, &before, NULL);
    *ret_step = pid < 0 ? LAUNCH_SETUP : start.step;
    if (err == 0)
        *ret_pid = pid;
    return err;
}
