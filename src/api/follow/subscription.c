// Subscriptions of a socket: where they are found, how they end. What they are about is in subscription_*.c.
#include "api/follow/streams_private.h"

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

void streamed_free(struct streamed *it)
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
    batch_listener_leave(&it->batch);
    places_leave(api->options.followers, socket->node.principal.account);
    map_remove(&socket->subscriptions, &it->node);
    list_remove(&it->turn);
    if (socket->finishing && socket->subscriptions.count == 0)
        loop_defer(api->options.loop, &socket->finished);
    it->socket = NULL;
    if (!it->looking)
        streamed_free(it);
}

struct streamed *subscription_new(struct streams_socket *socket, const struct subscription_key *key)
{
    struct api *api = socket->node.api;
    if (!places_take(api->options.followers, socket->node.principal.account, api->limits->followers_max)) {
        socket_say_error(socket, key->kind, key->id, ERR_RATE, "the account has as many followers as it may");
        return NULL;
    }
    struct streamed *it = xcalloc(1, sizeof(*it));
    it->socket = socket;
    it->kind = key->kind;
    it->key = key_text(key);
    it->id = strchr(it->key, ' ') + 1;
    map_insert(&socket->subscriptions, &it->node, str_of(it->key));
    list_init(&it->turn);
    return it;
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

// One that is still looked up ends once it is found. The present state of a batch is told to who comes back.
static void finish_one(struct map_node *node, void *arg)
{
    struct streamed *it = CONTAINER_OF(node, struct streamed, node);
    (void)arg;
    if (it->subscriber)
        subscriber_finish(it->subscriber);
    else if (!it->kind->finishes)
        subscription_end(it);
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
            subscriber_drained(it->subscriber); // `it` may have ended with that
        else
            batch_listener_drained(&it->batch);
    }
}
