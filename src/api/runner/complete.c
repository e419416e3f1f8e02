// The end of a runner's log: `complete`, then the store's seal, then `completed`.
#include "api/runner/stream_private.h"
#include "util/clock.h"

// A `complete` that is under way.
struct completion {
    struct store_complete complete;
    struct runner_stream *stream; // it stays until this is answered, even if it has ended
    struct api *api;
    struct runner_details details;
    char producer[STORE_PRODUCER_MAX + 1];
};

static void complete_done(struct store_op *op)
{
    struct completion *it = CONTAINER_OF(op, struct completion, complete.op);
    struct runner_stream *stream = it->stream;
    bool open = !stream->closed;

    stream->completing = false;
    if (op->err == 0) {
        hub_sealed(it->api->options.hub, it->complete.row);
        if (open) {
            runner_send_completed(stream, &it->complete);
            stream->completed = true; // the lease is gone with the seal
            runner_end(stream, 0, "completed");
        }
    } else if (open) {
        runner_send_error(stream, op->err, NULL, it->complete.ret_producer.next);
    }
    if (!open)
        free(stream);
    store_op_release(op);
    runner_details_release(&it->details);
    free(it);
}

// Gives 0 if the runner does not tell the time, or if the time cannot be right: a runner with a wrong clock must be
// able to end.
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

bool runner_parse_digest(const json_t *value, uint64_t *ret)
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
    return !ret->has_digest || runner_parse_digest(digest, &ret->digest);
}

void runner_complete(struct runner_stream *stream, const json_t *message)
{
    struct api *api = stream->options.api;
    const char *problem;

    if (stream->completing)
        return;
    struct completion *it = xcalloc(1, sizeof(*it));
    if (!parse_outcome(message, &it->complete, &problem)) {
        free(it);
        runner_send_error(stream, ERR_INVALID, problem, intake_accepted(stream->intake));
        return;
    }
    runner_details_parse(json_object_get(message, "details"), &it->details);
    it->complete.reason = buf_str(&it->details.reason);
    it->complete.details = buf_str(&it->details.execution);
    it->complete.result = buf_str(&it->details.result);
    intake_flush(stream->intake);
    it->stream = stream;
    it->api = api;
    memcpy(it->producer, stream->producer, sizeof(it->producer));
    it->complete.op = (struct store_op){.kind = STORE_COMPLETE,
                                        .reply_to = api->options.loop,
                                        .done = complete_done,
                                        .account = stream->account}; // waits behind its own appends
    it->complete.row = stream->row;
    it->complete.epoch = stream->epoch;
    it->complete.producer = str_of(it->producer);
    if (!it->complete.has_final) {
        // A runner that does not say how much there is means what has been taken in. If any of that were lost, the log
        // must not be sealed.
        it->complete.has_final = true;
        it->complete.final = (int64_t)intake_accepted(stream->intake) - 1;
    }
    stream->completing = true;
    store_submit(api->options.store, &it->complete.op);
}
