// Control groups (version 2), where this process may make any.
#pragma once

#include "util/error.h"

// Where groups for jobs can be made: the folder, owned by the caller. Turns their controllers on where it may. That is
// our own group; or the one above, if we are in a group called "worker" (DelegateSubgroup=worker), as a group with
// processes in it can have no controllers for those beneath. ERR_UNSUPPORTED. `proc` is "/proc/self" outside of tests.
int cgroup_base(const char *proc, char **ret);

struct cgroup_limits {
    uint64_t memory_max, processes_max; // 0: none
    uint32_t cpus_milli;                // thousandths of a processor; 0: no limit
};
struct cgroup_result {
    bool memory, processes, cpu; // whether that limit holds
};
struct cgroup {
    char *path;      // NULL: there is none
    int fd;          // of its folder; -1
    uint64_t cpu_us; // that was used in it before its present use
};
#define CGROUP_NONE ((struct cgroup){.fd = -1})
// Makes that group. What cannot be limited is told, and is no error.
int cgroup_make(const char *path, const struct cgroup_limits *limits, struct cgroup *ret, struct cgroup_result *result);
int cgroup_kill(const struct cgroup *cgroup); // all that is in it, at once. -errno: by other means, then
int cgroup_kill_path(const char *path);
// False if the kernel does not say.
bool cgroup_memory_peak(const struct cgroup *cgroup, uint64_t *ret_bytes);
bool cgroup_cpu_time(const struct cgroup *cgroup, uint64_t *ret_us);
// For the next use of one that was made without limits. False if that must be another one: something is in it, or what
// was in it is still charged for memory.
bool cgroup_renew(struct cgroup *cgroup);
// Removes the groups beneath `base` whose names begin so, that are older and in which nothing is: a runner that was
// killed leaves its group, as it cannot be removed while what was in it still dies. Returns how many.
unsigned cgroup_sweep(const char *base, const char *prefix, uint64_t older_ms);
bool cgroup_killed_for_memory(const struct cgroup *cgroup); // the kernel has ended something in it for want of memory
void cgroup_remove(struct cgroup *cgroup);                  // it must be empty; frees
