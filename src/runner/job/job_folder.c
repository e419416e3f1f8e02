// The folder of a job, and when the next one may have it: that saves making and deleting three folders and the ruleset
// for them.
#include "runner/job/job_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

int job_folder_open(struct job_runner *runner, const char *dir)
{
    CLEANUP(free_ptr) char *resolved = realpath(dir, NULL);
    if (!runner->again)
        job_kept_release_folder(runner->kept);
    runner->dir = xstrdup(resolved ? resolved : dir);
    runner->dir_fd = open(runner->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (runner->dir_fd < 0)
        return -errno;
    int err = job_file_load(runner->dir_fd, &runner->file);
    if (err < 0)
        return err;
    runner->kept->stays = runner->file.stays;
    struct spool_options options = {.dir = runner->dir, .bytes_max = runner->file.spool_max, .write_only = true};
    err = spool_create(&options, &runner->spool);
    if (err < 0)
        return err;
    // A worker that gives a job back takes it away first: then it is not to be run any more.
    return faccessat(runner->dir_fd, JOB_FILE, F_OK, 0) < 0 ? -errno : 0;
}

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static bool is_empty(int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    CLEANUP(close_dir) DIR *dir = own < 0 ? NULL : fdopendir(own);
    const struct dirent *entry;
    if (!dir) {
        close_fd(&own);
        return false;
    }
    errno = 0;
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return false;
    }
    return errno == 0;
}

static bool is_of(const struct job_file *file, const struct stat *info)
{
    return info->st_uid == (file->has_user ? file->user.uid : geteuid()) &&
           info->st_gid == (file->has_user ? file->user.gid : getegid());
}

// Its owner may have changed more than its entries: who may do what there, and what becomes of what is made there.
static bool is_untouched(const struct job_runner *runner, int fd)
{
    const struct job_file *file = &runner->file;
    struct stat info;
    int flags = 0;
    if (fstat(fd, &info) < 0 || (info.st_mode & 07777) != 0700 || !is_of(file, &info))
        return false;
    ssize_t attributes = flistxattr(fd, NULL, 0);
    if (attributes > 0 || (attributes < 0 && errno != ENOTSUP))
        return false;
    return (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 || errno == ENOTTY || errno == EOPNOTSUPP) &&
           (flags & ~FS_EXTENT_FL & ~FS_INDEX_FL) == 0;
}

static bool is_as_made(const struct job_runner *runner, const char *name)
{
    CLEANUP(close_fd) int fd = openat(runner->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && is_untouched(runner, fd) && is_empty(fd);
}

bool job_folder_clean(const struct job_runner *runner)
{
    return !runner->file.stdin_path && !runner->listen_watch && is_as_made(runner, JOB_WORK) &&
           is_as_made(runner, JOB_OUTPUTS);
}

// --- Its voice

static int look_at_voice(const struct job_runner *runner, struct stat *ret)
{
    return fstatat(runner->dir_fd, JOB_VOICE, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

// A list of who may do what there (an ACL) that lets anybody in shows in the mode, too.
static bool voice_is_as_made(const struct job_runner *runner)
{
    const struct stat *made = &runner->kept->voice;
    struct stat now;
    return look_at_voice(runner, &now) == 0 && now.st_ino == made->st_ino && now.st_dev == made->st_dev &&
           now.st_mode == made->st_mode && is_of(&runner->file, &now);
}

static int make_voice(struct job_runner *runner, int *ret_door)
{
    const struct job_file *file = &runner->file;
    CLEANUP(close_fd) int door = -1;
    int err = voice_listen(runner->dir_fd, JOB_VOICE, &door);
    if (err == 0 && file->has_user &&
        fchownat(runner->dir_fd, JOB_VOICE, file->user.uid, file->user.gid, AT_SYMLINK_NOFOLLOW) < 0)
        err = -errno;
    if (err == 0)
        err = look_at_voice(runner, &runner->kept->voice);
    if (err == 0)
        *ret_door = TAKE_FD(door);
    return err;
}

int job_folder_voice(struct job_runner *runner, int *ret_door)
{
    CLEANUP(close_fd) int door = TAKE_FD(runner->kept->door);
    if (!runner->again || door < 0 || !voice_is_as_made(runner))
        return make_voice(runner, ret_door);
    voice_turn_away(door); // who came between two jobs has nothing to say to this one
    *ret_door = TAKE_FD(door);
    return 0;
}
