// One delivery's stream on a worker's socket.
#include "runner/worker_link_private.h"
#include "util/clock.h"

static struct worker_stream *of(struct delivery_link *link)
{
    return CONTAINER_OF(link, struct worker_stream, link);
}

static struct str number_key(const uint32_t *number)
{
    return str_n((const char *)number, sizeof(*number));
}

struct worker_stream *stream_link_find(const struct worker_link *worker, uint32_t number)
{
    struct map_node *node = map_find(&worker->streams, number_key(&number));
    return node ? CONTAINER_OF(node, struct worker_stream, node) : NULL;
}

static void touch(struct worker_stream *stream)
{
    if (list_empty(&stream->touched))
        list_push_back(&stream->worker->touched, &stream->touched);
}

static void forget_parts(struct worker_stream *stream)
{
    stream->part_count = 0;
    stream->unacked = 0;
}

// It has no number any more.
static void detach(struct worker_stream *stream)
{
    struct worker_link *worker = stream->worker;
    if (!stream->number)
        return;
    map_remove(&worker->streams, &stream->node);
    stream->number = 0;
    stream->ready = false;
    life_closed(&stream->life);
    forget_parts(stream);
}

// --- What the server says

void stream_link_lost(struct worker_stream *stream)
{
    const struct delivery_link *link = &stream->link;
    detach(stream);
    touch(stream);
    link->events->lost(link->arg, ERR_CLOSED, NULL);
}

static void begins(struct worker_stream *stream)
{
    life_opened(&stream->life);
    if (stream->alive)
        stream->alive(stream->alive_arg, &stream->life);
}

void stream_link_alive(struct worker_stream *stream, uint64_t at_ms)
{
    if (life_answered(&stream->life, at_ms) && stream->alive)
        stream->alive(stream->alive_arg, &stream->life);
}

void stream_link_message(struct worker_stream *stream, json_t *message)
{
    const struct delivery_link *link = &stream->link;
    touch(stream);
    stream->ready = true;
    // Both say from where on records are wanted again: what was sent behind that will never be acknowledged.
    const char *type = json_string_value(json_object_get(message, "type"));
    if (strcmp(type, "ready") == 0 && !stream->life.open)
        begins(stream);
    if (strcmp(type, "ready") == 0 || strcmp(type, "error") == 0)
        forget_parts(stream);
    link->events->message(link->arg, message);
}

void stream_link_acked(struct worker_stream *stream, uint64_t sequence_number)
{
    const struct delivery_link *link = &stream->link;
    while (stream->part_count > 0 && stream->parts[stream->part_first].next <= sequence_number + 1) {
        stream->unacked -= stream->parts[stream->part_first].bytes;
        stream->part_first = (stream->part_first + 1) % stream->part_capacity;
        stream->part_count--;
    }
    touch(stream);
    link->events->acked(link->arg, sequence_number);
}

// One that has not begun was refused, as a socket of its own would have been by the answer to its handshake.
void stream_link_closed(struct worker_stream *stream, const char *code, const char *reason)
{
    const struct delivery_link *link = &stream->link;
    bool was_ready = stream->ready;
    detach(stream);
    touch(stream);
    if (was_ready)
        link->events->lost(link->arg, ERR_CLOSED, NULL);
    else
        link->events->refused(link->arg, error_from_word(code, strlen(code)), reason);
}

// --- The delivery's link

void stream_link_open(struct worker_stream *stream)
{
    struct worker_link *worker = stream->worker;
    const struct run_file *run = stream->run;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);

    list_remove(&stream->place);
    life_asked(&stream->life, clock_boot_ms());
    stream->number = ++worker->last_stream;
    map_insert(&worker->streams, &stream->node, number_key(&stream->number));
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "open");
    json_add_text(&json, "execution_id", run->execution_id);
    json_add_text(&json, "producer", stream->producer ? stream->producer : run->producer);
    if (run->epoch)
        json_add_u64(&json, "epoch", run->epoch);
    if (run->epoch && run->incarnation[0])
        json_add_text(&json, "incarnation", run->incarnation);
    json_close(&json);
    worker_send_text(worker, buf_str(&text), stream->number);
    stream->link.events->opened(stream->link.arg);
}

