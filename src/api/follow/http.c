// Plain HTTP and server-sent events: followers whose bytes go into a streamed answer.
#include "api/follow/http_follower.h"
#include "api/follow/messages.h"

#define KEEP_ALIVE_MS 15000

void http_follower_end(struct http_follower *it, bool whole)
{
    struct api *api = it->node.api;

    stream_remove(&it->node);
    places_leave(api->options.followers, it->account);
    timer_free(&it->keep_alive);
    if (it->closing)
        it->closing(it);
    subscriber_free(&it->subscriber);
    free(it->execution_id);
    if (it->stream && whole)
        http_stream_end(&it->stream);
    else if (it->stream)
        http_stream_abort(&it->stream);
    free(it);
}

static void follower_finish_stream(struct stream_node *node)
{
    struct http_follower *it = CONTAINER_OF(node, struct http_follower, node);
    it->finishing = true;
    subscriber_finish(it->subscriber);
}

bool http_follower_goes_live(struct http_follower *it)
{
    if (!it->follow || it->finishing || !it->format->live)
        return false;
    enum follow_format live = it->format->live;
    it->format = format_of(live);
    subscriber_go_on(it->subscriber, live);
    return true;
}

static void follower_drained(void *owner)
{
    struct http_follower *it = owner;
    if (it->subscriber)
        subscriber_drained(it->subscriber);
}

static void follower_gone(void *owner, int err)
{
    struct http_follower *it = owner;
    (void)err;
    it->stream = NULL;
    http_follower_end(it, false);
}

static const struct http_stream_handler stream_handler = {follower_drained, follower_gone};

void http_follower_send(void *owner, struct payload *payload, size_t offset, size_t len)
{
    struct http_follower *it = owner;
    http_stream_write_payload(it->stream, payload, offset, len);
}

size_t http_follower_pending(void *owner)
{
    const struct http_follower *it = owner;
    return http_stream_pending(it->stream);
}

void http_follower_unshare(void *owner)
{
    struct http_follower *it = owner;
    http_stream_unshare(it->stream);
}

// --- Plain streams

// `next` is the sequence number after the last record.
static void plain_say(struct http_follower *it, enum format_ability what, const struct buf *json, uint64_t next)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (!(it->format->can & what) || !it->format->tell)
        return;
    it->format->tell(&text, buf_str(json), next);
    http_stream_write(it->stream, text.data, text.len);
}

// What has gone since the header was written cannot be told in this format, so the answer is cut.
static bool hides(const struct http_follower *it, const struct follower *follower)
{
    return !(it->format->can & FORMAT_GAPS) && follower->cursor > follower->gap_to && follower->gap_to >= it->first;
}

static void plain_tell(void *owner, enum follower_step step, const struct follower *follower,
                       const struct execution *execution, const struct execution_live *live)
{
    struct http_follower *it = owner;
    CLEANUP(buf_release) struct buf json = {0};

    switch (step) {
    case FOLLOWER_GAP:
        append_gap(&json, follower, NULL);
        plain_say(it, FORMAT_GAPS, &json, 0);
        if (hides(it, follower))
            http_follower_end(it, false);
        break;
    case FOLLOWER_STATE:
        append_state(&json, execution, live, NULL);
        plain_say(it, FORMAT_STATES, &json, 0);
        break;
    case FOLLOWER_COMPLETE:
        append_complete(&json, execution);
        if (it->follow)
            plain_say(it, FORMAT_COMPLETE, &json, execution->next_sequence);
        http_follower_end(it, true);
        break;
    case FOLLOWER_END:
        http_follower_end(it, !it->follow); // a shutdown ends one that follows
        break;
    case FOLLOWER_PURGED:
        http_follower_end(it, false);
        break;
    default:
        break;
    }
}

static void plain_failed(void *owner, int err)
{
    struct http_follower *it = owner;
    (void)err; // the status was sent already, so only a cut tells the reader about the failure
    http_follower_end(it, false);
}

