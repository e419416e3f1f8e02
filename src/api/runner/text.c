// Text frames: records as JSON, one or an array of them, or a control frame.
#include "api/runner/stream_private.h"
#include "util/clock.h"

// --- Control frames

static void take_skip(struct runner_stream *stream, json_int_t next, const json_t *message)
{
    const char *reason = json_string_value(json_object_get(message, "reason"));
    const json_t *given = json_object_get(message, "digest");
    uint64_t digest;
    bool has_digest = given && !json_is_null(given);
    if (has_digest && !runner_parse_digest(given, &digest))
        runner_stream_refuse(stream, ERR_INVALID, DIGEST_PROBLEM);
    else
        intake_skip(stream->intake, (uint64_t)next, str_of(reason ? reason : "unknown"), has_digest ? &digest : NULL);
}

void runner_stream_control(struct runner_stream *stream, const char *type, const json_t *message)
{
    struct api *api = stream->options.api;
    json_int_t lag = json_integer_value(json_object_get(message, "lag")),
               next = json_integer_value(json_object_get(message, "next_sequence"));

    if (strcmp(type, "complete") == 0) {
        runner_complete(stream, message);
    } else if (strcmp(type, "heartbeat") == 0) {
        if (lag >= 0 && json_is_integer(json_object_get(message, "lag")))
            hub_lag(api->options.hub, stream->row, stream->holder, (uint64_t)lag);
    } else if (strcmp(type, "skip") == 0 && next > 0) {
        take_skip(stream, next, message);
    } else {
        runner_stream_refuse(stream, ERR_INVALID, "type must be complete, heartbeat or skip");
    }
}

// --- Records

// A frame is taken as a whole or not at all. So all records are checked before the first one is handed over.
struct runner_frame {
    struct runner_stream *stream;
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
    if (input->execution_id.len && !str_eq(input->execution_id, str_of(frame->stream->execution_id)))
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
        intake_record(frame->stream->intake, input->sequence_number, &input->record);
    }
}

// Control frames are few and small, so the library parses them.
static void runner_control_text(struct runner_stream *stream, struct str text)
{
    json_t *message = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    if (type)
        runner_stream_control(stream, type, message);
    else
        runner_stream_refuse(stream, ERR_MALFORMED, "a control frame stands alone, as one object");
    json_decref(message);
}

void runner_stream_text(struct runner_stream *stream, struct str text)
{
    CLEANUP(runner_frame_release) struct runner_frame frame = {.stream = stream};
    struct record_problem problem = {0};
    int err = record_parse(stream->options.api->strict_parser, text, runner_record, &frame, &problem);
    if (err == 0 && frame.control)
        runner_control_text(stream, text);
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
    runner_stream_refuse(stream, err, detail);
}
