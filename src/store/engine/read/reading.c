#include "store/engine/read/reading.h"

#define READ_ATTEMPTS 64

// If a chunk was merged while its parts were being read, it overlaps what is there already. That part is cut off.
static int trim(struct store_segment *segment, uint64_t from, uint64_t end)
{
    uint64_t skip = segment->first < from ? from - segment->first : 0;
    uint64_t segment_end = segment->first + chunk_count(segment->chunk);
    uint64_t count = MIN(segment_end, end) - segment->first - skip;
    if (count == chunk_count(segment->chunk))
        return 0;
    int err = chunk_open(&segment->chunk);
    if (err < 0)
        return err;
    struct chunk *part = chunk_slice(segment->chunk, (uint32_t)skip, (uint32_t)count, 1);
    chunk_unref(&segment->chunk);
    *segment = (struct store_segment){segment->first + skip, part};
    return 0;
}

struct cold_ask reading_cold_ask(const struct reading *reading, uint64_t first)
{
    const struct store_read *read = reading->read;
    return (struct cold_ask){
        .row = read->row,
        .first = first,
        .backward = read->backward,
        .closed = read->closed,
        .ahead = read->max_bytes - MIN(reading->bytes, read->max_bytes),
    };
}

// How much memory it takes.
static size_t weight(const struct store_segment *segment)
{
    return chunk_is_open(segment->chunk) ? chunk_raw(segment->chunk) : chunk_memory(segment->chunk);
}

static bool wants_more(const struct reading *reading)
{
    const struct store_read *read = reading->read;
    return read->ret_count == 0 || (read->ret_count < STORE_READ_SEGMENTS && reading->bytes < read->max_bytes);
}

static int read_forward(struct reading *reading, const struct reading_engine *engine)
{
    struct store_read *read = reading->read;
    uint64_t at = MAX(read->from, read->ret_first_sequence);
    while (wants_more(reading)) {
        struct store_segment *segment = &read->ret_segments[read->ret_count];
        int rc = engine->covering(reading, at, segment);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return at < read->ret_next ? 0 : 1;
        if (read->ret_count++ > 0)
            rc = trim(segment, at, UINT64_MAX);
        if (rc < 0)
            return rc;
        reading->bytes += weight(segment);
        at = segment->first + chunk_count(segment->chunk);
        read->ret_next = MAX(read->ret_next, at);
    }
    return 1;
}

static void reverse_segments(struct store_read *read)
{
    for (size_t i = 0; i < read->ret_count / 2; i++) {
        struct store_segment *other = &read->ret_segments[read->ret_count - 1 - i], kept = *other;
        *other = read->ret_segments[i];
        read->ret_segments[i] = kept;
    }
}

static int read_backward(struct reading *reading, const struct reading_engine *engine)
{
    struct store_read *read = reading->read;
    uint64_t before = MIN(read->from, read->ret_next);
    while (before > read->ret_first_sequence && wants_more(reading)) {
        struct store_segment *segment = &read->ret_segments[read->ret_count];
        int rc = engine->covering(reading, before - 1, segment);
        if (rc <= 0)
            return rc;
        if (read->ret_count++ > 0)
            rc = trim(segment, 0, before);
        if (rc < 0)
            return rc;
        reading->bytes += weight(segment);
        before = segment->first;
    }
    reverse_segments(read);
    return 1;
}

static void forget_segments(struct store_read *read)
{
    for (size_t i = 0; i < read->ret_count; i++)
        chunk_unref(&read->ret_segments[i].chunk);
    read->ret_count = 0;
}

// Returns 1 when done; 0 if a merge or a commit came between what was looked at; then it must be tried again.
static int read_snapshot(struct reading *reading, const struct reading_engine *engine)
{
    struct store_read *read = reading->read;
    forget_segments(read);
    reading->bytes = 0;
    int rc = engine->begin(reading);
    if (rc == 0)
        rc = read->backward ? read_backward(reading, engine) : read_forward(reading, engine);
    engine->end(reading);
    return rc;
}

void reading_run(struct reading *reading, const struct reading_engine *engine)
{
    struct store_read *read = reading->read;
    int rc = read->by_time ? engine->since(reading, &read->from) : 0;
    for (int attempt = 0; attempt < READ_ATTEMPTS && rc == 0; attempt++)
        rc = read_snapshot(reading, engine);
    read->op.err = rc < 0 ? rc : rc == 0 ? ERR_CORRUPT : 0;
    if (rc <= 0)
        forget_segments(read);
}
