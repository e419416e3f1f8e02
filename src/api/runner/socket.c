// The runner's socket: takes its lease, feeds its records to the intake, and carries acks, refusals and `cancel` back.
//
//   (request) ── lease? ──▶ claim a new epoch, or come back with the old one ──▶ where does its producer stand? ──▶
//   101, `ready` ──▶ records … ──▶ `complete` ──▶ the store's seal ──▶ `completed`
#include "api/runner/runner.h"
#include "api/streams.h"
#include "ingest/intake.h"
#include "model/config_limits.h"
#include "util/clock.h"

#include <jansson.h>

#define TOUCH_EVERY_MS   1000
#define CANCEL_GRACE_S   10
#define BINARY_HEADER    8
#define PRODUCER_DEFAULT "runner"
#define CLOSE_REPLACED   4409
#define ANSWERS_MAX      (1024 * 1024) // bytes queued to a runner
#define DIGEST_PROBLEM   "digest must be 16 hexadecimal digits"

struct runner_socket {
    struct stream_node node;
    struct call *call; // until the socket is open
    struct ws *ws;
    struct intake *intake;
    struct store_claim claim;
    struct store_producer producer_query;
    int64_t row;
    uint64_t epoch, holder, touched_ms;
    char producer[STORE_PRODUCER_MAX + 1], worker[256];
    char execution_id[ID_EXECUTION_MAX + 1], request_id[129], cancel_reason[64];
    bool reconnected, completing;
};

// A `complete` under way; outlives the socket.
struct completion {
    struct store_complete complete;
    struct runner_socket *runner; // NULL once it has gone
    struct api *api;
    char producer[STORE_PRODUCER_MAX + 1];
};

// One message, from its type to its end.
struct message {
    struct buf text;
    struct json_writer json;
};

static void message_begin(struct message *message, const char *type)
{
    *message = (struct message){0};
    message->json = json_writer_to(&message->text);
    json_open_object(&message->json, NULL);
    json_add_text(&message->json, "type", type);
}

static void message_send(struct message *message, struct runner_socket *runner)
{
    json_close(&message->json);
    json_writer_end(&message->json);
    if (runner->ws)
        ws_send(runner->ws, WS_TEXT, message->text.data, message->text.len);
    buf_release(&message->text);
}

static void runner_send_error(struct runner_socket *runner, int err, const char *detail, uint64_t next_sequence)
{
    struct message message;
    message_begin(&message, "error");
    json_add_text(&message.json, "code", error_word(err));
    json_add_text(&message.json, "error", detail ? detail : error_text(err));
    json_add_u64(&message.json, "next_sequence", next_sequence);
    message_send(&message, runner);
}

// What the store has of the runner's records: by it the runner knows that they are its own, and all of them.
static void add_stored(struct json_writer *json, const struct sequence_producer *stored)
{
    json_add_u64(json, "next_sequence", stored->next);
    if (stored->digest_unknown)
        json_add_null(json, "digest");
    else
        json_add_hex(json, "digest", stored->digest);
}

static void runner_send_ready(struct runner_socket *runner, const struct sequence_producer *stored)
{
    struct message message;
    message_begin(&message, "ready");
    json_add_text(&message.json, "execution_id", runner->execution_id);
    add_stored(&message.json, stored);
    json_add_u64(&message.json, "epoch", runner->epoch);
    json_add_text(&message.json, "incarnation", store_incarnation(runner->node.api->options.store));
    json_open_array(&message.json, "chunk_versions");
    json_add_u64(&message.json, NULL, CHUNK_VERSION);
    json_close(&message.json);
    message_send(&message, runner);
}

static void runner_send_cancel(struct stream_node *node, const char *reason)
{
    struct runner_socket *runner = CONTAINER_OF(node, struct runner_socket, node);
    struct message message;
    message_begin(&message, "cancel");
    json_add_text(&message.json, "reason", reason);
    json_add_i64(&message.json, "grace_seconds", CANCEL_GRACE_S);
    message_send(&message, runner);
}

static void runner_send_completed(struct runner_socket *runner, const struct store_complete *complete)
{
    struct message message;
    message_begin(&message, "completed");
    json_add_text(&message.json, "execution_id", runner->execution_id);
    json_add_i64(&message.json, "final_sequence", (int64_t)complete->ret_execution.next_sequence - 1);
    add_stored(&message.json, &complete->ret_producer);
    message_send(&message, runner);
}

