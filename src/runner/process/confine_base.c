// What is beside the hidden folders, kept between jobs.
#include "runner/process/confine_private.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOUNTS   "/proc/self/mountinfo"
#define KEPT_MAX 512 // descriptors; with more to keep, each ruleset is made by itself
// Times of files have the grain of the kernel's tick. What was changed so shortly before it was looked at may have
// changed once more at the same time.
#define GRAIN_MS 50

struct identity {
    dev_t device;
    ino_t inode;
    struct timespec changed; // of a folder's entries
};

struct kept { // what may be seen
    int fd;
    mode_t type;
    uint64_t access;
};

struct folder { // one that was listed
    int fd;
    struct identity identity;
};

struct mounted { // something else may be mounted there any time, and an open descriptor would keep it from being
                 // unmounted
    char *path;
    uint64_t access;
};

struct confine_base {
    struct confine_options options; // owned
    struct confine_hidden hidden;
    struct identity targets[CONFINE_PATHS_MAX]; // of options.hidden; inode 0: it is not there
    uint64_t handled;
    int mounts_fd; // tells when something is mounted or unmounted; -1: that cannot be known
    bool usable;
    bool watched;  // it has only its folders any more
    bool too_many; // there is more than can be kept open: it can only be watched
    bool failed;   // it could not be found
    bool fresh;    // some folder was changed just before it was listed
    struct kept *kept;
    struct folder *folders;
    struct mounted *mounted;
    size_t kept_count, folder_count, mounted_count;
};

// --- Lifecycle

static void copy_paths(const char *const from[CONFINE_PATHS_MAX], const char *to[CONFINE_PATHS_MAX])
{
    for (size_t i = 0; i < CONFINE_PATHS_MAX && from[i]; i++)
        to[i] = xstrdup(from[i]);
}

static void free_paths(const char *paths[CONFINE_PATHS_MAX])
{
    for (size_t i = 0; i < CONFINE_PATHS_MAX; i++)
        free((char *)(uintptr_t)paths[i]);
}

struct confine_base *confine_base_new(const struct confine_options *options)
{
    struct confine_base *base = xcalloc(1, sizeof(*base));
    copy_paths(options->hidden, base->options.hidden);
    copy_paths(options->writable, base->options.writable);
    copy_paths(options->readable, base->options.readable);
    base->handled = confine_rights_handled();
    base->mounts_fd = open(MOUNTS, O_RDONLY | O_CLOEXEC);
    return base;
}

static void close_kept(struct confine_base *base)
{
    for (size_t i = 0; i < base->kept_count; i++)
        close_fd(&base->kept[i].fd);
    base->kept_count = 0;
}

void confine_base_forget(struct confine_base *base)
{
    close_kept(base);
    for (size_t i = 0; i < base->folder_count; i++)
        close_fd(&base->folders[i].fd);
    for (size_t i = 0; i < base->mounted_count; i++)
        free(base->mounted[i].path);
    base->folder_count = base->mounted_count = 0;
    confine_hidden_release(&base->hidden);
    base->usable = base->watched = base->too_many = base->failed = base->fresh = false;
}

// Of an open file, a change of what is mounted is told once.
void confine_base_take(struct confine_base *base)
{
    confine_base_forget(base);
    close_fd(&base->mounts_fd);
    base->mounts_fd = open(MOUNTS, O_RDONLY | O_CLOEXEC);
}

void confine_base_free(struct confine_base **base_ptr)
{
    struct confine_base *base = TAKE_PTR(*base_ptr);
    if (!base)
        return;
    confine_base_forget(base);
    free_paths(base->options.hidden);
    free_paths(base->options.writable);
    free_paths(base->options.readable);
    close_fd(&base->mounts_fd);
    free(base->kept);
    free(base->folders);
    free(base->mounted);
    free(base);
}

// --- Finding

static bool changed_just_now(const struct timespec *at)
{
    int64_t at_ms = (int64_t)at->tv_sec * 1000 + at->tv_nsec / 1000000;
    return at_ms + GRAIN_MS > clock_real_ms();
}

static struct identity identity_of(const struct stat *info)
{
    return (struct identity){info->st_dev, info->st_ino, info->st_mtim};
}

static int keep_folder(void *arg, int fd)
{
    struct confine_base *base = arg;
    struct stat info;
    CLEANUP(close_fd) int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0 || fstat(own, &info) < 0)
        return -errno;
    base->fresh |= changed_just_now(&info.st_mtim);
    base->folders = xrealloc(base->folders, (base->folder_count + 1) * sizeof(*base->folders));
    base->folders[base->folder_count++] = (struct folder){TAKE_FD(own), identity_of(&info)};
    return 0;
}

static void keep_mounted(struct confine_base *base, const char *path, uint64_t access)
{
    base->mounted = xrealloc(base->mounted, (base->mounted_count + 1) * sizeof(*base->mounted));
    base->mounted[base->mounted_count++] = (struct mounted){xstrdup(path), access};
}

static void keep_none(struct confine_base *base)
{
    close_kept(base);
    base->too_many = true;
}

