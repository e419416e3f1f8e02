// What a connection has still to send: a queue of shared payloads and copied bytes. Private to this room.
#pragma once

#include "util/payload.h"

#include <sys/uio.h>

#define SEND_IOVECS 64

struct segment {
    struct payload *payload; // NULL: the next bytes of `copied`
    size_t offset, len;
};

struct send_queue {
    struct segment *segments; // `few`, or allocated
    size_t first, count, cap;
    struct segment few[4]; // enough for a wake-up's frames, so that the fast path does not allocate
    struct buf copied;
    size_t copied_at; // what precedes it was sent
    size_t pending;   // bytes in all
};

void send_queue_init(struct send_queue *queue);
void send_queue_clear(struct send_queue *queue); // drops all; can be used again
void send_queue_push_copy(struct send_queue *queue, const void *data, size_t len);
void send_queue_push_payload(struct send_queue *queue, struct payload *payload, size_t offset, size_t len);
size_t send_queue_iovecs(struct send_queue *queue, struct iovec out[SEND_IOVECS], size_t *ret_bytes); // how many
size_t send_queue_gather(struct send_queue *queue, uint8_t *out, size_t max); // copies from the front without taking
void send_queue_unshare(struct send_queue *queue); // copies what it refers to, and lets the payloads go
void send_queue_consume(struct send_queue *queue, size_t len);
