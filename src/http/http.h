// The server's side of HTTP/1.1: keep-alive, pipelining (answers in order), chunked bodies, Expect: 100-continue,
// limits and timeouts. There is one http_server per loop. All functions are for the loop's thread.
//
// The life of a request:
//
// 1. Its head arrives. This room checks it and refuses what is malformed or over a limit (400, 414, 431, 408, …);
//    http_app.refused may add headers to the refusal.
// 2. If a body follows, http_app.head is called. It calls http_read_body, or answers: then the body is not read, and
//    the connection ends after the answer.
// 3. The body arrives and is counted in the budget of its account (http_charge_to). If it is refused, or if the peer
//    goes away, http_on_abort's function is called and the request is gone.
// 4. http_app.request is called with the whole request. It answers exactly once, now or later, in one of three ways:
//    http_respond and its like; http_stream_begin, for an answer in parts; http_upgrade, which hands the connection
//    over.
// 5. The request and its arena end with the answer. The stream or the upgraded connection lives on. Otherwise the next
//    request on the connection is parsed.
#pragma once

#include "net/address.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/tls.h"
#include "util/arena.h"
#include "util/budget.h"
#include "util/log.h"

struct http_request;
struct http_server;

enum http_method {
    HTTP_M_GET,
    HTTP_M_HEAD,
    HTTP_M_POST,
    HTTP_M_PUT,
    HTTP_M_PATCH,
    HTTP_M_DELETE,
    HTTP_M_OPTIONS,
    HTTP_M_OTHER
};

struct http_limits {
    size_t url_max;             // default 8 KiB → 414
    size_t headers_max;         // default 16 KiB for all headers → 431
    size_t body_max;            // default 8 MiB → 413
    unsigned connections_max;   // per loop, upgraded ones included; a connection above the limit gets 503 and is closed
    uint64_t header_timeout_ms; // from the first byte to the end of the headers, and for a body without progress → 408
    uint64_t idle_timeout_ms;   // keep-alive without a request; then the connection is closed
    uint64_t send_timeout_ms;   // an answer whose sending makes no progress; then the connection is dropped
    // Used instead of send_timeout_ms while the account holds about as much in answers as it may; 0: no difference.
    uint64_t slow_timeout_ms;
    struct budget *budget; // counts what connections hold beyond 16 KiB; NULL: no limit
};

struct http_stats { // of one loop; its thread writes, any thread reads
    _Atomic uint64_t connections, connections_total;
    _Atomic uint64_t requests_total; // requests that were answered, or whose answer was begun
    _Atomic uint64_t refused_total;
};

struct http_app {
    // The headers of a request are complete, and a body will follow. The function must call http_read_body or answer
    // exactly once, now or later. After an answer the connection ends. NULL: every body is read.
    void (*head)(void *app, struct http_request *request);
    // A request is complete (headers and body). The function must answer exactly once, now or later.
    void (*request)(void *app, struct http_request *request);
    // This room refuses a request whose headers are known. The application may add headers (those of CORS). It may be
    // called after `head`. NULL: no headers are added.
    void (*refused)(void *app, struct http_request *request, int err);
    // An answer has begun: its head is written. `tag` is what http_set_tag set, `ns` the time since the request's first
    // byte. NULL: nobody counts.
    void (*answered)(void *app, unsigned tag, int status, uint64_t ns);
    // An error of the table was answered, by this room or by another. For counting. NULL: nobody counts.
    void (*failed)(void *app, int err);
    void *app;
    const struct logger *logger; // connections and disconnections at debug level, requests at info
};

struct http_server *http_server_new(struct loop *loop, const struct http_app *app, const struct http_limits *limits,
                                    struct tls_server *tls);
struct http_accepted {
    int fd;       // taken over
    bool plain;   // no TLS, even if the server has it: a unix socket
    bool https;   // the client came to a proxy by TLS
    bool unknown; // a proxy speaks for the client and does not say who it is: nobody's headers are believed
    const struct net_address *address; // of the client that a proxy speaks for; NULL: the peer is the client
};
void http_server_accept(struct http_server *server, const struct http_accepted *accepted);
// Peers that are believed when they tell about the client (http/forwarded.h). Borrowed; NULL: nobody is believed.
void http_server_trust(struct http_server *server, const struct net_ranges *trusted);
// Stops keep-alive: each connection ends after its present answer, and idle ones are closed now. `fewer` (may be NULL)
// is called once at once. It is called again when the last connection in HTTP is gone, and when the last one at all is
// gone.
void http_server_drain(struct http_server *server, void (*fewer)(void *arg), void *arg);
unsigned http_server_connections(const struct http_server *server); // those still in HTTP, without upgraded ones
unsigned http_server_open(const struct http_server *server);        // all that are not closed, upgraded ones included
const struct http_stats *http_server_stats(const struct http_server *server);
void http_server_free(struct http_server **server); // closes all