static int keep_open(struct confine_base *base, int fd, const char *path, uint64_t access)
{
    struct statx info;
    CLEANUP(close_fd) int own = fd;
    if (statx(own, "", AT_EMPTY_PATH, STATX_TYPE, &info) < 0)
        return -errno;
    if (!(info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) || (info.stx_attributes & STATX_ATTR_MOUNT_ROOT)) {
        keep_mounted(base, path, access);
        return 0;
    }
    if (S_ISLNK(info.stx_mode))
        return 0;
    if (base->kept_count == KEPT_MAX || base->too_many) {
        keep_none(base);
        return 0;
    }
    base->kept = xrealloc(base->kept, (base->kept_count + 1) * sizeof(*base->kept));
    base->kept[base->kept_count++] = (struct kept){TAKE_FD(own), info.stx_mode, access};
    return 0;
}

// What cannot be opened cannot be used by the job either. What is wrong with ourselves is an error.
static int open_failed(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0;
}

static int keep_entry(void *arg, int folder, const char *name, const char *path)
{
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? open_failed() : keep_open(arg, fd, path, confine_rights_read());
}

static int keep_listed(struct confine_base *base, const char *const paths[CONFINE_PATHS_MAX], uint64_t access)
{
    int err = 0;
    for (size_t i = 0; i < CONFINE_PATHS_MAX && paths[i] && err == 0; i++) {
        CLEANUP(free_ptr) char *path = realpath(paths[i], NULL);
        if (!path || confine_hides_beneath(&base->hidden, path))
            continue;
        int fd = open(path, O_PATH | O_CLOEXEC);
        err = fd < 0 ? open_failed() : keep_open(base, fd, path, access);
    }
    return err;
}

static bool mounts_changed(const struct confine_base *base)
{
    struct pollfd fd = {.fd = base->mounts_fd, .events = POLLPRI};
    return poll(&fd, 1, 0) != 0;
}

static struct identity target_of(const char *path)
{
    struct stat info;
    return stat(path, &info) < 0 ? (struct identity){0} : identity_of(&info);
}

static bool same(const struct identity *one, const struct identity *other)
{
    return one->device == other->device && one->inode == other->inode;
}

// There must be room for what a runner opens besides.
static bool fits_in_limits(const struct confine_base *base)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && base->kept_count + base->folder_count <= limit.rlim_cur / 2;
}

static int find(struct confine_base *base)
{
    struct confine_beside beside = {keep_folder, keep_entry, base};
    mounts_changed(base); // from now on
    for (size_t i = 0; i < CONFINE_PATHS_MAX && base->options.hidden[i]; i++)
        base->targets[i] = target_of(base->options.hidden[i]);
    confine_hidden_resolve(base->options.hidden, &base->hidden);
    int err = confine_walk(&base->hidden, &beside);
    if (err == 0)
        err = keep_listed(base, base->options.readable, confine_rights_read());
    if (err == 0)
        err = keep_listed(base, base->options.writable, base->handled);
    if (err == 0 && !fits_in_limits(base))
        keep_none(base);
    return err;
}

static bool still_so(const struct confine_base *base)
{
    if (base->fresh || mounts_changed(base))
        return false;
    for (size_t i = 0; i < base->folder_count; i++) {
        struct stat info;
        const struct timespec *before = &base->folders[i].identity.changed;
        if (fstat(base->folders[i].fd, &info) < 0 || info.st_mtim.tv_sec != before->tv_sec ||
            info.st_mtim.tv_nsec != before->tv_nsec)
            return false;
    }
    for (size_t i = 0; i < CONFINE_PATHS_MAX && base->options.hidden[i]; i++) {
        struct identity now = target_of(base->options.hidden[i]);
        if (!same(&now, &base->targets[i]))
            return false;
    }
    return true;
}

void confine_base_refresh(struct confine_base *base)
{
    if (base->handled == 0 || base->mounts_fd < 0 || base->failed || (base->usable && !base->watched && still_so(base)))
        return;
    confine_base_forget(base);
    base->usable = find(base) == 0;
    if (base->usable)
        return;
    confine_base_forget(base);
    base->failed = true; // until it is forgotten
}

void confine_base_watch(struct confine_base *base)
{
    close_kept(base);
    base->watched = true;
}

bool confine_base_unchanged(const struct confine_base *base)
{
    return base && base->usable && base->watched && still_so(base);
}

// --- Use

bool confine_base_hides(const struct confine_base *base, const char *const hidden[CONFINE_PATHS_MAX])
{
    if (!base || !base->usable || base->watched || base->too_many)
        return false;
    for (size_t i = 0; i < CONFINE_PATHS_MAX; i++) {
        const char *ours = base->options.hidden[i];
        if (!ours || !hidden[i])
            return ours == hidden[i];
        if (strcmp(ours, hidden[i]) != 0)
            return false;
    }
    return true;
}

const struct confine_hidden *confine_base_hidden(const struct confine_base *base)
{
    return &base->hidden;
}

int confine_base_allow(const struct confine_base *base, const struct confine_ruleset *ruleset)
{
    int err = 0;
    for (size_t i = 0; i < base->kept_count && err == 0; i++)
        err = confine_allow(ruleset, base->kept[i].fd, base->kept[i].type, base->kept[i].access);
    for (size_t i = 0; i < base->mounted_count && err == 0; i++)
        err = confine_allow_at(ruleset, AT_FDCWD, base->mounted[i].path, base->mounted[i].access);
    return err;
}
