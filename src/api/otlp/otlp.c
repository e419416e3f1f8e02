// Answers in the content type of the request: what was not taken as a partial success, an error as a Status. A server
// that cannot take records now says 503, also if its store is full: exporters give up on 507.
#include "api/otlp/otlp.h"

#include "api/body.h"
#include "api/logs/gather.h"
#include "api/logs/logs.h"
#include "api/otlp/logs.h"
#include "util/protobuf.h"

static bool encoding_of(const struct call *call, enum otlp_encoding *ret)
{
    struct str type = http_header(call->request, STR("Content-Type"));
    struct str media = str_trim(str_split(&type, ';'));
    *ret = str_eq_nocase(media, STR("application/json")) ? OTLP_JSON : OTLP_PROTOBUF;
    return *ret == OTLP_JSON || str_eq_nocase(media, STR("application/x-protobuf"));
}

static void answer(struct call *call, int status, const struct buf *body)
{
    enum otlp_encoding encoding = OTLP_JSON;
    struct http_request *request = call_take_request(call);
    if (!request)
        return;
    struct str type = http_header(request, STR("Content-Type"));
    if (str_eq_nocase(str_trim(str_split(&type, ';')), STR("application/x-protobuf")))
        encoding = OTLP_PROTOBUF;
    if (status == 503)
        http_add_header(request, "Retry-After", "1");
    http_respond(request, status, encoding == OTLP_JSON ? "application/json" : "application/x-protobuf", body->data,
                 body->len);
}

static void write_partial(enum otlp_encoding encoding, uint64_t refused, const char *reason, struct buf *out)
{
    if (encoding == OTLP_PROTOBUF) {
        CLEANUP(buf_release) struct buf partial = {0};
        protobuf_append_varint(&partial, 1, refused);
        protobuf_append_bytes(&partial, 2, str_of(reason));
        protobuf_append_bytes(out, 1, buf_str(&partial));
        return;
    }
    CLEANUP(free_ptr) char *count = xasprintf("%llu", (unsigned long long)refused);
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_open_object(&json, "partialSuccess");
    json_add_text(&json, "rejectedLogRecords", count); // 64 bits are a string there
    json_add_text(&json, "errorMessage", reason);
    json_close(&json);
    json_close(&json);
}

// google.rpc.Status, with the codes of gRPC.
static void write_status(enum otlp_encoding encoding, int status, const char *message, struct buf *out)
{
    int code = status == 503 ? 14 : 3; // UNAVAILABLE, INVALID_ARGUMENT
    if (encoding == OTLP_PROTOBUF) {
        protobuf_append_varint(out, 1, (uint64_t)code);
        protobuf_append_bytes(out, 2, str_of(message));
        return;
    }
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_add_i64(&json, "code", code);
    json_add_text(&json, "message", message);
    json_close(&json);
}

static void fail(struct call *call, enum otlp_encoding encoding, int status, const char *message)
{
    CLEANUP(buf_release) struct buf body = {0};
    write_status(encoding, status, message, &body);
    answer(call, status, &body);
}

static void sent(struct call *call, const struct gather_answer *got)
{
    CLEANUP(buf_release) struct buf body = {0};
    enum otlp_encoding encoding;
    if (!call->request)
        return;
    encoding_of(call, &encoding);
    if (got->err) {
        metrics_refused(call->api->options.metrics, call->api->options.shard, got->err);
        fail(call, encoding, 503, error_text(got->err));
        return;
    }
    if (got->refused)
        write_partial(encoding, got->refused, got->reason, &body);
    else if (encoding == OTLP_JSON)
        buf_append_text(&body, "{}");
    answer(call, 200, &body);
}

void otlp_logs(struct call *call)
{
    enum otlp_encoding encoding;
    const char *reason;
    if (!encoding_of(call, &encoding)) {
        call_fail(call, ERR_MEDIA_TYPE, "send application/x-protobuf or application/json");
        return;
    }
    if (logs_append_denied(call))
        return;
    struct str body = http_body(call->request);
    if (encoding == OTLP_JSON && !json_shape_within(body, ARRIVALS_DEPTH_MAX, ARRIVALS_VALUES_MAX)) {
        fail(call, encoding, 413, ARRIVALS_SHAPE);
        return;
    }
    struct gather *gather = gather_new(call, body, sent);
    const struct arrival_reader reader = gather_reader(gather);
    int err = otlp_logs_read(encoding, body, &reader, &reason);
    if (err == 0) {
        gather_send(gather);
        return;
    }
    gather_free(&gather);
    fail(call, encoding, err == ERR_TOO_LARGE ? 413 : 400, reason ? reason : error_text(err));
}
