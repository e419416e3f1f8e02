#include "http/http_private.h"
#include "util/id.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

#define BODY_RAW_SPARE ((size_t)64 * 1024)
#define OUTPUT_MAX     ((size_t)16 * 1024) // answers that wait for a peer that sends requests but does not read
#define BACKLOG_KEEP   ((size_t)4 * 1024)
// How many times larger than its content a body may be on the wire, because of tiny chunks.
#define BODY_RAW_FACTOR     8
#define REFUSED_MAX         64 // so many connections above the limit get an answer; others are only closed
#define HALF_CLOSED_IDLE_MS 5000
#define SWEEP_MS            1000

// --- Parsing

static bool receiving(const struct http_conn *conn)
{
    bool paused = conn->request && conn->request->body_paused;
    return !conn->gone && conn->state <= CONN_BODY && !paused && conn_pending(conn->conn) < OUTPUT_MAX;
}

static void begin_request(struct http_conn *conn)
{
    conn->request = http_request_new(conn);
    conn->scan = (struct head_scan){0};
    conn->chunk_line = (struct chunk_line){0};
    conn->chunk_left = 0;
    conn->refusal = 0;
    llhttp_init(&conn->parser, HTTP_REQUEST, &http_parser_settings);
    conn->parser.data = conn;
    http_conn_set_state(conn, CONN_HEAD);
}

// Gives bytes to the parser. Returns false when the parser has refused them and the refusal was answered; then
// *ret_used means nothing.
static bool execute(struct http_conn *conn, const uint8_t *data, size_t len, size_t *ret_used)
{
    llhttp_errno_t result = llhttp_execute(&conn->parser, (const char *)data, len);
    if (result == HPE_OK) {
        *ret_used = len;
        return true;
    }
    if (result != HPE_PAUSED) {
        http_conn_refuse(conn, conn->refusal ? conn->refusal : ERR_MALFORMED);
        return false;
    }
    *ret_used = (size_t)(llhttp_get_error_pos(&conn->parser) - (const char *)data);
    if (!conn->request->complete)
        llhttp_resume(&conn->parser);
    return true;
}

// Gives the parser the bytes that the scan let pass. The parser gets the method only when it is complete: it could not
// tell an unknown method from bytes that are not HTTP.
static bool execute_headers(struct http_conn *conn, unsigned held, const uint8_t *data, size_t len, size_t *ret_used)
{
    const struct head_scan *scan = &conn->scan;
    size_t used = 0;
    *ret_used = len;
    if (len == 0 || (!scan->in_headers && scan->spaces == 0))
        return true;
    if (held > 0 && !execute(conn, (const uint8_t *)scan->method, held, &used))
        return false;
    return execute(conn, data, len, ret_used);
}

// Parses the head, or the trailers after a chunked body.
static bool parse_headers(struct http_conn *conn, const uint8_t *data, size_t len, size_t *ret_used)
{
    unsigned held = conn->scan.in_headers || conn->scan.spaces > 0 ? 0 : conn->scan.method_len;
    const struct http_limits *limits = &conn->server->limits;
    struct http_request *request = conn->request;
    size_t fine;
    int result = head_scan_feed(&conn->scan, data, len, limits->url_max, limits->headers_max, &fine);
    size_t used = 0;
    if (!execute_headers(conn, held, data, fine, &used))
        return false;
    *ret_used = fine;
    if (result < 0) {
        http_conn_refuse(conn, result);
        return false;
    }
    // The scan and the parser must agree on where the head ends.
    bool end = request->trailers ? request->complete : request->head_complete;
    if ((result == HEAD_END) != end || used != fine) {
        http_conn_refuse(conn, ERR_MALFORMED);
        return false;
    }
    return true;
}

// Reads the line before a chunk. The parser is told only the size.
static bool parse_chunk_line(struct http_conn *conn, const uint8_t *data, size_t len, size_t *ret_used)
{
    int result = chunk_line_feed(&conn->chunk_line, data, len, conn->server->limits.headers_max, ret_used);
    if (result < 0) {
        http_conn_refuse(conn, result);
        return false;
    }
    if (result == CHUNK_LINE_MORE)
        return true;
    char plain[24];
    int plain_len = snprintf(plain, sizeof(plain), "%llx\r\n", (unsigned long long)conn->chunk_line.size);
    size_t used;
    if (!execute(conn, (const uint8_t *)plain, (size_t)plain_len, &used))
        return false;
    conn->chunk_left = conn->chunk_line.size + 2;
    chunk_line_next(&conn->chunk_line);
    return true;
}

static bool parse_chunked(struct http_conn *conn, const uint8_t *data, size_t len, size_t *ret_used)
{
    if (conn->chunk_left == 0)
        return parse_chunk_line(conn, data, len, ret_used);
    size_t part = (size_t)MIN((uint64_t)len, conn->chunk_left);
    conn->chunk_left -= part;
    return execute(conn, data, part, ret_used);
}

