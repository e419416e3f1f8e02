#include "ws/ws.h"

#include "net/digest.h"
#include "ws/ws_parser.h"

#define CLOSE_WAIT_MS     5000
#define PONGS_PENDING_MAX ((size_t)64 * 1024) // a peer that pings but does not read gets no more pongs
#define REASON_MAX        123
#define CODE_AGAIN        1013 // tells the peer to come back in a moment
#define ROOM_RETRY_MS     100  // how often to look again while there is no room for the rest of a message
#define ROOM_WAIT_MS      10000

enum ws_state {
    WS_OPEN,
    WS_CLOSING, // our close frame is sent, and the peer's is awaited; the owner is gone
    WS_ENDING,  // both close frames were sent; the connection is closing
};

struct ws {
    struct loop *loop;
    struct conn *conn;
    struct budget_account *account;
    struct ws_parser *parser;
    enum ws_state state;
    struct ws_limits limits;
    const struct ws_handler *handler;
    void *owner;
    struct buf early;            // bytes that came with the handshake
    struct deferred deliver;     // feeds `early` to the parser once the owner has its ws
    struct timer *timer;         // the next ping; while closing, the end of the wait
    uint64_t pong_ms;            // the last pong, or the start
    uint64_t alive_ms;           // the last pong, or the end of the last pause: while reading is paused no pong is seen
    struct budget_lease message; // what the parser keeps of a message
    struct timer *room;          // runs from the moment at which there is no room for the rest of a message
    uint64_t room_since_ms;
    bool paused;
    struct lingerer lingerer; // used after the owner is gone
    unsigned busy;
    bool freed;
};

// --- Life

static void leave(struct ws *ws)
{
    if (--ws->busy > 0 || !ws->freed)
        return;
    ws_parser_free(&ws->parser);
    budget_lease_release(&ws->message);
    budget_account_unref(&ws->account);
    free(ws);
}

void ws_free(struct ws **ws_ptr)
{
    struct ws *ws = *ws_ptr;
    if (!ws)
        return;
    *ws_ptr = NULL;
    list_remove(&ws->lingerer.node);
    deferred_cancel(&ws->deliver);
    timer_free(&ws->timer);
    timer_free(&ws->room);
    conn_free(&ws->conn);
    buf_release(&ws->early);
    ws->freed = true;
    ws->busy++;
    leave(ws);
}

static void end_lingering(struct lingerer *lingerer)
{
    struct ws *ws = CONTAINER_OF(lingerer, struct ws, lingerer);
    ws_free(&ws);
}

static void send_close(struct ws *ws, unsigned code, struct str reason)
{
    uint8_t payload[2 + REASON_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t len = code == 1005 ? 0 : 2 + utf8_prefix(reason.data, reason.len, REASON_MAX);
    if (len > 2)
        memcpy(payload + 2, reason.data, len - 2);
    ws_send(ws, WS_CLOSE, payload, len);
}

// From now on the loop owns it.
static void linger(struct ws *ws, enum ws_state state)
{
    ws->state = state;
    deferred_cancel(&ws->deliver);
    buf_release(&ws->early);
    timer_start(ws->timer, CLOSE_WAIT_MS);
    if (list_empty(&ws->lingerer.node))
        loop_linger(ws->loop, &ws->lingerer);
    timer_free(&ws->room);
    conn_pause_read(ws->conn, false);
    if (state == WS_ENDING)
        conn_shutdown(ws->conn);
}

// Ends an open WebSocket, whichever side ends it, and tells the owner.
static void finish(struct ws *ws, unsigned code_sent, unsigned code_told)
{
    send_close(ws, code_sent, (struct str){0});
    linger(ws, WS_ENDING);
    ws->handler->closed(ws->owner, code_told);
}

// --- Receiving

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len, unsigned code)
{
    struct ws *ws = owner;
    if (ws->freed || ws->state == WS_ENDING)
        return;
    if (opcode == WS_CLOSE) {
        if (ws->state == WS_OPEN)
            finish(ws, code, code);
        else
            linger(ws, WS_ENDING);
        return;
    }
    if (ws->state != WS_OPEN)
        return;
    if (opcode == WS_PONG) {
        ws->pong_ms = ws->alive_ms = loop_now_ms(ws->loop);
    } else if (opcode == WS_PING) {
        if (ws_pending(ws) < PONGS_PENDING_MAX)
            ws_send(ws, WS_PONG, data, len);
    } else {
        ws->handler->message(ws->owner, opcode, data, len);
    }
}

static const struct ws_parser_events parser_events = {.message = on_message};

static void fail(struct ws *ws, unsigned code);
static void on_room_timer(void *arg);

