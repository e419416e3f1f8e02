// The body is {"requestId", "timestamp", "records": [{"data": "BASE64"}]}. The answer has the same requestId, a
// timestamp, and an errorMessage if it is not 200: Firehose sends the request again then, for as long as its stream
// says, and keeps its records in its bucket after that. So nothing is lost in silence if some of it is refused; what
// was taken is not taken twice. Only 413 is not tried again.
#include "api/sources/firehose.h"

#include "api/body.h"
#include "api/logs/gather.h"
#include "api/logs/logs.h"
#include "source/cloudwatch/cloudwatch.h"
#include "util/clock.h"

#define ERROR_MESSAGE_MAX 8192

// The records are read one in a turn of the loop, since each may be large.
struct firehose {
    struct call *call;
    json_t *body;
    size_t at; // the next record
    size_t room;
    struct cloudwatch *reader;
    struct gather *gather;
    struct deferred next;
};

static void firehose_free(struct firehose *it)
{
    gather_free(&it->gather);
    cloudwatch_free(&it->reader);
    json_decref(it->body);
    call_unref(it->call);
    free(it);
}

// --- Answers

static struct str request_id(struct http_request *request, const json_t *body)
{
    const json_t *id = json_object_get(body, "requestId");
    return json_is_string(id) ? str_of(json_string_value(id)) : http_header(request, STR("X-Amz-Firehose-Request-Id"));
}

static void answer(struct call *call, int status, struct str id, const char *message)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    struct http_request *request = call_take_request(call);
    if (!request)
        return;
    json_open_object(&json, NULL);
    json_add_str(&json, "requestId", id);
    json_add_i64(&json, "timestamp", clock_real_ms());
    if (message)
        json_add_str(&json, "errorMessage", str_n(message, MIN(strlen(message), (size_t)ERROR_MESSAGE_MAX)));
    json_close(&json);
    if (status == 503 || status == 429)
        http_add_header(request, "Retry-After", "1");
    http_respond(request, status, "application/json", text.data, text.len);
}

static void fail(struct call *call, struct str id, int err, const char *message)
{
    metrics_refused(call->api->options.metrics, call->api->options.shard, err);
    answer(call, err == ERR_STORE_FULL ? 503 : error_http_status(err), id, message ? message : error_text(err));
}

static void answer_refused(struct call *call, struct str id, const struct gather_answer *got)
{
    const struct api_options *options = &call->api->options;
    CLEANUP(free_ptr)
    char *message = xasprintf("%llu of %llu events were not taken: %s", (unsigned long long)got->refused,
                              (unsigned long long)(got->refused + got->taken), got->reason);
    metrics_add(options->metrics, options->shard, METRIC_source_refused_total, (int64_t)got->refused);
    answer(call, 400, id, message);
}

static void sent(struct call *call, const struct gather_answer *got)
{
    struct firehose *it = got->arg;
    struct str id = call->request ? request_id(call->request, it->body) : STR("");
    if (!call->request) // nobody hears it
        ;
    else if (got->err)
        fail(call, id, got->err, NULL);
    else if (got->refused)
        answer_refused(call, id, got);
    else
        answer(call, 200, id, NULL);
    firehose_free(it);
}

// --- Reading

static void firehose_next(struct deferred *deferred)
{
    struct firehose *it = CONTAINER_OF(deferred, struct firehose, next);
    const json_t *records = json_object_get(it->body, "records");
    const json_t *data = json_object_get(json_array_get(records, it->at), "data");
    const struct arrival_reader reader = gather_reader(it->gather);
    const char *reason = "records[].data must be a string in base64";
    if (!it->call->request) {
        firehose_free(it);
        return;
    }
    int err = json_is_string(data)
                  ? cloudwatch_read(it->reader, str_n(json_string_value(data), json_string_length(data)), &it->room,
                                    &reader, &reason)
                  : ERR_MALFORMED;
    if (err) {
        fail(it->call, request_id(it->call->request, it->body), err, reason);
        firehose_free(it);
    } else if (++it->at < json_array_size(records)) {
        loop_defer(it->call->api->options.loop, &it->next);
    } else {
        gather_send(TAKE_PTR(it->gather));
    }
}

static json_t *read_body(struct call *call)
{
    struct str body = http_body(call->request), id = http_header(call->request, STR("X-Amz-Firehose-Request-Id"));
    struct str type = http_header(call->request, STR("Content-Type"));
    json_error_t error;
    if (!str_eq_nocase(str_trim(str_split(&type, ';')), STR("application/json"))) {
        fail(call, id, ERR_MEDIA_TYPE, "send application/json");
        return NULL;
    }
    if (!json_shape_within(body, ARRIVALS_DEPTH_MAX, ARRIVALS_VALUES_MAX)) {
        fail(call, id, ERR_TOO_LARGE, ARRIVALS_SHAPE);
        return NULL;
    }
    json_t *root = json_loadb(body.data ? body.data : "", body.len, 0, &error);
    if (root && json_is_array(json_object_get(root, "records")))
        return root;
    json_decref(root);
    fail(call, id, ERR_MALFORMED,
         "the body is no delivery of Firehose: {\"requestId\",\"timestamp\",\"records\":[{\"data\":\"BASE64\"}]}");
    return NULL;
}

void firehose_cloudwatch(struct call *call)
{
    if (logs_append_denied(call))
        return;
    json_t *body = read_body(call);
    if (!body)
        return;
    if (json_array_size(json_object_get(body, "records")) == 0) {
        answer(call, 200, request_id(call->request, body), NULL);
        json_decref(body);
        return;
    }
    struct firehose *it = xcalloc(1, sizeof(*it));
    it->call = call;
    call_ref(call);
    it->body = body;
    it->room = CLOUDWATCH_PLAIN_MAX;
    it->reader = cloudwatch_new();
    it->gather = gather_new_late(call, sent, it);
    deferred_init(&it->next, firehose_next);
    loop_defer(call->api->options.loop, &it->next);
}
