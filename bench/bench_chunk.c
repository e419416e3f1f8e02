#include "bench_chunk.h"

struct chunk *bench_chunk(unsigned variant, uint32_t lines)
{
    struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = 0; i < lines; i++) {
        char text[160];
        unsigned number = (variant * 7919 + i) * 2654435761u;
        int len =
            snprintf(text, sizeof(text), "2025-11-15 10:30:%02u.%03u INFO  worker-%u processed item %08x in %u ms (%s)",
                     i % 60, number % 1000, variant, number, number >> 20 & 0xff, number % 17 ? "ok" : "retry");
        const struct record record = {.time_ms = 1763200000000 + i, .message = str_n(text, (size_t)len)};
        chunk_builder_add(builder, &record);
    }
    struct chunk *chunk = chunk_builder_finish(builder, 3);
    chunk_builder_free(&builder);
    return chunk;
}
