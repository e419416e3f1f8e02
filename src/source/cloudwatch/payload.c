#include "http/content_coding.h"
#include "source/cloudwatch/cloudwatch.h"
#include "util/base64.h"
#include "util/json_shape.h"
#include "util/json_writer.h"

#include <jansson.h>

#define TIME_MS_MAX INT64_C(253402300799999) // the year 9999
#define STEP        ((size_t)1024 * 1024)

struct cloudwatch {
    struct buf packed, plain, extra, scratch;
    struct known_values fields, none;
    size_t spent; // see arrivals_spend
};

// Fields that a subscription's filter has extracted.
static const struct known_key field_keys[] = {
    {"execution_id", KNOWN_EXECUTION}, {"run_id", KNOWN_EXECUTION}, {"node", KNOWN_NODE_ID},
    {"stream", KNOWN_STREAM},          {"level", KNOWN_LEVEL},      {0},
};

struct cloudwatch *cloudwatch_new(void)
{
    return xcalloc(1, sizeof(struct cloudwatch));
}

void cloudwatch_free(struct cloudwatch **cloudwatch)
{
    struct cloudwatch *it = TAKE_PTR(*cloudwatch);
    if (!it)
        return;
    buf_release(&it->packed);
    buf_release(&it->plain);
    buf_release(&it->extra);
    buf_release(&it->scratch);
    known_release(&it->fields);
    free(it);
}

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : (struct str){0};
}

// --- Events

// `task/runner/ID`, as ECS names its streams: the last part is the name of what has run.
static struct str last_part(struct str stream)
{
    const char *slash = stream.len ? memrchr(stream.data, '/', stream.len) : NULL;
    return slash ? str_n(slash + 1, stream.len - (size_t)(slash + 1 - stream.data)) : stream;
}

static void take_fields(struct cloudwatch *it, const json_t *fields)
{
    const char *name;
    json_t *value;
    known_reset(&it->fields);
    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
    {
        struct str key = str_of(name);
        if (str_starts(key, STR("$."))) // of a filter over JSON
            key = str_n(key.data + 2, key.len - 2);
        if (json_is_string(value))
            known_take(&it->fields, field_keys, key, text_of(value));
    }
}

static void add_member(struct json_writer *json, const char *name, struct str text)
{
    if (text.len)
        json_add_str(json, name, text);
}

static void write_data(struct buf *out, const json_t *envelope, const json_t *event)
{
    struct json_writer json = json_writer_to(out);
    const char *name;
    json_t *value;
    json_open_object(&json, NULL);
    add_member(&json, "log_group", text_of(json_object_get(envelope, "logGroup")));
    add_member(&json, "log_stream", text_of(json_object_get(envelope, "logStream")));
    add_member(&json, "event_id", text_of(json_object_get(event, "id")));
    const json_t *fields = json_object_get(event, "extractedFields");
    if (json_object_size(fields) > 0) {
        json_open_object(&json, "extracted_fields");
        json_object_foreach((json_t *)(uintptr_t)fields, name, value)
        {
            if (json_is_string(value))
                json_add_str(&json, name, text_of(value));
        }
        json_close(&json);
    }
    json_close(&json);
}

static const char *fill_extra(struct cloudwatch *it, const struct known_event *known, const json_t *envelope,
                              const json_t *event)
{
    CLEANUP(buf_release) struct buf data = {0};
    write_data(&data, envelope, event);
    buf_reset(&it->extra);
    const char *reason = known_append(known, KNOWN_NODE_ID, FIELD_node_id, &it->extra, &it->scratch);
    if (!reason)
        reason = record_field_append(&it->extra, FIELD_data, buf_str(&data), &it->scratch);
    return reason || it->extra.len <= RECORD_EXTRA_MAX ? reason : "its fields are larger than 64 KiB";
}