// --- End of the socket

static void runner_free_if_idle(struct runner_socket *runner)
{
    if (!runner->completing)
        free(runner);
}

static void runner_end(struct runner_socket *runner, unsigned code, const char *reason)
{
    struct api *api = runner->node.api;

    log_info(api->options.logger, "runner disconnected", LOG_S("execution_id", runner->execution_id),
             LOG_S("request_id", runner->request_id), LOG_I("code", code));
    metrics_add(api->options.metrics, api->options.shard, METRIC_runners, -1);
    stream_remove(&runner->node);
    intake_close(&runner->intake);
    if (runner->holder)
        hub_disconnect(api->options.hub, runner->row, runner->holder);
    if (runner->ws)
        ws_close(&runner->ws, code, reason);
    runner_free_if_idle(runner);
}

static void runner_stop(struct stream_node *node, unsigned code, const char *reason)
{
    runner_end(CONTAINER_OF(node, struct runner_socket, node), code, reason);
}

// --- Complete

static void complete_done(struct store_op *op)
{
    struct completion *it = CONTAINER_OF(op, struct completion, complete.op);
    struct runner_socket *runner = it->runner;
    bool open = runner->ws != NULL;

    runner->completing = false;
    if (op->err == 0) {
        hub_sealed(it->api->options.hub, it->complete.row);
        if (open) {
            runner_send_completed(runner, &it->complete);
            runner->holder = 0;
            runner_end(runner, 1000, "completed");
        }
    } else if (open) {
        runner_send_error(runner, op->err, NULL, it->complete.ret_producer.next);
    }
    if (!open)
        free(runner);
    store_op_release(op);
    free(it);
}

// 0 if it does not tell, or cannot be right: a runner whose clock is wrong must not be kept from ending.
static bool parse_completed_at(const json_t *message, int64_t *ret_ms)
{
    const json_t *time = json_object_get(message, "completed_at");
    *ret_ms = 0;
    if (!time || json_is_null(time))
        return true;
    if (!json_is_string(time) || !time_parse_rfc3339(str_n(json_string_value(time), json_string_length(time)), ret_ms))
        return false;
    if (*ret_ms < 0 || *ret_ms > clock_real_ms() + CLOCKS_APART_MS)
        *ret_ms = 0;
    return true;
}

static bool parse_digest(const json_t *value, uint64_t *ret)
{
    uint8_t bytes[8];
    const char *text = json_string_value(value);
    if (!text || strlen(text) != 16 || !hex_decode(str_of(text), bytes, sizeof(bytes)))
        return false;
    *ret = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *ret = *ret << 8 | bytes[i];
    return true;
}

static bool parse_outcome(const json_t *message, struct store_complete *ret, const char **ret_problem)
{
    const json_t *code = json_object_get(message, "exit_code"), *final = json_object_get(message, "final_sequence");
    const json_t *digest = json_object_get(message, "digest");
    const char *status = json_string_value(json_object_get(message, "status"));

    *ret_problem = "exit_code must be 0 to 255, or null with a status";
    if (json_is_integer(code)) {
        ret->has_exit_code = true;
        ret->exit_code = (int)json_integer_value(code);
        if (json_integer_value(code) < 0 || json_integer_value(code) > 255)
            return false;
        ret->status = ret->exit_code == 0 ? STATUS_COMPLETED : STATUS_FAILED;
    } else if (!status || (code && !json_is_null(code))) {
        return false;
    }
    *ret_problem = "status must be a terminal one or lost";
    if (status &&
        (!status_parse(str_of(status), &ret->status) || (!status_terminal(ret->status) && ret->status != STATUS_LOST)))
        return false;
    *ret_problem = "final_sequence must be a whole number, at least -1";
    if (final && !json_is_null(final)) {
        ret->has_final = true;
        ret->final = json_integer_value(final);
        if (!json_is_integer(final) || ret->final < -1)
            return false;
    }
    *ret_problem = "completed_at must be a time in RFC 3339";
    if (!parse_completed_at(message, &ret->completed_ms))
        return false;
    *ret_problem = DIGEST_PROBLEM;
    ret->has_digest = digest && !json_is_null(digest);
    return !ret->has_digest || parse_digest(digest, &ret->digest);
}

