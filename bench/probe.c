// What a durable write costs on this disk: appends of `--bytes` to a file, each with fdatasync.
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int run_probe(struct args *args)
{
    const char *path = args_text(args, "file", NULL);
    uint64_t count = args_number(args, "count", 500), bytes = args_number(args, "bytes", 16384);
    args_done(args);
    struct samples samples = {0};
    char *block = xcalloc(1, bytes);
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        fail("%s: %s", path, strerror(errno));
    for (uint64_t i = 0; i < count; i++) {
        memset(block, (int)i, bytes);
        uint64_t began = now_ns();
        if (write(fd, block, bytes) != (ssize_t)bytes || fdatasync(fd) != 0)
            fail("%s: %s", path, strerror(errno));
        samples_add(&samples, now_ns() - began);
    }
    unlink(path);
    free(block);
    printf("{");
    samples_print(&samples, "fdatasync");
    printf("}\n");
    samples_release(&samples);
    return 0;
}
