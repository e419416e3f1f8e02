// The client's side of HTTP and WebSocket, by libcurl (proxies, TLS, happy eyeballs). Requests block: call them from
// main or from a thread of a pool. Opening a WebSocket blocks, too; afterwards a loop may watch its descriptor.
#pragma once

#include "util/buf.h"
#include "util/error.h"

#include <stdatomic.h>

struct client_options {
    // "http://127.0.0.1:7117"; https too; with the path that the server lies beneath, if it has one. A user in it is
    // for a proxy, which takes Authorization for itself: the token is then sent in X-Runnel-Token.
    const char *url;
    const char *token;   // NULL: no credential
    const char *ca_file; // PEM file of additional authorities; NULL: SSL_CERT_FILE, else the system's authorities
    bool insecure_tls;
    uint64_t connect_timeout_ms; // 0: 10 s
    // May be NULL. When it becomes true, blocking calls end within a second with ERR_CANCELED. It must live as long as
    // everything that was made with it.
    const atomic_bool *abort;
};

// True if the token can be sent: printable ASCII without spaces.
bool client_token_valid(const char *token);

struct client; // for one thread at a time; keeps its connection open between requests
int client_new(const struct client_options *options, struct client **ret);
void client_free(struct client **client);
const char *client_url(const struct client *client); // for messages: without a user

struct client_response {
    int status;
    struct buf body;
    char request_id[129];
    char content_type[64];
    char incarnation[32]; // X-Runnel-Incarnation; empty if no Runnel server answered
    char location[512];   // of a redirect; else empty
    bool has_length;      // the answer says how long its body is, or would be (HEAD)
    uint64_t length;
    bool has_upload_offset;
    uint64_t upload_offset; // Upload-Offset: how much of an upload is there; 0 if it does not say
    struct buf cause;       // why there is no answer, or none from a Runnel server, and what to do; else empty
};
void client_response_release(struct client_response *response);

// Makes one request. `body` may be empty. `header` is one additional "Name: value", or NULL. Returns 0 for every
// answer, whatever its status. Without an answer, returns ERR_UNREACHABLE, or ERR_WRONG_SERVER if a retry cannot help
// (certificate, name, protocol); ret->cause says why. At most 64 MiB of the body are read. A redirect from http to
// https on the same host is followed and remembered.
int client_request(struct client *client, const char *method, const char *path, struct str body, const char *header,
                   struct client_response *ret);
// Does the same and streams the answer: `data` gets the bytes as they come, and returns false to stop. Only a 2xx body
// is streamed; any other goes to ret->body. ret->status is set before the first bytes come. Returns ERR_CLOSED if the
// stream was cut. `idle_timeout_ms` is how long nothing may come.
int client_stream(struct client *client, const char *path, const char *header,
                  bool (*data)(void *arg, struct str bytes), void *arg, uint64_t idle_timeout_ms,
                  struct client_response *ret);
// Sends the bytes [from, to) of a file as the body, read as they are sent. Otherwise as client_request; `moved` (may be
// NULL) counts the bytes that were given to the connection. An answer that comes before the whole body was sent ends
// the request. Returns ERR_CORRUPT if the file is shorter than `to` by now, or cannot be read.
struct client_source {
    int fd; // read by pread
    uint64_t from, to;
    atomic_ullong *moved;
};
int client_upload(struct client *client, const char *method, const char *path, const struct client_source *source,
                  const char *header, struct client_response *ret);
// Returns the error of a response: that of its code word, else that of its status; 0 for 2xx. Writes a text for people
// (message, request id) to *ret_text.
int client_response_error(const struct client_response *response, struct buf *ret_text);

// --- WebSocket
struct client_ws;
// Says in words what went wrong: the cause if there was no answer, else the error's own text.
const char *client_cause(struct client_response *response, int err);
// Connects and makes the handshake; blocks. If the server refuses, returns the error of the HTTP status and the answer
// in *ret (may be NULL). Without an answer, returns as client_request does.
// `header` is sent with the request; may be NULL.
int client_ws_open(const struct client_options *options, const char *path_and_query, const char *header,
                   struct client_response *ret, struct client_ws **ret_ws);
int client_ws_fd(const struct client_ws *ws);
// Queues a frame and sends what the socket takes. Returns 0 or ERR_CLOSED. client_ws_pending returns how many bytes are
// queued. While there are any, watch the descriptor for writing and call client_ws_flush.
int client_ws_send(struct client_ws *ws, int opcode, const void *data, size_t len);
int client_ws_queue(struct client_ws *ws, int opcode, const void *data, size_t len); // the same without sending
int client_ws_flush(struct client_ws *ws);
size_t client_ws_pending(const struct client_ws *ws);
// Takes what has arrived, without blocking, and calls `message` for each complete message. Pings are answered inside.
// Returns 0 when the socket is empty; ERR_CLOSED after the end, with the peer's code in *ret_close_code (1006 if it
// sent none); ERR_MALFORMED if the peer breaks the protocol. After client_ws_set_turn, it returns after about so many
// bytes (0: no limit) even if more has come. Then client_ws_more is true, and the function must be called again even if
// the descriptor is not readable.
int client_ws_receive(struct client_ws *ws, void (*message)(void *arg, int opcode, struct str data), void *arg,
                      unsigned *ret_close_code);
void client_ws_set_turn(struct client_ws *ws, size_t bytes);
bool client_ws_more(const struct client_ws *ws);
void client_ws_close(struct client_ws **ws, unsigned code); // sends a close frame if it can; frees
// In clock_mono_ms. The server pings every 20 s, so after 60 s of silence the connection is dead.
uint64_t client_ws_last_receive_ms(const struct client_ws *ws);
