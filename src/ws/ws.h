// WebSocket (RFC 6455), both ends, on wslay's frame layer. Faults and their close codes: text that is not UTF-8, 1007;
// control frames that are fragmented or longer than 125 bytes, 1002; masks that the RFC forbids, 1002; messages beyond
// the limit, 1009.
#pragma once

#include "http/http.h"

enum ws_opcode { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws;

// The only subprotocol. It is selected when the client offers it. Other offered names may carry a credential, so they
// are never sent back.
#define WS_PROTOCOL "runnel.v1"

struct ws_handler {
    // A whole message. The bytes are valid until the callback returns.
    void (*message)(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len);
    void (*drained)(void *owner); // the socket has taken everything that was written; may be NULL
    // The peer closed (`code` is its code, 1005 if it sent none), broke the protocol, or went away (1006). Called once.
    // The ws is gone when the callback returns. Not called after ws_close.
    void (*closed)(void *owner, unsigned code);
};

struct ws_limits {
    size_t message_max;       // default 1 MiB; a longer frame or message → close 1009
    uint64_t ping_every_ms;   // default 20 s
    uint64_t pong_timeout_ms; // default 60 s; without any pong for so long → close 1001
    // Counts messages that have not come whole, beyond 16 KiB of each; without room they are not read, and after 10 s →
    // close 1013. NULL: no limit.
    struct budget *budget;
    int64_t account; // the account that pays for them
};

// For servers. Checks the handshake: GET, Upgrade, Connection, the key, and version 13 (another version → 426). Answers
// 101 and returns the WebSocket, or answers with the error and returns NULL. The request is gone in both cases.
struct ws *ws_accept(struct http_request *request, const struct ws_limits *limits, const struct ws_handler *handler,
                     void *owner);
// The checks that ws_accept makes first. For callers that must do nothing for a request that will be refused. If it
// returns false, it has answered with the error.
bool ws_check_handshake(struct http_request *request);
// True if the request asks for a WebSocket upgrade.
bool ws_is_upgrade(struct http_request *request);

void ws_send(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len);
// The same with [offset, offset + len) of bytes that are shared with other connections.
void ws_send_payload(struct ws *ws, enum ws_opcode opcode, struct payload *payload, size_t offset, size_t len);
// Sends bytes that already are whole unmasked frames (see ws_frame_append). They are shared with other connections.
void ws_send_frames(struct ws *ws, struct payload *frames, size_t offset, size_t len);
size_t ws_pending(const struct ws *ws);
void ws_unshare(struct ws *ws); // see conn_unshare
// Bytes that were already read, up to LOOP_SCRATCH_SIZE, may still be delivered. No pongs are expected while reading is
// paused.
void ws_pause_read(struct ws *ws, bool paused);
// Sends a close frame with `code` and `reason` (at most 123 bytes of UTF-8), waits for the peer's close frame (at most
// 5 s without progress), and frees the ws. *ws is NULL afterwards.
void ws_close(struct ws **ws, unsigned code, const char *reason);
void ws_free(struct ws **ws); // at once, without a close frame

// Appends the header of an unmasked, final frame of `len` payload bytes (2, 4 or 10 bytes).
size_t ws_frame_header(enum ws_opcode opcode, size_t len, uint8_t out[10]);