static void set_reading(struct ws *ws)
{
    conn_pause_read(ws->conn, ws->paused || ws->room != NULL);
}

static void count_message(struct ws *ws)
{
    if (budget_lease_set(&ws->message, ws->account, BUDGET_requests, ws_parser_memory(ws->parser))) {
        timer_free(&ws->room);
        set_reading(ws);
        return;
    }
    uint64_t now = loop_now_ms(ws->loop);
    if (!ws->room) {
        ws->room = timer_new(ws->loop, on_room_timer, ws);
        ws->room_since_ms = now;
    }
    if (now - ws->room_since_ms >= ROOM_WAIT_MS) {
        timer_free(&ws->room);
        fail(ws, CODE_AGAIN);
        return;
    }
    ws->alive_ms = now; // while we do not read, we cannot expect to see pongs
    timer_start(ws->room, ROOM_RETRY_MS);
    set_reading(ws);
}

static void on_room_timer(void *arg)
{
    struct ws *ws = arg;
    ws->busy++;
    if (ws->state == WS_OPEN)
        count_message(ws);
    leave(ws);
}

static void feed(struct ws *ws, const uint8_t *data, size_t len)
{
    if (ws->freed || ws->state == WS_ENDING)
        return;
    unsigned code = ws_parser_feed(ws->parser, data, len);
    if (ws->freed)
        return;
    if (code)
        fail(ws, code);
    else if (ws->state == WS_OPEN)
        count_message(ws);
}

static void fail(struct ws *ws, unsigned code)
{
    if (ws->state == WS_OPEN)
        finish(ws, code, 1006);
    else
        linger(ws, WS_ENDING);
}

static void feed_early(struct ws *ws)
{
    struct buf early = ws->early;
    ws->early = (struct buf){0};
    if (early.len > 0)
        feed(ws, (const uint8_t *)early.data, early.len);
    buf_release(&early);
}

static void on_deliver(struct deferred *deferred)
{
    struct ws *ws = CONTAINER_OF(deferred, struct ws, deliver);
    ws->busy++;
    if (!ws->paused)
        feed_early(ws);
    leave(ws);
}

static void on_data(void *owner, const uint8_t *data, size_t len)
{
    struct ws *ws = owner;
    ws->busy++;
    feed_early(ws);
    feed(ws, data, len);
    leave(ws);
}

static void on_drained(void *owner)
{
    struct ws *ws = owner;
    ws->busy++;
    if (ws->state == WS_OPEN && ws->handler->drained)
        ws->handler->drained(ws->owner);
    leave(ws);
}

static void on_closed(void *owner, int err)
{
    struct ws *ws = owner;
    (void)err;
    ws->busy++;
    feed_early(ws);
    if (!ws->freed && ws->state == WS_OPEN) {
        ws->state = WS_ENDING;
        ws->handler->closed(ws->owner, 1006);
    }
    if (!ws->freed) {
        struct ws *gone = ws;
        ws_free(&gone);
    }
    leave(ws);
}

static const struct conn_handler conn_handler = {.data = on_data, .drained = on_drained, .closed = on_closed};

// The timeout is for a peer that does nothing. A peer that still reads what was sent before the close frame gets all of
// it.
static void close_late(struct ws *ws)
{
    uint64_t idle = loop_now_ms(ws->loop) - conn_last_write_ms(ws->conn);
    if (ws_pending(ws) > 0 && idle < CLOSE_WAIT_MS)
        timer_start(ws->timer, CLOSE_WAIT_MS - idle);
    else
        ws_free(&ws);
}

static void on_timer(void *arg)
{
    struct ws *ws = arg;
    if (ws->state != WS_OPEN) {
        close_late(ws);
        return;
    }
    uint64_t now = loop_now_ms(ws->loop);
    if (ws->limits.pong_timeout_ms && !ws->paused && now - ws->alive_ms >= ws->limits.pong_timeout_ms) {
        ws->busy++;
        finish(ws, 1001, 1006);
        leave(ws);
        return;
    }
    if (ws_pending(ws) < PONGS_PENDING_MAX)
        ws_send(ws, WS_PING, NULL, 0);
    timer_start(ws->timer, ws->limits.ping_every_ms);
}

// --- Handshake

static bool has_token(struct str list, struct str token)
{
    while (list.len > 0) {
        if (str_eq_nocase(str_trim(str_split(&list, ',')), token))
            return true;
    }
    return false;
}

bool ws_is_upgrade(struct http_request *request)
{
    return has_token(http_header(request, STR("upgrade")), STR("websocket")) &&
           has_token(http_header(request, STR("connection")), STR("upgrade"));
}

