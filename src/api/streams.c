#include "api/streams.h"

#include "util/clock.h"

#define SWEEP_MS 1000

int api_standing(struct api *api, struct principal *principal)
{
    uint64_t generation = auth_generation(api->options.auth);
    bool expired = principal->expires_ms && (uint64_t)clock_real_ms() >= principal->expires_ms;
    if (!expired && principal->generation == generation)
        return 0;
    int err = auth_standing(api->options.auth, principal);
    if (err == 0)
        principal->generation = generation;
    return err;
}

void stream_add(struct stream_node *stream, struct api *api, const struct principal *principal)
{
    stream->api = api;
    stream->principal = *principal;
    auth_stream_opened(api->options.auth, principal);
    list_push_back(&api->streams, &stream->node);
    api->stream_count++;
}

void stream_remove(struct stream_node *stream)
{
    list_remove(&stream->node);
    struct api *api = stream->api;
    auth_stream_closed(api->options.auth, &stream->principal);
    if (--api->stream_count == 0 && api->fewer)
        api->fewer(api->fewer_arg);
}

static void sweep(void *arg)
{
    struct api *api = arg;
    LIST_FOR_EACH_SAFE(node, next, &api->streams) {
        struct stream_node *stream = CONTAINER_OF(node, struct stream_node, node);
        int err = api_standing(api, &stream->principal);
        if (err == ERR_SUSPENDED)
            stream->end(stream, CLOSE_SUSPENDED, err, error_text(err));
        else if (err)
            stream->end(stream, 4401, err, "the credential has run out");
    }
    timer_start(api->sweep, SWEEP_MS);
}

void streams_init(struct api *api)
{
    list_init(&api->streams);
    map_init(&api->holders);
    api->sweep = timer_new(api->options.loop, sweep, api);
    timer_start(api->sweep, SWEEP_MS);
}

void streams_release(struct api *api)
{
    timer_free(&api->sweep);
    map_release(&api->holders);
}

// --- Holders

static struct str holder_key(const uint64_t *holder)
{
    return str_n((const char *)holder, sizeof(*holder));
}

void holder_add(struct holder_node *it, struct api *api)
{
    map_insert(&api->holders, &it->node, holder_key(&it->holder));
}

void holder_remove(struct holder_node *it, struct api *api)
{
    map_remove(&api->holders, &it->node);
}

static struct holder_node *find_holder(const struct api *api, uint64_t holder)
{
    struct map_node *node = map_find(&api->holders, holder_key(&holder));
    return node ? CONTAINER_OF(node, struct holder_node, node) : NULL;
}

void holder_replaced(void *api, uint64_t holder)
{
    struct holder_node *it = find_holder(api, holder);
    if (it)
        it->replaced(it);
}

void holder_cancel(void *api, uint64_t holder, const char *reason)
{
    struct holder_node *it = find_holder(api, holder);
    if (it)
        it->cancel(it, reason);
}

// --- Shutdown

void streams_drain(struct api *api, void (*fewer)(void *arg), void *arg)
{
    api->draining = true;
    api->fewer = fewer;
    api->fewer_arg = arg;
    LIST_FOR_EACH_SAFE(node, next, &api->streams) {
        struct stream_node *stream = CONTAINER_OF(node, struct stream_node, node);
        if (stream->finish)
            stream->finish(stream);
        else
            stream->end(stream, 1001, 0, GOING_AWAY);
    }
}

void streams_close(struct api *api)
{
    api->draining = true;
    api->fewer = NULL;
    while (!list_empty(&api->streams)) {
        struct stream_node *stream = CONTAINER_OF(api->streams.next, struct stream_node, node);
        stream->end(stream, 1001, 0, GOING_AWAY);
    }
}
