// What a connection still has to send: a queue of shared payloads and copied bytes. Private to this room.
#pragma once

#include "util/payload.h"

#include <sys/uio.h>

#define SEND_IOVECS 64

struct segment {
    struct payload *payload; // NULL: the next bytes of `copied`
    size_t offset, len;
};

struct send_queue {
    struct segment *segments; // points at `few`, or at allocated memory
    size_t first, count, cap;
    struct segment few[4]; // enough for the frames of one wake-up, so that the fast path does not allocate
    struct buf copied;
    size_t copied_at; // the bytes before it were sent
    size_t pending;   // all bytes that are still to be sent
};

void send_queue_init(struct send_queue *queue);
void send_queue_clear(struct send_queue *queue); // drops all; the queue can be used again
void send_queue_push_copy(struct send_queue *queue, const void *data, size_t len);
void send_queue_push_payload(struct send_queue *queue, struct payload *payload, size_t offset, size_t len);
// Fills `out`, and returns how many it filled.
size_t send_queue_iovecs(struct send_queue *queue, struct iovec out[SEND_IOVECS], size_t *ret_bytes);
// Copies from the front, and takes nothing out of the queue.
size_t send_queue_gather(struct send_queue *queue, uint8_t *out, size_t max);
// Copies the bytes that payloads hold, and releases the payloads.
void send_queue_unshare(struct send_queue *queue);
void send_queue_consume(struct send_queue *queue, size_t len);
