// Arbitrary bytes through the frame parser, whole and in pieces: both must see the same messages and the same fault.
#include "ws/ws_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len, unsigned code)
{
    struct buf *seen = owner;
    if (opcode == WS_TEXT && !utf8_valid(data, len))
        abort();
    buf_printf(seen, "%d %u %zu ", (int)opcode, code, len);
    buf_append(seen, data, len);
}

static const struct ws_parser_events events = {.message = on_message};

static unsigned parse(const uint8_t *data, size_t len, size_t piece, bool masked, struct buf *seen)
{
    struct ws_parser *parser = ws_parser_new(masked, 4096, &events, seen);
    unsigned code = 0;
    for (size_t at = 0; at < len && code == 0; at += piece)
        code = ws_parser_feed(parser, data + at, MIN(piece, len - at));
    ws_parser_free(&parser);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    bool masked = data[0] & 1;
    size_t piece = 1 + data[1] % 64u;
    CLEANUP(buf_release) struct buf whole = {0};
    CLEANUP(buf_release) struct buf pieces = {0};
    unsigned code = parse(data + 2, len - 2, len, masked, &whole);
    if (parse(data + 2, len - 2, piece, masked, &pieces) != code || !str_eq(buf_str(&whole), buf_str(&pieces)))
        abort();
    return 0;
}
