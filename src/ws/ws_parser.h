// The frame parser that both ends share: bytes in, messages out, no I/O. The bytes may come in pieces. It checks
// everything that ws.h lists.
#pragma once

#include "ws/ws.h"

struct ws_parser;

struct ws_parser_events {
    // `code` is for WS_CLOSE only; it is 1005 if the frame had none.
    void (*message)(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len, unsigned code);
};

// `expect_masked` is true on the server's side.
struct ws_parser *ws_parser_new(bool expect_masked, size_t message_max, const struct ws_parser_events *events,
                                void *owner);
// Returns 0, or the close code to answer with (1002, 1007, 1009). After a close code the parser takes nothing more.
// `message` may call ws_parser_free; it must not free the parser in another way.
unsigned ws_parser_feed(struct ws_parser *parser, const uint8_t *data, size_t len);
// Memory for a message that has not come whole, including the length that its frame announces.
size_t ws_parser_memory(const struct ws_parser *parser);
void ws_parser_free(struct ws_parser **parser);
// Appends a whole frame. If `masked` (the client's side), it is masked with a random key.
void ws_frame_append(struct buf *out, enum ws_opcode opcode, const void *data, size_t len, bool masked);
