// The server's side of HTTP/1.1: keep-alive, pipelining (answers in order), chunked bodies, Expect: 100-continue,
// limits and timeouts. One http_server per loop. Requests live in an arena and end with their answer.
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
    size_t url_max;             // 8 KiB → 414
    size_t headers_max;         // 16 KiB, all of them → 431
    size_t body_max;            // 8 MiB → 413
    unsigned connections_max;   // per loop, with those upgraded; above it a connection gets 503 and is closed
    uint64_t header_timeout_ms; // first byte to end of headers, and per body read without progress → 408
    uint64_t idle_timeout_ms;   // keep-alive without a request
    uint64_t send_timeout_ms;   // an answer without progress in sending: the connection is dropped
    uint64_t slow_timeout_ms;   // the same while its account holds about as much in answers as it may; 0: the same
    struct budget *budget;      // of what connections hold beyond 16 KiB; NULL: no bound
};

struct http_stats { // of one loop; written by the loop's thread, read by any
    _Atomic uint64_t connections, connections_total;
    _Atomic uint64_t requests_total; // answered, or that an answer was begun to
    _Atomic uint64_t refused_total;
};

struct http_app {
    // The headers of a request are complete and a body is to come. Must end in http_read_body or in exactly one answer,
    // now or later; behind an answer the connection ends. NULL: every body is read.
    void (*head)(void *app, struct http_request *request);
    // A request is complete (headers and body). Must end in exactly one answer, now or later.
    void (*request)(void *app, struct http_request *request);
    // A request is refused by this room, its headers being known: the application may add headers (those of CORS). May
    // come behind `head`. NULL: it adds none.
    void (*refused)(void *app, struct http_request *request, int err);
    // An error of the table is answered, by this room or another: for counting. NULL: nobody counts.
    void (*failed)(void *app, int err);
    void *app;
    const struct logger *logger; // connections and disconnections at debug level, requests at info
};

struct http_server *http_server_new(struct loop *loop, const struct http_app *app, const struct http_limits *limits,
                                    struct tls_server *tls);
struct http_accepted {
    int fd;       // taken over
    bool plain;   // no TLS here, whatever the server has: a unix socket
    bool https;   // the client came to a proxy by TLS
    bool unknown; // a proxy speaks for it and does not say who it is: its headers are nobody's word
    const struct net_address *address; // of the client that a proxy speaks for; NULL: the peer is the client
};
void http_server_accept(struct http_server *server, const struct http_accepted *accepted);
// Peers whose word about the client is believed (http/forwarded.h); borrowed, NULL for none.
void http_server_trust(struct http_server *server, const struct net_ranges *trusted);
// Stops keep-alive: each connection ends after its present answer. Idle ones are closed now. `fewer` (or NULL) is
// called at once and whenever the last one in HTTP, or the last one at all, has gone.
void http_server_drain(struct http_server *server, void (*fewer)(void *arg), void *arg);
unsigned http_server_connections(const struct http_server *server); // those still in HTTP, not upgraded
unsigned http_server_open(const struct http_server *server);        // with those upgraded, until they are closed
const struct http_stats *http_server_stats(const struct http_server *server);
void http_server_free(struct http_server **server); // closes all

// --- Requests. Everything returned lives until the answer is finished.
enum http_method http_method(const struct http_request *request);
bool http_is_1_0(const struct http_request *request);
struct str http_path(const struct http_request *request);  // as sent, without the query
struct str http_query(const struct http_request *request); // as sent, without '?'
struct str http_header(const struct http_request *request,
                       struct str name); // trimmed; .data == NULL if absent; any case; several are joined by ", "
struct str http_body(const struct http_request *request);
struct arena *http_arena(struct http_request *request);
struct loop *http_loop(struct http_request *request);
const char *http_peer(
    const struct http_request *request); // the client's address, as conn_peer; behind a trusted proxy the one it told
// Whether the client speaks from this machine: by loopback or a unix socket, and not through a proxy that told of
// another.
bool http_client_is_local(const struct http_request *request);
bool http_is_https(
    const struct http_request *request); // the client speaks TLS, with this server or with a trusted proxy
// What the client calls this server: of the target if it has one, else as a trusted proxy told, else the header Host;
// .data == NULL if none.
struct str http_host(const struct http_request *request);
struct str
http_request_id(const struct http_request *request); // the caller's own if valid, else made; set on every answer
// Query parameters, percent-decoded into the arena. False if absent. http_params_each visits all in order; false stops
// and is returned. Malformed escapes were refused (400) before the application saw the request.
bool http_param(struct http_request *request, struct str name, struct str *ret);
bool http_params_each(struct http_request *request, bool (*visit)(struct str name, struct str value, void *arg),
                      void *arg);
