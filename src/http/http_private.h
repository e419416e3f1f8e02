// What the files of this room share.
#pragma once

#include "http/chunk_line.h"
#include "http/compress.h"
#include "http/content_coding.h"
#include "http/head_scan.h"
#include "http/http.h"
#include "util/buf.h"

#include <llhttp.h>

#define HEADERS_COUNT_MAX 128
#define REQUEST_ID_MAX    128
#define ENCODERS_MAX      64 // per loop; when all are in use, answers are not encoded
#define HTTP_DATE_LEN     29 // "Sun, 06 Nov 1994 08:49:37 GMT"

enum http_state {
    CONN_WAITING,   // the first byte of a request has not come
    CONN_HEAD,      // a part of the request line or the headers is there
    CONN_BODY,      // the headers are there, a part of the body is missing
    CONN_ANSWERING, // the application has the request; or, before the body has come, its head
    CONN_STREAMING, // an answer in parts is under way
    CONN_ENDING,    // the last answer was given; the connection is closing
};

struct header_span {
    size_t name_at, name_len, value_at, value_len; // offsets in http_request.head
};

struct added_header {
    struct added_header *next;
    const char *name, *value;
};

struct http_request {
    struct http_conn *conn;
    struct arena arena;
    struct buf head; // the URL, then names and values
    size_t url_len;
    struct header_span *headers;
    size_t header_count, header_cap;
    bool in_value;                          // the parser is within the value of the last header
    bool head_complete, trailers, complete; // trailers: the last chunk of the body has passed
    bool chunked;                           // its body comes in chunks
    bool expects_go_on;                     // it waits for 100 Continue before it sends its body
    enum http_method method;
    const char *method_text;
    struct str path, query, authority; // authority: that of an absolute target, else .data == NULL
    struct str told_host;              // a trusted proxy told it
    struct buf body;
    size_t body_raw;                              // the body's bytes on the wire, with the chunks' framing
    uint64_t body_len, body_max;                  // what has come of it, and how long it may be
    uint64_t body_announced;                      // 0: in chunks
    const struct http_body_handler *body_handler; // takes it in parts; NULL: it is held in `body`
    void *body_owner;
    bool body_paused;
    size_t body_held;             // the announced length, once the body may come
    struct http_decoder *decoder; // of a body with a content coding; else NULL
    struct buf coded;             // what has come of it and is not decoded yet; about one read
    bool decoding;                // `coded` is decoded step by step; the body is paused meanwhile
    bool undecodable;             // it is not what its coding says, or is cut off
    int64_t account;              // the account whose budget pays; BUDGET_NOBODY until it is known
    bool http_10, keep_alive, may_compress;
    enum http_coding coding; // of the answer
    char id[REQUEST_ID_MAX + 1];
    bool client_told, told_https;
    struct net_address client; // when a trusted proxy told it
    char client_text[NET_ADDRESS_TEXT];
    struct added_header *added, **added_end;
    uint64_t start_ms, start_ns;
    unsigned tag;
    int status; // of the answer, for the log
    void (*aborted)(void *arg);
    void *aborted_arg;
};

struct http_stream {
    struct http_conn *conn;
    const struct http_stream_handler *handler;
    void *owner;
    struct deferred flush;
    struct buf copied;            // becomes one chunk at the end of the turn
    struct http_encoder *encoder; // may be NULL
    bool chunked, discard;        // discard: no body is sent, for HEAD, 204 and 304
    bool sized;                   // its length was announced
    uint64_t left;                // of the announced length
};

struct http_conn {
    struct list_node node; // in the server's list, or in a list of those that will be dropped
    struct http_server *server;
    struct conn *conn;
    enum http_state state;
    llhttp_t parser;
    struct head_scan scan;
    struct chunk_line chunk_line;
    uint64_t chunk_left; // bytes that are still to come of the chunk's data and its line end
    int refusal;         // why a callback of the parser stopped it
    struct http_request *request;
    struct http_stream *stream;
    struct str rest;    // the bytes after the request, while the parsing calls the application
    struct buf backlog; // bytes that came while a request was being answered
    size_t backlog_at;
    struct deferred feed;              // goes on with the backlog at the end of the turn
    struct budget_lease input, output; // what the connection holds of the budget
    uint64_t since_ms;                 // when the present state began
    uint64_t stall_ms, stall_write_ms; // since when sending makes no progress
    unsigned busy;                     // depth of callbacks; the connection is freed only at 0
    bool gone, peer_ended, counted;
    bool keeps_output; // the counted size of an answer stays as it is until the answer is complete
    bool trusted;      // what the peer tells about its client is believed
    bool https;        // the client came to a proxy by TLS, as the header of the PROXY protocol said
};

