// One subscription: from its frame to `complete`.
#include "api/follow/messages.h"
#include "api/follow/streams_private.h"

#include <jansson.h>

static void begin_execution(struct streams_socket *socket, const struct subscription_key *key, const json_t *message);
static void begin_batch(struct streams_socket *socket, const struct subscription_key *key, const json_t *message);

static const struct subscription_kind kinds[] = {
    {"execution", "execution_id", begin_execution},
    {"batch", "batch_id", begin_batch},
};
static const struct subscription_kind *const kind_of_executions = &kinds[0];

// --- Keys

const char *subscription_key_parse(const json_t *message, struct subscription_key *ret)
{
    const json_t *id = json_object_get(message, "id"), *kind = json_object_get(message, "kind");
    const char *word = kind ? json_string_value(kind) : kinds[0].word;

    *ret = (struct subscription_key){.id = str_n(json_string_value(id), json_string_length(id))};
    if (!id_execution_valid(ret->id))
        return "id must match [A-Za-z0-9][A-Za-z0-9._:-]{0,254}";
    for (size_t i = 0; word && i < ARRAY_LEN(kinds); i++)
        if (strcmp(word, kinds[i].word) == 0)
            ret->kind = &kinds[i];
    return ret->kind ? NULL : "kind must be execution or batch";
}

static char *key_text(const struct subscription_key *key)
{
    return xasprintf("%s %.*s", key->kind->word, STR_ARGS(key->id));
}

struct streamed *subscription_find(const struct streams_socket *socket, const struct subscription_key *key)
{
    CLEANUP(free_ptr) char *text = key_text(key);
    struct map_node *node = map_find(&socket->subscriptions, str_of(text));
    return node ? CONTAINER_OF(node, struct streamed, node) : NULL;
}

// --- Life

static void streamed_free(struct streamed *it)
{
    kept_execution_unref(&it->lookup.kept);
    filter_unref(&it->filter);
    free(it->key);
    free(it);
}

// The place among the account's followers is its own.
void subscription_end(struct streamed *it)
{
    struct streams_socket *socket = it->socket;
    struct api *api = socket->node.api;
    subscriber_free(&it->subscriber);
    places_leave(api->options.followers, socket->node.principal.account);
    map_remove(&socket->subscriptions, &it->node);
    list_remove(&it->turn);
    if (socket->finishing && socket->subscriptions.count == 0)
        loop_defer(api->options.loop, &socket->finished);
    it->socket = NULL;
    if (!it->looking)
        streamed_free(it);
}

static void fail(struct streamed *it, int err)
{
    socket_say_error(it->socket, kind_of_executions, str_of(it->id), err, execution_error_text(err));
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
    else
        start(it, &kept->execution);
    kept_execution_unref(&kept);
}

static struct streamed *streamed_new(struct streams_socket *socket, const struct subscription_key *key)
{
    struct streamed *it = xcalloc(1, sizeof(*it));
    it->socket = socket;
    it->key = key_text(key);
    it->id = strchr(it->key, ' ') + 1;
    map_insert(&socket->subscriptions, &it->node, str_of(it->key));
    list_init(&it->turn);
    return it;
}

static void begin_execution(struct streams_socket *socket, const struct subscription_key *key, const json_t *message)
{
    struct api *api = socket->node.api;
    CLEANUP(buf_release) struct buf problem = {0};
    struct selection selection;
    int err = selection_parse(api, message, &selection, &problem);
    if (err) {
        socket_say_error(socket, key->kind, key->id, err, buf_cstr(&problem));
        return;
    }
    if (!places_take(api->options.followers, socket->node.principal.account, api->limits->followers_max)) {
        filter_unref(&selection.filter);
        socket_say_error(socket, key->kind, key->id, ERR_RATE, "the account has as many followers as it may");
        return;
    }
    struct streamed *it = streamed_new(socket, key);
    it->position = selection.position;
    it->filter = selection.filter;
    it->restored = selection.restored;
    it->looking = true;
    it->lookup.done = found;
    execution_lookup(&it->lookup, api, socket->node.principal.account, str_of(it->id));
}

static void begin_batch(struct streams_socket *socket, const struct subscription_key *key, const json_t *message)
{
    (void)message;
    socket_say_error(socket, key->kind, key->id, ERR_UNSUPPORTED, "this server follows no batches yet");
}

void subscription_begin(struct streams_socket *socket, const struct subscription_key *key, const json_t *message)
{
    if (subscription_find(socket, key))
        socket_say_error(socket, key->kind, key->id, ERR_CONFLICT, "it is subscribed to already; unsubscribe first");
    else if (socket->subscriptions.count >= STREAMS_SUBSCRIPTIONS_MAX)
        socket_say_error(socket, key->kind, key->id, ERR_RATE, "this socket has as many subscriptions as it may");
    else if (socket->finishing)
        socket_say_error(socket, key->kind, key->id, ERR_SHUTTING_DOWN, NULL);
    else
        key->kind->begin(socket, key, message);
}

// --- All of a socket

void subscriptions_init(struct streams_socket *socket)
{
    map_init(&socket->subscriptions);
    list_init(&socket->waiting);
    list_init(&socket->sent);
}

static void end_one(struct map_node *node, void *arg)
{
    (void)arg;
    subscription_end(CONTAINER_OF(node, struct streamed, node));
}

void subscriptions_end(struct streams_socket *socket)
{
    map_each(&socket->subscriptions, end_one, NULL);
    deferred_cancel(&socket->finished);
    map_release(&socket->subscriptions);
}

static void finish_one(struct map_node *node, void *arg)
{
    const struct streamed *it = CONTAINER_OF(node, struct streamed, node);
    (void)arg;
    if (it->subscriber)
        subscriber_finish(it->subscriber);
}

void subscriptions_finish(struct streams_socket *socket)
{
    map_each(&socket->subscriptions, finish_one, NULL);
}

// Who found no room goes before who has sent since the last time.
void subscriptions_drained(struct streams_socket *socket)
{
    struct list_node turns;
    list_init(&turns);
    list_splice(&turns, &socket->waiting);
    list_splice(&turns, &socket->sent);
    while (!list_empty(&turns)) {
        struct streamed *it = CONTAINER_OF(turns.next, struct streamed, turn);
        list_remove(&it->turn);
        if (it->subscriber)
            subscriber_drained(it->subscriber);
    }
}
