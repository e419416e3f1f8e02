#include "server/resources.h"

#include "util/machine.h"

#include <inttypes.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define FILES_SPARE 256 // for the store, the log and the program itself

#define MEMORY_LEAST      ((uint64_t)64 * 1024 * 1024)
#define MEMORY_UNKNOWN    ((uint64_t)1024 * 1024 * 1024) // for a machine that does not tell its memory
#define MEMORY_MAPPED_MIN (8 * 1024 * 1024)              // larger allocations get a mapping of their own
#define MEMORY_SPARE_MAX  (32 * 1024 * 1024)             // free memory that is kept at the end of the main heap
#define MEMORY_HEAP       (64 * 1024 * 1024) // the heap of a thread is made usable as a whole, and not page by page

int resources_check(const struct config *config, struct buf *ret_error)
{
    if (config->memory_max == 0 || (uint64_t)config->memory_max >= MEMORY_LEAST)
        return 0;
    buf_printf(ret_error, "memory_max must be 0, or at least %" PRIu64 " bytes (64 MiB), not %" PRIi64, MEMORY_LEAST,
               config->memory_max);
    return ERR_INVALID;
}

uint64_t resources_memory_max(const struct config *config)
{
    if (config->memory_max)
        return (uint64_t)config->memory_max;
    uint64_t machine = machine_memory("");
    return MAX((machine ? machine : MEMORY_UNKNOWN) / 4, MEMORY_LEAST);
}

// Chunks of about 100 KiB come and go all the time. If their memory went back to the kernel, the kernel would zero each
// page again: half of the time that reading a log takes.
void resources_keep_memory(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, MEMORY_MAPPED_MIN);
    mallopt(M_TRIM_THRESHOLD, MEMORY_SPARE_MAX);
    mallopt(M_TOP_PAD, MEMORY_HEAP);
    // Otherwise the first bytes of each of these heaps could take a page of 2 MiB.
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
#endif
}

// Each connection is a descriptor, and the soft limit is usually 1,024. If the hard limit is lower than what is wanted,
// further connections are refused before files run out, because the store and the log need some, too.
int64_t resources_connections_max(int64_t wanted, const struct logger *logger)
{
    struct rlimit limit;
    rlim_t files_wanted = (rlim_t)wanted + FILES_SPARE;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= files_wanted)
        return wanted;
    limit.rlim_cur = MIN(files_wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= files_wanted)
        return wanted;
    int64_t files = (int64_t)limit.rlim_cur;
    int64_t connections = files > 2 * FILES_SPARE ? files - FILES_SPARE : MAX(files / 2, 1);
    if (files >= wanted)
        log_debug(logger, "connections_max is a little lower, for the sake of other files", LOG_I("files", files),
                  LOG_I("connections_max", connections));
    else
        log_info(logger, "connections_max is lower, as no more files may be open", LOG_I("files", files),
                 LOG_I("connections_max", connections));
    return connections;
}
