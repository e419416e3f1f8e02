// The opening of a WebSocket. curl makes the connection (proxies, TLS), this file makes the handshake.
#include "client/cause.h"
#include "client/ws_private.h"
#include "http/response_head.h"
#include "net/digest.h"
#include "util/clock.h"
#include "util/id.h"

#include <errno.h>
#include <poll.h>

#define HANDSHAKE_MAX    ((size_t)16 * 1024)
#define REFUSAL_BODY_MAX ((size_t)64 * 1024)
#define ABORT_LOOK_MS    200
#define WS_GUID          "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct opening {
    struct ws_socket socket;
    const atomic_bool *abort; // may be NULL
};

static void opening_release(struct opening *opening)
{
    ws_socket_release(&opening->socket);
}

void ws_socket_release(struct ws_socket *socket)
{
    if (socket->handle)
        curl_easy_cleanup(socket->handle);
    buf_release(&socket->early);
    *socket = (struct ws_socket){0};
}

// --- Bytes

static int wait_for(const struct opening *opening, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now = clock_mono_ms();
        if (opening->abort && atomic_load(opening->abort))
            return ERR_CANCELED;
        if (now >= deadline_ms)
            return ERR_UNREACHABLE;
        struct pollfd poll_fd = {.fd = opening->socket.fd, .events = events};
        int got = poll(&poll_fd, 1, (int)MIN(deadline_ms - now, (uint64_t)ABORT_LOOK_MS));
        if (got > 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return ERR_UNREACHABLE;
    }
}

static int send_all(struct opening *opening, const struct buf *data, uint64_t deadline_ms)
{
    for (size_t at = 0; at < data->len;) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(opening->socket.handle, data->data + at, data->len - at, &sent);
        at += sent;
        if (code == CURLE_AGAIN) {
            int err = wait_for(opening, POLLOUT, deadline_ms);
            if (err < 0)
                return err;
        } else if (code != CURLE_OK) {
            return ERR_UNREACHABLE;
        }
    }
    return 0;
}

