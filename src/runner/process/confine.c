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

static int allow_entry(void *arg, int folder, const char *name, const char *path)
{
    (void)path;
    return confine_allow_at(arg, folder, name, READ);
}

static int allow_beside(struct confine_ruleset *ruleset, const struct confine_hidden *hidden)
{
    return confine_walk(hidden, &(struct confine_beside){.entry = allow_entry, .arg = ruleset});
}

// Where what is open lies; found without going through all of its path where there is /proc.
static bool path_of(int fd, const char *name, char path[PATH_MAX])
{
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_MAX - 1);
    path[MAX(len, 0)] = 0;
    return path[0] == '/' || realpath(name, path);
}

static int allow_path(const struct confine_ruleset *ruleset, const struct confine_hidden *hidden, const char *name,
                      uint64_t access)
{
    struct stat info;
    char path[PATH_MAX];
    CLEANUP(close_fd) int fd = open(name, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0 || !path_of(fd, name, path) || confine_hides_beneath(hidden, path))
        return 0;
    return confine_allow(ruleset, fd, info.st_mode, access);
}

static int allow_listed(const struct confine_ruleset *ruleset, const struct confine_hidden *hidden,
                        const char *const paths[CONFINE_PATHS_MAX], uint64_t access)
{
    int err = 0;
    for (size_t i = 0; i < CONFINE_PATHS_MAX && paths[i] && err == 0; i++)
        err = allow_path(ruleset, hidden, paths[i], access);
    return err;
}

static int allow_all(struct confine_ruleset *ruleset, const struct confine_options *options,
                     const struct confine_hidden *hidden)
{
    int err = options->base ? confine_base_allow(options->base, ruleset) : allow_beside(ruleset, hidden);
    if (err == 0)
        err = allow_listed(ruleset, hidden, options->readable, READ);
    return err < 0 ? err : allow_listed(ruleset, hidden, options->writable, ruleset->handled);
}

int confine_prepare(const struct confine_options *options, int *ret_fd)
{
    struct confine_ruleset ruleset = {.handled = confine_rights_handled()};
    struct landlock_ruleset_attr attributes = {.handled_access_fs = ruleset.handled};
    CLEANUP(confine_hidden_release) struct confine_hidden own = {0};
    if (ruleset.handled == 0)
        return ERR_UNSUPPORTED;
    CLEANUP(close_fd) int fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (fd < 0)
        return -errno;
    ruleset.fd = fd;
    if (!options->base)
        confine_hidden_resolve(options->hidden, &own);
    int err = allow_all(&ruleset, options, options->base ? confine_base_hidden(options->base) : &own);
    if (err == 0)
        *ret_fd = TAKE_FD(fd);
    return err;
}
