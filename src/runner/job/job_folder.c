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

void job_kept_release(struct job_kept *kept)
{
    close_fd(&kept->ruleset);
}

int job_folder_open(struct job_runner *runner, const char *dir)
{
    CLEANUP(free_ptr) char *resolved = realpath(dir, NULL);
    if (!runner->again)
        job_kept_release(runner->kept);
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

// Its owner may have changed more than its entries: who may do what there, and what becomes of what is made there.
static bool is_untouched(const struct job_runner *runner, int fd)
{
    const struct job_file *file = &runner->file;
    struct stat info;
    int flags = 0;
    uid_t uid = file->has_user ? file->user.uid : geteuid();
    gid_t gid = file->has_user ? file->user.gid : getegid();
    if (fstat(fd, &info) < 0 || (info.st_mode & 07777) != 0700 || info.st_uid != uid || info.st_gid != gid)
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
