#include "runner/buffering.h"

bool buffering_read(struct buffering *buffering, uint64_t now_ms, uint64_t waited_ms, const char *data, size_t len)
{
    bool quiet = waited_ms >= BUFFERING_QUIET_MS;
    if (quiet)
        *buffering = (struct buffering){.quiet_ms = waited_ms, .broken_ms = now_ms};
    buffering->bytes += len;
    // A full buffer usually ends in the middle of a line.
    return quiet && len > 0 && len % BUFFERING_BLOCK == 0 && data[len - 1] != '\n';
}

bool buffering_ended(const struct buffering *buffering, uint64_t now_ms)
{
    return buffering->quiet_ms > 0 && now_ms - buffering->broken_ms <= BUFFERING_AT_END_MS &&
           buffering->bytes >= BUFFERING_LITTLE && buffering->bytes <= BUFFERING_MUCH;
}
