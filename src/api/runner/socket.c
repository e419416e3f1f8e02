// A runner's own socket: the link for the stream of one execution.
#include "api/runner/runner.h"
#include "api/runner/stream.h"
#include "api/streams.h"
#include "model/config_limits.h"

#define BINARY_HEADER    8
#define PRODUCER_DEFAULT "runner"
#define ANSWERS_MAX      (1024 * 1024) // bytes that may be queued for a runner

struct runner_socket {
    struct stream_node node;
    struct call *call; // set until the socket is open
    struct ws *ws;
    struct runner_stream *stream; // NULL after it has ended
};

static void socket_free(struct runner_socket *socket, unsigned code, const char *reason)
{
    stream_remove(&socket->node);
    if (socket->ws)
        ws_close(&socket->ws, code, reason);
    free(socket);
}

static void socket_end(struct runner_socket *socket, unsigned code, const char *reason)
{
    runner_stream_close(&socket->stream, code);
    socket_free(socket, code, reason);
}

static void socket_stop(struct stream_node *node, unsigned code, int err, const char *reason)
{
    struct runner_socket *socket = CONTAINER_OF(node, struct runner_socket, node);
    if (err && socket->stream)
        runner_stream_refuse(socket->stream, err, NULL);
    socket_end(socket, code, reason);
}

// --- Messages

static void take_binary(struct runner_socket *socket, const uint8_t *data, size_t len)
{
    uint64_t first = 0;
    if (len <= BINARY_HEADER) {
        runner_stream_refuse(socket->stream, ERR_MALFORMED,
                             "a binary frame is 8 bytes of the first counter, then a chunk");
        return;
    }
    for (size_t i = BINARY_HEADER; i-- > 0;)
        first = first << 8 | data[i];
    runner_stream_chunk(socket->stream, first, data + BINARY_HEADER, len - BINARY_HEADER);
}

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct runner_socket *socket = owner;

    runner_stream_touch(socket->stream);
    if (opcode == WS_BINARY)
        take_binary(socket, data, len);
    else if (opcode == WS_TEXT)
        runner_stream_text(socket->stream, str_n((const char *)data, len));
    // Answers to a runner that reads nothing would grow without a limit.
    if (ws_pending(socket->ws) > ANSWERS_MAX)
        socket_end(socket, 1008, "the answers are not read");
    else if (runner_stream_busy(socket->stream))
        ws_pause_read(socket->ws, true);
}

static void on_closed(void *owner, unsigned code)
{
    struct runner_socket *socket = owner;
    socket->ws = NULL;
    socket_end(socket, code, "");
}

static const struct ws_handler ws_handler = {on_message, NULL, on_closed};

// --- The stream's link

static bool link_opened(void *owner)
{
    struct runner_socket *socket = owner;
    struct call *call = socket->call;
    struct api *api = call->api;
    struct ws_limits limits = {.message_max = LIMIT_FRAME,
                               .ping_every_ms = api->limits->ping_ms,
                               .pong_timeout_ms = api->limits->pong_timeout_ms,
                               .budget = api->options.budget,
                               .account = call->principal.account};

    socket->ws = call->request ? ws_accept(call_take_request(call), &limits, &ws_handler, socket) : NULL;
    if (socket->ws) {
        socket->node.end = socket_stop;
        stream_add(&socket->node, api, &call->principal);
        socket->call = NULL;
    }
    bool open = socket->ws != NULL;
    if (!open)
        free(socket);
    call_unref(call);
    return open;
}

static void link_refused(void *owner, int err)
{
    struct runner_socket *socket = owner;
    call_fail(socket->call, err, NULL);
    call_unref(socket->call);
    free(socket);
}

static void link_send(void *owner, struct str text)
{
    struct runner_socket *socket = owner;
    ws_send(socket->ws, WS_TEXT, text.data, text.len);
}

static void link_ack(void *owner, uint64_t next)
{
    struct runner_socket *socket = owner;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "ack");
    json_add_i64(&json, "sequence_number", (int64_t)next - 1);
    json_close(&json);
    ws_send(socket->ws, WS_TEXT, text.data, text.len);
}

static void link_room(void *owner)
{
    struct runner_socket *socket = owner;
    ws_pause_read(socket->ws, false);
}

static void link_ended(void *owner, int err, const char *reason)
{
    struct runner_socket *socket = owner;
    socket->stream = NULL;
    socket_free(socket, runner_close_code(err), reason);
}

static const struct runner_link runner_link = {link_opened, link_refused, link_send, link_ack, link_room, link_ended};

// --- Start

// A runner whose chunks this server cannot read waits until that changes. The log tells people who can change it.
static void check_versions(const struct call *call)
{
    struct field_value versions = call_param(call, "chunk_versions");
    uint64_t version;
    bool read = !versions.given;
    while (!read && versions.text.len > 0)
        read = str_to_u64(str_split(&versions.text, ','), &version) && version == CHUNK_VERSION;
    if (!read)
        log_warn(call->api->options.logger, "a runner makes chunks of versions that this server does not read",
                 LOG_S("execution_id", call->execution.execution_id), LOG_I("version", CHUNK_VERSION));
}

static struct runner_stream_options take_query(const struct call *call)
{
    struct field_value producer = call_param(call, "producer"), epoch = call_param(call, "epoch");
    return (struct runner_stream_options){
        .api = call->api,
        .link = &runner_link,
        .epoch = runner_epoch(call->api, (uint64_t)epoch.number, call_param(call, "incarnation").text),
        .asked_ms = call_param(call, "at").number,
        .producer = producer.given ? producer.text : STR(PRODUCER_DEFAULT),
        .worker = call_param(call, "worker").text,
        .request_id = http_request_id(call->request),
    };
}

void runner_socket(struct call *call)
{
    struct runner_stream_options options = take_query(call);

    if (!call_header_key(call, &options.key))
        return;
    check_versions(call);
    http_on_abort(call->request, NULL, NULL);
    if (!ws_check_handshake(call->request)) {
        call->request = NULL;
        call_unref(call);
        return;
    }
    call_watch(call);
    struct runner_socket *socket = xcalloc(1, sizeof(*socket));
    socket->call = call;
    call_ref(call);
    options.owner = socket;
    options.principal = &call->principal;
    socket->stream = runner_stream_new(&options);
    runner_stream_start(socket->stream, &call->execution);
}
