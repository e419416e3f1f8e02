// One WebSocket for many followers: each subscription is a follower with a position and filters of its own. What the
// socket has not taken counts for all of them, and those that wait for it to be taken have their turns.
#include "api/follow/follow.h"
#include "api/follow/messages.h"
#include "api/follow/streams_private.h"

#include <jansson.h>

// --- Life of the socket

static void socket_end(struct streams_socket *socket, unsigned code, const char *reason)
{
    struct api *api = socket->node.api;

    log_info(api->options.logger, "follower of many disconnected", LOG_S("request_id", socket->request_id),
             LOG_I("code", code));
    subscriptions_end(socket);
    stream_remove(&socket->node);
    if (socket->ws)
        ws_close(&socket->ws, code, reason);
    free(socket);
}

static void socket_stop(struct stream_node *node, unsigned code, int err, const char *reason)
{
    struct streams_socket *socket = CONTAINER_OF(node, struct streams_socket, node);
    if (err) // the code alone does not tell what has happened to the credential
        socket_say_error(socket, NULL, (struct str){0}, err, NULL);
    socket_end(socket, code, reason);
}

static void socket_finish(struct stream_node *node)
{
    struct streams_socket *socket = CONTAINER_OF(node, struct streams_socket, node);
    socket->finishing = true;
    subscriptions_finish(socket);
    if (socket->subscriptions.count == 0)
        socket_end(socket, 1001, GOING_AWAY);
}

// Runs after the last subscription of a socket that is to finish has ended.
static void on_finished(struct deferred *deferred)
{
    socket_end(CONTAINER_OF(deferred, struct streams_socket, finished), 1001, GOING_AWAY);
}

// --- What the client says

static const struct subscription_kind kinds[] = {
    {"execution", "execution_id", true, subscription_begin_execution},
    {"batch", "batch_id", false, subscription_begin_batch},
};

// NULL; or what is wrong with it. The key lives as long as the message.
static const char *key_parse(const json_t *message, struct subscription_key *ret)
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

static void subscribe(struct streams_socket *socket, const struct subscription_key *key, const json_t *message)
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

static void take_unsubscribe(struct streams_socket *socket, const struct subscription_key *key)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct streamed *it = subscription_find(socket, key);
    if (it)
        subscription_end(it);
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "unsubscribed");
    json_add_str(&json, "id", key->id);
    json_add_text(&json, "kind", key->kind->word);
    json_close(&json);
    ws_send(socket->ws, WS_TEXT, text.data, text.len);
}

static void take_frame(struct streams_socket *socket, const json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    struct subscription_key key;
    const char *problem = key_parse(message, &key);

    if (problem)
        socket_say_error(socket, NULL, (struct str){0}, ERR_INVALID, problem);
    else if (type && strcmp(type, "subscribe") == 0)
        subscribe(socket, &key, message);
    else if (type && strcmp(type, "unsubscribe") == 0)
        take_unsubscribe(socket, &key);
    else
        socket_say_error(socket, NULL, (struct str){0}, ERR_INVALID, "type must be subscribe or unsubscribe");
}

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct streams_socket *socket = owner;
    json_t *message = opcode == WS_TEXT ? json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!json_is_object(message)) {
        socket_say_error(socket, NULL, (struct str){0}, ERR_MALFORMED, "a frame is one JSON object");
        socket_end(socket, 1008, "a frame is one JSON object");
    } else {
        take_frame(socket, message);
        // Answers to a client that reads nothing would gather without an end.
        if (ws_pending(socket->ws) > STREAMS_PENDING_MAX)
            socket_end(socket, 1008, "the answers are not read");
    }
    json_decref(message);
}

static void on_drained(void *owner)
{
    subscriptions_drained(owner);
}

static void on_closed(void *owner, unsigned code)
{
    struct streams_socket *socket = owner;
    socket->ws = NULL;
    socket_end(socket, code, "");
}

static const struct ws_handler handler = {on_message, on_drained, on_closed};

// --- Start

void follow_streams(struct call *call)
{
    struct api *api = call->api;
    struct ws_limits limits = {.message_max = STREAMS_FRAME_MAX,
                               .ping_every_ms = api->limits->ping_ms,
                               .pong_timeout_ms = api->limits->pong_timeout_ms,
                               .budget = api->options.budget,
                               .account = call->principal.account};
    struct streams_socket *socket = xcalloc(1, sizeof(*socket));
    snprintf(socket->request_id, sizeof(socket->request_id), "%.*s", STR_ARGS(http_request_id(call->request)));
    call_ref(call);
    socket->ws = ws_accept(call_take_request(call), &limits, &handler, socket);
    if (socket->ws) {
        socket->node.end = socket_stop;
        socket->node.finish = socket_finish;
        stream_add(&socket->node, api, &call->principal);
        subscriptions_init(socket);
        deferred_init(&socket->finished, on_finished);
        log_info(api->options.logger, "follower of many connected", LOG_S("request_id", socket->request_id));
    } else {
        free(socket);
    }
    call_unref(call);
}
