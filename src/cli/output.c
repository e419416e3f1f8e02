#include "cli/output.h"

#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FLUSH_AT ((size_t)64 * 1024)

void output_init(struct output *output, int fd)
{
    *output = (struct output){.fd = fd, .is_terminal = isatty(fd)};
}

void output_release(struct output *output)
{
    buf_release(&output->buf);
}

void output_flush(struct output *output)
{
    if (output->lock)
        pthread_mutex_lock(output->lock);
    int err = output_ended(output) ? 0 : file_write_full(output->fd, output->buf.data, output->buf.len);
    if (output->lock)
        pthread_mutex_unlock(output->lock);
    if (err == -EPIPE)
        output->closed = true;
    else if (err)
        output->err = err;
    buf_reset(&output->buf);
}

void output_finish(struct output *output)
{
    output_flush(output);
    // Some file systems report only at the close that they could not keep what was written.
    int copy = output_ended(output) ? -1 : fcntl(output->fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0 && close(copy) < 0 && errno != EINTR)
        output->err = -errno;
}

void output_terminal_size(int fd, size_t *ret_width, size_t *ret_height)
{
    struct winsize size = {0};
    bool told = isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0;
    *ret_width = told ? size.ws_col : 0;
    *ret_height = told ? size.ws_row : 0;
}

void output_advance(struct output *output)
{
    if (output->buf.len >= FLUSH_AT)
        output_flush(output);
}

bool output_ended(const struct output *output)
{
    return output->closed || output->err;
}
