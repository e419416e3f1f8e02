// The client's end of a WebSocket. curl makes the connection (proxies, TLS), this file makes the handshake, and
// ws_parser reads the frames.
#include "client/cause.h"
#include "client/client_private.h"
#include "http/response_head.h"
#include "net/digest.h"
#include "util/clock.h"
#include "util/id.h"
#include "ws/ws_parser.h"

#include <errno.h>
#include <poll.h>

#define WS_MESSAGE_MAX   ((size_t)4 * 1024 * 1024)
#define HANDSHAKE_MAX    ((size_t)16 * 1024)
#define REFUSAL_BODY_MAX ((size_t)64 * 1024)
#define RECEIVE_STEP     ((size_t)64 * 1024)
#define ABORT_LOOK_MS    200
// When so many bytes at the front of `out` were sent, the rest is moved to the front.
#define SENT_KEEP_MAX    ((size_t)256 * 1024)
#define WS_CODE_NONE     1005
#define WS_CODE_ABNORMAL 1006
#define WS_GUID          "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct client_ws {
    CURL *handle;
    curl_socket_t fd;
    const atomic_bool *abort; // used while it is being opened
    struct ws_parser *parser;
    struct buf early; // came with the answer of the handshake
    struct buf out;   // [out_at, len) is still to be sent
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

static void ws_free_all(struct client_ws **ws_ptr)
{
    struct client_ws *ws = TAKE_PTR(*ws_ptr);
    if (!ws)
        return;
    ws_parser_free(&ws->parser);
    if (ws->handle)
        curl_easy_cleanup(ws->handle);
    buf_release(&ws->early);
    buf_release(&ws->out);
    free(ws->scratch);
    free(ws);
}

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

// --- Opening

static int wait_for(const struct client_ws *ws, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now = clock_mono_ms();
        if (ws->abort && atomic_load(ws->abort))
            return ERR_CANCELED;
        if (now >= deadline_ms)
            return ERR_UNREACHABLE;
        struct pollfd poll_fd = {.fd = ws->fd, .events = events};
        int got = poll(&poll_fd, 1, (int)MIN(deadline_ms - now, (uint64_t)ABORT_LOOK_MS));
        if (got > 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return ERR_UNREACHABLE;
    }
}

static int send_all(struct client_ws *ws, const struct buf *data, uint64_t deadline_ms)
{
    for (size_t at = 0; at < data->len;) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(ws->handle, data->data + at, data->len - at, &sent);
        at += sent;
        if (code == CURLE_AGAIN) {
            int err = wait_for(ws, POLLOUT, deadline_ms);
            if (err < 0)
                return err;
        } else if (code != CURLE_OK) {
            return ERR_UNREACHABLE;
        }
    }
    return 0;
}

// Appends at least one byte to `data`. Returns ERR_CLOSED at the end of the stream.
static int receive_some(struct client_ws *ws, struct buf *data, uint64_t deadline_ms)
{
    for (;;) {
        size_t got = 0;
        buf_reserve(data, 4096);
        CURLcode code = curl_easy_recv(ws->handle, data->data + data->len, 4096, &got);
        if (code == CURLE_AGAIN) {
            int err = wait_for(ws, POLLIN, deadline_ms);
            if (err < 0)
                return err;
            continue;
        }
        if (code != CURLE_OK || got == 0)
            return ERR_CLOSED;
        data->len += got;
        return 0;
    }
}

struct target {
    char *user;        // "user:password" in base64, for a proxy; may be NULL
    char *host, *path; // host as in the header, with the port if it is not the default of the scheme
};

static void target_release(struct target *target)
{
    free(target->user);
    free(target->host);
    free(target->path);
}

static char *user_of(CURLU *url)
{
    char *user = NULL, *password = NULL, *encoded = NULL;
    if (curl_url_get(url, CURLUPART_USER, &user, CURLU_URLDECODE) == CURLUE_OK) {
        curl_url_get(url, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
        CLEANUP(free_ptr) char *both = xasprintf("%s:%s", user, password ? password : "");
        encoded = xmalloc(4 * ((strlen(both) + 2) / 3) + 1);
        base64_encode(both, strlen(both), encoded);
    }
    curl_free(user);
    curl_free(password);
    return encoded;
}

static int target_parse(const char *url, const char *path_and_query, struct target *ret)
{
    CURLU *parsed = curl_url();
    char *host = NULL, *port = NULL, *prefix = NULL;
    if (!parsed)
        abort();
    int err = ERR_INVALID;
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_PATH, &prefix, 0) == CURLUE_OK) {
        curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
        size_t prefix_len = strlen(prefix);
        while (prefix_len > 0 && prefix[prefix_len - 1] == '/')
            prefix_len--;
        ret->user = user_of(parsed);
        ret->host = xasprintf("%s%s%s", host, port ? ":" : "", port ? port : "");
        ret->path = xasprintf("%.*s%s", (int)prefix_len, prefix, path_and_query);
        err = client_header_safe(ret->host) && client_header_safe(ret->path) ? 0 : ERR_INVALID;
    }
    curl_free(host);
    curl_free(port);
    curl_free(prefix);
    curl_url_cleanup(parsed);
    return err;
}

