#include "store/engine/read/last_line.h"

#define LOOK_BYTES ((size_t)1024 * 1024)

static char *cut(struct str line)
{
    return xstrndup(line.data, utf8_prefix(line.data, line.len, LAST_LINE_MAX));
}

// A chunk without such a line stays closed.
static bool line_within(struct store_segment *segment, char **ret)
{
    if (chunk_stream_count(segment->chunk, STREAM_STDERR) == 0 || chunk_open(&segment->chunk) < 0)
        return false;
    for (uint32_t i = chunk_count(segment->chunk); i-- > 0;) {
        struct record record;
        chunk_record(segment->chunk, i, &record);
        if (record.stream != STREAM_STDERR)
            continue;
        *ret = cut(record.message);
        return true;
    }
    return false;
}

int last_line_read(const struct session *session, const struct execution *execution, char **ret)
{
    struct store_read read = {.op.kind = STORE_READ,
                              .row = execution->row,
                              .from = execution->next_sequence,
                              .backward = true,
                              .closed = true,
                              .max_bytes = LOOK_BYTES};
    *ret = NULL;
    if (execution->next_sequence == execution->first_sequence)
        return 0;
    session->engine->log->read(session, &read.op);
    for (size_t i = read.op.err ? 0 : read.ret_count; i-- > 0 && !line_within(&read.ret_segments[i], ret);)
        ;
    int err = read.op.err;
    store_op_release(&read.op);
    return err == ERR_NOT_FOUND || err == ERR_COLD ? 0 : err;
}