static void link_connect(struct delivery_link *link)
{
    struct worker_stream *stream = of(link);
    list_remove(&stream->place);
    if (stream->worker->welcomed)
        stream_link_open(stream);
    else
        list_push_back(&stream->worker->idle, &stream->place);
}

static int link_send_text(struct delivery_link *link, struct str object)
{
    const struct worker_stream *stream = of(link);
    return stream->number ? worker_send_text(stream->worker, object, stream->number) : ERR_CLOSED;
}

static void remember(struct worker_stream *stream, uint64_t next, size_t bytes)
{
    if (stream->part_count == stream->part_capacity) {
        size_t capacity = MAX((size_t)8, stream->part_capacity * 2);
        struct sent_part *parts = xcalloc(capacity, sizeof(*parts));
        for (size_t i = 0; i < stream->part_count; i++)
            parts[i] = stream->parts[(stream->part_first + i) % stream->part_capacity];
        free(stream->parts);
        stream->parts = parts;
        stream->part_first = 0;
        stream->part_capacity = capacity;
    }
    stream->parts[(stream->part_first + stream->part_count++) % stream->part_capacity] =
        (struct sent_part){next, bytes};
    stream->unacked += bytes;
}

static int link_send_chunk(struct delivery_link *link, uint64_t first, uint64_t next, struct str encoded)
{
    struct worker_stream *stream = of(link);
    if (!stream->number)
        return ERR_CLOSED;
    remember(stream, next, encoded.len);
    return worker_send_part(stream->worker, stream->number, first, encoded);
}

// An ack makes room in the window; room on the socket is given in turn.
static bool link_full(struct delivery_link *link)
{
    struct worker_stream *stream = of(link);
    if (stream->unacked >= stream->worker->stream_window)
        return true;
    if (!worker_full(stream->worker))
        return false;
    if (list_empty(&stream->waiting))
        list_push_back(&stream->worker->waiting, &stream->waiting);
    return true;
}

// The socket's silence is looked after by the socket.
static uint64_t link_last_receive_ms(const struct delivery_link *link)
{
    (void)link;
    return clock_mono_ms();
}

static void link_close(struct delivery_link *link, unsigned code)
{
    struct worker_stream *stream = of(link);
    (void)code;
    if (stream->number && !stream->worker->lost)
        worker_send_text(stream->worker, STR("{\"type\":\"close\"}"), stream->number);
    detach(stream);
    list_remove(&stream->waiting);
}

static void link_free(struct delivery_link *link)
{
    struct worker_stream *stream = of(link);
    link_close(link, 1000);
    list_remove(&stream->place);
    list_remove(&stream->touched);
    free(stream->parts);
    free(stream);
}

static const struct delivery_link_ops ops = {
    .connect = link_connect,
    .send_text = link_send_text,
    .send_chunk = link_send_chunk,
    .full = link_full,
    .last_receive_ms = link_last_receive_ms,
    .close = link_close,
    .free = link_free,
};

struct delivery_link *worker_link_stream(struct worker_link *worker, const struct run_file *run, const char *producer)
{
    struct worker_stream *stream = xcalloc(1, sizeof(*stream));
    stream->link.ops = &ops;
    stream->link.keeps_lease = true;
    stream->worker = worker;
    stream->run = run;
    stream->producer = producer;
    list_init(&stream->place);
    list_init(&stream->waiting);
    list_init(&stream->touched);
    return &stream->link;
}

void worker_link_watch_life(struct delivery_link *link, void (*alive)(void *arg, const struct life *life), void *arg)
{
    struct worker_stream *stream = of(link);
    stream->alive = alive;
    stream->alive_arg = arg;
}