// --- Requests. Everything that these functions return lives until the answer is finished.
enum http_method http_method(const struct http_request *request);
bool http_is_1_0(const struct http_request *request);
struct str http_path(const struct http_request *request);  // as sent, without the query
struct str http_query(const struct http_request *request); // as sent, without '?'
// The name is matched in any case. The value is trimmed; several headers of the name are joined by ", ". .data == NULL
// if there is none.
struct str http_header(const struct http_request *request, struct str name);
struct str http_body(const struct http_request *request);
struct arena *http_arena(struct http_request *request);
struct loop *http_loop(struct http_request *request);
// Whether the client has ended its side of the connection. Nearly always it has gone, and will not read the answer; but
// one that only sends no more still does.
bool http_peer_ended(const struct http_request *request);
// The client's address as text, in the form of conn_peer. Behind a trusted proxy, the address that the proxy told.
const char *http_peer(const struct http_request *request);
// Whether the client is on this machine: it uses loopback or a unix socket, and no proxy told another address.
bool http_client_is_local(const struct http_request *request);
// Whether the client speaks TLS, with this server or with a trusted proxy.
bool http_is_https(const struct http_request *request);
// The name by which the client calls this server: that of the target if it has one, else what a trusted proxy told,
// else the header Host. .data == NULL if there is none.
struct str http_host(const struct http_request *request);
// The client's own id if it is valid, else one that is made here. Every answer carries it.
struct str http_request_id(const struct http_request *request);
// Query parameters, percent-decoded into the arena. http_param returns false if the parameter is absent.
// http_params_each visits all in order until `visit` returns false, and returns false then. Malformed escapes were
// refused (400) before the application saw the request.
bool http_param(struct http_request *request, struct str name, struct str *ret);
bool http_params_each(struct http_request *request, bool (*visit)(struct str name, struct str value, void *arg),
                      void *arg);
bool http_is_token(uint8_t byte); // whether RFC 9110 allows the byte in a token: a method, or the name of a header
bool percent_decode(struct arena *arena, struct str s, bool plus_is_space, struct str *ret);

// Whether If-None-Match names `etag` ("…" with its quotes) or is "*". Lists and weak tags are compared as in RFC 9110,
// 13.1.2.
bool http_none_match(struct str if_none_match, struct str etag);

void http_set_tag(struct http_request *request, unsigned tag); // for http_app.answered; 0 without it
// Sets the account in whose budget the request's body and answer are counted. Before that they count for strangers.
void http_charge_to(struct http_request *request, int64_t account);

// To be called after http_app.head. Lets the client send the body (sends 100 Continue if the client waits for it). When
// the body is there, http_app.request is called. A body for which there is no room is refused with 503 before it is
// read; the application learns that as for any refused body, by http_on_abort.
//
// A body with a Content-Encoding (gzip, zstd) is decoded as it comes; http_body gives what was encoded. The limit holds
// for both, and more is refused with 413 as soon as it is seen. 400: it is not well-formed, or is cut off. 415, with
// Accept-Encoding: another coding, or several.
void http_read_body(struct http_request *request);
// With a limit of its own instead of http_limits.body_max.
void http_read_body_max(struct http_request *request, size_t max);

// --- Bodies in parts: what is too large to be held is handed on as it comes. To be called after http_app.head, instead
// of http_read_body. http_app.request is not called then.
struct http_body_handler {
    // Bytes have come, and must be copied. The function must not answer.
    void (*data)(void *owner, const void *data, size_t len);
    // The body is complete. The request must be answered, now or later.
    void (*end)(void *owner);
};
// A body that is longer than `max` is refused with 413; the application learns that by http_on_abort. A content coding
// is not looked at: the bytes are handed on as they come.
void http_read_body_by(struct http_request *request, uint64_t max, const struct http_body_handler *handler,
                       void *owner);
