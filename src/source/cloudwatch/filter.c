#include "source/cloudwatch/filter.h"

#include "model/foreign_json.h"
#include "source/cloudwatch/event.h"
#include "util/json_shape.h"
#include "util/json_writer.h"

#define PAGE_VALUES_MAX 200000 // an event has six
#define MESSAGE_MAX     1000   // bytes of what CloudWatch says of an error

// --- Names

static const char *place_of_id(struct str stream)
{
    return stream.len ? memmem(stream.data, stream.len, CLOUDWATCH_STREAM_ID, strlen(CLOUDWATCH_STREAM_ID)) : NULL;
}

static bool is_prefix(struct str stream)
{
    return stream.len && stream.data[stream.len - 1] == '*';
}

bool cloudwatch_stream_valid(struct str stream)
{
    const char *at = place_of_id(stream);
    if (!at || !utf8_valid(stream.data, stream.len))
        return false;
    struct str behind = str_n(at + strlen(CLOUDWATCH_STREAM_ID),
                              (size_t)(stream.data + stream.len - at) - strlen(CLOUDWATCH_STREAM_ID));
    struct str name = str_n(stream.data, stream.len - is_prefix(stream));
    return !place_of_id(behind) && !str_find(name, '*') && !str_find(name, ':') &&
           (!is_prefix(stream) || (behind.len > 1 && behind.data[0] == '/'));
}

// The name, or with a `*` what the names begin with.
static void write_name(const struct cloudwatch_place *place, struct str execution_id, struct buf *out)
{
    struct str stream = str_of(place->stream);
    const char *at = place_of_id(stream);
    size_t before = at ? (size_t)(at - stream.data) : stream.len;
    size_t behind = at ? before + strlen(CLOUDWATCH_STREAM_ID) : stream.len;
    buf_append(out, stream.data, before);
    buf_append_str(out, execution_id);
    buf_append(out, stream.data + behind, stream.len - behind - (is_prefix(stream) && behind < stream.len));
}

// --- Requests

// Always by what the names begin with: so a stream that is not there yet has no events, and is no error. Others that
// begin so are passed over when the answer is read.
void cloudwatch_filter_write(const struct cloudwatch_place *place, struct str execution_id, struct str token,
                             struct buf *out)
{
    CLEANUP(buf_release) struct buf name = {0};
    struct json_writer json = json_writer_to(out);
    write_name(place, execution_id, &name);
    json_open_object(&json, NULL);
    json_add_text(&json, "logGroupName", place->group);
    json_add_str(&json, "logStreamNamePrefix", buf_str(&name));
    json_add_i64(&json, "limit", CLOUDWATCH_PAGE_EVENTS);
    if (token.len)
        json_add_str(&json, "nextToken", token);
    json_close(&json);
    json_writer_end(&json);
}

// --- Answers

static bool is_of(const struct cloudwatch_place *place, struct str name, struct str stream)
{
    return is_prefix(str_of(place->stream)) ? str_starts(stream, name) : str_eq(stream, name);
}

static int read_events(struct cloudwatch *it, const struct cloudwatch_place *place, struct str execution_id,
                       const json_t *events, const struct arrival_reader *reader)
{
    CLEANUP(buf_release) struct buf name = {0};
    const json_t *event;
    int err = 0;
    size_t i;
    write_name(place, execution_id, &name);
    json_array_foreach(events, i, event)
    {
        const struct cloudwatch_event view = {
            .group = str_of(place->group),
            .stream = cloudwatch_text(json_object_get(event, "logStreamName")),
            .id = cloudwatch_text(json_object_get(event, "eventId")),
            .execution_id = execution_id,
            .time = json_object_get(event, "timestamp"),
            .message = json_object_get(event, "message"),
        };
        if (err || !is_of(place, buf_str(&name), view.stream))
            continue;
        err = view.id.len ? cloudwatch_event_read(it, &view, reader) : ERR_MALFORMED;
    }
    return err;
}

int cloudwatch_page_read(struct cloudwatch *it, const struct cloudwatch_place *place, struct str execution_id,
                         struct str body, const struct arrival_reader *reader, struct buf *ret_token)
{
    if (!json_shape_within(body, ARRIVALS_DEPTH_MAX, PAGE_VALUES_MAX))
        return ERR_TOO_LARGE;
    json_t *page = foreign_json_load(body, 0, NULL);
    const json_t *events = json_object_get(page, "events"), *token = json_object_get(page, "nextToken");
    struct str next = cloudwatch_text(token);
    bool good = json_is_array(events) && (!token || json_is_null(token) || next.len) && next.len < CLOUDWATCH_TOKEN_MAX;
    int err = good ? read_events(it, place, execution_id, events, reader) : ERR_MALFORMED;
    buf_reset(ret_token);
    buf_append_str(ret_token, next);
    json_decref(page);
    return err;
}

