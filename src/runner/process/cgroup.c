#include "runner/process/cgroup.h"

#include "util/clock.h"
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPU_PERIOD_US 100000
#define TEXT_MAX      ((size_t)64 * 1024)

static int write_text(int folder, const char *name, const char *text)
{
    CLEANUP(close_fd) int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool read_text(int folder, const char *name, char *out, size_t size)
{
    CLEANUP(close_fd) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, out, size - 1);
    out[MAX(len, 0)] = 0;
    return len > 0;
}

// "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS … - TYPE SOURCE …"
static char *mount_point(struct str mounts)
{
    while (mounts.len > 0) {
        struct str line = str_split(&mounts, '\n'), fields = line, point = {0};
        for (int i = 0; i < 5; i++)
            point = str_split(&fields, ' ');
        if (memmem(line.data, line.len, " - cgroup2 ", strlen(" - cgroup2 ")))
            return str_dup(point);
    }
    return NULL;
}

// The line "0::PATH".
static bool own_path(struct str groups, struct str *ret)
{
    while (groups.len > 0) {
        struct str line = str_split(&groups, '\n');
        if (str_starts(line, STR("0::/"))) {
            *ret = str_n(line.data + 3, line.len - 3);
            return true;
        }
    }
    return false;
}

static void turn_controllers_on(const char *path)
{
    static const char *const controllers[] = {"+memory", "+cpu", "+pids"};
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LEN(controllers) && fd >= 0; i++)
        write_text(fd, "cgroup.subtree_control", controllers[i]); // each for itself: some may not be there
}

int cgroup_base(const char *proc, char **ret)
{
    CLEANUP(free_ptr) char *mounts_path = xasprintf("%s/mountinfo", proc);
    CLEANUP(free_ptr) char *groups_path = xasprintf("%s/cgroup", proc);
    CLEANUP(buf_release) struct buf mounts = {0};
    CLEANUP(buf_release) struct buf groups = {0};
    struct str own;
    if (file_read_all(mounts_path, (size_t)4 * 1024 * 1024, &mounts) < 0 ||
        file_read_all(groups_path, TEXT_MAX, &groups) < 0 || !own_path(buf_str(&groups), &own))
        return ERR_UNSUPPORTED;
    CLEANUP(free_ptr) char *mount = mount_point(buf_str(&mounts));
    if (!mount)
        return ERR_UNSUPPORTED;
    static const struct str subgroup = {"/worker", 7};
    if (own.len > subgroup.len && str_eq(str_n(own.data + own.len - subgroup.len, subgroup.len), subgroup))
        own.len -= subgroup.len;
    CLEANUP(free_ptr) char *base = xasprintf("%s%.*s", mount, STR_ARGS(own));
    if (access(base, W_OK) < 0)
        return ERR_UNSUPPORTED;
    turn_controllers_on(base);
    *ret = TAKE_PTR(base);
    return 0;
}

static bool limit(int folder, const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return value > 0 && write_text(folder, name, text) == 0;
}

static bool limit_cpu(int folder, uint32_t cpus_milli)
{
    char text[64];
    snprintf(text, sizeof(text), "%llu %d", (unsigned long long)cpus_milli * CPU_PERIOD_US / 1000, CPU_PERIOD_US);
    return cpus_milli > 0 && write_text(folder, "cpu.max", text) == 0;
}

int cgroup_make(const char *path, const struct cgroup_limits *limits, struct cgroup *ret, struct cgroup_result *result)
{
    *result = (struct cgroup_result){0};
    if (mkdir(path, 0755) < 0)
        return -errno;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int err = -errno;
        rmdir(path);
        return err;
    }
    result->memory = limit(fd, "memory.max", limits->memory_max);
    if (result->memory)
        write_text(fd, "memory.swap.max", "0"); // else what is over the limit goes there
    result->processes = limit(fd, "pids.max", limits->processes_max);
    result->cpu = limit_cpu(fd, limits->cpus_milli);
    *ret = (struct cgroup){.path = xstrdup(path), .fd = fd};
    return 0;
}

int cgroup_kill(const struct cgroup *cgroup)
{
    return cgroup->path ? write_text(cgroup->fd, "cgroup.kill", "1") : -ENOENT;
}

int cgroup_kill_path(const char *path)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : write_text(fd, "cgroup.kill", "1");
}

// "NAME NUMBER" lines; without a name: the number alone.
static bool read_number(const struct cgroup *cgroup, const char *file, struct str name, uint64_t *ret)
{
    char text[4096];
    if (!cgroup->path || !read_text(cgroup->fd, file, text, sizeof(text)))
        return false;
    struct str rest = str_of(text);
    while (rest.len > 0) {
        struct str line = str_split(&rest, '\n');
        if (name.len == 0 || str_eq(str_split(&line, ' '), name))
            return str_to_u64(line, ret);
    }
    return false;
}

bool cgroup_memory_peak(const struct cgroup *cgroup, uint64_t *ret_bytes)
{
    return read_number(cgroup, "memory.peak", (struct str){0}, ret_bytes);
}

static bool cpu_time(const struct cgroup *cgroup, uint64_t *ret_us)
{
    return read_number(cgroup, "cpu.stat", STR("usage_usec"), ret_us);
}

bool cgroup_cpu_time(const struct cgroup *cgroup, uint64_t *ret_us)
{
    uint64_t all;
    if (!cpu_time(cgroup, &all))
        return false;
    *ret_us = all - MIN(all, cgroup->cpu_us);
    return true;
}

// Pages that were read stay charged to it, and its peak is that of all its uses.
static bool charges_memory(const struct cgroup *cgroup)
{
    return faccessat(cgroup->fd, "memory.current", F_OK, 0) == 0 || errno != ENOENT;
}

bool cgroup_renew(struct cgroup *cgroup)
{
    uint64_t populated = 1;
    return !charges_memory(cgroup) && read_number(cgroup, "cgroup.events", STR("populated"), &populated) &&
           populated == 0 && cpu_time(cgroup, &cgroup->cpu_us);
}

bool cgroup_killed_for_memory(const struct cgroup *cgroup)
{
    uint64_t count = 0;
    return read_number(cgroup, "memory.events", STR("oom_kill"), &count) && count > 0;
}

void cgroup_remove(struct cgroup *cgroup)
{
    if (cgroup->path)
        rmdir(cgroup->path);
    close_fd(&cgroup->fd);
    free(TAKE_PTR(cgroup->path));
}

static bool is_older(int folder, const char *name, uint64_t older_ms)
{
    struct stat info;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000 + (int64_t)older_ms <= clock_real_ms();
}

unsigned cgroup_sweep(const char *base, const char *prefix, uint64_t older_ms)
{
    unsigned removed = 0;
    DIR *folder = opendir(base);
    if (!folder)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !is_older(dirfd(folder), entry->d_name, older_ms))
            continue;
        removed += unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR) == 0; // not one with something in it
    }
    closedir(folder);
    return removed;
}
