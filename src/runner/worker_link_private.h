// What the files of the worker's socket share.
#pragma once

#include "loop/loop.h"
#include "runner/run_file.h"
#include "runner/worker_link.h"
#include "util/backoff.h"
#include "util/map.h"

#include <jansson.h>

#define FRAME_MAX ((size_t)1024 * 1024)

struct worker_connect;

struct worker_link {
    struct worker_link_options options;
    struct client_ws *ws;
    struct watch *watch;
    struct worker_connect *connecting;
    struct timer *retry, *tick, *listen_on;
    struct backoff backoff;
    bool welcomed, lost;
    uint64_t opened_ms, welcomed_ms, heartbeat_ms, heartbeat_sent_ms, stream_window;
    uint64_t proved_ms;       // see worker_link_proved_ms
    struct map streams;       // struct worker_stream that are open or opening, by number
    uint32_t last_stream;     // numbers rise, and begin anew with each connection
    struct list_node idle;    // streams that are to open once it is welcomed
    struct list_node waiting; // streams that have more to send when there is room
    struct list_node touched; // streams that were told something in this turn
    struct buf parts;         // of this turn of the loop
    struct deferred flush;
};

struct worker_stream {
    struct delivery_link link;
    struct worker_link *worker;
    const struct run_file *run;
    const char *producer;
    struct map_node node;
    uint32_t number; // 0: none
    bool ready;      // it has begun
    struct life life;
    void (*alive)(void *arg, const struct life *life); // NULL: nobody wants to know
    void *alive_arg;
    struct list_node place; // in `idle`
    struct list_node waiting, touched;
    // Parts that are not acknowledged, oldest first: a ring of window_capacity.
    struct sent_part {
        uint64_t next;
        size_t bytes;
    } * parts;
    size_t part_first, part_count, part_capacity;
    uint64_t unacked;
};

// --- worker_stream.c
void stream_link_open(struct worker_stream *stream); // takes a number and says `open`
void stream_link_lost(struct worker_stream *stream); // with its connection
void stream_link_message(struct worker_stream *stream, json_t *message);
void stream_link_alive(struct worker_stream *stream, uint64_t at_ms); // a heartbeat was answered
void stream_link_acked(struct worker_stream *stream, uint64_t sequence_number);
void stream_link_closed(struct worker_stream *stream, const char *code, const char *reason);
struct worker_stream *stream_link_find(const struct worker_link *worker, uint32_t number); // NULL

// --- worker_send.c
int worker_send_text(struct worker_link *worker, struct str object, uint32_t number); // number 0: the worker's own
int worker_send_part(struct worker_link *worker, uint32_t number, uint64_t first, struct str chunk);
bool worker_full(const struct worker_link *worker);
void link_flush(struct deferred *deferred); // parts become a frame, and what is queued is sent