static void make_accept(const char *key, char accept[29])
{
    CLEANUP(free_ptr) char *joined = xasprintf("%s" WS_GUID, key);
    uint8_t digest[20];
    sha1(joined, strlen(joined), digest);
    base64_encode(digest, sizeof(digest), accept);
}

struct answer {
    struct client_response response;
    size_t head_len; // including the empty line
    bool has_length, upgrade;
    uint64_t length;
    char accept[64];
};

static void answer_release(struct answer *answer)
{
    client_response_release(&answer->response);
}

static void take_header(void *arg, struct str name, struct str value)
{
    struct answer *answer = arg;
    client_response_header(&answer->response, str_n(name.data, (size_t)(value.data + value.len - name.data)));
    if (str_eq_nocase(name, STR("upgrade")))
        answer->upgrade = str_eq_nocase(value, STR("websocket"));
    else if (str_eq_nocase(name, STR("sec-websocket-accept")))
        snprintf(answer->accept, sizeof(answer->accept), "%.*s", STR_ARGS(value));
    else if (str_eq_nocase(name, STR("content-length")))
        answer->has_length = str_to_u64(value, &answer->length);
}

static int receive_head(struct client_ws *ws, struct buf *data, uint64_t deadline_ms, struct answer *ret)
{
    for (;;) {
        const char *end = data->len > 0 ? memmem(data->data, data->len, "\r\n\r\n", 4) : NULL;
        if (end) {
            ret->head_len = (size_t)(end - data->data) + 4;
            return http_response_head_parse(str_n(data->data, ret->head_len), &ret->response.status, take_header, ret);
        }
        if (data->len > HANDSHAKE_MAX)
            return ERR_MALFORMED;
        int err = receive_some(ws, data, deadline_ms);
        if (err < 0)
            return err == ERR_CANCELED ? err : ERR_UNREACHABLE;
    }
}

// Reads the body that explains a refusal. The code word in it says whether a retry could help, and the status does not.
// So half a body counts as no answer.
static int receive_refusal(struct client_ws *ws, struct buf *data, uint64_t deadline_ms, struct answer *answer)
{
    uint64_t wanted = answer->has_length ? MIN(answer->length, (uint64_t)REFUSAL_BODY_MAX) : REFUSAL_BODY_MAX;
    while (data->len - answer->head_len < wanted && receive_some(ws, data, deadline_ms) == 0)
        ;
    buf_append(&answer->response.body, data->data + answer->head_len,
               MIN(data->len - answer->head_len, (size_t)wanted));
    if (answer->has_length && answer->response.body.len < wanted) {
        answer->response.status = 0;
        return ERR_UNREACHABLE;
    }
    bool ours = answer->response.incarnation[0] != 0, redirects = answer->response.location[0] != 0;
    if (!ours && !redirects && answer->response.status < 500)
        cause_no_upgrade(answer->response.status, &answer->response.cause);
    int err = client_response_error(&answer->response, NULL);
    return err < 0 ? err : ERR_MALFORMED; // a 2xx is not a WebSocket either
}

static int handshake(struct client_ws *ws, const struct client_options *options, const struct target *target,
                     const char *header, uint64_t deadline_ms, struct answer *ret)
{
    CLEANUP(buf_release) struct buf data = {0};
    uint8_t nonce[16];
    char key[25], accept[29];
    random_bytes(nonce, sizeof(nonce));
    base64_encode(nonce, sizeof(nonce), key);
    make_accept(key, accept);
    buf_printf(
        &data,
        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: %s\r\nUser-Agent: runnel/" RUNNEL_VERSION "\r\n",
        target->path, target->host, key);
    if (target->user)
        buf_printf(&data, "Authorization: Basic %s\r\n", target->user);
    if (options->token)
        buf_printf(&data, "%s%s\r\n", target->user ? "X-Runnel-Token: " : "Authorization: Bearer ", options->token);
    if (header)
        buf_printf(&data, "%s\r\n", header);
    buf_append_text(&data, "\r\n");
    int err = send_all(ws, &data, deadline_ms);
    if (err < 0)
        return err;
    buf_reset(&data);
    err = receive_head(ws, &data, deadline_ms, ret);
    if (err < 0)
        return err;
    if (ret->response.status != 101)
        return receive_refusal(ws, &data, deadline_ms, ret);
    if (!ret->upgrade || strcmp(ret->accept, accept) != 0)
        return ERR_MALFORMED;
    buf_append(&ws->early, data.data + ret->head_len, data.len - ret->head_len);
    return 0;
}