// Appends at least one byte to `data`. Returns ERR_CLOSED at the end of the stream.
static int receive_some(struct opening *opening, struct buf *data, uint64_t deadline_ms)
{
    for (;;) {
        size_t got = 0;
        buf_reserve(data, 4096);
        CURLcode code = curl_easy_recv(opening->socket.handle, data->data + data->len, 4096, &got);
        if (code == CURLE_AGAIN) {
            int err = wait_for(opening, POLLIN, deadline_ms);
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

// --- The handshake

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

static int receive_head(struct opening *opening, struct buf *data, uint64_t deadline_ms, struct answer *ret)
{
    for (;;) {
        const char *end = data->len > 0 ? memmem(data->data, data->len, "\r\n\r\n", 4) : NULL;
        if (end) {
            ret->head_len = (size_t)(end - data->data) + 4;
            return http_response_head_parse(str_n(data->data, ret->head_len), &ret->response.status, take_header, ret);
        }
        if (data->len > HANDSHAKE_MAX)
            return ERR_MALFORMED;
        int err = receive_some(opening, data, deadline_ms);
        if (err < 0)
            return err == ERR_CANCELED ? err : ERR_UNREACHABLE;
    }
}

// Reads the body that explains a refusal. The code word in it says whether a retry could help, and the status does not.
// So half a body counts as no answer.
static int receive_refusal(struct opening *opening, struct buf *data, uint64_t deadline_ms, struct answer *answer)
{
    uint64_t wanted = answer->has_length ? MIN(answer->length, (uint64_t)REFUSAL_BODY_MAX) : REFUSAL_BODY_MAX;
    while (data->len - answer->head_len < wanted && receive_some(opening, data, deadline_ms) == 0)
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

static int handshake(struct opening *opening, const struct client_options *options, const struct target *target,
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
    int err = send_all(opening, &data, deadline_ms);
    if (err < 0)
        return err;
    buf_reset(&data);
    err = receive_head(opening, &data, deadline_ms, ret);
    if (err < 0)
        return err;
    if (ret->response.status != 101)
        return receive_refusal(opening, &data, deadline_ms, ret);
    if (!ret->upgrade || strcmp(ret->accept, accept) != 0)
        return ERR_MALFORMED;
    buf_append(&opening->socket.early, data.data + ret->head_len, data.len - ret->head_len);
    return 0;
}

// --- The connection

static int on_connect_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct opening *opening = arg;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return opening->abort && atomic_load(opening->abort);
}

static int connect_to(struct opening *opening, const struct client_options *options, struct client_response *response)
{
    char detail[CURL_ERROR_SIZE];
    opening->socket.handle = client_handle_new(options);
    if (!opening->socket.handle)
        return ERR_INTERNAL;
    curl_easy_setopt(opening->socket.handle, CURLOPT_URL, options->url);
    curl_easy_setopt(opening->socket.handle, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(opening->socket.handle, CURLOPT_HTTPPROXYTUNNEL, 1L);
    // HTTP/2 has no upgrade, so it must not be negotiated.
    curl_easy_setopt(opening->socket.handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    client_handle_listen(opening->socket.handle, detail);
    curl_easy_setopt(opening->socket.handle, CURLOPT_XFERINFOFUNCTION, on_connect_progress);
    curl_easy_setopt(opening->socket.handle, CURLOPT_XFERINFODATA, opening);
    curl_easy_setopt(opening->socket.handle, CURLOPT_NOPROGRESS, 0L);
    CURLcode code = curl_easy_perform(opening->socket.handle);
    curl_easy_setopt(opening->socket.handle, CURLOPT_NOPROGRESS, 1L); // `opening` does not last
    curl_easy_setopt(opening->socket.handle, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return ERR_CANCELED;
    if (code != CURLE_OK)
        return client_handle_failed(opening->socket.handle, code, options, detail, response);
    if (curl_easy_getinfo(opening->socket.handle, CURLINFO_ACTIVESOCKET, &opening->socket.fd) != CURLE_OK ||
        opening->socket.fd == CURL_SOCKET_BAD)
        return ERR_UNREACHABLE;
    return 0;
}

static int open_once(const struct client_options *options, const char *path_and_query, const char *header,
                     struct client_response *ret, struct ws_socket *ret_socket)
{
    CLEANUP(target_release) struct target target = {0};
    CLEANUP(answer_release) struct answer answer = {0};
    uint64_t timeout = options->connect_timeout_ms ? options->connect_timeout_ms : CLIENT_CONNECT_TIMEOUT_MS;
    if (!options->url || (options->token && !client_header_safe(options->token)) ||
        (header && !client_header_safe(header)))
        return ERR_INVALID;
    int err = target_parse(options->url, path_and_query, &target);
    if (err < 0)
        return err;

    CLEANUP(opening_release) struct opening opening = {.abort = options->abort};
    err = connect_to(&opening, options, &answer.response);
    if (err == 0)
        err = handshake(&opening, options, &target, header, clock_mono_ms() + timeout, &answer);
    client_response_release(ret);
    *ret = answer.response;
    answer.response = (struct client_response){0};
    if (err < 0)
        return err;
    *ret_socket = opening.socket;
    opening.socket = (struct ws_socket){0};
    return 0;
}

int ws_socket_open(const struct client_options *options, const char *path_and_query, const char *header,
                   struct client_response *ret, struct ws_socket *ret_socket)
{
    CLEANUP(free_ptr) char *instead = NULL;
    int err = open_once(options, path_and_query, header, ret, ret_socket);
    if (err == 0 || !client_redirected(ret, options->url, path_and_query, &instead))
        return err;
    struct client_options there = *options;
    there.url = instead;
    return open_once(&there, path_and_query, header, ret, ret_socket);
}
