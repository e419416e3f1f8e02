// A subscription to an execution: from its frame to `complete`.
#include "api/follow/messages.h"
#include "api/follow/streams_private.h"
#include "api/reading.h"

#include <jansson.h>

static void fail(struct streamed *it, int err)
{
    socket_say_error(it->socket, it->kind, str_of(it->id), err, execution_error_text(err));
    subscription_end(it);
}

// --- The subscriber's sink

static void sink_send(void *owner, struct payload *payload, size_t offset, size_t len)
{
    struct streamed *it = owner;
    list_remove(&it->turn);
    list_push_back(&it->socket->sent, &it->turn);
    ws_send_frames(it->socket->ws, payload, offset, len);
}

static size_t sink_pending(void *owner)
{
    struct streamed *it = owner;
    size_t pending = ws_pending(it->socket->ws);
    if (pending > 0 && list_empty(&it->turn))
        list_push_back(&it->socket->waiting, &it->turn);
    return pending;
}

static void sink_unshare(void *owner)
{
    const struct streamed *it = owner;
    ws_unshare(it->socket->ws);
}

static void sink_tell(void *owner, enum follower_step step, const struct follower *follower,
                      const struct execution *execution, const struct execution_live *live)
{
    struct streamed *it = owner;
    CLEANUP(buf_release) struct buf json = {0};

    switch (step) {
    case FOLLOWER_GAP:
        append_gap(&json, follower, it->id);
        break;
    case FOLLOWER_POSITION:
        append_position(&json, follower, it->id);
        break;
    case FOLLOWER_STATE:
        append_state(&json, execution, live, it->id);
        break;
    case FOLLOWER_COMPLETE:
        append_complete(&json, execution);
        break;
    case FOLLOWER_PURGED:
        append_stream_error(&json, str_of(it->id), ERR_EXPIRED);
        break;
    case FOLLOWER_END:
    case FOLLOWER_WAIT:
    case FOLLOWER_READ:
        break;
    }
    if (json.len > 0)
        ws_send(it->socket->ws, WS_TEXT, json.data, json.len);
    if (step == FOLLOWER_COMPLETE || step == FOLLOWER_PURGED || step == FOLLOWER_END)
        subscription_end(it);
}

static void sink_failed(void *owner, int err)
{
    fail(owner, err);
}

static const struct subscriber_sink sink = {sink_send, sink_pending, sink_unshare, sink_tell, sink_failed};

// --- Beginning

static void start(struct streamed *it, const struct execution *execution)
{
    struct subscription subscription = {
        .execution = execution,
        .position = it->position,
        .follow = true,
        .restored = it->restored,
        .wants_state = true,
        .wants_position = true,
        .format = FORMAT_WEBSOCKET,
        .filter = it->filter,
        .sink = &sink,
        .owner = it,
    };
    it->subscriber = fanout_subscribe(it->socket->node.api->options.fanout, &subscription);
    filter_unref(&it->filter);
    if (it->socket->finishing)
        subscriber_finish(it->subscriber);
}

static void found(struct execution_lookup *lookup, int err)
{
    struct streamed *it = CONTAINER_OF(lookup, struct streamed, lookup);
    it->looking = false;
    if (!it->socket) {
        streamed_free(it);
        return;
    }
    struct stream_node *node = &it->socket->node;
    struct kept_execution *kept = TAKE_PTR(lookup->kept);
    if (err == 0)
        err = api_standing(node->api, &node->principal);
    if (err == 0)
        err = execution_judge(&node->principal, &kept->execution);
    if (err)
        fail(it, err);
    else {
        reading_begin(node->api, &kept->execution);
        start(it, &kept->execution);
    }
    kept_execution_unref(&kept);
}

void subscription_begin_execution(struct streams_socket *socket, const struct subscription_key *key,
                                  const json_t *message)
{
    struct api *api = socket->node.api;
    CLEANUP(buf_release) struct buf problem = {0};
    struct selection selection;
    int err = selection_parse(api, message, &selection, &problem);
    if (err) {
        socket_say_error(socket, key->kind, key->id, err, buf_cstr(&problem));
        return;
    }
    struct streamed *it = subscription_new(socket, key);
    if (!it) {
        filter_unref(&selection.filter);
        return;
    }
    it->position = selection.position;
    it->filter = selection.filter;
    it->restored = selection.restored;
    it->looking = true;
    it->lookup.done = found;
    execution_lookup(&it->lookup, api, socket->node.principal.account, str_of(it->id));
}