static void runner_complete(struct runner_socket *runner, const json_t *message)
{
    struct api *api = runner->node.api;
    const char *problem;

    if (runner->completing)
        return;
    struct completion *it = xcalloc(1, sizeof(*it));
    if (!parse_outcome(message, &it->complete, &problem)) {
        free(it);
        runner_send_error(runner, ERR_INVALID, problem, intake_accepted(runner->intake));
        return;
    }
    intake_flush(runner->intake);
    it->runner = runner;
    it->api = api;
    memcpy(it->producer, runner->producer, sizeof(it->producer));
    it->complete.op = (struct store_op){.kind = STORE_COMPLETE,
                                        .reply_to = api->options.loop,
                                        .done = complete_done,
                                        .account = runner->node.principal.account}; // behind its own appends
    it->complete.row = runner->row;
    it->complete.epoch = runner->epoch;
    it->complete.producer = str_of(it->producer);
    if (!it->complete.has_final) {
        // Whoever does not say how much there is, is done with what has been taken in; were any of that lost, it must
        // not be sealed over.
        it->complete.has_final = true;
        it->complete.final = (int64_t)intake_accepted(runner->intake) - 1;
    }
    runner->completing = true;
    store_submit(api->options.store, &it->complete.op);
}

// --- Messages

static void runner_touch(struct runner_socket *runner)
{
    struct api *api = runner->node.api;
    uint64_t now = loop_now_ms(api->options.loop);
    if (!runner->holder || (runner->touched_ms && now - runner->touched_ms < TOUCH_EVERY_MS))
        return;
    runner->touched_ms = now;
    hub_touch(api->options.hub, api->options.loop, runner->row, runner->holder);
}

static void runner_skip(struct runner_socket *runner, json_int_t next, const json_t *message)
{
    const char *reason = json_string_value(json_object_get(message, "reason"));
    const json_t *given = json_object_get(message, "digest");
    uint64_t digest;
    bool has_digest = given && !json_is_null(given);
    if (has_digest && !parse_digest(given, &digest))
        runner_send_error(runner, ERR_INVALID, DIGEST_PROBLEM, intake_accepted(runner->intake));
    else
        intake_skip(runner->intake, (uint64_t)next, str_of(reason ? reason : "unknown"), has_digest ? &digest : NULL);
}

static void runner_control(struct runner_socket *runner, const char *type, const json_t *message)
{
    struct api *api = runner->node.api;
    json_int_t lag = json_integer_value(json_object_get(message, "lag")),
               next = json_integer_value(json_object_get(message, "next_sequence"));

    if (strcmp(type, "complete") == 0) {
        runner_complete(runner, message);
    } else if (strcmp(type, "heartbeat") == 0) {
        if (lag >= 0 && json_is_integer(json_object_get(message, "lag")))
            hub_lag(api->options.hub, runner->row, runner->holder, (uint64_t)lag);
    } else if (strcmp(type, "skip") == 0 && next > 0) {
        runner_skip(runner, next, message);
    } else {
        runner_send_error(runner, ERR_INVALID, "type must be complete, heartbeat or skip",
                          intake_accepted(runner->intake));
    }
}

// A frame is taken whole or not at all, so its records are looked at before the first is handed on.
struct runner_frame {
    struct runner_socket *runner;
    struct record_input *inputs;
    size_t count, capacity;
    bool control;
};

static void runner_frame_release(struct runner_frame *frame)
{
    free(frame->inputs);
}

static int runner_record(void *arg, const struct record_input *input)
{
    struct runner_frame *frame = arg;

    if (input->type.len && !str_eq(input->type, STR("log"))) {
        frame->control = true;
        return 0;
    }
    if (input->execution_id.len && !str_eq(input->execution_id, str_of(frame->runner->execution_id)))
        return ERR_CONFLICT;
    if (!input->has_sequence_number)
        return ERR_INVALID;
    if (frame->count == frame->capacity) {
        frame->capacity = MAX((size_t)16, frame->capacity * 2);
        frame->inputs = xrealloc(frame->inputs, frame->capacity * sizeof(*frame->inputs));
    }
    frame->inputs[frame->count++] = *input;
    return 0;
}

