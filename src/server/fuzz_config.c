#include "server/config.h"
#include "util/file.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(close_fd) int fd = memfd_create("config", MFD_CLOEXEC);
    CLEANUP(config_release) struct config config;
    CLEANUP(buf_release) struct buf error = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/proc/self/fd/%d", fd);
    if (fd < 0 || file_write_full(fd, data, size))
        abort();
    config_init(&config);
    if (config_load_file(&config, path, &error) && error.len == 0)
        abort(); // a refusal always says why
    if (config.loops < 0 || config.loops > 256)
        abort(); // bounds hold whatever the file says
    return 0;
}
