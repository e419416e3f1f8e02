// Starts a job's program: in a session of its own, with the descriptors, the environment, the limits, the user and the
// confinement that it is to have, and nothing else of ours. By vfork: it costs little however large we are.
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
    const char *cwd;                // a path from the folder `dir_fd`, or an absolute one
    int dir_fd;
    int in, out, err;               // become 0, 1 and 2; each is to be close-on-exec
    const sigset_t *mask;           // the signal mask that it begins with
    const struct launch_user *user; // NULL: ours
    uint64_t memory_max;            // of its data (RLIMIT_DATA); 0: no limit
    uint64_t processes_max;         // of its user's (RLIMIT_NPROC); 0: no limit
    int cgroup_fd;                  // of the folder of its control group, or -1
    int ruleset_fd;                 // of Landlock, or -1
};

enum launch_step { LAUNCH_EXEC, LAUNCH_CWD, LAUNCH_CGROUP, LAUNCH_USER, LAUNCH_CONFINE, LAUNCH_SETUP };

// -errno of what failed, and *ret_step tells what that was: its program cannot be run, or one of the things before.
// SIGKILL comes for it when this process dies. To be called by a process of one thread.
int launch(const struct launch_options *options, pid_t *ret_pid, enum launch_step *ret_step);
