// Starts a job's program: in a session of its own, with the given descriptors, environment, limits, user and
// confinement, and nothing else of ours. It uses vfork, so it is cheap however large we are.
#pragma once

#include "util/error.h"

#include <signal.h>
#include <sys/types.h>

#define LAUNCH_GROUPS_MAX 64

struct launch_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[LAUNCH_GROUPS_MAX];
    size_t group_count;
};

struct launch_options {
    char *const *argv, *const *env; // each NULL-terminated
    const char *cwd;                // relative to the folder `dir_fd`, or absolute
    int dir_fd;
    int in, out, err;               // become 0, 1 and 2; each must be close-on-exec
    const sigset_t *mask;           // the signal mask that it begins with
    const struct launch_user *user; // NULL: ours
    uint64_t memory_max;            // of its data (RLIMIT_DATA); 0: no limit
    uint64_t processes_max;         // for its user (RLIMIT_NPROC); 0: no limit
    int cgroup_fd;                  // of the folder of its control group; or -1
    int ruleset_fd;                 // of Landlock; or -1
};

enum launch_step { LAUNCH_EXEC, LAUNCH_CWD, LAUNCH_CGROUP, LAUNCH_USER, LAUNCH_CONFINE, LAUNCH_SETUP };

// Returns -errno of what has failed; *ret_step tells what that was: running the program, or one of the steps before.
// The program gets SIGKILL when this process dies. The calling process must have one thread.
int launch(const struct launch_options *options, pid_t *ret_pid, enum launch_step *ret_step);
