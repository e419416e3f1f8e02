// One execution on a worker's socket: the link of its runner's stream.
#include "api/workers/private.h"

#define PRODUCER_DEFAULT "runner"

// --- Life

static struct str number_key(const uint32_t *number)
{
    return str_n((const char *)number, sizeof(*number));
}

struct worker_stream *worker_stream_find(const struct worker_socket *socket, uint32_t number)
{
    struct map_node *node = map_find(&socket->streams, number_key(&number));
    return node ? CONTAINER_OF(node, struct worker_stream, node) : NULL;
}

static void stream_free(struct worker_stream *stream)
{
    kept_execution_unref(&stream->lookup.kept);
    free(stream);
}

// The stream leaves its socket. If its execution is still being looked up, the answer to that frees the stream.
static void detach(struct worker_stream *stream)
{
    worker_busy(stream, false);
    map_remove(&stream->socket->streams, &stream->node);
    stream->socket = NULL;
    if (!stream->looking)
        stream_free(stream);
}

static void tell_ended(const struct worker_stream *stream, int err)
{
    const struct worker_socket *socket = stream->socket;
    const struct api_options *options = &socket->node.api->options;
    if (stream->open && options->workers)
        options->workers->stream_ended(options->workers_arg, socket->session, stream->row, stream->epoch, err);
}

void worker_stream_end(struct worker_stream *stream, int err, const char *reason)
{
    const char *code = err == 0 ? "completed" : error_word(err);
    runner_stream_close(&stream->runner, runner_close_code(err));
    tell_ended(stream, err);
    worker_send_closed(stream->socket, stream->number, code, reason ? reason : error_text(err));
    detach(stream);
}

void worker_stream_close(struct worker_stream *stream, unsigned code)
{
    runner_stream_close(&stream->runner, code);
    tell_ended(stream, ERR_CLOSED);
    detach(stream);
}

// --- The runner's link

static bool link_opened(void *owner)
{
    struct worker_stream *stream = owner;
    const struct worker_socket *socket = stream->socket;
    const struct api_options *options = &socket->node.api->options;
    stream->open = true;
    stream->epoch = runner_stream_epoch(stream->runner);
    if (options->workers && !stream->sealed) // else it only asks once more how it ended, and takes no place
        options->workers->stream_opened(options->workers_arg, socket->session, stream->row, stream->epoch);
    return true;
}

static void link_refused(void *owner, int err)
{
    struct worker_stream *stream = owner;
    stream->runner = NULL;
    worker_stream_end(stream, err, NULL);
}

static void link_send(void *owner, struct str text)
{
    struct worker_stream *stream = owner;
    worker_send(stream->socket, text);
}

static void link_ack(void *owner, uint64_t next)
{
    struct worker_stream *stream = owner;
    worker_ack_due(stream->socket, stream->number, next);
}

static void link_room(void *owner)
{
    worker_busy(owner, false);
}

static void link_ended(void *owner, int err, const char *reason)
{
    struct worker_stream *stream = owner;
    stream->runner = NULL;
    worker_stream_end(stream, err, reason);
}

static const struct runner_link runner_link = {link_opened, link_refused, link_send, link_ack, link_room, link_ended};

// --- Opening

static void start(struct worker_stream *stream, const struct execution *execution)
{
    struct worker_socket *socket = stream->socket;
    const struct worker_offer *offer = worker_session_offer(socket->session);
    struct runner_stream_options options = {
        .api = socket->node.api,
        .link = &runner_link,
        .owner = stream,
        .principal = &socket->node.principal,
        .number = stream->number,
        .epoch = stream->epoch,
        .asked_ms = socket->asked_ms,
        .producer = str_of(stream->producer),
        .worker_id = str_of(offer->id),
        .worker = str_of(offer->hostname),
        .request_id = str_of(socket->request_id),
        .share = socket->share,
    };
    stream->row = execution->row;
    stream->sealed = execution->sealed;
    stream->runner = runner_stream_new(&options);
    runner_stream_start(stream->runner, execution);
}

static void found(struct execution_lookup *lookup, int err)
{
    struct worker_stream *stream = CONTAINER_OF(lookup, struct worker_stream, lookup);
    stream->looking = false;
    if (!stream->socket) {
        stream_free(stream);
        return;
    }
    struct kept_execution *kept = TAKE_PTR(lookup->kept);
    if (err == 0)
        err = execution_judge(&stream->socket->node.principal, &kept->execution);
    if (err)
        worker_stream_end(stream, err, execution_error_text(err));
    else
        start(stream, &kept->execution);
    kept_execution_unref(&kept);
}

struct open_frame {
    struct str execution_id, producer, incarnation;
    uint64_t epoch;
};

static bool take_text(const json_t *message, const char *name, struct str *ret)
{
    const json_t *value = json_object_get(message, name);
    if (!value || json_is_null(value))
        return true;
    *ret = str_n(json_string_value(value), json_string_length(value));
    return json_is_string(value);
}

// Returns NULL, or what is wrong with the frame.
static const char *parse_open(const json_t *message, struct open_frame *ret)
{
    const json_t *epoch = json_object_get(message, "epoch");
    *ret = (struct open_frame){.producer = STR(PRODUCER_DEFAULT)};
    if (!take_text(message, "execution_id", &ret->execution_id) || !id_execution_valid(ret->execution_id))
        return "execution_id must match [A-Za-z0-9][A-Za-z0-9._:-]{0,254}";
    if (!take_text(message, "producer", &ret->producer) || !runner_producer_valid(ret->producer))
        return "producer must be 1 to 96 letters, digits or any of ._:-";
    if (!take_text(message, "incarnation", &ret->incarnation))
        return "incarnation must be the one that came with the epoch";
    if (epoch && !json_is_null(epoch)) {
        if (!json_is_integer(epoch) || json_integer_value(epoch) < 1)
            return "epoch must be a whole number from 1 on";
        ret->epoch = (uint64_t)json_integer_value(epoch);
    }
    return NULL;
}

void worker_stream_open(struct worker_socket *socket, uint32_t number, const json_t *message)
{
    struct api *api = socket->node.api;
    struct open_frame frame;
    const char *problem = parse_open(message, &frame);
    if (problem) {
        worker_send_closed(socket, number, error_word(ERR_INVALID), problem);
        return;
    }
    if (socket->streams.count >= WORKER_STREAMS_MAX) {
        worker_send_closed(socket, number, error_word(ERR_RATE), "this socket has as many streams as it may");
        return;
    }
    struct worker_stream *stream = xcalloc(1, sizeof(*stream));
    stream->socket = socket;
    stream->number = number;
    stream->epoch = runner_epoch(api, frame.epoch, frame.incarnation);
    snprintf(stream->producer, sizeof(stream->producer), "%.*s", STR_ARGS(frame.producer));
    map_insert(&socket->streams, &stream->node, number_key(&stream->number));
    stream->looking = true;
    stream->lookup.done = found;
    execution_lookup(&stream->lookup, api, socket->node.principal.account, frame.execution_id);
}
