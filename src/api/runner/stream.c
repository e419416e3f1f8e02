#include "api/runner/stream_private.h"

#define TOUCH_EVERY_MS 1000
#define CANCEL_GRACE_S 10

// --- Messages

// Writes one message, from its type to its end.
struct message {
    struct buf text;
    struct json_writer json;
};

static void message_begin(struct message *message, const struct runner_stream *stream, const char *type)
{
    *message = (struct message){0};
    message->json = json_writer_to(&message->text);
    json_open_object(&message->json, NULL);
    json_add_text(&message->json, "type", type);
    if (stream->options.number)
        json_add_u64(&message->json, "stream", stream->options.number);
}

static void message_send(struct message *message, struct runner_stream *stream)
{
    json_close(&message->json);
    json_writer_end(&message->json);
    if (!stream->closed)
        stream->options.link->send(stream->options.owner, buf_str(&message->text));
    buf_release(&message->text);
}

void runner_send_error(struct runner_stream *stream, int err, const char *detail, uint64_t next_sequence)
{
    struct message message;
    message_begin(&message, stream, "error");
    json_add_text(&message.json, "code", error_word(err));
    json_add_text(&message.json, "error", detail ? detail : error_text(err));
    json_add_u64(&message.json, "next_sequence", next_sequence);
    message_send(&message, stream);
}

// Adds what the store has of the runner's records. With it the runner checks that they are its own, and all of them.
static void add_stored(struct json_writer *json, const struct sequence_producer *stored)
{
    json_add_u64(json, "next_sequence", stored->next);
    if (stored->digest_unknown)
        json_add_null(json, "digest");
    else
        json_add_hex(json, "digest", stored->digest);
}

static void send_ready(struct runner_stream *stream, const struct sequence_producer *stored)
{
    struct message message;
    message_begin(&message, stream, "ready");
    json_add_text(&message.json, "execution_id", stream->execution_id);
    add_stored(&message.json, stored);
    json_add_u64(&message.json, "epoch", stream->epoch);
    json_add_text(&message.json, "incarnation", store_incarnation(stream->options.api->options.store));
    json_open_array(&message.json, "chunk_versions");
    json_add_u64(&message.json, NULL, CHUNK_VERSION);
    json_close(&message.json);
    message_send(&message, stream);
}

static void send_cancel(struct runner_stream *stream, const char *reason)
{
    struct message message;
    message_begin(&message, stream, "cancel");
    json_add_text(&message.json, "reason", reason);
    json_add_i64(&message.json, "grace_seconds", CANCEL_GRACE_S);
    message_send(&message, stream);
}

void runner_send_completed(struct runner_stream *stream, const struct store_complete *complete)
{
    struct message message;
    message_begin(&message, stream, "completed");
    json_add_text(&message.json, "execution_id", stream->execution_id);
    json_add_i64(&message.json, "final_sequence", (int64_t)complete->ret_execution.next_sequence - 1);
    add_stored(&message.json, &complete->ret_producer);
    message_send(&message, stream);
}

void runner_stream_refuse(struct runner_stream *stream, int err, const char *detail)
{
    runner_send_error(stream, err, detail, intake_accepted(stream->intake));
}

// --- End

static const struct {
    int err;
    unsigned code;
} close_codes[] = {{0, 1000}, {ERR_FENCED, 4409}, {ERR_HELD, 4409}};

unsigned runner_close_code(int err)
{
    for (size_t i = 0; i < ARRAY_LEN(close_codes); i++)
        if (close_codes[i].err == err)
            return close_codes[i].code;
    return 1008;
}

static void forget(struct runner_stream *stream)
{
    stream->closed = true;
    if (!stream->starting && !stream->completing)
        free(stream);
}

// For a stream that was open.
static void leave(struct runner_stream *stream, unsigned code)
{
    struct api *api = stream->options.api;

    log_info(api->options.logger, "runner disconnected", LOG_S("execution_id", stream->execution_id),
             LOG_S("request_id", stream->request_id), LOG_I("code", code));
    metrics_add(api->options.metrics, api->options.shard, METRIC_runners, -1);
    intake_close(&stream->intake);
    if (!stream->holder)
        return;
    holder_remove(&stream->place, api);
    if (!stream->completed)
        hub_disconnect(api->options.hub, stream->row, stream->holder);
}

