#include "runner/process/descendants.h"

#include "util/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOKS_MAX 100

struct member {
    pid_t pid, parent;
    bool zombie, ours, reached;
};

struct table { // of all processes, once read, by their numbers
    struct member *members;
    size_t count, capacity;
};

struct family { // places in a table: each behind its parent's
    size_t *places;
    size_t count, capacity;
};

static void table_release(struct table *table)
{
    free(table->members);
}

static void family_release(struct family *family)
{
    free(family->places);
}

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

// "PID (NAME) STATE PARENT …"; the name may hold anything.
static bool read_member(int proc, const char *name, struct member *ret)
{
    char path[32], text[512];
    uint64_t pid, parent;
    if (!str_to_u64(str_of(name), &pid) || pid > INT32_MAX)
        return false;
    snprintf(path, sizeof(path), "%llu/stat", (unsigned long long)pid);
    CLEANUP(close_fd) int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (len <= 0)
        return false;
    text[len] = 0;
    const char *end = strrchr(text, ')');
    if (!end || strlen(end) < 5)
        return false;
    struct str rest = str_of(end + 4);
    if (!str_to_u64(str_split(&rest, ' '), &parent) || parent > INT32_MAX)
        return false;
    *ret = (struct member){.pid = (pid_t)pid, .parent = (pid_t)parent, .zombie = end[2] == 'Z' || end[2] == 'X'};
    return true;
}

static int by_pid(const void *a, const void *b)
{
    pid_t one = ((const struct member *)a)->pid, other = ((const struct member *)b)->pid;
    return (one > other) - (one < other);
}

static int read_table(int proc, struct table *table)
{
    int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    table->count = 0;
    if (!dir)
        return -errno;
    while ((entry = readdir(dir))) {
        struct member member;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !read_member(proc, entry->d_name, &member))
            continue;
        if (table->count == table->capacity) {
            table->capacity = MAX(table->capacity * 2, (size_t)256);
            table->members = xrealloc(table->members, table->capacity * sizeof(*table->members));
        }
        table->members[table->count++] = member;
    }
    if (table->count > 0)
        qsort(table->members, table->count, sizeof(*table->members), by_pid);
    return 0;
}

static bool is_ours(const struct table *table, pid_t pid)
{
    const struct member *found =
        bsearch(&(struct member){.pid = pid}, table->members, table->count, sizeof(*table->members), by_pid);
    return found && found->ours;
}

static void family_add(struct family *family, size_t place)
{
    if (family->count == family->capacity) {
        family->capacity = MAX(family->capacity * 2, (size_t)16);
        family->places = xrealloc(family->places, family->capacity * sizeof(*family->places));
    }
    family->places[family->count++] = place;
}

// Children of ours, theirs, and so on: until a turn finds no more. A child's number may be below its parent's, as
// numbers begin again from the lowest.
static void find_ours(struct table *table, struct family *ret)
{
    pid_t self = getpid();
    bool found = true;
    ret->count = 0;
    while (found) {
        found = false;
        for (size_t i = 0; i < table->count; i++) {
            struct member *member = &table->members[i];
            if (member->ours || (member->parent != self && !is_ours(table, member->parent)))
                continue;
            member->ours = found = true;
            family_add(ret, i);
        }
    }
}

// By a pidfd, and only if it is still the child of the same parent: its number may have become another's.
static bool reach(int proc, const struct member *member, int signum)
{
    char name[16];
    struct member now;
    snprintf(name, sizeof(name), "%d", member->pid);
    CLEANUP(close_fd) int pidfd = (int)syscall(SYS_pidfd_open, member->pid, 0);
    if (pidfd < 0 || !read_member(proc, name, &now))
        return false;
    bool same = now.parent == member->parent || now.parent == getpid(); // an orphan by now
    return same && syscall(SYS_pidfd_send_signal, pidfd, signum, NULL, 0) == 0;
}

static bool was_reached(const struct table *reached, pid_t pid)
{
    for (size_t i = 0; i < reached->count; i++) {
        if (reached->members[i].pid == pid)
            return true;
    }
    return false;
}

static void note(struct table *reached, const struct member *member)
{
    if (reached->count == reached->capacity) {
        reached->capacity = MAX(reached->capacity * 2, (size_t)16);
        reached->members = xrealloc(reached->members, reached->capacity * sizeof(*reached->members));
    }
    reached->members[reached->count++] = *member;
}

int descendants_signal(int signum)
{
    CLEANUP(close_fd) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(table_release) struct table table = {0};
    CLEANUP(family_release) struct family ours = {0};
    CLEANUP(table_release) struct table reached = {0};
    bool more = true;
    if (proc < 0)
        return -errno;
    for (int look = 0; look < LOOKS_MAX && more; look++) {
        int err = read_table(proc, &table);
        if (err < 0)
            return err;
        find_ours(&table, &ours);
        more = false;
        for (size_t i = 0; i < ours.count; i++) {
            const struct member *member = &table.members[ours.places[i]];
            if (member->zombie || was_reached(&reached, member->pid) || !reach(proc, member, signum))
                continue;
            note(&reached, member);
            more = true;
        }
    }
    return (int)reached.count;
}

bool descendants_left(void)
{
    siginfo_t info = {0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}
