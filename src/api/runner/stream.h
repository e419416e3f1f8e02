// The runner's protocol for one execution. It takes the lease, gives records to the intake, and carries acks, refusals
// and `cancel` back. How its frames travel is the business of its link. Everything on the loop's thread.
//
//   start ── lease? ──▶ claim a new epoch, or come back with the old one ──▶ where does its producer stand? ──▶
//   opened, `ready` ──▶ records … ──▶ `complete` ──▶ the store's seal ──▶ `completed`, ended
#pragma once

#include "api/api_private.h"
#include "ingest/intake.h"

struct json_t;
struct runner_stream;

// How a stream's frames get out, and how it ends. The link's owner is passed to every call.
struct runner_link {
    // Opens the way for frames. Returns false if the peer is gone; then the stream is gone, too.
    bool (*opened)(void *owner);
    void (*refused)(void *owner, int err); // called instead of `opened`; the stream is gone
    void (*send)(void *owner, struct str text);
    void (*ack)(void *owner, uint64_t next); // all counters below `next` are durable
    void (*room)(void *owner);               // runner_stream_busy is false again
    // The stream has ended from this side, and is gone. err 0: `completed` was sent.
    void (*ended)(void *owner, int err, const char *reason);
};

struct runner_stream_options {
    struct api *api;
    const struct runner_link *link;
    void *owner;
    struct principal *principal; // must live until the stream was opened, refused or closed
    // On a socket that many streams share, each frame has it; 0: the socket is the stream's own.
    uint32_t number;
    uint64_t epoch;   // 0: a new runner, or one that brings its `key`
    struct str key;   // of its claim, so that it can ask again; empty: none. Copied
    int64_t asked_ms; // when it has come, by the clock of its machine; 0: not told. See NODE_OVERTAKEN_MS
    struct str producer, worker_id, worker, request_id; // copied; `worker` is the name of its host
    struct intake_share *share;                         // for a socket that many streams share; may be NULL
};
// It begins with runner_stream_start, which may call the link before it returns.
struct runner_stream *runner_stream_new(const struct runner_stream_options *options);
void runner_stream_start(struct runner_stream *stream, const struct execution *execution); // copies what it needs
// The peer is gone or has no more use for it. `code` is for the log. Nothing is called any more. What is under way is
// still committed.
void runner_stream_close(struct runner_stream **stream, unsigned code);
// Returns the epoch that a runner brings, or 0 if it is from another incarnation: there, others may have got the same
// number since.
uint64_t runner_epoch(const struct api *api, uint64_t epoch, struct str incarnation);
bool runner_producer_valid(struct str producer);
unsigned runner_close_code(int err); // the WebSocket close code for the `err` of `ended`

uint64_t runner_stream_epoch(const struct runner_stream *stream); // the epoch of its lease, when it is open

// What the peer says when the stream is open. None of these calls ends the stream before it returns.
void runner_stream_touch(struct runner_stream *stream); // the peer has said something
// The same, and the peer will rely on it. Returns false if the lease is not this stream's any more.
bool runner_stream_renew(struct runner_stream *stream);
void runner_stream_control(struct runner_stream *stream, const char *type, const struct json_t *message);
// Returns 0, or why the chunk cannot be taken; the peer was told.
int runner_stream_chunk(struct runner_stream *stream, uint64_t first, const uint8_t *data, size_t len);
// Takes one or several records as JSON, or one control frame.
void runner_stream_text(struct runner_stream *stream, struct str text);
// Sends an `error` frame, with the producer's position.
void runner_stream_refuse(struct runner_stream *stream, int err, const char *detail);
bool runner_stream_busy(const struct runner_stream *stream); // as much is under way as may be