void runner_end(struct runner_stream *stream, int err, const char *reason)
{
    const struct runner_link *link = stream->options.link;
    void *owner = stream->options.owner;
    leave(stream, runner_close_code(err));
    forget(stream);
    link->ended(owner, err, reason);
}

void runner_stream_close(struct runner_stream **stream_ptr, unsigned code)
{
    struct runner_stream *stream = TAKE_PTR(*stream_ptr);
    if (!stream)
        return;
    stream->closed = true; // what is handed over from now on has nobody to be reported to
    if (!stream->starting)
        leave(stream, code);
    forget(stream);
}

static void on_replaced(struct holder_node *place)
{
    runner_end(CONTAINER_OF(place, struct runner_stream, place), ERR_HELD, "another connection took its place");
}

static void on_cancel(struct holder_node *place, const char *reason)
{
    send_cancel(CONTAINER_OF(place, struct runner_stream, place), reason);
}

uint64_t runner_stream_epoch(const struct runner_stream *stream)
{
    return stream->epoch;
}

// --- What the peer says

void runner_stream_touch(struct runner_stream *stream)
{
    struct api *api = stream->options.api;
    uint64_t now = loop_now_ms(api->options.loop);
    if (!stream->holder || (stream->touched_ms && now - stream->touched_ms < TOUCH_EVERY_MS))
        return;
    stream->touched_ms = now;
    hub_touch(api->options.hub, api->options.loop, stream->row, stream->holder);
}

bool runner_stream_renew(struct runner_stream *stream)
{
    const struct api *api = stream->options.api;
    stream->touched_ms = loop_now_ms(api->options.loop);
    return !stream->holder || hub_touch(api->options.hub, api->options.loop, stream->row, stream->holder);
}

static void refuse_chunk(struct runner_stream *stream, int err)
{
    char text[96];
    snprintf(text, sizeof(text), "the chunk is newer than this server, which reads version %d; update the server",
             CHUNK_VERSION);
    runner_stream_refuse(stream, err, err == ERR_TOO_NEW ? text : NULL);
}

int runner_stream_chunk(struct runner_stream *stream, uint64_t first, const uint8_t *data, size_t len)
{
    struct chunk *chunk = NULL;
    // `wrap` cuts messages at the default. A server with a smaller limit would refuse its spool for ever.
    size_t message_max = MAX(stream->options.api->limits->message_max, (size_t)RECORD_MESSAGE_MAX);
    int err = chunk_decode(data, len, message_max, &chunk);
    if (err == 0 && first > UINT64_MAX / 2)
        err = ERR_INVALID;
    if (err == 0)
        intake_chunk(stream->intake, first, chunk);
    else
        refuse_chunk(stream, err);
    chunk_unref(&chunk);
    return err;
}

bool runner_stream_busy(const struct runner_stream *stream)
{
    return intake_busy(stream->intake);
}

// --- What the intake says

static void on_ack(void *owner, uint64_t next)
{
    const struct runner_stream *stream = owner;
    stream->options.link->ack(stream->options.owner, next);
}

static void on_refused(void *owner, int err, uint64_t next_sequence)
{
    struct runner_stream *stream = owner;
    runner_send_error(stream, err, NULL, next_sequence);
    if (err == ERR_FENCED)
        runner_end(stream, err, error_text(err));
}

static void on_ready_again(void *owner, const struct sequence_producer *stored)
{
    send_ready(owner, stored);
}

static void on_room(void *owner)
{
    const struct runner_stream *stream = owner;
    stream->options.link->room(stream->options.owner);
}

static const struct intake_handler intake_handler = {on_ack, on_refused, on_ready_again, on_room};

// --- Start

// The stream did not come about.
static void let_go(const struct runner_stream *stream)
{
    struct hub *hub = stream->options.api->options.hub;
    if (stream->holder && stream->reconnected)
        hub_disconnect(hub, stream->row, stream->holder);
    else if (stream->holder)
        hub_abandon(hub, stream->row, stream->holder);
}

static void give_up(struct runner_stream *stream, int err)
{
    const struct runner_link *link = stream->options.link;
    void *owner = stream->options.owner;
    bool closed = stream->closed;
    free(stream);
    if (!closed)
        link->refused(owner, err);
}

