// The client's end of a WebSocket that is open: ws_parser reads the frames. How it is opened: ws_open.c.
#include "client/ws_private.h"
#include "util/clock.h"
#include "ws/ws_parser.h"

#define WS_MESSAGE_MAX ((size_t)4 * 1024 * 1024)
#define RECEIVE_STEP   ((size_t)64 * 1024)
// When so many bytes at the front of `out` were sent, the rest is moved to the front.
#define SENT_KEEP_MAX    ((size_t)256 * 1024)
#define WS_CODE_NONE     1005
#define WS_CODE_ABNORMAL 1006

struct client_ws {
    struct ws_socket socket;
    struct ws_parser *parser;
    struct buf out; // [out_at, len) is still to be sent
    size_t out_at;
    uint8_t *scratch;
    uint64_t last_receive_ms;
    bool broken; // the socket is gone, or must not be used any more
    bool close_sent;
    bool peer_closed;
    unsigned close_code;
    size_t turn_bytes; // 0: no limit
    bool more;
    // During client_ws_receive:
    void (*message)(void *arg, int opcode, struct str data);
    void *arg;
};

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len, unsigned code)
{
    struct client_ws *ws = owner;
    switch (opcode) {
    case WS_TEXT:
    case WS_BINARY:
        if (!ws->peer_closed)
            ws->message(ws->arg, (int)opcode, str_n((const char *)data, len));
        break;
    case WS_PING:
        client_ws_send(ws, WS_PONG, data, len);
        break;
    case WS_PONG:
        break;
    case WS_CLOSE:
        ws->peer_closed = true;
        ws->close_code = code;
        break;
    }
}

int client_ws_open(const struct client_options *options, const char *path_and_query, const char *header,
                   struct client_response *ret, struct client_ws **ret_ws)
{
    static const struct ws_parser_events events = {.message = on_message};
    CLEANUP(client_response_release) struct client_response unwanted = {0};
    struct ws_socket opened;
    int err = ws_socket_open(options, path_and_query, header, ret ? ret : &unwanted, &opened);
    if (err < 0)
        return err;
    struct client_ws *ws = xcalloc(1, sizeof(*ws));
    ws->socket = opened;
    ws->parser = ws_parser_new(false, WS_MESSAGE_MAX, &events, ws);
    ws->scratch = xmalloc(RECEIVE_STEP);
    ws->last_receive_ms = clock_mono_ms();
    ws->close_code = WS_CODE_ABNORMAL;
    *ret_ws = ws;
    return 0;
}

int client_ws_fd(const struct client_ws *ws)
{
    return ws->socket.fd;
}

size_t client_ws_pending(const struct client_ws *ws)
{
    return ws->out.len - ws->out_at;
}

uint64_t client_ws_last_receive_ms(const struct client_ws *ws)
{
    return ws->last_receive_ms;
}

int client_ws_flush(struct client_ws *ws)
{
    while (!ws->broken && ws->out_at < ws->out.len) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(ws->socket.handle, ws->out.data + ws->out_at, ws->out.len - ws->out_at, &sent);
        ws->out_at += sent;
        if (code == CURLE_AGAIN)
            break;
        if (code != CURLE_OK)
            ws->broken = true;
    }
    if (ws->broken)
        return ERR_CLOSED;
    if (ws->out_at == ws->out.len) {
        buf_reset(&ws->out);
        ws->out_at = 0;
    } else if (ws->out_at > SENT_KEEP_MAX) {
        buf_consume(&ws->out, ws->out_at);
        ws->out_at = 0;
    }
    return 0;
}

int client_ws_queue(struct client_ws *ws, int opcode, const void *data, size_t len)
{
    if (ws->broken || ws->close_sent)
        return ERR_CLOSED;
    ws_frame_append(&ws->out, (enum ws_opcode)opcode, data, len, true);
    return 0;
}

int client_ws_send(struct client_ws *ws, int opcode, const void *data, size_t len)
{
    int err = client_ws_queue(ws, opcode, data, len);
    return err < 0 ? err : client_ws_flush(ws);
}

static void send_close(struct client_ws *ws, unsigned code)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    if (!ws->close_sent)
        client_ws_send(ws, WS_CLOSE, payload, code == WS_CODE_NONE ? 0 : sizeof(payload));
    ws->close_sent = true;
}

static int feed(struct client_ws *ws, const void *data, size_t len)
{
    unsigned breach = ws_parser_feed(ws->parser, data, len);
    if (ws->peer_closed) {
        send_close(ws, ws->close_code);
        return ERR_CLOSED;
    }
    if (breach == 0)
        return 0;
    send_close(ws, breach);
    ws->close_code = breach;
    ws->broken = true;
    return ERR_MALFORMED;
}

static int receive_all(struct client_ws *ws)
{
    if (ws->socket.early.len > 0) {
        CLEANUP(buf_release) struct buf early = ws->socket.early;
        ws->socket.early = (struct buf){0};
        int err = feed(ws, early.data, early.len);
        if (err < 0)
            return err;
    }
    size_t all = 0;
    while (!ws->broken) {
        size_t got = 0;
        ws->more = ws->turn_bytes > 0 && all >= ws->turn_bytes;
        if (ws->more)
            return 0;
        CURLcode code = curl_easy_recv(ws->socket.handle, ws->scratch, RECEIVE_STEP, &got);
        if (code == CURLE_AGAIN)
            return 0;
        if (code != CURLE_OK || got == 0)
            break;
        all += got;
        ws->last_receive_ms = clock_mono_ms();
        int err = feed(ws, ws->scratch, got);
        if (err < 0)
            return err;
    }
    ws->broken = true;
    return ERR_CLOSED;
}

int client_ws_receive(struct client_ws *ws, void (*message)(void *arg, int opcode, struct str data), void *arg,
                      unsigned *ret_close_code)
{
    ws->message = message;
    ws->arg = arg;
    int err = ws->peer_closed ? ERR_CLOSED : receive_all(ws);
    if (err < 0 && ret_close_code)
        *ret_close_code = ws->close_code;
    return err;
}

void client_ws_set_turn(struct client_ws *ws, size_t bytes)
{
    ws->turn_bytes = bytes;
}

bool client_ws_more(const struct client_ws *ws)
{
    return ws->more;
}

void client_ws_close(struct client_ws **ws_ptr, unsigned code)
{
    struct client_ws *ws = TAKE_PTR(*ws_ptr);
    if (!ws)
        return;
    send_close(ws, code);
    ws_parser_free(&ws->parser);
    ws_socket_release(&ws->socket);
    buf_release(&ws->out);
    free(ws->scratch);
    free(ws);
}
