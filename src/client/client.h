// The client's side of HTTP and WebSocket, by libcurl (proxies, TLS, happy eyeballs). Requests block: call them from
// main or from a pool thread. A WebSocket is opened blocking too, then its descriptor may be watched by a loop.
#pragma once

#include "util/buf.h"
#include "util/error.h"

#include <stdatomic.h>

struct client_options {
    // "http://127.0.0.1:7117"; https too; with the path that the server lies beneath, if it has one. A user in it is
    // for a proxy, which takes Authorization for itself: the token is then sent in X-Runnel-Token.
    const char *url;
    const char *token;   // NULL: none
    const char *ca_file; // PEM of further authorities; NULL: SSL_CERT_FILE, else the system's
    bool insecure_tls;
    uint64_t connect_timeout_ms; // 0: 10 s
    // May be NULL. Once true, what blocks ends within a second: ERR_CANCELED. Lives as long as whatever was made with
    // it.
    const atomic_bool *abort;
};

// True if it can be sent: printable ASCII without spaces.
bool client_token_valid(const char *token);

struct client; // one thread at a time; keeps its connection alive between requests
int client_new(const struct client_options *options, struct client **ret);
void client_free(struct client **client);
const char *client_url(const struct client *client); // to be shown: without a user

struct client_response {
    int status;
    struct buf body;
    char request_id[129];
    char content_type[64];
    char incarnation[32]; // X-Runnel-Incarnation, or empty: it is not from a Runnel server
    char location[512];   // of a redirect; or empty
    struct buf cause;     // why there is no answer, or none of a Runnel server, and what to do; or empty
};
void client_response_release(struct client_response *response);

// One request. `body` may be empty. Otherwise 0 whatever the status, and without an answer, with ret->cause in words:
// ERR_UNREACHABLE, or ERR_WRONG_SERVER if asking again cannot help (a certificate, a name, a protocol). `header` is one
// further "Name: value", or NULL. The body is read up to 64 MiB. A redirect of the same host to https is followed, and
// remembered.
int client_request(struct client *client, const char *method, const char *path, struct str body, const char *header,
                   struct client_response *ret);
// The same with the answer streamed: `data` gets the bytes as they come and ends it by returning false. Only a 2xx body
// is streamed; another goes to ret->body. ERR_CLOSED if the stream was cut in the middle. `idle_timeout_ms`: nothing
// came for so long.
int client_stream(struct client *client, const char *path, const char *header,
                  bool (*data)(void *arg, struct str bytes), void *arg, uint64_t idle_timeout_ms,
                  struct client_response *ret);
// The error of a response: from its code word, else from its status; 0 for 2xx. Text for people (message, request id)
// to *ret_text.
int client_response_error(const struct client_response *response, struct buf *ret_text);

// --- WebSocket
struct client_ws;
// What went wrong in words: the cause of a request or socket that got no answer, else the error's own text.
const char *client_cause(struct client_response *response, int err);
// Blocking connect and handshake. On refusal: the HTTP status' error, and the answer in *ret (may be NULL); without an
// answer as client_request.
int client_ws_open(const struct client_options *options, const char *path_and_query, struct client_response *ret,
                   struct client_ws **ret_ws);
int client_ws_fd(const struct client_ws *ws);
// Queues a frame; sends what the socket takes. 0, or ERR_CLOSED. client_ws_pending: bytes queued, then watch for
// writing and call client_ws_flush.
int client_ws_send(struct client_ws *ws, int opcode, const void *data, size_t len);
int client_ws_flush(struct client_ws *ws);
size_t client_ws_pending(const struct client_ws *ws);
// Takes what has arrived (without blocking) and calls `message` for each whole message; pings are answered inside. 0
// when the socket is drained, ERR_CLOSED after an end (then *ret_close_code: the peer's, 1006 if it went without one),
// ERR_MALFORMED on a breach of protocol. With client_ws_set_turn it ends after about so many bytes even if more has
// come (0: never); then client_ws_more is true, and it is to be called again, whatever the descriptor says.
int client_ws_receive(struct client_ws *ws, void (*message)(void *arg, int opcode, struct str data), void *arg,
                      unsigned *ret_close_code);
void client_ws_set_turn(struct client_ws *ws, size_t bytes);
bool client_ws_more(const struct client_ws *ws);
void client_ws_close(struct client_ws **ws, unsigned code); // sends a close frame if it can; frees
uint64_t client_ws_last_receive_ms(
    const struct client_ws *ws); // clock_mono_ms; the server pings every 20 s: silence for 60 s is a dead line