static void open_intake(struct runner_stream *stream, uint64_t next)
{
    struct api *api = stream->options.api;
    struct intake_options options = {
        .loop = api->options.loop,
        .store = api->options.store,
        .metrics = api->options.metrics,
        .gate = &api->gate,
        .share = stream->options.share,
        .shard = api->options.shard,
        .account = stream->account,
        .row = stream->row,
        .producer = str_of(stream->producer),
        .epoch = stream->epoch,
        .next = next,
        .handler = &intake_handler,
        .owner = stream,
    };
    stream->intake = intake_new(&options);
}

static void open_stream(struct runner_stream *stream, const struct sequence_producer *stored)
{
    struct api *api = stream->options.api;

    if (stream->closed || !stream->options.link->opened(stream->options.owner)) {
        let_go(stream);
        free(stream);
        return;
    }
    stream->starting = false;
    if (stream->holder) {
        stream->place = (struct holder_node){.holder = stream->holder, .replaced = on_replaced, .cancel = on_cancel};
        holder_add(&stream->place, api);
    }
    metrics_add(api->options.metrics, api->options.shard, METRIC_runners, 1);
    if (stream->reconnected)
        metrics_add(api->options.metrics, api->options.shard, METRIC_resumes_total, 1);
    log_info(api->options.logger, "runner connected", LOG_S("execution_id", stream->execution_id),
             LOG_S("request_id", stream->request_id), LOG_I("epoch", stream->epoch));
    open_intake(stream, stored->next);
    send_ready(stream, stored);
    if (!stream->cancel_reason[0])
        hub_cancel_asked(api->options.hub, stream->row, stream->cancel_reason);
    if (stream->cancel_reason[0])
        send_cancel(stream, stream->cancel_reason);
}

static void found_producer(struct store_op *op)
{
    struct runner_stream *stream = CONTAINER_OF(op, struct runner_stream, producer_query.op);
    struct sequence_producer stored = stream->producer_query.ret_producer;
    const struct execution *execution = &stream->producer_query.ret_execution;
    const char *cancel_reason = execution->cancel_reason;
    int err = op->err;

    // Without a lease it is here only to hear that everything has ended.
    if (err == 0 && !stream->holder && !(execution->sealed && execution->epoch == stream->epoch))
        err = ERR_FENCED;
    if (stream->holder && cancel_reason)
        snprintf(stream->cancel_reason, sizeof(stream->cancel_reason), "%s", cancel_reason);

    store_op_release(op);
    if (err == 0 && !stream->closed)
        err = api_standing(stream->options.api, stream->options.principal);
    if (err) {
        let_go(stream);
        give_up(stream, err);
    } else if (!stream->closed && !runner_stream_renew(stream)) {
        give_up(stream, ERR_HELD); // another connection has taken its place meanwhile
    } else {
        open_stream(stream, &stored);
    }
}

static void find_producer(struct runner_stream *stream)
{
    struct api *api = stream->options.api;
    stream->producer_query = (struct store_producer){
        .op = {.kind = STORE_PRODUCER,
               .reply_to = api->options.loop,
               .done = found_producer,
               .account = stream->account},
        .row = stream->row,
        .producer = str_of(stream->producer),
    };
    store_submit(api->options.store, &stream->producer_query.op);
}

static void resume(struct runner_stream *stream, enum lease_verdict verdict)
{
    if (verdict != LEASE_RESUME) {
        give_up(stream, verdict == LEASE_FENCED ? ERR_FENCED : ERR_HELD);
        return;
    }
    stream->epoch = stream->options.epoch;
    stream->reconnected = true;
    find_producer(stream);
}

static void returned(struct store_op *op)
{
    struct runner_stream *stream = CONTAINER_OF(op, struct runner_stream, lease.op);
    struct hub *hub = stream->options.api->options.hub;
    int err = op->err;
    store_op_release(op);
    if (err == 0) {
        resume(stream, hub_returned(hub, stream->row, &stream->lease, stream->holder));
    } else if (err == ERR_FENCED) { // by another runner; or its own end, told at another server, has come meanwhile
        stream->holder = 0;
        stream->epoch = stream->options.epoch;
        find_producer(stream);
    } else {
        give_up(stream, err);
    }
}

