// Followers on WebSockets.
#include "api/follow/follow.h"
#include "api/follow/messages.h"
#include "api/streams.h"

struct ws_follower {
    struct stream_node node;
    struct ws *ws;
    struct subscriber *subscriber;
    int64_t account;
    bool batch; // records come as lines of NDJSON, as many in a frame as there are
    char execution_id[ID_EXECUTION_MAX + 1], request_id[129];
};

static void follower_end(struct ws_follower *it, unsigned code, const char *reason)
{
    struct api *api = it->node.api;

    log_info(api->options.logger, "follower disconnected", LOG_S("execution_id", it->execution_id),
             LOG_S("request_id", it->request_id), LOG_I("code", code));
    stream_remove(&it->node);
    places_leave(api->options.followers, it->account);
    subscriber_free(&it->subscriber);
    if (it->ws)
        ws_close(&it->ws, code, reason);
    free(it);
}

static void follower_stop(struct stream_node *node, unsigned code, int err, const char *reason)
{
    struct ws_follower *it = CONTAINER_OF(node, struct ws_follower, node);
    if (err) { // the code alone does not tell what has happened to the credential
        CLEANUP(buf_release) struct buf json = {0};
        append_stream_error(&json, str_of(it->execution_id), err);
        ws_send(it->ws, WS_TEXT, json.data, json.len);
    }
    follower_end(it, code, reason);
}

static void follower_finish_stream(struct stream_node *node)
{
    subscriber_finish(CONTAINER_OF(node, struct ws_follower, node)->subscriber);
}

static void ws_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    // Followers have nothing to say. The ws room answers pings.
    (void)owner;
    (void)opcode;
    (void)data;
    (void)len;
}

static void ws_drained(void *owner)
{
    struct ws_follower *it = owner;
    if (it->subscriber)
        subscriber_drained(it->subscriber);
}

static void ws_closed(void *owner, unsigned code)
{
    struct ws_follower *it = owner;
    it->ws = NULL;
    follower_end(it, code, "");
}

static const struct ws_handler handler = {ws_message, ws_drained, ws_closed};

static void sink_send(void *owner, struct payload *payload, size_t offset, size_t len)
{
    struct ws_follower *it = owner;
    if (it->batch)
        ws_send_payload(it->ws, WS_TEXT, payload, offset, len);
    else
        ws_send_frames(it->ws, payload, offset, len);
}

static size_t sink_pending(void *owner)
{
    const struct ws_follower *it = owner;
    return ws_pending(it->ws);
}

static void sink_unshare(void *owner)
{
    struct ws_follower *it = owner;
    ws_unshare(it->ws);
}

static void sink_tell(void *owner, enum follower_step step, const struct follower *follower,
                      const struct execution *execution, const struct execution_live *live)
{
    struct ws_follower *it = owner;
    CLEANUP(buf_release) struct buf json = {0};

    switch (step) {
    case FOLLOWER_GAP:
        append_gap(&json, follower, NULL);
        break;
    case FOLLOWER_POSITION:
        append_position(&json, follower, NULL);
        break;
    case FOLLOWER_STATE:
        append_state(&json, execution, live, NULL);
        break;
    case FOLLOWER_COMPLETE:
        append_complete(&json, execution);
        break;
    case FOLLOWER_END:
        follower_end(it, 1001, GOING_AWAY);
        return;
    case FOLLOWER_PURGED:
        append_stream_error(&json, str_of(execution->execution_id), ERR_EXPIRED);
        break;
    default:
        return;
    }
    ws_send(it->ws, WS_TEXT, json.data, json.len);
    if (step == FOLLOWER_COMPLETE)
        follower_end(it, 1000, "complete");
    else if (step == FOLLOWER_PURGED)
        follower_end(it, 4410, "purged");
}

static void sink_failed(void *owner, int err)
{
    struct ws_follower *it = owner;
    CLEANUP(buf_release) struct buf json = {0};
    append_stream_error(&json, str_of(it->execution_id), err);
    ws_send(it->ws, WS_TEXT, json.data, json.len);
    follower_end(it, err == ERR_INVALID ? 1008 : 1011, error_text(err));
}

static const struct subscriber_sink sink = {sink_send, sink_pending, sink_unshare, sink_tell, sink_failed};

static struct ws_limits ws_limits_of(const struct api *api)
{
    return (struct ws_limits){
        .message_max = 4096, .ping_every_ms = api->limits->ping_ms, .pong_timeout_ms = api->limits->pong_timeout_ms};
}

// Accepts the socket only to say why not: a script in a browser sees close codes and no statuses.
void follow_ws_refuse(struct call *call, int err)
{
    struct ws_limits limits = ws_limits_of(call->api);
    static const struct ws_handler nobody = {ws_message, NULL, ws_closed};
    unsigned code = err == ERR_NOT_FOUND ? 4404 : err == ERR_EXPIRED ? 4410 : 4403;
    CLEANUP(buf_release) struct buf json = {0};

    append_stream_error(&json, call_capture(call, "id"), err);
    struct ws *ws = ws_accept(call_take_request(call), &limits, &nobody, NULL);
    if (!ws)
        return;
    ws_send(ws, WS_TEXT, json.data, json.len);
    ws_close(&ws, code, execution_error_text(err));
}

void follow_ws(struct call *call)
{
    struct api *api = call->api;
    struct log_query query;
    if (!log_query_parse(call, POSITION_WEBSOCKET, &query))
        return;
    if (!call_follower_place(call)) {
        log_query_release(&query);
        return;
    }
    struct ws_limits limits = ws_limits_of(api);
    struct ws_follower *it = xcalloc(1, sizeof(*it));
    it->account = call->principal.account;
    it->batch = call_param(call, "batch").number;
    it->node.end = follower_stop;
    it->node.finish = follower_finish_stream;
    snprintf(it->execution_id, sizeof(it->execution_id), "%s", call->execution.execution_id);
    snprintf(it->request_id, sizeof(it->request_id), "%.*s", STR_ARGS(http_request_id(call->request)));
    call_ref(call);
    it->ws = ws_accept(call_take_request(call), &limits, &handler, it);
    if (!it->ws) {
        places_leave(api->options.followers, it->account);
        free(it);
    } else {
        log_info(api->options.logger, "follower connected", LOG_S("execution_id", it->execution_id),
                 LOG_S("request_id", it->request_id));
        stream_add(&it->node, api, &call->principal);
        struct subscription subscription = {
            .execution = &call->execution,
            .position = query.position,
            .follow = true,
            .restored = query.restored,
            .wants_state = true,
            .wants_position = true,
            .format = it->batch ? FORMAT_NDJSON : FORMAT_WEBSOCKET,
            .filter = query.filter,
            .sink = &sink,
            .owner = it,
        };
        it->subscriber = fanout_subscribe(api->options.fanout, &subscription);
    }
    log_query_release(&query);
    call_unref(call);
}
