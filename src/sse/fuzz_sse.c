// Arbitrary bytes through the parser, whole and in pieces: both must see the same events.
#include "sse/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_event(void *arg, struct str type, struct str id, struct str data)
{
    struct buf *seen = arg;
    buf_printf(seen, "%zu %zu %zu ", type.len, id.len, data.len);
    buf_append_str(seen, type);
    buf_append_str(seen, id);
    buf_append_str(seen, data);
}

static int parse(struct str bytes, size_t piece, struct buf *seen)
{
    struct sse_parser parser = {0};
    int err = 0;
    for (size_t at = 0; at < bytes.len && err == 0; at += piece)
        err = sse_parser_feed(&parser, str_n(bytes.data + at, MIN(piece, bytes.len - at)), 256, on_event, seen);
    sse_parser_release(&parser);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    struct str bytes = str_n((const char *)data + 1, len - 1);
    CLEANUP(buf_release) struct buf whole = {0};
    CLEANUP(buf_release) struct buf pieces = {0};
    int err = parse(bytes, len, &whole);
    if (parse(bytes, 1 + data[0] % 32u, &pieces) != err || !str_eq(buf_str(&whole), buf_str(&pieces)))
        abort();
    return 0;
}