bool http_is_token(uint8_t byte); // of RFC 9110's tokens: methods, names of headers
bool percent_decode(struct arena *arena, struct str s, bool plus_is_space, struct str *ret);

// True if If-None-Match names `etag` ("…" with its quotes) or is "*". Lists and weak tags are compared as RFC
// 9110, 13.1.2 has it.
bool http_none_match(struct str if_none_match, struct str etag);

// Whose budget the request's body and answer are counted in, once that is known; else they are a stranger's.
void http_charge_to(struct http_request *request, int64_t account);

// After http_app.head: lets the client send it (100 Continue, if it waits for that); http_app.request follows when it
// is there. A body for which there is no room is refused with 503 before it is read, as a body that goes wrong: see
// http_on_abort.
void http_read_body(struct http_request *request);

// Called once if the connection goes before the answer is finished, or its body is refused; the request is gone when it
// returns. NULL clears it.
void http_on_abort(struct http_request *request, void (*aborted)(void *arg), void *arg);
void *http_abort_arg(const struct http_request *request); // as it was given; NULL if none was

// --- Answers. Headers added here come beside those that every answer has (Date, Content-Length, X-Request-ID,
// X-Trace-ID and traceparent passed on, X-Content-Type-Options: nosniff, and Cache-Control: no-store unless one was
// added).
void http_add_header(struct http_request *request, const char *name,
                     const char *value); // CR and LF in it are refused by assert
bool http_header_added(const struct http_request *request, const char *name);
// The answer may be compressed if the client takes it: for GET, with a body of at least 1 KiB or a stream. Only for
// what holds no secret beside something that a stranger can choose, and not for live streams: each of them would need
// an encoder for as long as it lasts, while what they send is encoded once for all.
void http_may_compress(struct http_request *request);
// A body for which the account has no room left becomes 503 with Retry-After.
void http_respond(struct http_request *request, int status, const char *content_type, const void *body, size_t len);
// {"error":{"code","message","request_id"}} with error_http_status(err); `detail` (may be NULL) replaces the table's
// text. 401 adds WWW-Authenticate, 429 and 503 Retry-After: 1.
void http_respond_error(struct http_request *request, int err, const char *detail);
// The same with a status and a code word that are not in the table of errors; not told to http_app.failed.
void http_respond_error_as(struct http_request *request, int status, const char *word, const char *message);
// 422 with "fields":[{"name","reason"}].
struct http_field_error {
    const char *name, *reason;
};
void http_respond_invalid(struct http_request *request, const struct http_field_error *fields, size_t count);

// --- Streamed answers (Transfer-Encoding: chunked, or until close for HTTP/1.0). What is written within one turn of
// the loop goes out together. A peer that has half-closed still gets its answer, until nothing was sent to it for 5 s.
struct http_stream;
struct http_stream_handler {
    void (*drained)(void *owner); // everything written so far was taken by the socket
    void (*closed)(void *owner,
                   int err); // the peer went; the stream is gone when it returns; not called after http_stream_end
};
// HEAD of what would be a stream: its headers, without a length, and nothing more.
void http_respond_stream_head(struct http_request *request, int status, const char *content_type);
// Answers with status and headers; the request is gone afterwards, the stream takes its place.
struct http_stream *http_stream_begin(struct http_request *request, int status, const char *content_type,
                                      const struct http_stream_handler *handler, void *owner);
void http_stream_write(struct http_stream *stream, const void *data, size_t len);
void http_stream_write_payload(struct http_stream *stream, struct payload *payload, size_t offset, size_t len);
size_t http_stream_pending(const struct http_stream *stream);
void http_stream_unshare(struct http_stream *stream); // see conn_unshare
void http_stream_end(struct http_stream **stream);    // orderly end; the connection may serve on
void http_stream_abort(struct http_stream **stream);  // ends the connection behind what was written, so that the client
                                                      // sees that it is not whole

// --- Upgrades: hands the connection over, with bytes that were already read. The request is gone afterwards.
// Answers 101 with the headers added so far. The connection's handler must be set before the loop goes on.
struct conn *http_upgrade(struct http_request *request, struct buf *ret_early_bytes);
