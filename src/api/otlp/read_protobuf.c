// The numbers are those of opentelemetry-proto's logs.proto, common.proto and resource.proto.
#include "api/otlp/logs.h"
#include "util/base64.h"
#include "util/id.h"
#include "util/protobuf.h"

#define EACH_FIELD(message, field, got)  \
    struct str rest_##field = (message); \
    struct protobuf_field field;         \
    int got;                             \
    while ((got = protobuf_next(&rest_##field, &field)) > 0)

static int write_value(struct json_writer *json, const char *name, struct str value, unsigned depth);

// --- AnyValue

static void write_base64(struct json_writer *json, const char *name, struct str bytes)
{
    CLEANUP(free_ptr) char *text = xmalloc(BASE64_LEN(bytes.len) + 1);
    json_add_str(json, name, str_n(text, base64_encode(bytes.data, bytes.len, text)));
}

static void write_double(struct json_writer *json, const char *name, uint64_t bits)
{
    double number;
    char text[40];
    memcpy(&number, &bits, sizeof(number));
    if (number != number || number - number != 0) { // JSON has neither NaN nor infinity
        json_add_text(json, name, number != number ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
        return;
    }
    snprintf(text, sizeof(text), "%.17g", number);
    json_add_raw(json, name, str_of(text));
}

static int write_array(struct json_writer *json, const char *name, struct str array, unsigned depth)
{
    json_open_array(json, name);
    EACH_FIELD(array, field, got)
    {
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            got = write_value(json, NULL, field.bytes, depth + 1);
        if (got < 0)
            break;
    }
    json_close(json);
    return got < 0 ? got : 0;
}

struct pair {
    struct str key, value;
};

static int read_pair(struct str message, struct pair *ret)
{
    *ret = (struct pair){0};
    EACH_FIELD(message, field, got)
    {
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            ret->key = field.bytes;
        else if (protobuf_is(&field, 2, PROTOBUF_BYTES))
            ret->value = field.bytes;
    }
    return got;
}

static int write_pair(struct json_writer *json, const struct pair *pair, unsigned depth)
{
    CLEANUP(buf_release) struct buf key = {0};
    known_append_key(pair->key, &key);
    return write_value(json, buf_cstr(&key), pair->value, depth);
}

static int write_object(struct json_writer *json, const char *name, struct str list, unsigned depth)
{
    json_open_object(json, name);
    EACH_FIELD(list, field, got)
    {
        struct pair pair;
        if (protobuf_is(&field, 1, PROTOBUF_BYTES)) {
            got = read_pair(field.bytes, &pair);
            if (got == 0)
                got = write_pair(json, &pair, depth + 1);
        }
        if (got < 0)
            break;
    }
    json_close(json);
    return got < 0 ? got : 0;
}

static int write_one(struct json_writer *json, const char *name, const struct protobuf_field *field, unsigned depth)
{
    switch (field->number) {
    case 1:
        json_add_str(json, name, field->bytes);
        return 0;
    case 2:
        json_add_bool(json, name, field->value != 0);
        return 0;
    case 3:
        json_add_i64(json, name, (int64_t)field->value);
        return 0;
    case 4:
        write_double(json, name, field->value);
        return 0;
    case 5:
        return write_array(json, name, field->bytes, depth);
    case 6:
        return write_object(json, name, field->bytes, depth);
    default:
        write_base64(json, name, field->bytes);
        return 0;
    }
}

static bool is_value(const struct protobuf_field *field)
{
    static const enum protobuf_wire wires[] = {[1] = PROTOBUF_BYTES, PROTOBUF_VARINT, PROTOBUF_VARINT, PROTOBUF_FIXED64,
                                               PROTOBUF_BYTES,       PROTOBUF_BYTES,  PROTOBUF_BYTES};
    return field->number >= 1 && field->number < ARRAY_LEN(wires) && field->wire == wires[field->number];
}

// The last one counts, as in any `oneof`. *ret_found: there is one.
static int find_value(struct str message, struct protobuf_field *ret, bool *ret_found)
{
    *ret_found = false;
    EACH_FIELD(message, field, got)
    {
        if (is_value(&field)) {
            *ret = field;
            *ret_found = true;
        }
    }
    return got;
}

static int write_value(struct json_writer *json, const char *name, struct str value, unsigned depth)
{
    struct protobuf_field field;
    bool found;
    if (depth > OTLP_DEPTH_MAX)
        return ERR_MALFORMED;
    int err = find_value(value, &field, &found);
    if (err < 0)
        return err;
    if (found)
        return write_one(json, name, &field, depth);
    json_add_null(json, name);
    return 0;
}

// --- Messages

static int read_attribute(struct otlp_attributes *ret, struct json_writer *json, struct str message)
{
    struct pair pair;
    struct protobuf_field value;
    bool found;
    int err = read_pair(message, &pair);
    if (err == 0)
        err = write_pair(json, &pair, 0);
    if (err == 0)
        err = find_value(pair.value, &value, &found);
    if (err == 0 && found && value.number == 1)
        otlp_attributes_know(ret, pair.key, value.bytes);
    return err;
}

// The fields `number` of a message are its attributes.
static int read_attributes(struct otlp_attributes *ret, struct str message, uint32_t number)
{
    struct json_writer json = json_writer_to(&ret->json);
    bool any = false;
    otlp_attributes_reset(ret);
    EACH_FIELD(message, field, got)
    {
        if (!protobuf_is(&field, number, PROTOBUF_BYTES))
            continue;
        if (!any)
            json_open_object(&json, NULL);
        any = true;
        got = read_attribute(ret, &json, field.bytes);
        if (got < 0)
            break;
    }
    if (any)
        json_close(&json);
    return got < 0 ? got : 0;
}

static int read_scope(struct otlp_log *log, struct str scope)
{
    CLEANUP(otlp_attributes_release) struct otlp_attributes attributes = {0};
    buf_reset(&log->scope);
    struct json_writer json = json_writer_to(&log->scope);
    int err = read_attributes(&attributes, scope, 3);
    json_open_object(&json, NULL);
    EACH_FIELD(scope, field, got)
    {
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            json_add_str(&json, "name", field.bytes);
        else if (protobuf_is(&field, 2, PROTOBUF_BYTES) && field.bytes.len)
            json_add_str(&json, "version", field.bytes);
    }
    if (attributes.json.len)
        json_add_raw(&json, "attributes", buf_str(&attributes.json));
    json_close(&json);
    return err < 0 ? err : got;
}

// An id of another length, or of zeros, is none.
static void read_id(struct str bytes, size_t len, char *ret)
{
    bool any = false;
    for (size_t i = 0; i < bytes.len; i++)
        any |= bytes.data[i] != 0;
    if (any && bytes.len == len)
        hex_encode((const uint8_t *)bytes.data, len, ret);
}

static int read_body(struct otlp_log *log, struct str value)
{
    struct protobuf_field field;
    bool found;
    int err = find_value(value, &field, &found);
    buf_reset(&log->body);
    if (err < 0 || !found)
        return err;
    if (field.number == 1) {
        buf_append_str(&log->body, field.bytes);
        return 0;
    }
    struct json_writer json = json_writer_to(&log->body);
    return write_one(&json, NULL, &field, 0);
}

static void set_text(struct buf *text, struct str to)
{
    buf_reset(text);
    buf_append_str(text, to);
}

static int read_member(struct otlp_log *log, const struct protobuf_field *field)
{
    if (protobuf_is(field, 1, PROTOBUF_FIXED64))
        log->time_ns = field->value;
    else if (protobuf_is(field, 11, PROTOBUF_FIXED64))
        log->observed_ns = field->value;
    else if (protobuf_is(field, 2, PROTOBUF_VARINT))
        log->severity = (int64_t)field->value;
    else if (protobuf_is(field, 3, PROTOBUF_BYTES))
        set_text(&log->severity_text, field->bytes);
    else if (protobuf_is(field, 5, PROTOBUF_BYTES))
        return read_body(log, field->bytes);
    else if (protobuf_is(field, 7, PROTOBUF_VARINT))
        log->dropped = field->value;
    else if (protobuf_is(field, 8, PROTOBUF_FIXED32))
        log->flags = field->value;
    else if (protobuf_is(field, 9, PROTOBUF_BYTES))
        read_id(field->bytes, 16, log->trace_id);
    else if (protobuf_is(field, 10, PROTOBUF_BYTES))
        read_id(field->bytes, 8, log->span_id);
    else if (protobuf_is(field, 12, PROTOBUF_BYTES))
        set_text(&log->event_name, field->bytes);
    return 0;
}

static int read_log(struct otlp_log *log, struct str message, const struct arrival_reader *reader)
{
    otlp_log_reset(log);
    int err = read_attributes(&log->own, message, 6);
    if (err < 0)
        return err;
    EACH_FIELD(message, field, got)
    {
        got = read_member(log, &field);
        if (got < 0)
            break;
    }
    return got < 0 ? got : otlp_log_hand_over(log, reader);
}

// What is around the records is read first; it may stand behind them.
static int read_scope_logs(struct otlp_log *log, struct str message, const struct arrival_reader *reader)
{
    buf_reset(&log->scope);
    EACH_FIELD(message, field, got)
    {
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            got = read_scope(log, field.bytes);
        if (got < 0)
            return got;
    }
    EACH_FIELD(message, entry, more)
    {
        if (protobuf_is(&entry, 2, PROTOBUF_BYTES))
            more = read_log(log, entry.bytes, reader);
        if (more < 0)
            break;
    }
    return got < 0 ? got : more < 0 ? more : 0;
}

static int read_resource_logs(struct otlp_log *log, struct str message, const struct arrival_reader *reader)
{
    otlp_attributes_reset(&log->resource);
    EACH_FIELD(message, field, got)
    {
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            got = read_attributes(&log->resource, field.bytes, 1);
        if (got < 0)
            return got;
    }
    EACH_FIELD(message, entry, more)
    {
        if (protobuf_is(&entry, 2, PROTOBUF_BYTES))
            more = read_scope_logs(log, entry.bytes, reader);
        if (more < 0)
            break;
    }
    return got < 0 ? got : more < 0 ? more : 0;
}

int otlp_logs_read_protobuf(struct str body, struct otlp_log *log, const struct arrival_reader *reader)
{
    EACH_FIELD(body, field, got)
    {
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            got = read_resource_logs(log, field.bytes, reader);
        if (got < 0)
            break;
    }
    return got < 0 ? got : 0;
}
