// A subscription to a batch: its status, from its frame to `complete`.
#include "api/follow/streams_private.h"
#include "api/jobs/jobs.h"

#include <jansson.h>

#define PENDING_MAX ((size_t)256 * 1024) // what the socket has not taken; only the newest state is worth sending

static struct streamed *streamed_of(struct batch_listener *listener)
{
    return CONTAINER_OF(listener, struct streamed, batch);
}

static void fail(struct streamed *it, int err)
{
    socket_say_error(it->socket, it->kind, str_of(it->id), err, err == ERR_NOT_FOUND ? "no such batch" : NULL);
    subscription_end(it);
}

static bool room(struct batch_listener *listener)
{
    struct streamed *it = streamed_of(listener);
    if (ws_pending(it->socket->ws) <= PENDING_MAX)
        return true;
    list_remove(&it->turn);
    list_push_back(&it->socket->waiting, &it->turn);
    return false;
}

static void tell(struct batch_listener *listener, const struct batch_news *news)
{
    struct streamed *it = streamed_of(listener);
    CLEANUP(buf_release) struct buf json = {0};
    append_batch_news(&json, news);
    ws_send(it->socket->ws, WS_TEXT, json.data, json.len);
    if (news->over)
        subscription_end(it);
}

static void failed(struct batch_listener *listener, int err)
{
    fail(streamed_of(listener), err);
}

// --- Beginning

static void found(struct store_op *op)
{
    struct streamed *it = CONTAINER_OF(op, struct streamed, batch_get.op);
    CLEANUP(batch_release) struct batch batch = it->batch_get.ret_batch;
    it->looking = false;
    if (!it->socket) {
        streamed_free(it);
        return;
    }
    struct stream_node *node = &it->socket->node;
    int err = op->err;
    if (err == 0)
        err = api_standing(node->api, &node->principal);
    if (err == 0)
        err = batch_judge(&node->principal, &batch);
    if (err)
        fail(it, err);
    else
        batch_listener_join(&it->batch, node->api, batch.row, it->version);
}

// Returns NULL, or what is wrong.
static const char *take_members(const json_t *message, uint64_t *ret_version)
{
    const char *name;
    json_t *value;
    *ret_version = 0;
    json_object_foreach((json_t *)(uintptr_t)message, name, value)
    {
        if (strcmp(name, "type") == 0 || strcmp(name, "id") == 0 || strcmp(name, "kind") == 0 || json_is_null(value))
            continue;
        if (strcmp(name, "cursor") != 0)
            return "a subscription to a batch has id, kind and cursor only";
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return "cursor: must be the version that a frame about the batch had";
        *ret_version = (uint64_t)json_integer_value(value);
    }
    return NULL;
}

void subscription_begin_batch(struct streams_socket *socket, const struct subscription_key *key, const json_t *message)
{
    uint64_t version;
    const char *problem = take_members(message, &version);
    struct streamed *it = problem ? NULL : subscription_new(socket, key);
    if (problem)
        socket_say_error(socket, key->kind, key->id, ERR_INVALID, problem);
    if (!it)
        return;
    struct api *api = socket->node.api;
    it->version = version;
    it->batch.room = room;
    it->batch.tell = tell;
    it->batch.failed = failed;
    it->looking = true;
    it->batch_get = (struct store_batch_get){
        .op = {.kind = STORE_BATCH_GET, .reply_to = api->options.loop, .done = found},
        .account = socket->node.principal.account,
        .batch_id = str_of(it->id),
    };
    store_submit(api->options.store, &it->batch_get.op);
}
