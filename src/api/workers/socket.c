// The socket of a worker: `hello`, then its streams, and what it says about itself.
#include "api/workers/private.h"
#include "api/workers/workers.h"
#include "model/parts.h"

// --- End

static void close_stream(struct map_node *node, void *arg)
{
    const unsigned *code = arg;
    worker_stream_close(CONTAINER_OF(node, struct worker_stream, node), *code);
}

static void socket_end(struct worker_socket *socket, unsigned code, const char *reason)
{
    const struct api_options *options = &socket->node.api->options;

    log_info(options->logger, "worker disconnected",
             LOG_S("worker_id", socket->session ? worker_session_offer(socket->session)->id : ""),
             LOG_S("request_id", socket->request_id), LOG_I("code", code));
    map_each(&socket->streams, close_stream, &code);
    map_release(&socket->streams);
    deferred_cancel(&socket->flush);
    stream_remove(&socket->node);
    if (socket->session) {
        metrics_add(options->metrics, options->shard, METRIC_workers, -1);
        worker_session_left(socket->session);
        if (options->workers)
            options->workers->left(options->workers_arg, socket->session);
        worker_session_unref(&socket->session);
    }
    intake_share_unref(&socket->share);
    if (socket->ws)
        ws_close(&socket->ws, code, reason);
    free(socket->acks);
    free(socket);
}

static void socket_stop(struct stream_node *node, unsigned code, int err, const char *reason)
{
    struct worker_socket *socket = CONTAINER_OF(node, struct worker_socket, node);
    if (err)
        worker_send_error(socket, err, error_text(err));
    socket_end(socket, code, reason);
}

// After a frame that cannot be understood, the socket cannot go on.
static void breach(struct worker_socket *socket, const char *problem)
{
    worker_send_error(socket, ERR_MALFORMED, problem);
    socket_end(socket, 1008, problem);
}

// Sends a frame of the dispatcher.
static void send_frame(void *socket, struct str text)
{
    worker_send(socket, text);
}

static void refuse(void *arg)
{
    struct worker_socket *socket = arg;
    CLEANUP(free_ptr)
    char *reason = xasprintf("another machine uses the worker id %s; give this one another with --name",
                             worker_session_offer(socket->session)->id);
    worker_send_error(socket, ERR_HELD, reason);
    socket_end(socket, runner_close_code(ERR_HELD), error_word(ERR_HELD));
}

static const struct worker_socket_calls session_calls = {send_frame, refuse};

// --- Frames of the worker. Each function returns false when the socket has ended.

static bool take_hello(struct worker_socket *socket, const json_t *message)
{
    const struct api_options *options = &socket->node.api->options;
    struct worker_offer offer = {0};
    const char *problem = socket->session ? "`hello` is said once" : worker_hello_parse(message, &offer);
    if (problem) {
        worker_offer_release(&offer);
        breach(socket, problem);
        return false;
    }
    const json_t *at = json_object_get(message, "at");
    socket->asked_ms = json_is_integer(at) ? MAX(json_integer_value(at), (json_int_t)0) : 0;
    socket->session = worker_session_new(options->loop, &offer, socket->node.principal.account,
                                         hub_new_holder(options->hub), &session_calls, socket);
    metrics_add(options->metrics, options->shard, METRIC_workers, 1);
    log_info(options->logger, "worker connected", LOG_S("worker_id", worker_session_offer(socket->session)->id),
             LOG_S("request_id", socket->request_id));
    worker_send_welcome(socket);
    if (json_is_integer(at) && hub_vouches(options->hub))
        worker_send_alive(socket, json_integer_value(at));
    if (options->workers)
        options->workers->joined(options->workers_arg, socket->session);
    return true;
}

// One whose lease has gone elsewhere ends before the heartbeat is answered: see model/life.h.
static void renew_stream(struct map_node *node, void *arg)
{
    struct worker_stream *stream = CONTAINER_OF(node, struct worker_stream, node);
    (void)arg;
    if (stream->open && !runner_stream_renew(stream->runner))
        worker_stream_end(stream, ERR_HELD, NULL);
}

// From the worker itself: all executions that it holds are alive.
static bool take_heartbeat(struct worker_socket *socket, const json_t *message)
{
    const struct api_options *options = &socket->node.api->options;
    const json_t *slots = json_object_get(message, "slots_free"), *at = json_object_get(message, "at");
    json_int_t free_slots = json_is_integer(slots) ? json_integer_value(slots) : 0;
    worker_session_heard(socket->session);
    map_each(&socket->streams, renew_stream, NULL);
    if (json_is_integer(at) && hub_vouches(options->hub))
        worker_send_alive(socket, json_integer_value(at));
    if (options->workers)
        options->workers->heartbeat(options->workers_arg, socket->session,
                                    (uint32_t)MIN(MAX(free_slots, (json_int_t)0), (json_int_t)INT32_MAX));
    return true;
}

static bool take_drain(struct worker_socket *socket, const json_t *message)
{
    const struct api_options *options = &socket->node.api->options;
    (void)message;
    if (options->workers)
        options->workers->drains(options->workers_arg, socket->session);
    return true;
}

static bool take_return(struct worker_socket *socket, const json_t *message)
{
    const struct api_options *options = &socket->node.api->options;
    const json_t *id = json_object_get(message, "execution_id"), *epoch = json_object_get(message, "epoch");
    const char *reason = json_string_value(json_object_get(message, "reason"));
    struct str execution_id = str_n(json_string_value(id), json_string_length(id));
    if (!id_execution_valid(execution_id) || !json_is_integer(epoch) || json_integer_value(epoch) < 1)
        worker_send_error(socket, ERR_INVALID, "return has an execution_id and an epoch");
    else if (options->workers)
        options->workers->returned(options->workers_arg, socket->session, execution_id,
                                   (uint64_t)json_integer_value(epoch), str_of(reason ? reason : ""));
    return true;
}

