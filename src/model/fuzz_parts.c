// Bytes to parts, as from a worker's socket. What passes the check is read whole, and written again is the same.
#include "model/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str frame = str_n((const char *)data, size), rest = frame;
    CLEANUP(buf_release) struct buf again = {0};
    struct part part;
    if (parts_check(frame) < 0)
        return 0;
    while (parts_next(&rest, &part)) {
        if (part.stream == 0 || part.chunk.len == 0)
            abort();
        part_append(&again, &part);
    }
    if (rest.len > 0 || !str_eq(buf_str(&again), frame))
        abort();
    return 0;
}
