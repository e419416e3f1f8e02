// The status of a batch as server-sent events: `batch` for each change, and `complete` at the end. The id of an event
// is the version of the state in it.
#include "api/follow/batch_feed.h"
#include "api/follow/follow.h"
#include "api/jobs/jobs.h"
#include "api/streams.h"

#define KEEP_ALIVE_MS 15000
#define PENDING_MAX   ((size_t)64 * 1024) // what is not taken yet; only the newest state is worth sending

struct batch_follower {
    struct stream_node node;
    struct http_stream *stream;
    struct timer *keep_alive;
    struct batch_listener listener;
};

static void follower_end(struct batch_follower *it, bool whole)
{
    struct api *api = it->node.api;
    places_leave(api->options.followers, it->node.principal.account);
    stream_remove(&it->node);
    timer_free(&it->keep_alive);
    batch_listener_leave(&it->listener);
    if (it->stream && whole)
        http_stream_end(&it->stream);
    else if (it->stream)
        http_stream_abort(&it->stream);
    free(it);
}

static void say_error(struct batch_follower *it, int err)
{
    CLEANUP(buf_release) struct buf text = {0}, event = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "error");
    json_add_text(&json, "code", error_word(err));
    json_add_text(&json, "error", error_text(err));
    json_close(&json);
    sse_append_event(&event, -1, "error", buf_str(&text));
    http_stream_write(it->stream, event.data, event.len);
}

// The answer is cut, so that the reader sees that it is not complete and comes back. What has happened to his
// credential he is told before.
static void follower_stop(struct stream_node *node, unsigned code, int err, const char *reason)
{
    struct batch_follower *it = CONTAINER_OF(node, struct batch_follower, node);
    (void)code;
    (void)reason;
    if (err)
        say_error(it, err);
    follower_end(it, err != 0);
}

static void on_drained(void *owner)
{
    struct batch_follower *it = owner;
    batch_listener_drained(&it->listener);
}

static void on_gone(void *owner, int err)
{
    struct batch_follower *it = owner;
    (void)err;
    it->stream = NULL;
    follower_end(it, false);
}

static const struct http_stream_handler handler = {on_drained, on_gone};

static void keep_alive(void *arg)
{
    struct batch_follower *it = arg;
    CLEANUP(buf_release) struct buf comment = {0};
    sse_append_comment(&comment);
    if (http_stream_pending(it->stream) == 0)
        http_stream_write(it->stream, comment.data, comment.len);
    timer_start(it->keep_alive, KEEP_ALIVE_MS);
}

static bool room(struct batch_listener *listener)
{
    const struct batch_follower *it = CONTAINER_OF(listener, struct batch_follower, listener);
    return http_stream_pending(it->stream) <= PENDING_MAX;
}

static void tell(struct batch_listener *listener, const struct batch_news *news)
{
    struct batch_follower *it = CONTAINER_OF(listener, struct batch_follower, listener);
    CLEANUP(buf_release) struct buf json = {0};
    CLEANUP(buf_release) struct buf event = {0};
    append_batch_news(&json, news);
    sse_append_event(&event, (int64_t)news->version, news->over ? "complete" : "batch", buf_str(&json));
    http_stream_write(it->stream, event.data, event.len);
    if (news->over)
        follower_end(it, true);
}

static void failed(struct batch_listener *listener, int err)
{
    (void)err; // the status was sent already; the reader comes back, and is told then
    follower_end(CONTAINER_OF(listener, struct batch_follower, listener), false);
}

// --- Beginning

// The version that a reader who comes back has. False after having answered.
static bool take_version(struct call *call, uint64_t *ret)
{
    static const char *const names[] = {"last_event_id", "lastEventId"};
    struct str text = http_header(call->request, STR("Last-Event-ID"));
    for (size_t i = 0; i < ARRAY_LEN(names) && text.len == 0; i++)
        text = call_param(call, names[i]).text;
    *ret = 0;
    if (text.len == 0 || str_to_u64(text, ret))
        return true;
    call_fail(call, ERR_BAD_CURSOR, "the last event's id is a number");
    return false;
}

static void follow(struct call *call, uint64_t version)
{
    struct api *api = call->api;
    struct batch_follower *it = xcalloc(1, sizeof(*it));
    it->node.end = follower_stop;
    it->listener.transport = METRIC_SSE;
    it->listener.room = room;
    it->listener.tell = tell;
    it->listener.failed = failed;
    stream_add(&it->node, api, &call->principal);
    http_add_header(call->request, "X-Accel-Buffering", "no");
    call_ref(call); // its batch is still needed
    it->stream = http_stream_begin(call_take_request(call), 200, "text/event-stream", &handler, it);
    it->keep_alive = timer_new(api->options.loop, keep_alive, it);
    timer_start(it->keep_alive, KEEP_ALIVE_MS);
    batch_listener_join(&it->listener, api, call->batch.row, version);
    call_unref(call);
}

void follow_batch_sse(struct call *call)
{
    uint64_t version;
    if (!take_version(call, &version))
        return;
    // A browser reconnects after the end. Then it is told to stop.
    if (version != 0 && version == batch_version(&call->batch) && batch_status_over(batch_stands(&call->batch))) {
        http_respond(call_take_request(call), 204, NULL, NULL, 0);
        return;
    }
    if (!call_follower_place(call))
        return;
    if (http_method(call->request) == HTTP_M_HEAD) {
        places_leave(call->api->options.followers, call->principal.account);
        http_respond_stream_head(call_take_request(call), 200, "text/event-stream");
        return;
    }
    follow(call, version);
}