static bool parse_body(struct http_conn *conn, const uint8_t *data, size_t len, size_t *ret_used)
{
    bool fine = conn->request->chunked ? parse_chunked(conn, data, len, ret_used) : execute(conn, data, len, ret_used);
    if (!fine)
        return false;
    conn->request->body_raw += *ret_used;
    if (conn->request->body_raw / BODY_RAW_FACTOR <= conn->request->body_max + BODY_RAW_SPARE)
        return true;
    http_conn_refuse(conn, ERR_TOO_LARGE);
    return false;
}

// A request that will be refused is refused before its body is read.
static void judge_head(struct http_conn *conn)
{
    const struct http_app *app = &conn->server->app;
    if (!app->head) {
        http_begin_body(conn, conn->server->limits.body_max);
        return;
    }
    http_conn_set_state(conn, CONN_ANSWERING);
    app->head(app->app, conn->request);
}

static void hand_over(struct http_conn *conn, struct str rest)
{
    const struct http_app *app = &conn->server->app;
    struct http_request *request = conn->request;
    if (http_body_cut_off(request)) {
        http_conn_refuse(conn, ERR_MALFORMED);
        return;
    }
    http_decoder_free(&request->decoder);
    buf_release(&request->coded);
    http_conn_set_state(conn, CONN_ANSWERING);
    conn->rest = rest;
    if (request->body_handler)
        request->body_handler->end(request->body_owner);
    else
        app->request(app->app, request);
    if (!conn->gone)
        conn->rest = (struct str){0};
}

// Parses requests and hands them over, as long as each is answered at once. Returns how many bytes were used.
static size_t parse(struct http_conn *conn, const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (at < len && receiving(conn)) {
        if (conn->state == CONN_WAITING && (data[at] == '\r' || data[at] == '\n')) {
            at++; // some clients send an empty line after a body
            continue;
        }
        if (conn->state == CONN_WAITING)
            begin_request(conn);
        size_t used = 0;
        bool scanned = conn->state == CONN_HEAD || conn->request->trailers;
        bool fine =
            scanned ? parse_headers(conn, data + at, len - at, &used) : parse_body(conn, data + at, len - at, &used);
        if (!fine)
            return len; // the connection ends; its further bytes do not matter
        at += used;
        if (conn->request->complete && !conn->request->decoding)
            hand_over(conn, str_n((const char *)data + at, len - at));
        else if (conn->state == CONN_HEAD && conn->request->head_complete)
            judge_head(conn);
    }
    return at;
}

// The peer has ended: a request that is not complete will never be.
static void check_end(struct http_conn *conn)
{
    if (!conn->peer_ended || http_conn_backlog(conn) > 0 || (conn->request && conn->request->decoding))
        return;
    if (conn->state == CONN_WAITING)
        http_conn_end(conn);
    else if (conn->state == CONN_HEAD || conn->state == CONN_BODY)
        http_conn_refuse(conn, ERR_MALFORMED);
}

// Refuses input for which there is no room.
static void deny_input(struct http_conn *conn)
{
    if (conn->state == CONN_HEAD || conn->state == CONN_BODY)
        http_conn_refuse(conn, ERR_OVERLOADED);
    else
        http_conn_abandon(conn, ERR_OVERLOADED);
}

// Bytes that wait, and a body that is paused, keep further ones in the kernel.
static void pause_reading(struct http_conn *conn)
{
    bool paused = conn->state == CONN_BODY && conn->request->body_paused;
    conn_pause_read(conn->conn, http_conn_backlog(conn) > 0 || paused);
}

// A few bytes may become very many, so a body is decoded in steps, one each time.
static void go_on_decoding(struct http_conn *conn)
{
    struct http_request *request = conn->request;
    int err = http_decode_body(request);
    if (err < 0)
        http_conn_refuse(conn, err);
    else if (request->complete && !request->decoding)
        hand_over(conn, str_n(conn->backlog.data + conn->backlog_at, http_conn_backlog(conn)));
}

static void on_feed(struct deferred *deferred)
{
    struct http_conn *conn = CONTAINER_OF(deferred, struct http_conn, feed);
    conn->busy++;
    if (conn->state == CONN_BODY && conn->request->decoding)
        go_on_decoding(conn);
    if (http_conn_backlog(conn) > 0 && receiving(conn)) {
        size_t used = parse(conn, (const uint8_t *)conn->backlog.data + conn->backlog_at, http_conn_backlog(conn));
        if (!conn->gone && conn->state != CONN_ENDING)
            conn->backlog_at += used;
    }
    if (!conn->gone && conn->state != CONN_ENDING && !http_hold_input(conn))
        deny_input(conn);
    if (!conn->gone && http_conn_backlog(conn) == 0) {
        conn->backlog_at = 0;
        if (conn->backlog.cap > BACKLOG_KEEP)
            buf_release(&conn->backlog);
        else
            buf_reset(&conn->backlog);
    }
    if (!conn->gone && conn->state != CONN_ENDING) {
        pause_reading(conn);
        check_end(conn);
    }
    http_conn_leave(conn);
}

