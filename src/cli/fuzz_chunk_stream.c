#include "cli/chunk_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool see_chunk(void *arg, uint64_t first, const struct chunk *chunk)
{
    uint64_t *sum = arg;
    *sum = chunk_digest(chunk, *sum + first);
    return true;
}

// The first byte says where the rest is cut in two.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t sum = 0;
    CLEANUP(chunk_stream_release) struct chunk_stream stream = {.chunk = see_chunk, .arg = &sum};
    if (size < 1)
        return 0;
    size_t cut = MIN((size_t)data[0], size - 1);
    const char *bytes = (const char *)data + 1;
    if (chunk_stream_feed(&stream, str_n(bytes, cut)) == 0)
        chunk_stream_feed(&stream, str_n(bytes + cut, size - 1 - cut));
    return 0;
}
