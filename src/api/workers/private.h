// What the files of a worker's socket share.
#pragma once

#include "api/lookup.h"
#include "api/runner/stream.h"
#include "api/streams.h"
#include "jobs/worker.h"

#include <jansson.h>

#define WORKER_FRAME_MAX   ((size_t)4 * 1024 * 1024)
#define WORKER_STREAMS_MAX 16384
// Bytes of a stream's parts that a worker may send before they are acknowledged.
#define WORKER_STREAM_WINDOW (1024 * 1024)
#define WORKER_ANSWERS_MAX   ((size_t)16 * 1024 * 1024)

struct worker_ack {
    uint32_t stream;
    uint64_t next;
};

struct worker_socket {
    struct stream_node node;
    struct ws *ws;
    struct worker_session *session; // set when `hello` has come
    int64_t asked_ms;               // the worker's time in `hello`; 0: it has told none
    struct intake_share *share;
    struct map streams;   // of struct worker_stream, by number
    uint32_t last_stream; // numbers only grow
    size_t busy;          // streams that have as much under way as they may; nothing is read meanwhile
    struct deferred flush;
    struct worker_ack *acks; // the acks of this turn of the loop
    size_t ack_count, ack_capacity;
    char request_id[129];
};

// One execution on the socket, from `open` to `closed`.
struct worker_stream {
    struct map_node node;
    struct worker_socket *socket; // NULL if the socket is gone while the execution is still looked up
    uint32_t number;
    struct execution_lookup lookup;
    struct runner_stream *runner; // set when the execution was found
    bool looking, open, busy;
    bool sealed;    // it had ended when the stream was opened
    int64_t row;    // set when the execution was found
    uint64_t epoch; // the one that the worker brought; 0: none. When the stream is open, the epoch of its lease
    char producer[STORE_PRODUCER_MAX + 1];
};

// --- send.c
void worker_send(struct worker_socket *socket, struct str text); // a frame, sent after the acks that are due
void worker_send_closed(struct worker_socket *socket, uint32_t number, const char *code, const char *reason);
void worker_send_error(struct worker_socket *socket, int err, const char *detail);
void worker_send_alive(struct worker_socket *socket, int64_t at); // what was said then has come, and counts
// Sent together with the others of this turn.
void worker_ack_due(struct worker_socket *socket, uint32_t number, uint64_t next);
void worker_flush(struct deferred *deferred);
void worker_busy(struct worker_stream *stream, bool busy); // reading pauses while any stream is busy

// --- stream.c
struct worker_stream *worker_stream_find(const struct worker_socket *socket, uint32_t number); // NULL if there is none
// For an `open` frame with a new number. If something is wrong with it, the answer is `closed`.
void worker_stream_open(struct worker_socket *socket, uint32_t number, const json_t *message);
// Ends it from this side. The answer is `closed` with the error's word, or `completed` for 0. `reason` NULL: the
// error's text.
void worker_stream_end(struct worker_stream *stream, int err, const char *reason);
// The worker, or the end of the socket, ends it: nothing is answered.
void worker_stream_close(struct worker_stream *stream, unsigned code);

// --- hello.c
// Returns NULL, or what is wrong with the message.
const char *worker_hello_parse(const json_t *message, struct worker_offer *ret);
void worker_send_welcome(struct worker_socket *socket);
