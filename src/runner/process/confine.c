#include "runner/process/confine.h"

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

struct ruleset {
    int fd;
    uint64_t handled;
    char *hidden[CONFINE_PATHS_MAX]; // resolved; NULL at the end
    size_t hidden_count;
};

static int version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool confine_available(void)
{
    return version() >= 1;
}

static bool is_beneath(const char *path, const char *folder)
{
    size_t len = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == 0);
}

static bool is_hidden(const struct ruleset *ruleset, const char *path)
{
    for (size_t i = 0; i < ruleset->hidden_count; i++) {
        if (is_beneath(path, ruleset->hidden[i]))
            return true;
    }
    return false;
}

static bool hides_beneath(const struct ruleset *ruleset, const char *path)
{
    for (size_t i = 0; i < ruleset->hidden_count; i++) {
        if (is_beneath(ruleset->hidden[i], path))
            return true;
    }
    return false;
}

// What cannot be opened cannot be used by the job either: that is no error.
static int allow_at(const struct ruleset *ruleset, int parent, const char *name, bool follow, uint64_t access)
{
    struct stat info;
    CLEANUP(close_fd) int fd = openat(parent, name, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    if (fd < 0 || fstat(fd, &info) < 0 || S_ISLNK(info.st_mode))
        return 0;
    if (!S_ISDIR(info.st_mode))
        access &= OF_FILES;
    struct landlock_path_beneath_attr rule = {.allowed_access = access & ruleset->handled, .parent_fd = fd};
    // Some file systems (of pipes, say) are none that a rule can be about.
    if (syscall(SYS_landlock_add_rule, ruleset->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 && errno != EBADFD)
        return -errno;
    return 0;
}

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

// All beside what is hidden. `path` holds one, somewhere beneath.
static int allow_beside(const struct ruleset *ruleset, const char *path)
{
    CLEANUP(close_dir) DIR *dir = opendir(path);
    const struct dirent *entry;
    int err = 0;
    while (dir && err == 0 && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        CLEANUP(free_ptr) char *below = xasprintf("%s/%s", strcmp(path, "/") == 0 ? "" : path, entry->d_name);
        if (is_hidden(ruleset, below))
            continue;
        err = hides_beneath(ruleset, below) ? allow_beside(ruleset, below)
                                            : allow_at(ruleset, dirfd(dir), entry->d_name, false, READ);
    }
    return err;
}

static int allow_listed(const struct ruleset *ruleset, const char *const paths[CONFINE_PATHS_MAX], uint64_t access)
{
    int err = 0;
    for (size_t i = 0; i < CONFINE_PATHS_MAX && paths[i] && err == 0; i++) {
        char path[PATH_MAX];
        if (realpath(paths[i], path) && !hides_beneath(ruleset, path))
            err = allow_at(ruleset, AT_FDCWD, path, true, access);
    }
    return err;
}

static void resolve_hidden(struct ruleset *ruleset, const struct confine_options *options)
{
    for (size_t i = 0; i < CONFINE_PATHS_MAX && options->hidden[i]; i++) {
        char path[PATH_MAX];
        if (realpath(options->hidden[i], path))
            ruleset->hidden[ruleset->hidden_count++] = xstrdup(path);
    }
}

static void ruleset_release(struct ruleset *ruleset)
{
    close_fd(&ruleset->fd);
    for (size_t i = 0; i < ruleset->hidden_count; i++)
        free(ruleset->hidden[i]);
}

int confine_prepare(const struct confine_options *options, int *ret_fd)
{
    CLEANUP(ruleset_release) struct ruleset ruleset = {.fd = -1};
    int known = version();
    if (known < 1)
        return ERR_UNSUPPORTED;
    for (size_t i = 0; i < ARRAY_LEN(handled_since) && (int)i <= known; i++)
        ruleset.handled |= handled_since[i];
    struct landlock_ruleset_attr attributes = {.handled_access_fs = ruleset.handled};
    ruleset.fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (ruleset.fd < 0)
        return -errno;
    resolve_hidden(&ruleset, options);
    int err = ruleset.hidden_count > 0 ? allow_beside(&ruleset, "/") : allow_at(&ruleset, AT_FDCWD, "/", true, READ);
    if (err == 0)
        err = allow_listed(&ruleset, options->readable, READ);
    if (err == 0)
        err = allow_listed(&ruleset, options->writable, ruleset.handled);
    if (err == 0)
        *ret_fd = TAKE_FD(ruleset.fd);
    return err;
}
