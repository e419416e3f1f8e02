#include "store/sqlite/file/target.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ERRNO_END      4096
#define NAME_MAX_BYTES 240 // leaves room for what is appended to it

int target_error(int cause)
{
    switch (cause) {
    case EMFILE:
    case ENFILE:
        return ERR_NO_FILES;
    case ENOSPC:
    case EDQUOT:
        return ERR_STORE_FULL;
    default:
        return -cause;
    }
}

const char *target_error_text(int err)
{
    return err < 0 && err > -ERRNO_END ? strerror(-err) : error_text(err);
}

char *target_aside(const char *path, const char *word, int64_t now_ms)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    char stamp[32];
    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    char *name = xasprintf("%s.%s-%s", path, word, stamp);
    for (unsigned number = 2; faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; number++) {
        free(name);
        name = xasprintf("%s.%s-%s-%u", path, word, stamp, number);
    }
    return name;
}

static int refuse(int err, struct buf *ret_error, const char *what, const char *path)
{
    buf_printf(ret_error, "%s %s: %s", what, path, target_error_text(err));
    return err;
}

static bool name_leads_elsewhere(struct str name)
{
    if (name.len == 0 || str_find(name, '\0') || name.data[name.len - 1] == '/')
        return true;
    struct str rest = name;
    while (rest.len > 0) {
        struct str part = str_split(&rest, '/');
        if (part.len == 0 || part.len > NAME_MAX_BYTES || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return true;
    }
    return false;
}

// Steps into a folder that exists. A symbolic link does not count as one.
static int descend(struct target *target, struct str part, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *step = str_dup(part);
    char *path = xasprintf("%s/%s", target->folder, step);
    int fd = openat(target->folder_fd, step, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int cause = errno;
    close_fd(&target->folder_fd);
    free(target->folder);
    target->folder = path;
    target->folder_fd = fd;
    if (fd >= 0)
        return 0;
    buf_printf(ret_error, "cannot write in %s: %s", path, strerror(cause));
    return target_error(cause) == ERR_NO_FILES ? ERR_NO_FILES : ERR_INVALID;
}

static int open_folder(struct target *target, const char *root, struct str name, struct buf *ret_error)
{
    int err = dir_make_all(root, 0700);
    if (err < 0)
        return refuse(target_error(-err), ret_error, "cannot make the folder", root);
    target->root = xstrdup(root);
    target->folder = xstrdup(root);
    target->folder_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target->folder_fd < 0)
        return refuse(target_error(errno), ret_error, "cannot open", root);
    struct str rest = name;
    while (err == 0 && str_find(rest, '/'))
        err = descend(target, str_split(&rest, '/'), ret_error);
    target->name = str_dup(rest);
    return err;
}

// Notes which file it is, so that another file that gets the name later is not taken for it.
static int write_note(const struct target *target, int fd)
{
    struct stat info;
    if (!target->note)
        return 0;
    if (fstat(fd, &info) < 0)
        return -errno;
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text, "%llu %llu %s", (unsigned long long)info.st_dev, (unsigned long long)info.st_ino,
               target->temporary_path);
    return file_write_atomic(target->note, text.data, text.len, 0600);
}

static int make_temporary(struct target *target, struct buf *ret_error)
{
    CLEANUP(close_fd)
    int fd = openat(target->folder_fd, target->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        buf_printf(
            ret_error,
            "%s exists already and is not of a copy that this server was making; remove it, or name another file",
            target->temporary_path);
        return ERR_CONFLICT;
    }
    if (fd < 0) {
        int err = target_error(errno);
        buf_printf(ret_error, "cannot write in %s: %s", target->folder, target_error_text(err));
        return err == -EACCES || err == -EROFS || err == -EPERM ? ERR_INVALID : err;
    }
    target->made = true;
    int err = fchmod(fd, 0600) < 0 ? -errno : write_note(target, fd); // fchmod ignores the umask
    return err < 0 ? refuse(target_error(-err), ret_error, "cannot write", target->temporary_path) : 0;
}

int target_make(struct target *target, const char *root, struct str name, const char *note, struct buf *ret_error)
{
    *target = (struct target){.folder_fd = -1, .note = note ? xstrdup(note) : NULL};
    if (note)
        target_clear(note);
    if (name_leads_elsewhere(name)) {
        buf_printf(ret_error, "must name a file beneath %s, without \"..\"", root);
        return ERR_INVALID;
    }
    int err = open_folder(target, root, name, ret_error);
    if (err < 0)
        return err;
    target->temporary = xasprintf("%s.partial", target->name);
    target->path = xasprintf("%s/%s", target->folder, target->name);
    target->temporary_path = xasprintf("%s/%s", target->folder, target->temporary);
    if (faccessat(target->folder_fd, target->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        buf_printf(ret_error, "%s exists already; name a new file", target->path);
        return ERR_CONFLICT;
    }
    return make_temporary(target, ret_error);
}

// Some file systems cannot rename without replacing an existing file. There a second link is made.
static int give_name(const struct target *target)
{
    int folder = target->folder_fd;
    if (renameat2(folder, target->temporary, folder, target->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (linkat(folder, target->temporary, folder, target->name, 0) < 0)
        return -errno;
    return unlinkat(folder, target->temporary, 0) < 0 ? -errno : 0;
}

static int sync_temporary(const struct target *target)
{
    CLEANUP(close_fd) int fd = openat(target->folder_fd, target->temporary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 || fdatasync(fd) < 0 ? -errno : 0;
}

// The folder may have been made for this file. If it may not be read, syncing is left to the kernel.
static int sync_root(const struct target *target)
{
    CLEANUP(free_ptr) char *above = xstrdup(target->root);
    char *slash = strrchr(above, '/');
    if (slash)
        *(slash == above ? slash + 1 : slash) = 0;
    int err = dir_sync(slash ? above : ".");
    return err == -EACCES ? 0 : err;
}

int target_publish(struct target *target, struct buf *ret_error)
{
    int err = sync_temporary(target);
    if (err == 0)
        err = give_name(target);
    if (err == -EEXIST) {
        buf_printf(ret_error, "%s exists already; name a new file", target->path);
        return ERR_CONFLICT;
    }
    if (err == 0) {
        target->made = false;
        err = fsync(target->folder_fd) < 0 ? -errno : sync_root(target);
    }
    return err < 0 ? refuse(target_error(-err), ret_error, "cannot write", target->path) : 0;
}

void target_release(struct target *target)
{
    if (target->made)
        unlinkat(target->folder_fd, target->temporary, 0);
    if (target->note && target->temporary)
        unlink(target->note);
    close_fd(&target->folder_fd);
    char *const texts[] = {target->root, target->folder,         target->name, target->temporary,
                           target->path, target->temporary_path, target->note};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    *target = (struct target){.folder_fd = -1};
}

void target_clear(const char *note)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct stat info;
    uint64_t device, inode;
    if (file_read_all(note, 8192, &text) < 0)
        return;
    struct str rest = buf_str(&text);
    bool known = str_to_u64(str_split(&rest, ' '), &device) && str_to_u64(str_split(&rest, ' '), &inode);
    CLEANUP(free_ptr) char *path = str_dup(rest);
    if (known && lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_dev == device && info.st_ino == inode)
        unlink(path);
    unlink(note);
}
