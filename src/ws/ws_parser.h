// The incremental frame parser that both ends share: bytes in, messages out, without I/O. Checks everything that ws.h
// lists.
#pragma once

#include "ws/ws.h"

struct ws_parser;

struct ws_parser_events {
    // `code` is for WS_CLOSE only (1005 when the frame had none).
    void (*message)(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len, unsigned code);
};

// `expect_masked`: true on the server's side.
struct ws_parser *ws_parser_new(bool expect_masked, size_t message_max, const struct ws_parser_events *events,
                                void *owner);
// 0, or the close code to answer with (1002, 1007, 1009); after that the parser takes nothing more. `message` may free
// the parser only by way of ws_parser_free, which is safe inside it.
unsigned ws_parser_feed(struct ws_parser *parser, const uint8_t *data, size_t len);
// What a message that has not come whole takes, with what is announced of it.
size_t ws_parser_memory(const struct ws_parser *parser);
void ws_parser_free(struct ws_parser **parser);
// Appends a whole frame; masked with a random key if `masked` (the client's side).
void ws_frame_append(struct buf *out, enum ws_opcode opcode, const void *data, size_t len, bool masked);