static int on_connect_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct client_ws *ws = arg;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return ws->abort && atomic_load(ws->abort);
}

static int ws_connect(struct client_ws *ws, const struct client_options *options, struct client_response *response)
{
    char detail[CURL_ERROR_SIZE];
    ws->handle = client_handle_new(options);
    if (!ws->handle)
        return ERR_INTERNAL;
    curl_easy_setopt(ws->handle, CURLOPT_URL, options->url);
    curl_easy_setopt(ws->handle, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(ws->handle, CURLOPT_HTTPPROXYTUNNEL, 1L);
    // HTTP/2 has no upgrade, so it must not be negotiated.
    curl_easy_setopt(ws->handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    client_handle_listen(ws->handle, detail);
    curl_easy_setopt(ws->handle, CURLOPT_XFERINFOFUNCTION, on_connect_progress);
    curl_easy_setopt(ws->handle, CURLOPT_XFERINFODATA, ws);
    curl_easy_setopt(ws->handle, CURLOPT_NOPROGRESS, 0L);
    CURLcode code = curl_easy_perform(ws->handle);
    curl_easy_setopt(ws->handle, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return ERR_CANCELED;
    if (code != CURLE_OK)
        return client_handle_failed(ws->handle, code, options, detail, response);
    if (curl_easy_getinfo(ws->handle, CURLINFO_ACTIVESOCKET, &ws->fd) != CURLE_OK || ws->fd == CURL_SOCKET_BAD)
        return ERR_UNREACHABLE;
    return 0;
}

static int open_once(const struct client_options *options, const char *path_and_query, const char *header,
                     struct client_response *ret, struct client_ws **ret_ws)
{
    static const struct ws_parser_events events = {.message = on_message};
    CLEANUP(target_release) struct target target = {0};
    CLEANUP(answer_release) struct answer answer = {0};
    uint64_t timeout = options->connect_timeout_ms ? options->connect_timeout_ms : CLIENT_CONNECT_TIMEOUT_MS;
    if (!options->url || (options->token && !client_header_safe(options->token)) ||
        (header && !client_header_safe(header)))
        return ERR_INVALID;
    int err = target_parse(options->url, path_and_query, &target);
    if (err < 0)
        return err;

    CLEANUP(ws_free_all) struct client_ws *ws = xcalloc(1, sizeof(*ws));
    ws->abort = options->abort;
    err = ws_connect(ws, options, &answer.response);
    if (err == 0)
        err = handshake(ws, options, &target, header, clock_mono_ms() + timeout, &answer);
    client_response_release(ret);
    *ret = answer.response;
    answer.response = (struct client_response){0};
    if (err < 0)
        return err;
    ws->abort = NULL;
    ws->parser = ws_parser_new(false, WS_MESSAGE_MAX, &events, ws);
    ws->scratch = xmalloc(RECEIVE_STEP);
    ws->last_receive_ms = clock_mono_ms();
    ws->close_code = WS_CODE_ABNORMAL;
    *ret_ws = TAKE_PTR(ws);
    return 0;
}

int client_ws_open(const struct client_options *options, const char *path_and_query, const char *header,
                   struct client_response *ret, struct client_ws **ret_ws)
{
    CLEANUP(client_response_release) struct client_response unwanted = {0};
    CLEANUP(free_ptr) char *instead = NULL;
    struct client_response *response = ret ? ret : &unwanted;
    int err = open_once(options, path_and_query, header, response, ret_ws);
    if (err == 0 || !client_redirected(response, options->url, path_and_query, &instead))
        return err;
    struct client_options there = *options;
    there.url = instead;
    return open_once(&there, path_and_query, header, response, ret_ws);
}

// --- Use

int client_ws_fd(const struct client_ws *ws)
{
    return ws->fd;
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
        CURLcode code = curl_easy_send(ws->handle, ws->out.data + ws->out_at, ws->out.len - ws->out_at, &sent);
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
    if (ws->early.len > 0) {
        CLEANUP(buf_release) struct buf early = ws->early;
        ws->early = (struct buf){0};
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
        CURLcode code = curl_easy_recv(ws->handle, ws->scratch, RECEIVE_STEP, &got);
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
    if (!*ws_ptr)
        return;
    send_close(*ws_ptr, code);
    ws_free_all(ws_ptr);
}