// --- Callbacks of the connection

static void on_data(void *owner, const uint8_t *data, size_t len)
{
    struct http_conn *conn = owner;
    conn->busy++;
    size_t used = http_conn_backlog(conn) == 0 ? parse(conn, data, len) : 0;
    if (!conn->gone && conn->state != CONN_ENDING && used < len) {
        // Keep this one read. Further bytes of the peer stay in the kernel until these are used.
        buf_append(&conn->backlog, data + used, len - used);
    }
    if (!conn->gone && conn->state != CONN_ENDING)
        pause_reading(conn);
    if (!conn->gone && conn->state != CONN_ENDING && !http_hold_input(conn))
        deny_input(conn);
    http_conn_leave(conn);
}

static void on_drained(void *owner)
{
    struct http_conn *conn = owner;
    conn->busy++;
    if (!conn->keeps_output)
        http_release_output(conn);
    if (conn->stream && conn->stream->copied.len == 0 && conn->stream->handler->drained)
        conn->stream->handler->drained(conn->stream->owner);
    if (!conn->gone && http_conn_backlog(conn) > 0 && receiving(conn))
        loop_defer(conn->server->loop, &conn->feed);
    http_conn_leave(conn);
}

static void on_half_closed(void *owner)
{
    struct http_conn *conn = owner;
    conn->busy++;
    conn->peer_ended = true;
    check_end(conn);
    http_conn_leave(conn);
}

// Strangers can cause it as often as they like, so the log is limited.
static void log_handshake_failure(struct http_conn *conn, const char *reason)
{
    struct http_server *server = conn->server;
    uint64_t left_out;
    if (!log_limiter_pass(&server->tls_failures, loop_now_ms(server->loop), &left_out))
        return;
    log_warn(server->app.logger, "a TLS handshake failed", LOG_S("peer", conn_peer(conn->conn)),
             LOG_S("reason", reason), LOG_I("not_logged", left_out));
}

static void on_closed(void *owner, int err)
{
    struct http_conn *conn = owner;
    const char *reason = conn_handshake_failure(conn->conn);
    if (reason)
        log_handshake_failure(conn, reason);
    http_conn_abandon(conn, err);
}

static const struct conn_handler conn_handler = {
    .data = on_data, .drained = on_drained, .half_closed = on_half_closed, .closed = on_closed};

void http_server_trust(struct http_server *server, const struct net_ranges *trusted)
{
    server->trusted = trusted;
}

void http_server_accept(struct http_server *server, const struct http_accepted *accepted)
{
    int fd = accepted->fd;
    bool refused = conn_count_open(server->open) >= server->limits.connections_max;
    if (refused && server->refused_count >= REFUSED_MAX) {
        atomic_fetch_add_explicit(&server->stats.refused_total, 1, memory_order_relaxed);
        close_fd(&fd);
        return;
    }
    struct http_conn *conn = xcalloc(1, sizeof(*conn));
    conn->server = server;
    conn->counted = !refused;
    deferred_init(&conn->feed, on_feed);
    http_conn_set_state(conn, CONN_WAITING);
    list_push_back(&server->conns, &conn->node);
    conn->conn = conn_new(server->loop, fd, accepted->plain ? NULL : server->tls, &conn_handler, conn);
    if (accepted->address)
        conn_set_address(conn->conn, accepted->address);
    conn->https = accepted->https;
    conn->trusted = !accepted->unknown && net_ranges_has(server->trusted, conn_address(conn->conn));
    if (refused) {
        server->refused_count++;
        begin_request(conn);
        http_conn_refuse(conn, ERR_UNAVAILABLE);
        return;
    }
    conn_set_count(conn->conn, server->open);
    server->count++;
    server->stats.connections++;
    server->stats.connections_total++;
    log_debug(server->app.logger, "connection opened", LOG_S("peer", conn_peer(conn->conn)));
}

// --- Timeouts: one sweep over all connections. A timer for each connection would cost more than it is worth.

