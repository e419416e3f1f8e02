// WebSocket (RFC 6455), by wslay's frame layer, both ends. Text must be UTF-8 (close 1007), control frames are at most
// 125 bytes and unfragmented (1002), masks are as the RFC demands (1002), messages are bounded (1009).
#pragma once

#include "http/http.h"

enum ws_opcode { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws;

// The one subprotocol there is, selected when it is offered. Others that are offered may carry a credential and are
// never answered with.
#define WS_PROTOCOL "runnel.v1"

struct ws_handler {
    // A whole message. The bytes live until it returns.
    void (*message)(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len);
    void (*drained)(void *owner); // may be NULL: everything written was taken by the socket
    // The peer closed (its code, 1005 if none), broke the protocol or went away (1006). Called once; the ws is gone
    // when it returns. Not called after ws_close has been called.
    void (*closed)(void *owner, unsigned code);
};

struct ws_limits {
    size_t message_max;       // 1 MiB frame and message → 1009
    uint64_t ping_every_ms;   // 20 s
    uint64_t pong_timeout_ms; // 60 s without any pong → close 1001
    struct budget *budget;    // of messages that have not come whole, beyond 16 KiB of each; not read while there
                              // is no room, and → 1013 after 10 s; NULL: no bound
    int64_t account;          // whose they are
};

// Checks the handshake (GET, Upgrade, Connection, version 13 → 426 otherwise, key) and answers 101, or answers the
// error and returns NULL. The request is gone either way. Server side.
struct ws *ws_accept(struct http_request *request, const struct ws_limits *limits, const struct ws_handler *handler,
                     void *owner);
// What ws_accept checks first, for callers that must not do anything for a request that will be refused. False after
// having answered the error.
bool ws_check_handshake(struct http_request *request);
// True if the request asks for a WebSocket upgrade.
bool ws_is_upgrade(struct http_request *request);

void ws_send(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len);
// Sends bytes that are whole unmasked frames already (see ws_frame_append), shared with other connections.
void ws_send_frames(struct ws *ws, struct payload *frames, size_t offset, size_t len);
size_t ws_pending(const struct ws *ws);
void ws_unshare(struct ws *ws); // see conn_unshare
// What was read already, up to LOOP_SCRATCH_SIZE, may still come. Pongs are not expected meanwhile.
void ws_pause_read(struct ws *ws, bool paused);
// Sends a close frame with code and reason (at most 123 bytes of UTF-8), waits for the peer's (5 s without progress),
// frees. *ws is NULL afterwards.
void ws_close(struct ws **ws, unsigned code, const char *reason);
void ws_free(struct ws **ws); // at once, without a close frame

// Appends the header of an unmasked, final frame of `len` payload bytes (2, 4 or 10 bytes).
size_t ws_frame_header(enum ws_opcode opcode, size_t len, uint8_t out[10]);