struct http_server {
    uint64_t id_seed[2], ids_made; // for request ids
    struct loop *loop;
    struct http_app app;
    struct http_limits limits;
    struct tls_server *tls;
    const struct net_ranges *trusted;
    struct list_node conns;
    struct timer *sweep;
    uint64_t sweep_ms;
    struct http_stats stats;
    unsigned count, refused_count, encoders;
    struct conn_count *open; // upgraded ones included
    struct buf out;          // the head of the answer that is being written
    int64_t date_s;          // when `date` was made
    char date[HTTP_DATE_LEN + 1];
    struct log_limiter tls_failures;
    bool draining;
    void (*fewer)(void *arg); // may be NULL
    void *fewer_arg;
};

// body.c
void http_conn_refuse(struct http_conn *conn, int err); // answers for a request that cannot be taken
void http_begin_body(struct http_conn *conn, size_t max);

// body_part.c
// Returns an error for a body that cannot be taken.
int http_take_body(struct http_request *request, const void *data, size_t len);
// Decodes the next part of the body; goes on at the next turn if `decoding` is true afterwards.
int http_decode_body(struct http_request *request);
bool http_body_cut_off(struct http_request *request); // it has come, but what was encoded goes on

// parse.c
extern const llhttp_settings_t http_parser_settings;
struct http_request *http_request_new(struct http_conn *conn);
void http_request_free(struct http_request **request);
void http_request_make_id(struct http_request *request);

// lifetime.c
void http_stream_free(struct http_stream *stream);
bool http_keeps_alive(const struct http_request *request); // whether the connection goes on after its answer
// The answer is complete: goes on to the next request, or to the end.
void http_conn_answered(struct http_conn *conn);
void http_conn_forget(struct http_conn *conn); // removes it from the server's counts and lists
// Sends what is queued, then ends the connection. Sends nothing that would make an unfinished answer look complete.
void http_conn_end(struct http_conn *conn);
void http_conn_abandon(struct http_conn *conn, int err); // ends it, and tells the application
void http_conn_leave(struct http_conn *conn);            // the end of a callback that was counted in `busy`
void http_conn_set_state(struct http_conn *conn, enum http_state state);
size_t http_conn_backlog(const struct http_conn *conn);   // bytes that wait behind the present request
struct str http_conn_early_bytes(struct http_conn *conn); // what was read after the present request
void http_request_disown(struct http_request *request);   // tells the application that its request is gone
void http_server_tell_fewer(void *server);                // tells the one who waits until connections end

// stream.c
// As http_stream_begin, with the request's coding. The caller has taken its place among the encoders.
struct http_stream *http_stream_begin_encoded(struct http_request *request, int status, const char *content_type,
                                              const struct http_stream_handler *handler, void *owner);

// hold.c
// Counts what has arrived of the present request and behind it. Returns false if there is no room for it.
bool http_hold_input(struct http_conn *conn);
// Called before the body is read; 0: its length is not known.
bool http_hold_body(struct http_request *request, uint64_t len);
bool http_hold_answer(struct http_request *request, size_t len); // called before the answer is written
void http_release_output(struct http_conn *conn);                // the peer has taken all of it
void http_release_all(struct http_conn *conn);
bool http_output_unwanted(const struct http_conn *conn); // whether others need the room that its answer takes

// head.c
// Returns the coding for an answer with a body of `len` bytes. Unless it is identity, a place among the encoders is
// taken.
enum http_coding http_take_coding(struct http_request *request, int status, size_t len);
bool http_status_has_body(int status);
void http_write_head(struct http_request *request, int status, const char *content_type, const char *framing);
