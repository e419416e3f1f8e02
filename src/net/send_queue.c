#include "net/send_queue.h"

// An idle connection keeps at most so much memory. There are thousands of them.
#define COPIED_KEEP    ((size_t)4 * 1024)
#define SEGMENTS_KEEP  64
#define COPIED_COMPACT ((size_t)64 * 1024)

void send_queue_init(struct send_queue *queue)
{
    *queue = (struct send_queue){.cap = ARRAY_LEN(queue->few)};
    queue->segments = queue->few;
}

static void forget_copied(struct send_queue *queue)
{
    queue->copied_at = 0;
    if (queue->copied.cap > COPIED_KEEP)
        buf_release(&queue->copied);
    else
        buf_reset(&queue->copied);
}

void send_queue_clear(struct send_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++)
        payload_unref(&queue->segments[queue->first + i].payload);
    if (queue->segments != queue->few)
        free(queue->segments);
    buf_release(&queue->copied);
    send_queue_init(queue);
}

static struct segment *last_segment(struct send_queue *queue)
{
    return queue->count ? &queue->segments[queue->first + queue->count - 1] : NULL;
}

static struct segment *push_segment(struct send_queue *queue)
{
    if (queue->first + queue->count == queue->cap) {
        if (queue->first > queue->cap / 2) {
            memmove(queue->segments, queue->segments + queue->first, queue->count * sizeof(*queue->segments));
        } else {
            struct segment *larger = xmalloc(queue->cap * 2 * sizeof(*larger));
            memcpy(larger, queue->segments + queue->first, queue->count * sizeof(*larger));
            if (queue->segments != queue->few)
                free(queue->segments);
            queue->segments = larger;
            queue->cap *= 2;
        }
        queue->first = 0;
    }
    return &queue->segments[queue->first + queue->count++];
}

void send_queue_push_copy(struct send_queue *queue, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (queue->copied_at > COPIED_COMPACT && queue->copied_at > queue->copied.len / 2) {
        buf_consume(&queue->copied, queue->copied_at);
        queue->copied_at = 0;
    }
    buf_append(&queue->copied, data, len);
    queue->pending += len;
    struct segment *last = last_segment(queue);
    if (last && !last->payload)
        last->len += len;
    else
        *push_segment(queue) = (struct segment){.len = len};
}

void send_queue_push_payload(struct send_queue *queue, struct payload *payload, size_t offset, size_t len)
{
    if (len == 0)
        return;
    queue->pending += len;
    struct segment *last = last_segment(queue);
    if (last && last->payload == payload && last->offset + last->len == offset)
        last->len += len;
    else
        *push_segment(queue) = (struct segment){payload_ref(payload), offset, len};
}

size_t send_queue_iovecs(struct send_queue *queue, struct iovec out[SEND_IOVECS], size_t *ret_bytes)
{
    size_t count = MIN(queue->count, (size_t)SEND_IOVECS);
    size_t copied_at = queue->copied_at;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const struct segment *segment = &queue->segments[queue->first + i];
        const char *data = segment->payload ? segment->payload->data + segment->offset : queue->copied.data + copied_at;
        if (!segment->payload)
            copied_at += segment->len;
        out[i] = (struct iovec){(char *)(uintptr_t)data, segment->len};
        bytes += segment->len;
    }
    *ret_bytes = bytes;
    return count;
}

size_t send_queue_gather(struct send_queue *queue, uint8_t *out, size_t max)
{
    struct iovec iovecs[SEND_IOVECS];
    size_t bytes;
    size_t count = send_queue_iovecs(queue, iovecs, &bytes);
    size_t len = 0;
    for (size_t i = 0; i < count && len < max; i++) {
        size_t part = MIN(iovecs[i].iov_len, max - len);
        memcpy(out + len, iovecs[i].iov_base, part);
        len += part;
    }
    return len;
}

void send_queue_unshare(struct send_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++) {
        struct segment *segment = &queue->segments[queue->first + i];
        if (!segment->payload || segment->payload->len == segment->len)
            continue;
        struct payload *copy = payload_new(segment->payload->data + segment->offset, segment->len);
        payload_unref(&segment->payload);
        segment->payload = copy;
        segment->offset = 0;
    }
}

void send_queue_consume(struct send_queue *queue, size_t len)
{
    queue->pending -= len;
    while (len > 0) {
        struct segment *first = &queue->segments[queue->first];
        size_t part = MIN(len, first->len);
        len -= part;
        first->len -= part;
        if (first->payload)
            first->offset += part;
        else
            queue->copied_at += part;
        if (first->len > 0)
            return;
        payload_unref(&first->payload);
        queue->first++;
        queue->count--;
    }
    if (queue->copied_at == queue->copied.len)
        forget_copied(queue);
    if (queue->count > 0)
        return;
    queue->first = 0;
    if (queue->cap > SEGMENTS_KEEP) {
        free(queue->segments);
        queue->segments = queue->few;
        queue->cap = ARRAY_LEN(queue->few);
    }
}