static void runner_take(struct runner_frame *frame)
{
    int64_t now = frame->count ? clock_real_ms() : 0;
    for (size_t i = 0; i < frame->count; i++) {
        struct record_input *input = &frame->inputs[i];
        if (!input->has_time)
            input->record.time_ms = now;
        intake_record(frame->runner->intake, input->sequence_number, &input->record);
    }
}

// Control frames are few and small: they go through the library.
static void runner_control_text(struct runner_socket *runner, struct str text)
{
    json_t *message = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    if (type)
        runner_control(runner, type, message);
    else
        runner_send_error(runner, ERR_MALFORMED, "a control frame stands alone, as one object",
                          intake_accepted(runner->intake));
    json_decref(message);
}

static void runner_text(struct runner_socket *runner, struct str text)
{
    CLEANUP(runner_frame_release) struct runner_frame frame = {.runner = runner};
    struct record_problem problem = {0};
    int err = record_parse(runner->node.api->strict_parser, text, runner_record, &frame, &problem);
    if (err == 0 && frame.control)
        runner_control_text(runner, text);
    else if (err == 0)
        runner_take(&frame);
    if (err == 0)
        return;
    const char *detail = problem.reason;
    CLEANUP(buf_release) struct buf message = {0};
    if (problem.field && problem.reason) {
        buf_printf(&message, "%s: %s", problem.field, problem.reason);
        detail = buf_cstr(&message);
    } else if (err == ERR_INVALID) {
        detail = "sequence_number: is missing; it is the producer's own counter, from 0";
    } else if (err == ERR_CONFLICT) {
        detail = "execution_id: is not that of this socket";
        err = ERR_INVALID;
    }
    runner_send_error(runner, err, detail, intake_accepted(runner->intake));
}

static void runner_refuse_chunk(struct runner_socket *runner, int err)
{
    char text[96];
    snprintf(text, sizeof(text), "the chunk is newer than this server, which reads version %d; update the server",
             CHUNK_VERSION);
    runner_send_error(runner, err, err == ERR_TOO_NEW ? text : NULL, intake_accepted(runner->intake));
}

static void runner_binary(struct runner_socket *runner, const uint8_t *data, size_t len)
{
    struct chunk *chunk = NULL;
    uint64_t first = 0;

    if (len <= BINARY_HEADER) {
        runner_send_error(runner, ERR_MALFORMED, "a binary frame is 8 bytes of the first counter, then a chunk",
                          intake_accepted(runner->intake));
        return;
    }
    for (size_t i = BINARY_HEADER; i-- > 0;)
        first = first << 8 | data[i];
    // `wrap` cuts at the default: a server with a smaller limit would refuse its spool for ever.
    size_t message_max = MAX(runner->node.api->limits->message_max, (size_t)RECORD_MESSAGE_MAX);
    int err = chunk_decode(data + BINARY_HEADER, len - BINARY_HEADER, message_max, &chunk);
    if (err == 0 && first > UINT64_MAX / 2)
        err = ERR_INVALID;
    if (err == 0)
        intake_chunk(runner->intake, first, chunk);
    else
        runner_refuse_chunk(runner, err);
    chunk_unref(&chunk);
}

static void runner_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct runner_socket *runner = owner;

    runner_touch(runner);
    if (opcode == WS_BINARY)
        runner_binary(runner, data, len);
    else if (opcode == WS_TEXT)
        runner_text(runner, str_n((const char *)data, len));
    // Answers to a runner that reads nothing would gather without an end.
    if (ws_pending(runner->ws) > ANSWERS_MAX)
        runner_end(runner, 1008, "the answers are not read");
    else if (intake_busy(runner->intake))
        ws_pause_read(runner->ws, true);
}

static void runner_closed(void *owner, unsigned code)
{
    struct runner_socket *runner = owner;
    runner->ws = NULL;
    runner_end(runner, code, "");
}

static const struct ws_handler runner_ws_handler = {runner_message, NULL, runner_closed};

// --- What the intake says

static void runner_ack(void *owner, uint64_t next)
{
    struct runner_socket *runner = owner;
    struct message message;
    message_begin(&message, "ack");
    json_add_i64(&message.json, "sequence_number", (int64_t)next - 1);
    message_send(&message, runner);
}

static void runner_refused(void *owner, int err, uint64_t next_sequence)
{
    struct runner_socket *runner = owner;
    runner_send_error(runner, err, NULL, next_sequence);
    if (err == ERR_FENCED)
        runner_end(runner, CLOSE_REPLACED, error_text(err));
}

