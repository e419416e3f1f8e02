// What is hidden, what is beside it, and one rule: what confine.c and confine_base.c are made of.
#include "runner/process/confine_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer than the headers that this may be built with.
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif

#define SCOPE_SIGNAL (1ULL << 1)

#define READ_FILE (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define READ      (READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
// What a rule for something that is no folder may say.
#define OF_FILES \
    (READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_IOCTL_DEV)

// What a version handles beyond those before it.
static const uint64_t handled_since[] = {
    0,
    (1ULL << 13) - 1, // 1: all up to making symbolic links
    LANDLOCK_ACCESS_FS_REFER,
    LANDLOCK_ACCESS_FS_TRUNCATE,
    0, // the network
    LANDLOCK_ACCESS_FS_IOCTL_DEV,
};

static int version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool confine_available(void)
{
    return version() >= 1;
}

bool confine_scopes_signals(void)
{
    return version() >= 6;
}

uint64_t confine_rights_read(void)
{
    return READ;
}

uint64_t confine_rights_handled(void)
{
    int known = version();
    uint64_t handled = 0;
    for (size_t i = 0; i < ARRAY_LEN(handled_since) && (int)i <= known; i++)
        handled |= handled_since[i];
    return handled;
}

int confine_ruleset_new(uint64_t handled)
{
    const struct {
        uint64_t files, network, scopes;
    } attributes = {.files = handled, .scopes = confine_scopes_signals() ? SCOPE_SIGNAL : 0};
    size_t size = attributes.scopes ? sizeof(attributes) : sizeof(attributes.files); // what this version knows
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    return fd < 0 ? -errno : fd;
}

// --- What is hidden

static bool is_beneath(const char *path, const char *folder)
{
    size_t len = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == 0);
}

static bool is_hidden(const struct confine_hidden *hidden, const char *path)
{
    for (size_t i = 0; i < hidden->count; i++) {
        if (is_beneath(path, hidden->paths[i]))
            return true;
    }
    return false;
}

bool confine_hides_beneath(const struct confine_hidden *hidden, const char *path)
{
    for (size_t i = 0; i < hidden->count; i++) {
        if (is_beneath(hidden->paths[i], path))
            return true;
    }
    return false;
}

void confine_hidden_resolve(const char *const paths[CONFINE_PATHS_MAX], struct confine_hidden *ret)
{
    *ret = (struct confine_hidden){0};
    for (size_t i = 0; i < CONFINE_PATHS_MAX && paths[i]; i++) {
        char path[PATH_MAX];
        if (realpath(paths[i], path))
            ret->paths[ret->count++] = xstrdup(path);
    }
}

void confine_hidden_release(struct confine_hidden *hidden)
{
    for (size_t i = 0; i < hidden->count; i++)
        free(hidden->paths[i]);
    hidden->count = 0;
}

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

// `path` holds one that is hidden, somewhere beneath.
static int walk_folder(const struct confine_hidden *hidden, const struct confine_beside *beside, const char *path)
{
    CLEANUP(close_dir) DIR *dir = opendir(path);
    const struct dirent *entry;
    int err = dir && beside->folder ? beside->folder(beside->arg, dirfd(dir)) : 0;
    while (dir && err == 0 && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        CLEANUP(free_ptr) char *below = xasprintf("%s/%s", strcmp(path, "/") == 0 ? "" : path, entry->d_name);
        if (is_hidden(hidden, below))
            continue;
        err = confine_hides_beneath(hidden, below) ? walk_folder(hidden, beside, below)
                                                   : beside->entry(beside->arg, dirfd(dir), entry->d_name, below);
    }
    return err;
}

int confine_walk(const struct confine_hidden *hidden, const struct confine_beside *beside)
{
    return hidden->count > 0 ? walk_folder(hidden, beside, "/") : beside->entry(beside->arg, AT_FDCWD, "/", "/");
}

// --- Rules

int confine_allow(const struct confine_ruleset *ruleset, int fd, mode_t type, uint64_t access)
{
    if (S_ISLNK(type))
        return 0;
    if (!S_ISDIR(type))
        access &= OF_FILES;
    struct landlock_path_beneath_attr rule = {.allowed_access = access & ruleset->handled, .parent_fd = fd};
    // Some file systems (of pipes, say) are none that a rule can be about.
    if (syscall(SYS_landlock_add_rule, ruleset->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 && errno != EBADFD)
        return -errno;
    return 0;
}

int confine_allow_at(const struct confine_ruleset *ruleset, int parent, const char *name, uint64_t access)
{
    struct stat info;
    CLEANUP(close_fd) int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        return 0;
    return confine_allow(ruleset, fd, info.st_mode, access);
}
