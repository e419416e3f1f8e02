// What goes out on a worker's socket.
#include "model/parts.h"
#include "runner/worker_link_private.h"

#define PENDING_MAX     ((size_t)1024 * 1024)
#define WS_TEXT_FRAME   1
#define WS_BINARY_FRAME 2

static void queue(struct worker_link *worker, int opcode, const void *data, size_t len)
{
    if (client_ws_queue(worker->ws, opcode, data, len) < 0)
        worker->lost = true;
    loop_defer(worker->options.loop, &worker->flush);
}

static void queue_parts(struct worker_link *worker)
{
    if (worker->parts.len > 0)
        queue(worker, WS_BINARY_FRAME, worker->parts.data, worker->parts.len);
    buf_reset(&worker->parts);
}

int worker_send_text(struct worker_link *worker, struct str object, uint32_t number)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (!worker->ws)
        return ERR_CLOSED;
    queue_parts(worker); // what a stream says stays in order
    if (number) {
        buf_printf(&text, "{\"stream\":%u,", number);
        buf_append(&text, object.data + 1, object.len - 1);
        object = buf_str(&text);
    }
    queue(worker, WS_TEXT_FRAME, object.data, object.len);
    return worker->lost ? ERR_CLOSED : 0;
}

int worker_send_part(struct worker_link *worker, uint32_t number, uint64_t first, struct str chunk)
{
    if (!worker->ws)
        return ERR_CLOSED;
    if (worker->parts.len + PART_HEADER + chunk.len > FRAME_MAX)
        queue_parts(worker);
    part_append(&worker->parts, &(struct part){.stream = number, .first = first, .chunk = chunk});
    loop_defer(worker->options.loop, &worker->flush);
    return worker->lost ? ERR_CLOSED : 0;
}

bool worker_full(const struct worker_link *worker)
{
    return worker->ws && client_ws_pending(worker->ws) + worker->parts.len > PENDING_MAX;
}

void link_flush(struct deferred *deferred)
{
    struct worker_link *worker = CONTAINER_OF(deferred, struct worker_link, flush);
    if (!worker->ws)
        return;
    queue_parts(worker);
    if (client_ws_flush(worker->ws) < 0)
        worker->lost = true;
    watch_set(worker->watch, WATCH_READ | (client_ws_pending(worker->ws) > 0 ? WATCH_WRITE : 0));
    if (worker->lost)
        timer_start(worker->listen_on, 0);
}