static void runner_ready_again(void *owner, const struct sequence_producer *stored)
{
    runner_send_ready(owner, stored);
}

static void runner_room(void *owner)
{
    struct runner_socket *runner = owner;
    if (runner->ws)
        ws_pause_read(runner->ws, false);
}

static const struct intake_handler runner_intake_handler = {runner_ack, runner_refused, runner_ready_again,
                                                            runner_room};

// --- Start

static void runner_give_up(struct runner_socket *runner, int err)
{
    call_fail(runner->call, err, NULL);
    call_unref(runner->call);
    free(runner);
}

// The socket did not come about.
static void runner_let_go(struct runner_socket *runner)
{
    struct hub *hub = runner->node.api->options.hub;
    if (runner->holder && runner->reconnected)
        hub_disconnect(hub, runner->row, runner->holder);
    else if (runner->holder)
        hub_abandon(hub, runner->row, runner->holder);
}

static void runner_open(struct runner_socket *runner, const struct sequence_producer *stored)
{
    struct call *call = runner->call;
    struct api *api = call->api;
    struct ws_limits limits = {.message_max = LIMIT_FRAME,
                               .ping_every_ms = api->limits->ping_ms,
                               .pong_timeout_ms = api->limits->pong_timeout_ms,
                               .budget = api->options.budget,
                               .account = call->principal.account};

    runner->ws = call->request ? ws_accept(call_take_request(call), &limits, &runner_ws_handler, runner) : NULL;
    if (!runner->ws) {
        runner_let_go(runner);
        call_unref(call);
        free(runner);
        return;
    }
    runner->node.end = runner_stop;
    runner->node.cancel = runner_send_cancel;
    runner->node.holder = runner->holder;
    stream_add(&runner->node, api, &call->principal);
    metrics_add(api->options.metrics, api->options.shard, METRIC_runners, 1);
    if (runner->reconnected)
        metrics_add(api->options.metrics, api->options.shard, METRIC_resumes_total, 1);
    log_info(api->options.logger, "runner connected", LOG_S("execution_id", runner->execution_id),
             LOG_S("request_id", runner->request_id), LOG_I("epoch", runner->epoch));
    struct intake_options options = {
        .loop = api->options.loop,
        .store = api->options.store,
        .metrics = api->options.metrics,
        .gate = &api->gate,
        .shard = api->options.shard,
        .account = call->principal.account,
        .row = runner->row,
        .producer = str_of(runner->producer),
        .epoch = runner->epoch,
        .next = stored->next,
        .handler = &runner_intake_handler,
        .owner = runner,
    };
    runner->intake = intake_new(&options);
    runner->call = NULL;
    call_unref(call);
    runner_touch(runner);
    runner_send_ready(runner, stored);
    if (!runner->cancel_reason[0])
        hub_cancel_asked(api->options.hub, runner->row, runner->cancel_reason);
    if (runner->cancel_reason[0])
        runner_send_cancel(&runner->node, runner->cancel_reason);
}

static void runner_found_producer(struct store_op *op)
{
    struct runner_socket *runner = CONTAINER_OF(op, struct runner_socket, producer_query.op);
    struct sequence_producer stored = runner->producer_query.ret_producer;
    const char *cancel_reason = runner->producer_query.ret_execution.cancel_reason;
    int err = op->err;

    // Without a lease it is only here to hear that all has ended.
    if (runner->holder && cancel_reason)
        snprintf(runner->cancel_reason, sizeof(runner->cancel_reason), "%s", cancel_reason);

    store_op_release(op);
    if (err == 0)
        err = api_standing(runner->node.api, &runner->call->principal);
    if (err) {
        runner_let_go(runner);
        runner_give_up(runner, err);
    } else if (runner->holder && !hub_holds(runner->node.api->options.hub, runner->row, runner->holder)) {
        runner_give_up(runner, ERR_HELD); // another connection took its place meanwhile
    } else {
        runner_open(runner, &stored);
    }
}

static void runner_find_producer(struct runner_socket *runner)
{
    struct api *api = runner->node.api;
    runner->producer_query = (struct store_producer){
        .op = {.kind = STORE_PRODUCER,
               .reply_to = api->options.loop,
               .done = runner_found_producer,
               .account = runner->call->principal.account},
        .row = runner->row,
        .producer = str_of(runner->producer),
    };
    store_submit(api->options.store, &runner->producer_query.op);
}