// --- Errors

static const struct failure {
    const char *type;
    int err; // ERR_UNAVAILABLE: later it may be otherwise
    const char *means;
} failures[] = {
    {"ThrottlingException", ERR_UNAVAILABLE, "it is asked too often"},
    {"TooManyRequestsException", ERR_UNAVAILABLE, "it is asked too often"},
    {"LimitExceededException", ERR_UNAVAILABLE, "it is asked too often"},
    {"RequestLimitExceeded", ERR_UNAVAILABLE, "it is asked too often"},
    {"ServiceUnavailableException", ERR_UNAVAILABLE, "it cannot serve now"},
    {"ServiceUnavailable", ERR_UNAVAILABLE, "it cannot serve now"},
    {"InternalFailure", ERR_UNAVAILABLE, "it has failed inside"},
    {"ExpiredTokenException", ERR_TOKEN_EXPIRED, "the credentials have run out"},
    {"ExpiredToken", ERR_TOKEN_EXPIRED, "the credentials have run out"},
    {"RequestExpired", ERR_TOKEN_EXPIRED, "the clock of this machine is wrong"},
    {"InvalidSignatureException", ERR_UNAUTHORIZED, "the secret key, the region or the clock of this machine is wrong"},
    {"UnrecognizedClientException", ERR_UNAUTHORIZED, "the access key or the session token is not known"},
    {"InvalidClientTokenId", ERR_UNAUTHORIZED, "the access key or the session token is not known"},
    {"MissingAuthenticationTokenException", ERR_UNAUTHORIZED, "the credentials are missing"},
    {"IncompleteSignature", ERR_UNAUTHORIZED, "the signature is not whole"},
    {"AccessDeniedException", ERR_FORBIDDEN, "the credentials may not do logs:FilterLogEvents"},
    {"AccessDenied", ERR_FORBIDDEN, "the credentials may not do logs:FilterLogEvents"},
    {"OptInRequired", ERR_FORBIDDEN, "the AWS account may not use CloudWatch Logs"},
    {"ResourceNotFoundException", ERR_NOT_FOUND, "there is no such log group"},
};

// `com.amazonaws.logs#AccessDeniedException`, or without what stands before the `#`, or with a `:` and a URL behind it.
static struct str type_of(const json_t *answer)
{
    struct str type = cloudwatch_text(json_object_get(answer, "__type"));
    const char *mark = type.len ? str_find(type, '#') : NULL;
    if (mark)
        type = str_n(mark + 1, type.len - (size_t)(mark + 1 - type.data));
    return str_split(&type, ':');
}

static struct str message_of(const json_t *answer)
{
    struct str message = cloudwatch_text(json_object_get(answer, "message"));
    if (!message.len)
        message = cloudwatch_text(json_object_get(answer, "Message"));
    return str_n(message.data, MIN(message.len, (size_t)MESSAGE_MAX));
}

int cloudwatch_failure(int status, struct str body, struct buf *ret_error)
{
    json_t *answer =
        json_shape_within(body, ARRIVALS_DEPTH_MAX, PAGE_VALUES_MAX) ? foreign_json_load(body, 0, NULL) : NULL;
    struct str type = type_of(answer), message = message_of(answer);
    const struct failure *known = NULL;
    for (size_t i = 0; i < ARRAY_LEN(failures) && !known; i++)
        known = str_eq(type, str_of(failures[i].type)) ? &failures[i] : NULL;
    bool again = status >= 500 || status == 429 || status == 408;
    buf_printf(ret_error, "CloudWatch Logs answers %d", status);
    if (type.len)
        buf_printf(ret_error, " %.*s", (int)MIN(type.len, (size_t)MESSAGE_MAX), type.data);
    if (known)
        buf_printf(ret_error, ": %s", known->means);
    if (message.len)
        buf_printf(ret_error, " (%.*s)", STR_ARGS(message));
    json_decref(answer);
    return known ? known->err : again ? ERR_UNAVAILABLE : ERR_WRONG_SERVER;
}
