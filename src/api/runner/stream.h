// The runner's protocol of one execution: takes its lease, feeds its records to the intake, carries acks, refusals and
// `cancel` back. How its frames travel is its link's business. All of it on the loop's thread.
//
//   start ── lease? ──▶ claim a new epoch, or come back with the old one ──▶ where does its producer stand? ──▶
//   opened, `ready` ──▶ records … ──▶ `complete` ──▶ the store's seal ──▶ `completed`, ended
#pragma once

#include "api/api_private.h"
#include "ingest/intake.h"

struct json_t;
struct runner_stream;

// How a stream's frames get out, and how it ends. Every call is made with the link's owner.
struct runner_link {
    // Makes the way for frames. False if the peer has gone: the stream is gone then, too.
    bool (*opened)(void *owner);
    void (*refused)(void *owner, int err); // instead of opened; the stream is gone
    void (*send)(void *owner, struct str text);
    void (*ack)(void *owner, uint64_t next); // all counters below it are durable
    void (*room)(void *owner);               // no longer runner_stream_busy
    // The stream has ended from this side, and is gone. 0: `completed` was sent.
    void (*ended)(void *owner, int err, const char *reason);
};

struct runner_stream_options {
    struct api *api;
    const struct runner_link *link;
    void *owner;
    struct principal *principal; // lives until the stream was opened, refused or closed
    uint32_t number;             // of a socket that many share: told in each frame; 0: its own socket
    uint64_t epoch;              // 0: a new runner
    struct str producer, worker_id, worker, request_id; // copied; worker: the name of its host
    struct intake_share *share;                         // of a socket that many share, or NULL
};
// Begins with runner_stream_start, which may call the link before it returns.
struct runner_stream *runner_stream_new(const struct runner_stream_options *options);
void runner_stream_start(struct runner_stream *stream, const struct execution *execution); // copies what it needs
// The peer has gone, or wants no more of it; `code` is for the log. Nothing is called any more; what is under way is
// still committed.
void runner_stream_close(struct runner_stream **stream, unsigned code);
// The epoch that a runner brings. One of another incarnation says nothing here (0): others may have been given the same
// number since.
uint64_t runner_epoch(const struct api *api, uint64_t epoch, struct str incarnation);
bool runner_producer_valid(struct str producer);
unsigned runner_close_code(int err); // of a WebSocket, for what `ended` tells

uint64_t runner_stream_epoch(const struct runner_stream *stream); // of its lease, once it is open

// What the peer says once the stream is open. None of these ends it before it returns.
void runner_stream_touch(struct runner_stream *stream); // it has said something
void runner_stream_control(struct runner_stream *stream, const char *type, const struct json_t *message);
// 0; or why it cannot be taken, which the peer was told.
int runner_stream_chunk(struct runner_stream *stream, uint64_t first, const uint8_t *data, size_t len);
// One or several records as JSON, or one control frame.
void runner_stream_text(struct runner_stream *stream, struct str text);
// Tells the peer by an `error` frame, with where it stands.
void runner_stream_refuse(struct runner_stream *stream, int err, const char *detail);
bool runner_stream_busy(const struct runner_stream *stream); // as much is under way as may be