static void runner_claimed(struct store_op *op)
{
    struct runner_socket *runner = CONTAINER_OF(op, struct runner_socket, claim.op);
    struct hub *hub = runner->node.api->options.hub;
    int err = op->err;

    runner->epoch = runner->claim.ret_execution.epoch;
    store_op_release(op);
    if (err) {
        hub_refused(hub, runner->row);
        runner_give_up(runner, err);
        return;
    }
    hub_granted(hub, runner->row, runner->epoch, runner->holder);
    runner_find_producer(runner);
}

static void runner_claim(struct runner_socket *runner)
{
    struct api *api = runner->node.api;
    runner->claim = (struct store_claim){
        .op = {.kind = STORE_CLAIM,
               .reply_to = api->options.loop,
               .done = runner_claimed,
               .account = runner->call->principal.account},
        .row = runner->row,
        .worker_hostname = str_of(runner->worker),
    };
    store_submit(api->options.store, &runner->claim.op);
}

// A runner that makes no chunks which are read here waits until that is changed: whoever can do that is told.
static void runner_check_versions(const struct call *call)
{
    struct field_value versions = call_param(call, "chunk_versions");
    uint64_t version;
    bool read = !versions.given;
    while (!read && versions.text.len > 0)
        read = str_to_u64(str_split(&versions.text, ','), &version) && version == CHUNK_VERSION;
    if (!read)
        log_warn(call->api->options.logger, "a runner makes chunks of versions that this server does not read",
                 LOG_S("execution_id", call->execution.execution_id), LOG_I("version", CHUNK_VERSION));
}

static void runner_take_query(const struct call *call, struct runner_socket *runner, uint64_t *ret_epoch)
{
    struct field_value producer = call_param(call, "producer"), worker = call_param(call, "worker");
    struct str incarnation = call_param(call, "incarnation").text;

    *ret_epoch = (uint64_t)call_param(call, "epoch").number;
    // An epoch of another incarnation says nothing here: others may have been given the same number since.
    if (incarnation.len && !str_eq(incarnation, str_of(store_incarnation(call->api->options.store))))
        *ret_epoch = 0;
    if (!producer.given)
        producer.text = STR(PRODUCER_DEFAULT);
    memcpy(runner->producer, producer.text.data, producer.text.len);
    if (worker.text.len)
        memcpy(runner->worker, worker.text.data, worker.text.len);
}

void runner_socket(struct call *call)
{
    struct api *api = call->api;
    struct runner_socket *runner = xcalloc(1, sizeof(*runner));
    uint64_t epoch;

    runner_take_query(call, runner, &epoch);
    runner_check_versions(call);
    http_on_abort(call->request, NULL, NULL);
    if (!ws_check_handshake(call->request)) {
        call->request = NULL;
        call_unref(call);
        free(runner);
        return;
    }
    call_watch(call);
    runner->node.api = api;
    runner->call = call;
    runner->row = call->execution.row;
    snprintf(runner->execution_id, sizeof(runner->execution_id), "%s", call->execution.execution_id);
    snprintf(runner->request_id, sizeof(runner->request_id), "%.*s", STR_ARGS(http_request_id(call->request)));
    call_ref(call);
    if (call->execution.sealed) {
        // Its `completed` may have been lost on the way: the same runner may ask again.
        if (epoch && epoch == call->execution.epoch) {
            runner->epoch = epoch;
            runner_find_producer(runner);
        } else {
            runner_give_up(runner, epoch ? ERR_FENCED : ERR_SEALED);
        }
        return;
    }
    runner->holder = hub_new_holder(api->options.hub);
    switch (hub_connect(api->options.hub, &call->execution, epoch, runner->holder)) {
    case LEASE_NEW:
        runner_claim(runner);
        break;
    case LEASE_RESUME:
        runner->epoch = epoch;
        runner->reconnected = true;
        runner_find_producer(runner);
        break;
    case LEASE_TAKEN:
        runner_give_up(runner, ERR_HELD);
        break;
    case LEASE_FENCED:
        runner_give_up(runner, ERR_FENCED);
        break;
    }
}
