#include "util/private_file.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// Reads it through the descriptor that was looked at, so that it is the same file.
const char *private_file_read(const char *path, size_t max, struct buf *ret)
{
    struct stat info;
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) < 0)
        return strerror(errno);
    if (!S_ISREG(info.st_mode))
        return "it is not a file";
    if (info.st_mode & 077)
        return "others than its owner may read or write it; `chmod 600` it";
    int err = file_read_fd(fd, max, ret);
    return err < 0 ? error_text(err) : NULL;
}