static const struct subscriber_sink plain_sink = {HTTP_FOLLOWER_SINK, plain_tell, plain_failed};

// --- Server-sent events

void http_follower_event(struct http_follower *it, int64_t id, const char *event, const struct buf *json)
{
    CLEANUP(buf_release) struct buf frame = {0};
    sse_append_event(&frame, id, event, buf_str(json));
    http_stream_write(it->stream, frame.data, frame.len);
}

void http_follower_position(struct http_follower *it, const struct follower *follower)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (follower->position < 0)
        return;
    sse_append_position(&text, follower->position);
    http_stream_write(it->stream, text.data, text.len);
}

static void sse_tell(void *owner, enum follower_step step, const struct follower *follower,
                     const struct execution *execution, const struct execution_live *live)
{
    struct http_follower *it = owner;
    CLEANUP(buf_release) struct buf json = {0};

    switch (step) {
    case FOLLOWER_GAP:
        append_gap(&json, follower, NULL);
        http_follower_event(it, -1, "gap", &json);
        break;
    case FOLLOWER_POSITION:
        http_follower_position(it, follower);
        break;
    case FOLLOWER_STATE:
        append_state(&json, execution, live, NULL);
        http_follower_event(it, -1, "state", &json);
        break;
    case FOLLOWER_COMPLETE:
        append_complete(&json, execution);
        http_follower_event(it, (int64_t)execution->next_sequence, "complete", &json);
        http_follower_end(it, true);
        break;
    case FOLLOWER_PURGED:
        append_stream_error(&json, str_of(execution->execution_id), ERR_EXPIRED);
        http_follower_event(it, -1, "error", &json);
        http_follower_end(it, true);
        break;
    case FOLLOWER_END:
        http_follower_end(it, false);
        break;
    case FOLLOWER_WAIT:
    case FOLLOWER_READ:
        break;
    }
}

static void sse_failed(void *owner, int err)
{
    struct http_follower *it = owner;
    CLEANUP(buf_release) struct buf json = {0};
    append_stream_error(&json, (struct str){0}, err);
    http_follower_event(it, -1, "error", &json);
    http_follower_end(it, true);
}

static const struct subscriber_sink sse_sink = {HTTP_FOLLOWER_SINK, sse_tell, sse_failed};

// --- Both

static void follower_stop(struct stream_node *node, unsigned code, int err, const char *reason)
{
    struct http_follower *it = CONTAINER_OF(node, struct http_follower, node);
    (void)code;
    (void)reason;
    // The answer is cut, so that the reader sees that it is not complete and comes back with its cursor. Events can say
    // why it ends, which a browser does not tell its script otherwise.
    if (err)
        it->sink->failed(it, err);
    else
        http_follower_end(it, false);
}

// Proxies and clients close connections that say nothing for a minute or less. So a comment (SSE) or an empty line
// (NDJSON) is sent.
static void keep_alive(void *arg)
{
    struct http_follower *it = arg;
    CLEANUP(buf_release) struct buf word = {0};
    it->format->keep_alive(&word);
    if (http_stream_pending(it->stream) == 0)
        http_stream_write(it->stream, word.data, word.len);
    timer_start(it->keep_alive, KEEP_ALIVE_MS);
}

static void start_keep_alive(struct http_follower *it)
{
    if (!it->follow || !it->format->keep_alive)
        return;
    it->keep_alive = timer_new(it->node.api->options.loop, keep_alive, it);
    timer_start(it->keep_alive, KEEP_ALIVE_MS);
}