// True if it has been sending for `send_timeout_ms` without any progress.
static bool send_stalled(struct http_conn *conn, uint64_t now)
{
    uint64_t last_write = conn_last_write_ms(conn->conn);
    if (conn_pending(conn->conn) == 0 || last_write != conn->stall_write_ms) {
        conn->stall_write_ms = last_write;
        conn->stall_ms = now;
    }
    const struct http_limits *limits = &conn->server->limits;
    bool unwanted = limits->slow_timeout_ms && http_output_unwanted(conn);
    return now - conn->stall_ms > (unwanted ? limits->slow_timeout_ms : limits->send_timeout_ms);
}

static bool expired(struct http_conn *conn, uint64_t now)
{
    const struct http_limits *limits = &conn->server->limits;
    if (send_stalled(conn, now))
        return true;
    switch (conn->state) {
    case CONN_WAITING:
        if (!conn_is_ready(conn->conn))
            return now - conn->since_ms > limits->header_timeout_ms;
        return conn_pending(conn->conn) == 0 && now - conn->since_ms > limits->idle_timeout_ms;
    case CONN_HEAD:
        return now - conn->since_ms > limits->header_timeout_ms;
    case CONN_BODY:
        if (conn->request->body_paused)
            return false;
        return now - MAX(conn->since_ms, conn_last_read_ms(conn->conn)) > limits->header_timeout_ms;
    case CONN_STREAMING:
        // A peer that has fully closed looks like one that has half-closed, until we send something.
        return conn->peer_ended && conn_pending(conn->conn) == 0 &&
               now - MAX(conn->since_ms, conn_last_write_ms(conn->conn)) > HALF_CLOSED_IDLE_MS;
    case CONN_ANSWERING:
    case CONN_ENDING:
        return false;
    }
    return false;
}

static void sweep(void *arg)
{
    struct http_server *server = arg;
    uint64_t now = loop_now_ms(server->loop);
    struct list_node doomed;
    list_init(&doomed);
    LIST_FOR_EACH_SAFE(node, next, &server->conns) {
        if (!expired(CONTAINER_OF(node, struct http_conn, node), now))
            continue;
        list_remove(node);
        list_push_back(&doomed, node);
    }
    // One by one from the front: what the application does about one may end another.
    while (!list_empty(&doomed)) {
        struct http_conn *conn = CONTAINER_OF(doomed.next, struct http_conn, node);
        list_remove(&conn->node);
        list_push_back(&server->conns, &conn->node);
        bool late = (conn->state == CONN_HEAD || conn->state == CONN_BODY) && !send_stalled(conn, now);
        if (late)
            http_conn_refuse(conn, ERR_TIMEOUT);
        else
            http_conn_abandon(conn, -ETIMEDOUT);
    }
    timer_start(server->sweep, server->sweep_ms);
}

// --- Server

struct http_server *http_server_new(struct loop *loop, const struct http_app *app, const struct http_limits *limits,
                                    struct tls_server *tls)
{
    struct http_server *server = xcalloc(1, sizeof(*server));
    random_bytes(server->id_seed, sizeof(server->id_seed));
    server->loop = loop;
    server->app = *app;
    server->limits = *limits;
    server->tls = tls;
    server->open = conn_count_new();
    list_init(&server->conns);
    uint64_t shortest = MIN(limits->header_timeout_ms, MIN(limits->idle_timeout_ms, limits->send_timeout_ms));
    server->sweep_ms = MIN(MAX(shortest / 4, 1u), (uint64_t)SWEEP_MS);
    server->sweep = timer_new(loop, sweep, server);
    timer_start(server->sweep, server->sweep_ms);
    return server;
}

void http_server_drain(struct http_server *server, void (*fewer)(void *arg), void *arg)
{
    server->draining = true;
    LIST_FOR_EACH_SAFE(node, next, &server->conns) {
        struct http_conn *conn = CONTAINER_OF(node, struct http_conn, node);
        if (conn->state == CONN_WAITING && http_conn_backlog(conn) == 0)
            http_conn_end(conn);
    }
    server->fewer = fewer;
    server->fewer_arg = arg;
    conn_count_when_none(server->open, http_server_tell_fewer, server);
    http_server_tell_fewer(server);
}

unsigned http_server_open(const struct http_server *server)
{
    return conn_count_open(server->open);
}

unsigned http_server_connections(const struct http_server *server)
{
    return server->count;
}

const struct http_stats *http_server_stats(const struct http_server *server)
{
    return &server->stats;
}

void http_server_free(struct http_server **server_ptr)
{
    struct http_server *server = *server_ptr;
    if (!server)
        return;
    *server_ptr = NULL;
    server->fewer = NULL;
    conn_count_when_none(server->open, NULL, NULL);
    while (!list_empty(&server->conns))
        http_conn_abandon(CONTAINER_OF(server->conns.next, struct http_conn, node), ERR_SHUTTING_DOWN);
    timer_free(&server->sweep);
    conn_count_unref(&server->open);
    buf_release(&server->out);
    free(server);
}