static bool key_valid(struct str key)
{
    uint8_t nonce[18];
    size_t len = sizeof(nonce);
    return key.len == 24 && base64_decode(key, nonce, &len) && len == 16;
}

bool ws_check_handshake(struct http_request *request)
{
    if (http_method(request) != HTTP_M_GET) {
        http_add_header(request, "Allow", "GET");
        http_respond_error(request, ERR_METHOD, NULL);
        return false;
    }
    bool version = str_eq(http_header(request, STR("sec-websocket-version")), STR("13")) && !http_is_1_0(request);
    if (!ws_is_upgrade(request) || !version) {
        http_add_header(request, "Upgrade", "websocket");
        http_add_header(request, "Connection", "Upgrade");
        http_add_header(request, "Sec-WebSocket-Version", "13");
        http_respond_error(request, ERR_UPGRADE, NULL);
        return false;
    }
    if (!key_valid(http_header(request, STR("sec-websocket-key")))) {
        http_respond_error(request, ERR_MALFORMED, "Sec-WebSocket-Key is malformed");
        return false;
    }
    return true;
}

static bool offers_protocol(struct http_request *request)
{
    struct str offered = http_header(request, STR("sec-websocket-protocol"));
    while (offered.len > 0) {
        if (str_eq(str_trim(str_split(&offered, ',')), STR(WS_PROTOCOL)))
            return true;
    }
    return false;
}

static void add_accept_headers(struct http_request *request)
{
    struct str key = http_header(request, STR("sec-websocket-key"));
    char joined[64];
    int len = snprintf(joined, sizeof(joined), "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", STR_ARGS(key));
    uint8_t digest[20];
    sha1(joined, (size_t)len, digest);
    char accept[32];
    base64_encode(digest, sizeof(digest), accept);
    http_add_header(request, "Upgrade", "websocket");
    http_add_header(request, "Connection", "Upgrade");
    http_add_header(request, "Sec-WebSocket-Accept", accept);
    if (offers_protocol(request))
        http_add_header(request, "Sec-WebSocket-Protocol", WS_PROTOCOL);
}

struct ws *ws_accept(struct http_request *request, const struct ws_limits *limits, const struct ws_handler *handler,
                     void *owner)
{
    if (!ws_check_handshake(request))
        return NULL;
    add_accept_headers(request);
    struct ws *ws = xcalloc(1, sizeof(*ws));
    ws->loop = http_loop(request);
    ws->limits = *limits;
    ws->handler = handler;
    ws->owner = owner;
    ws->parser = ws_parser_new(true, limits->message_max, &parser_events, ws);
    ws->account = budget_account(limits->budget, limits->account);
    ws->pong_ms = ws->alive_ms = loop_now_ms(ws->loop);
    deferred_init(&ws->deliver, on_deliver);
    list_init(&ws->lingerer.node);
    ws->lingerer.end = end_lingering;
    ws->timer = timer_new(ws->loop, on_timer, ws);
    if (limits->ping_every_ms)
        timer_start(ws->timer, limits->ping_every_ms);
    ws->conn = http_upgrade(request, &ws->early);
    conn_set_handler(ws->conn, &conn_handler, ws);
    if (ws->early.len > 0)
        loop_defer(ws->loop, &ws->deliver);
    return ws;
}

// --- Sending

void ws_send(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
    uint8_t header[10];
    conn_write(ws->conn, header, ws_frame_header(opcode, len, header));
    conn_write(ws->conn, data, len);
}

void ws_send_payload(struct ws *ws, enum ws_opcode opcode, struct payload *payload, size_t offset, size_t len)
{
    uint8_t header[10];
    conn_write(ws->conn, header, ws_frame_header(opcode, len, header));
    conn_write_payload(ws->conn, payload, offset, len);
}

void ws_send_frames(struct ws *ws, struct payload *frames, size_t offset, size_t len)
{
    conn_write_payload(ws->conn, frames, offset, len);
}

void ws_unshare(struct ws *ws)
{
    conn_unshare(ws->conn);
}

size_t ws_pending(const struct ws *ws)
{
    return conn_pending(ws->conn);
}

void ws_pause_read(struct ws *ws, bool paused)
{
    if (ws->paused == paused)
        return;
    ws->paused = paused;
    ws->alive_ms = loop_now_ms(ws->loop);
    set_reading(ws);
    if (!paused && ws->early.len > 0)
        loop_defer(ws->loop, &ws->deliver);
}

void ws_close(struct ws **ws_ptr, unsigned code, const char *reason)
{
    struct ws *ws = *ws_ptr;
    if (!ws)
        return;
    *ws_ptr = NULL;
    if (ws->state != WS_OPEN)
        return;
    send_close(ws, code, str_of(reason));
    linger(ws, WS_CLOSING);
}