static void follower_start(struct call *call, struct log_query *query, const struct subscriber_sink *sink)
{
    struct api *api = call->api;
    const struct format *format = format_of(query->format);
    struct http_follower *it = xcalloc(1, sizeof(*it));

    it->follow = query->follow;
    it->format = format;
    it->sink = sink;
    it->account = call->principal.account;
    it->execution_id = xstrdup(call->execution.execution_id);
    it->first = call->execution.first_sequence;
    it->node.end = follower_stop;
    it->node.finish = follower_finish_stream;
    stream_add(&it->node, api, &call->principal);
    call_ref(call); // its execution is still needed
    http_add_header(call->request, "X-Accel-Buffering", "no");
    it->stream = http_stream_begin(call_take_request(call), 200, format->content_type, &stream_handler, it);
    struct subscription subscription = {
        .execution = &call->execution,
        .position = query->position,
        .follow = query->follow && !format->live,
        .restored = query->restored,
        .wants_position = format->can & FORMAT_POSITIONS,
        .wants_state = query->states && query->follow && format->can & FORMAT_STATES,
        .format = query->format,
        .transport = strcmp(format->content_type, "text/event-stream") == 0 ? METRIC_SSE : METRIC_HTTP,
        .filter = query->filter,
        .sink = sink,
        .owner = it,
    };
    it->subscriber = fanout_subscribe(api->options.fanout, &subscription);
    log_query_release(query);
    call_unref(call);
    start_keep_alive(it);
    if (format->head)
        http_stream_write(it->stream, format->head, strlen(format->head));
}

// HEAD gets only the headers; nothing is read for it.
static bool answer_head(struct call *call, struct log_query *query)
{
    const char *content_type = format_of(query->format)->content_type;
    if (http_method(call->request) != HTTP_M_HEAD)
        return false;
    places_leave(call->api->options.followers, call->principal.account);
    log_query_release(query);
    http_respond_stream_head(call_take_request(call), 200, content_type);
    return true;
}

// A download of what lies elsewhere: its first chunk is read before the status is told, so that 503 can be told.
struct probe {
    struct store_read read;
    struct call *call;
    struct log_query query;
    const struct subscriber_sink *sink;
};

static void probed(struct store_op *op)
{
    struct probe *it = CONTAINER_OF(op, struct probe, read.op);
    struct call *call = it->call;
    bool away = op->err == ERR_COLD;
    store_op_release(op);
    if (call->request && !away) {
        follower_start(call, &it->query, it->sink);
    } else {
        places_leave(call->api->options.followers, call->principal.account);
        log_query_release(&it->query);
        if (call->request)
            call_fail(call, ERR_COLD, NULL);
    }
    free(it);
    call_unref(call);
}

static void probe(struct call *call, struct log_query *query, const struct subscriber_sink *sink)
{
    struct probe *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->query = *query;
    it->sink = sink;
    it->read.row = call->execution.row;
    it->read.from = query->position.kind == POSITION_FROM ? query->position.from : call->execution.next_sequence;
    it->read.backward = query->position.kind != POSITION_FROM;
    it->read.closed = true;
    it->read.max_bytes = 1;
    call_submit(call, STORE_READ, &it->read.op, probed);
}

void http_follower_begin(struct call *call, struct log_query *query, const struct subscriber_sink *sink)
{
    if (!call_follower_place(call)) {
        log_query_release(query);
        return;
    }
    if (!query->follow && format_of(query->format)->can & FORMAT_COMPRESSIBLE)
        http_may_compress(call->request);
    if (answer_head(call, query))
        return;
    if (call->api->options.cold && call->execution.sealed && !query->follow)
        probe(call, query, sink);
    else
        follower_start(call, query, sink);
}

void follow_http(struct call *call, struct log_query *query)
{
    http_follower_begin(call, query, &plain_sink);
}

bool follow_is_over(struct call *call, const struct log_query *query)
{
    bool done = call->execution.sealed && query->position.kind == POSITION_FROM &&
                query->position.from > call->execution.next_sequence;
    if (done && query->resumed)
        http_respond(call_take_request(call), 204, NULL, NULL, 0);
    return done && query->resumed;
}

void follow_sse(struct call *call)
{
    struct log_query query;
    if (!log_query_parse(call, POSITION_SSE, &query))
        return;
    query.follow = true;
    query.format = FORMAT_SSE;
    if (follow_is_over(call, &query))
        log_query_release(&query);
    else
        http_follower_begin(call, &query, &sse_sink);
}
