#include "runner/outputs_names.h"

#include "runner/outputs.h"
#include "util/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "outputs.unchecked"

struct names {
    const struct mask *mask;
    int fd; // the folder
    unsigned entries;
    unsigned number; // of the next one whose name is taken
};

int outputs_names_begin(int run_dir_fd)
{
    CLEANUP(close_fd) int fd = openat(run_dir_fd, MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : 0;
}

bool outputs_names_marked(int run_dir_fd)
{
    return faccessat(run_dir_fd, MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

// --- One entry

static int open_parent(const struct names *names, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free_ptr) char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    *ret_name = slash ? slash + 1 : path;
    int fd = beneath_open(names->fd, parent, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0)
        (void)!fchmod(fd, 0700); // the run may have taken the right to change it from itself
    return fd;
}

// -EEXIST: the name is taken.
static int move(const struct names *names, const char *path, const char *target)
{
    const char *from_name, *to_name;
    struct stat info;
    CLEANUP(close_fd) int from = open_parent(names, path, &from_name);
    CLEANUP(close_fd) int to = beneath_open_parent(names->fd, target, 0700, &to_name);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    if (fstatat(to, to_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(from, from_name, to, to_name) < 0 ? -errno : 0;
}

static int move_numbered(struct names *names, const char *path, const char *target)
{
    int err;
    do {
        CLEANUP(free_ptr) char *numbered = xasprintf("%s.%u", target, names->number++);
        err = move(names, path, numbered);
    } while (err == -EEXIST && names->number < OUTPUTS_ENTRIES_MAX);
    return err;
}

// A file may stand where the masked path needs a folder: then it goes to the top.
static int rename_masked(struct names *names, const char *path, const char *target)
{
    int err = move(names, path, target);
    if (err == -EEXIST)
        err = move_numbered(names, path, target);
    return err < 0 ? move_numbered(names, path, MASK_MARK) : 0;
}

static bool masked_path(const struct names *names, const char *path, struct buf *ret)
{
    mask_text(names->mask, str_of(path), ret);
    return !str_eq(buf_str(ret), str_of(path));
}

static int remove_folder(const struct names *names, const char *path)
{
    const char *name;
    CLEANUP(close_fd) int parent = open_parent(names, path, &name);
    if (parent < 0)
        return parent;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

// --- All of them

static int walk(struct names *names, const char *folder, int fd, unsigned depth);

static bool can_be_no_folder(int err)
{
    return err == -ENOTDIR || err == -ELOOP || err == -EACCES || err == -ENXIO;
}

// What the upload cannot look into is moved as a whole, for it is told by its name.
static int take(struct names *names, const char *path, unsigned depth)
{
    CLEANUP(buf_release) struct buf masked = {0};
    CLEANUP(close_fd)
    int fd = depth < OUTPUTS_DEPTH_MAX ? beneath_open(names->fd, path, O_RDONLY | O_DIRECTORY, 0) : -ELOOP;
    if (fd < 0 && !can_be_no_folder(fd))
        return fd;
    int err = fd < 0 ? 0 : walk(names, path, fd, depth + 1);
    if (err < 0 || !masked_path(names, path, &masked))
        return err;
    return fd < 0 ? rename_masked(names, path, buf_cstr(&masked)) : remove_folder(names, path);
}

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int walk(struct names *names, const char *folder, int fd, unsigned depth)
{
    struct dirent **found = NULL;
    int count = scandirat(fd, ".", &found, is_entry, alphasort);
    int err = count < 0 ? -errno : 0;
    for (int i = 0; i < count; i++) {
        CLEANUP(free_ptr)
        char *path = folder[0] ? xasprintf("%s/%s", folder, found[i]->d_name) : xstrdup(found[i]->d_name);
        if (err == 0 && names->entries++ == OUTPUTS_ENTRIES_MAX)
            err = -E2BIG;
        if (err == 0)
            err = take(names, path, depth);
        free(found[i]);
    }
    free(found);
    return err;
}

int outputs_names_mask(int run_dir_fd, const struct mask *mask)
{
    struct names names = {.mask = mask, .number = 2};
    CLEANUP(close_fd) int fd = beneath_open(run_dir_fd, OUTPUTS_FOLDER, O_RDONLY | O_DIRECTORY, 0);
    names.fd = fd;
    int err = fd < 0 ? (fd == -ENOENT ? 0 : fd) : walk(&names, "", fd, 0);
    if (err == 0 && unlinkat(run_dir_fd, MARK, 0) < 0 && errno != ENOENT)
        err = -errno;
    return err;
}