static int read_event(struct cloudwatch *it, const json_t *envelope, const json_t *event,
                      const struct arrival_reader *reader)
{
    const json_t *time = json_object_get(event, "timestamp"), *message = json_object_get(event, "message");
    if (!json_is_integer(time) || json_integer_value(time) < 0 || json_integer_value(time) > TIME_MS_MAX ||
        !json_is_string(message))
        return ERR_MALFORMED;
    struct str around = text_of(json_object_get(envelope, "logGroup")),
               stream = text_of(json_object_get(envelope, "logStream"));
    int err = arrivals_spend(&it->spent, around.len + stream.len + json_string_length(message));
    if (err)
        return err;
    take_fields(it, json_object_get(event, "extractedFields"));
    const struct known_event known = {&it->fields, &it->none};
    const char *reason = fill_extra(it, &known, envelope, event);
    if (reason) {
        reader->refused(reader->arg, reason);
        return 0;
    }
    struct arrival arrival = {
        .execution_id = known_get(&known, KNOWN_EXECUTION),
        .id = text_of(json_object_get(event, "id")),
        .record = {.time_ms = json_integer_value(time),
                   .stream = known_stream(&known),
                   .level = known_level(&known),
                   .message = text_of(message),
                   .extra = buf_str(&it->extra)},
    };
    if (arrival.execution_id.len == 0)
        arrival.execution_id = last_part(stream);
    reader->each(reader->arg, &arrival);
    return 0;
}

static int read_envelope(struct cloudwatch *it, const json_t *envelope, const struct arrival_reader *reader)
{
    struct str type = text_of(json_object_get(envelope, "messageType"));
    const json_t *events = json_object_get(envelope, "logEvents"), *event;
    int err = 0;
    size_t i;
    if (str_eq(type, STR("CONTROL_MESSAGE")))
        return 0;
    if (!str_eq(type, STR("DATA_MESSAGE")) || !json_is_array(events))
        return ERR_MALFORMED;
    json_array_foreach(events, i, event)
    {
        if (err == 0)
            err = read_event(it, envelope, event, reader);
    }
    return err;
}

// --- Payloads

static bool is_packed(struct str data)
{
    return data.len >= 2 && (uint8_t)data.data[0] == 0x1f && (uint8_t)data.data[1] == 0x8b;
}

static int unpack(struct cloudwatch *it, struct str in, size_t room)
{
    struct http_decoder *decoder = http_decoder_new(CODING_GZIP);
    int result = DECODER_MORE;
    while (result == DECODER_MORE && it->plain.len < room)
        result = http_decoder_step(decoder, &in, MIN(STEP, room - it->plain.len), &it->plain);
    if (result == 0 && !http_decoder_ended(decoder))
        result = ERR_MALFORMED;
    http_decoder_free(&decoder);
    return result == DECODER_MORE ? ERR_TOO_LARGE : result;
}

static int decode(struct cloudwatch *it, struct str base64, size_t *room)
{
    size_t len = base64.len;
    buf_reset(&it->packed);
    buf_reset(&it->plain);
    buf_reserve(&it->packed, len + 1);
    if (!base64_decode(base64, (uint8_t *)it->packed.data, &len))
        return ERR_MALFORMED;
    it->packed.len = len;
    int err = 0;
    if (is_packed(buf_str(&it->packed)))
        err = unpack(it, buf_str(&it->packed), *room);
    else if (len > *room)
        err = ERR_TOO_LARGE;
    else
        buf_append_str(&it->plain, buf_str(&it->packed));
    if (err == 0)
        *room -= it->plain.len;
    return err;
}

static int read_plain(struct cloudwatch *it, struct str rest, const struct arrival_reader *reader)
{
    int err = 0;
    if (!json_shape_within(rest, ARRIVALS_DEPTH_MAX, ARRIVALS_VALUES_MAX))
        return ERR_TOO_LARGE;
    for (rest = str_trim(rest); rest.len && err == 0; rest = str_trim(rest)) {
        json_error_t error;
        json_t *envelope = json_loadb(rest.data, rest.len, JSON_DISABLE_EOF_CHECK, &error);
        if (!envelope)
            return ERR_MALFORMED;
        err = read_envelope(it, envelope, reader);
        json_decref(envelope);
        rest = str_n(rest.data + error.position, rest.len - (size_t)error.position);
    }
    return err;
}

int cloudwatch_read(struct cloudwatch *it, struct str base64, size_t *room, const struct arrival_reader *reader,
                    const char **ret_reason)
{
    int err = decode(it, base64, room);
    if (err == 0)
        err = read_plain(it, buf_str(&it->plain), reader);
    *ret_reason = err == ERR_MALFORMED ? "a record holds no payload of CloudWatch Logs, in base64 and packed by gzip"
                  : it->spent > ARRIVALS_BYTES_MAX ? ARRIVALS_TOO_LARGE
                  : err == ERR_TOO_LARGE ? "the payloads are larger than 64 MiB unpacked, or have more than 1,000,000 "
                                           "values; let Firehose buffer less"
                                         : NULL;
    return err;
}