static const struct {
    const char *type;
    bool (*take)(struct worker_socket *socket, const json_t *message);
} frames[] = {
    {"hello", take_hello},
    {"heartbeat", take_heartbeat},
    {"drain", take_drain},
    {"return", take_return},
};

static bool take_own(struct worker_socket *socket, const char *type, const json_t *message)
{
    if (!socket->session && strcmp(type, "hello") != 0) {
        breach(socket, "the first frame is `hello`");
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(frames); i++)
        if (strcmp(type, frames[i].type) == 0)
            return frames[i].take(socket, message);
    worker_send_error(socket, ERR_INVALID,
                      "type must be heartbeat, return or drain, or the frame of a stream: open, close, complete, "
                      "skip, heartbeat");
    return true;
}

// --- Frames of streams

// Finds an open stream. A number that was never opened is answered with `closed`. Frames that come before `ready` end
// their stream. Frames for a stream that has ended are ignored. Returns NULL in all these cases.
static struct worker_stream *find_open(struct worker_socket *socket, uint32_t number)
{
    struct worker_stream *stream = worker_stream_find(socket, number);
    if (!stream && number > socket->last_stream) {
        socket->last_stream = number;
        worker_send_closed(socket, number, error_word(ERR_MALFORMED), "a stream begins with `open`");
    } else if (stream && !stream->open) {
        worker_stream_end(stream, ERR_MALFORMED, "a stream's frames come after its `ready`");
        stream = NULL;
    }
    return stream;
}

static bool take_open(struct worker_socket *socket, uint32_t number, const json_t *message)
{
    if (number <= socket->last_stream) {
        breach(socket, "the numbers of streams rise");
        return false;
    }
    socket->last_stream = number;
    worker_stream_open(socket, number, message);
    return true;
}

static bool take_of_stream(struct worker_socket *socket, uint32_t number, const char *type, const json_t *message)
{
    if (strcmp(type, "open") == 0)
        return take_open(socket, number, message);
    if (strcmp(type, "close") == 0) {
        struct worker_stream *stream = worker_stream_find(socket, number);
        if (stream)
            worker_stream_close(stream, 1000);
        return true;
    }
    struct worker_stream *stream = find_open(socket, number);
    if (!stream)
        return true;
    runner_stream_touch(stream->runner);
    runner_stream_control(stream->runner, type, message);
    return true;
}

// --- Messages

static bool take_message(struct worker_socket *socket, const json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    const json_t *number = json_object_get(message, "stream");
    json_int_t value = json_integer_value(number);
    if (!type) {
        breach(socket, "a frame of text is a JSON object with a type");
        return false;
    }
    if (!number)
        return take_own(socket, type, message);
    if (!socket->session || !json_is_integer(number) || value < 1 || value > UINT32_MAX) {
        breach(socket,
               socket->session ? "stream must be a whole number from 1 to 4294967295" : "the first frame is `hello`");
        return false;
    }
    return take_of_stream(socket, (uint32_t)value, type, message);
}

static bool take_text(struct worker_socket *socket, struct str text)
{
    json_t *message = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool open = take_message(socket, message);
    json_decref(message);
    return open;
}

static bool take_binary(struct worker_socket *socket, struct str frame)
{
    struct part part;
    if (!socket->session || parts_check(frame) < 0) {
        breach(socket, socket->session ? "a binary frame is parts of u32 stream, u32 length, u64 first counter, chunk"
                                       : "the first frame is `hello`");
        return false;
    }
    while (parts_next(&frame, &part)) {
        struct worker_stream *stream = find_open(socket, part.stream);
        if (!stream)
            continue;
        runner_stream_touch(stream->runner);
        int err = runner_stream_chunk(stream->runner, part.first, (const uint8_t *)part.chunk.data, part.chunk.len);
        if (err)
            worker_stream_end(stream, err, NULL);
        else
            worker_busy(stream, runner_stream_busy(stream->runner));
    }
    return true;
}

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct worker_socket *socket = owner;
    struct str bytes = str_n((const char *)data, len);
    bool open = opcode == WS_BINARY ? take_binary(socket, bytes) : take_text(socket, bytes);
    // Answers to a worker that reads nothing would grow without a limit.
    if (open && ws_pending(socket->ws) > WORKER_ANSWERS_MAX)
        socket_end(socket, 1008, "the answers are not read");
}

static void on_closed(void *owner, unsigned code)
{
    struct worker_socket *socket = owner;
    socket->ws = NULL;
    socket_end(socket, code, "");
}

static const struct ws_handler ws_handler = {on_message, NULL, on_closed};

// --- Start

void workers_socket(struct call *call)
{
    struct api *api = call->api;
    struct ws_limits limits = {.message_max = WORKER_FRAME_MAX,
                               .ping_every_ms = api->limits->ping_ms,
                               .pong_timeout_ms = api->limits->pong_timeout_ms,
                               .budget = api->options.budget,
                               .account = call->principal.account};
    struct worker_socket *socket = xcalloc(1, sizeof(*socket));
    snprintf(socket->request_id, sizeof(socket->request_id), "%.*s", STR_ARGS(http_request_id(call->request)));
    call_ref(call);
    socket->ws = ws_accept(call_take_request(call), &limits, &ws_handler, socket);
    if (socket->ws) {
        map_init(&socket->streams);
        deferred_init(&socket->flush, worker_flush);
        socket->share = intake_share_new(api->options.budget);
        socket->node.end = socket_stop;
        stream_add(&socket->node, api, &call->principal);
    } else {
        free(socket);
    }
    call_unref(call);
}