// It was at another server before, or this one has not taken over yet what it had before its restart.
static void take_back(struct runner_stream *stream)
{
    struct api *api = stream->options.api;
    stream->lease = (struct store_lease){
        .op = {.kind = STORE_LEASE, .reply_to = api->options.loop, .done = returned, .account = stream->account},
        .lease_kind = LEASE_RUNNER,
        .subject = stream->row,
        .ask = {.cause = NODE_LEASE_RETURN,
                .node = hub_node(api->options.hub),
                .epoch = stream->options.epoch,
                .asked_ms = stream->options.asked_ms},
    };
    store_submit(api->options.store, &stream->lease.op);
}

static void claimed(struct store_op *op)
{
    struct runner_stream *stream = CONTAINER_OF(op, struct runner_stream, claim.op);
    struct hub *hub = stream->options.api->options.hub;
    int err = op->err;

    stream->epoch = stream->claim.ret_execution.epoch;
    store_op_release(op);
    if (err) {
        hub_refused(hub, stream->row);
        give_up(stream, err);
        return;
    }
    hub_granted(hub, stream->row, stream->claim.node, stream->epoch, stream->holder);
    find_producer(stream);
}

static void claim(struct runner_stream *stream)
{
    struct api *api = stream->options.api;
    stream->claim = (struct store_claim){
        .op = {.kind = STORE_CLAIM, .reply_to = api->options.loop, .done = claimed, .account = stream->account},
        .row = stream->row,
        .node = hub_node(api->options.hub),
        .worker_id = str_of(stream->worker_id),
        .worker_hostname = str_of(stream->worker),
        .key = str_of(stream->key),
    };
    store_submit(api->options.store, &stream->claim.op);
}

uint64_t runner_epoch(const struct api *api, uint64_t epoch, struct str incarnation)
{
    bool other = incarnation.len && !str_eq(incarnation, str_of(store_incarnation(api->options.store)));
    return other ? 0 : epoch;
}

// Names that begin with "idem:" stand for bodies with an Idempotency-Key.
bool runner_producer_valid(struct str producer)
{
    return id_execution_valid(producer) && producer.len <= STORE_PRODUCER_MAX && !str_starts(producer, STR("idem:"));
}

struct runner_stream *runner_stream_new(const struct runner_stream_options *options)
{
    struct runner_stream *stream = xcalloc(1, sizeof(*stream));
    stream->options = *options;
    stream->starting = true;
    snprintf(stream->producer, sizeof(stream->producer), "%.*s", STR_ARGS(options->producer));
    snprintf(stream->key, sizeof(stream->key), "%.*s", STR_ARGS(options->key));
    snprintf(stream->worker_id, sizeof(stream->worker_id), "%.*s", STR_ARGS(options->worker_id));
    snprintf(stream->worker, sizeof(stream->worker), "%.*s", STR_ARGS(options->worker));
    snprintf(stream->request_id, sizeof(stream->request_id), "%.*s", STR_ARGS(options->request_id));
    return stream;
}

void runner_stream_start(struct runner_stream *stream, const struct execution *execution)
{
    struct api *api = stream->options.api;
    uint64_t epoch = stream->options.epoch;

    if (epoch == 0) // it may have claimed it already, and not have heard the answer
        epoch = stream->options.epoch =
            execution_claimed_with(str_of(stream->key), execution->claim_mark, execution->epoch);
    stream->row = execution->row;
    stream->account = execution->account;
    snprintf(stream->execution_id, sizeof(stream->execution_id), "%s", execution->execution_id);
    if (execution->sealed) {
        // Its `completed` may have been lost on the way, so the same runner may ask again.
        if (epoch && epoch == execution->epoch) {
            stream->epoch = epoch;
            find_producer(stream);
        } else {
            give_up(stream, epoch ? ERR_FENCED : ERR_SEALED);
        }
        return;
    }
    stream->holder = hub_new_holder(api->options.hub);
    enum lease_verdict verdict = hub_connect(api->options.hub, api->options.loop, execution, epoch, stream->holder);
    if (verdict == LEASE_NEW)
        claim(stream);
    else if (verdict == LEASE_RETURN)
        take_back(stream);
    else
        resume(stream, verdict);
}