// Nothing is read of it while it is paused; what the peer sends waits in the kernel. Allowed within `data`.
void http_pause_body(struct http_request *request, bool paused);
// Nothing more of it is read: an answer may follow, and the connection ends after it. Not allowed within `data`.
void http_stop_body(struct http_request *request);
// The announced length; 0 for a body in chunks.
uint64_t http_body_length(const struct http_request *request);

// `aborted` is called once if the connection goes away before the answer is finished, or if the body is refused. The
// request is gone when `aborted` returns. NULL clears it.
void http_on_abort(struct http_request *request, void (*aborted)(void *arg), void *arg);
void *http_abort_arg(const struct http_request *request); // the argument of http_on_abort; NULL if there is none

// --- Answers. Every answer has Date, Content-Length, X-Request-ID, X-Content-Type-Options: nosniff, and Cache-Control:
// no-store unless another one was added. X-Trace-ID and traceparent of the request are passed on.

// Adds a header to those. Asserts that the value has no CR and LF.
void http_add_header(struct http_request *request, const char *name, const char *value);
bool http_header_added(const struct http_request *request, const char *name);
// Allows compression, if the client takes it: for GET, and for a stream or a body of at least 1 KiB. Must not be called
// for an answer that holds a secret beside text that a stranger can choose. Should not be called for live streams: each
// would need its own encoder for as long as it lasts, while their bytes are made once for all followers.
void http_may_compress(struct http_request *request);
// A body for which the account has no room left is replaced by 503 with Retry-After.
void http_respond(struct http_request *request, int status, const char *content_type, const void *body, size_t len);
// Answers {"error":{"code","message","request_id"}} with error_http_status(err). `detail` replaces the table's text; it
// may be NULL. 401 adds WWW-Authenticate; 429 and 503 add Retry-After: 1.
void http_respond_error(struct http_request *request, int err, const char *detail);
// Answers 422 with "fields":[{"name","reason"}].// The same, with what `add` writes beside `error`.
struct json_writer;
void http_respond_error_with(struct http_request *request, int err, const char *detail,
                             void (*add)(void *arg, struct json_writer *json), void *arg);

struct http_field_error {
    const char *name, *reason;
};
void http_respond_invalid(struct http_request *request, const struct http_field_error *fields, size_t count);

// --- Streamed answers (Transfer-Encoding: chunked, or until the close for HTTP/1.0). Everything written within one
// turn of the loop is sent together. A peer that has half-closed still gets its answer, until sending makes no progress
// for 5 s.
struct http_stream;
struct http_stream_handler {
    void (*drained)(void *owner); // the socket has taken everything that was written
    // The peer went away. The stream is gone when this returns. Not called after http_stream_end.
    void (*closed)(void *owner, int err);
};
// The same for an answer whose length is known. If it ends with fewer bytes, the connection ends.
struct http_stream *http_stream_begin_sized(struct http_request *request, int status, const char *content_type,
                                            uint64_t len, const struct http_stream_handler *handler, void *owner);
// Answers HEAD where GET would be a stream: headers, no length, no body.
void http_respond_stream_head(struct http_request *request, int status, const char *content_type);
// Answers with status and headers. The request is gone afterwards; the stream takes its place.
struct http_stream *http_stream_begin(struct http_request *request, int status, const char *content_type,
                                      const struct http_stream_handler *handler, void *owner);
void http_stream_write(struct http_stream *stream, const void *data, size_t len);
void http_stream_write_payload(struct http_stream *stream, struct payload *payload, size_t offset, size_t len);
size_t http_stream_pending(const struct http_stream *stream);
void http_stream_unshare(struct http_stream *stream); // see conn_unshare
void http_stream_end(struct http_stream **stream);    // orderly end; the connection may serve on
// Ends the connection after what was written, so that the client sees that the answer is not complete.
void http_stream_abort(struct http_stream **stream);

// --- Upgrades. http_upgrade answers 101 with the headers that were added, and hands the connection over with the bytes
// that were already read. The request is gone afterwards. The caller must set the connection's handler before it
// returns to the loop.
struct conn *http_upgrade(struct http_request *request, struct buf *ret_early_bytes);
