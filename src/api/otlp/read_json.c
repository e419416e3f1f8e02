// The JSON form of Protocol Buffers, with what OTLP says otherwise: ids are hex, enumerations are numbers, names are in
// lowerCamelCase. What is not known is ignored. Integers of 64 bits may be strings.
#include "api/otlp/logs.h"
#include "model/foreign_json.h"

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : (struct str){0};
}

static uint64_t number_of(const json_t *value)
{
    uint64_t number = 0;
    if (json_is_integer(value))
        return (uint64_t)json_integer_value(value);
    return str_to_u64(text_of(value), &number) ? number : 0;
}

// --- AnyValue

static int write_value(struct json_writer *json, const char *name, const json_t *value, unsigned depth);

static int write_pairs(struct json_writer *json, const json_t *pairs, struct otlp_attributes *known, unsigned depth)
{
    size_t i;
    json_t *pair;
    json_array_foreach(pairs, i, pair)
    {
        const json_t *key = json_object_get(pair, "key"), *value = json_object_get(pair, "value");
        if (!json_is_string(key))
            return ERR_MALFORMED;
        int err = write_value(json, json_string_value(key), value, depth);
        if (err < 0)
            return err;
        const json_t *text = json_object_get(value, "stringValue");
        if (known && json_is_string(text))
            otlp_attributes_know(known, text_of(key), text_of(text));
    }
    return 0;
}

static int write_object(struct json_writer *json, const char *name, const json_t *list, unsigned depth)
{
    json_open_object(json, name);
    int err = write_pairs(json, json_object_get(list, "values"), NULL, depth + 1);
    json_close(json);
    return err;
}

static int write_array(struct json_writer *json, const char *name, const json_t *array, unsigned depth)
{
    size_t i;
    json_t *value;
    int err = 0;
    json_open_array(json, name);
    json_array_foreach(json_object_get(array, "values"), i, value)
    {
        err = write_value(json, NULL, value, depth + 1);
        if (err < 0)
            break;
    }
    json_close(json);
    return err;
}

static void write_integer(struct json_writer *json, const char *name, const json_t *value)
{
    if (json_is_integer(value)) {
        json_add_i64(json, name, json_integer_value(value));
        return;
    }
    struct str text = text_of(value), digits = text;
    uint64_t number;
    bool minus = text.len && text.data[0] == '-';
    if (minus)
        digits = str_n(text.data + 1, text.len - 1);
    if (str_to_u64(digits, &number) && number <= (uint64_t)INT64_MAX)
        json_add_i64(json, name, minus ? -(int64_t)number : (int64_t)number);
    else
        json_add_str(json, name, text);
}

static void write_number(struct json_writer *json, const char *name, const json_t *value)
{
    char text[40];
    if (!json_is_number(value)) { // "NaN", "Infinity", "-Infinity"
        json_add_str(json, name, text_of(value));
        return;
    }
    snprintf(text, sizeof(text), "%.17g", json_number_value(value));
    json_add_raw(json, name, str_of(text));
}

static int write_value(struct json_writer *json, const char *name, const json_t *value, unsigned depth)
{
    const json_t *found;
    if (depth > OTLP_DEPTH_MAX)
        return ERR_MALFORMED;
    if ((found = json_object_get(value, "stringValue")) || (found = json_object_get(value, "bytesValue")))
        json_add_str(json, name, text_of(found));
    else if ((found = json_object_get(value, "boolValue")))
        json_add_bool(json, name, json_is_true(found));
    else if ((found = json_object_get(value, "intValue")))
        write_integer(json, name, found);
    else if ((found = json_object_get(value, "doubleValue")))
        write_number(json, name, found);
    else if ((found = json_object_get(value, "arrayValue")))
        return write_array(json, name, found, depth);
    else if ((found = json_object_get(value, "kvlistValue")))
        return write_object(json, name, found, depth);
    else
        json_add_null(json, name);
    return 0;
}

// --- Messages

static int read_attributes(struct otlp_attributes *ret, const json_t *pairs)
{
    otlp_attributes_reset(ret);
    if (json_array_size(pairs) == 0)
        return 0;
    struct json_writer json = json_writer_to(&ret->json);
    json_open_object(&json, NULL);
    int err = write_pairs(&json, pairs, ret, 0);
    json_close(&json);
    return err;
}

static int read_scope(struct otlp_log *log, const json_t *scope)
{
    CLEANUP(otlp_attributes_release) struct otlp_attributes attributes = {0};
    const json_t *name = json_object_get(scope, "name"), *version = json_object_get(scope, "version");
    buf_reset(&log->scope);
    if (!json_is_object(scope))
        return 0;
    int err = read_attributes(&attributes, json_object_get(scope, "attributes"));
    struct json_writer json = json_writer_to(&log->scope);
    json_open_object(&json, NULL);
    if (name)
        json_add_str(&json, "name", text_of(name));
    if (text_of(version).len)
        json_add_str(&json, "version", text_of(version));
    if (attributes.json.len)
        json_add_raw(&json, "attributes", buf_str(&attributes.json));
    json_close(&json);
    return err;
}

// An id of another length, of other digits, or of zeros, is none.
static void read_id(const json_t *value, size_t len, char *ret)
{
    struct str text = text_of(value);
    bool any = false;
    if (text.len != len)
        return;
    for (size_t i = 0; i < len; i++) {
        char c = text.data[i];
        ret[i] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
        any |= c != '0';
        if (!(ret[i] >= '0' && ret[i] <= '9') && !(ret[i] >= 'a' && ret[i] <= 'f')) {
            ret[0] = 0;
            return;
        }
    }
    ret[any ? len : 0] = 0;
}

static int read_body(struct otlp_log *log, const json_t *body)
{
    const json_t *text = json_object_get(body, "stringValue");
    if (!body || json_object_size(body) == 0)
        return 0;
    if (text) {
        buf_append_str(&log->body, text_of(text));
        return 0;
    }
    struct json_writer json = json_writer_to(&log->body);
    return write_value(&json, NULL, body, 0);
}

static int read_log(struct otlp_log *log, const json_t *entry, const struct arrival_reader *reader)
{
    otlp_log_reset(log);
    int err = read_attributes(&log->own, json_object_get(entry, "attributes"));
    if (err == 0)
        err = read_body(log, json_object_get(entry, "body"));
    if (err < 0)
        return err;
    log->time_ns = number_of(json_object_get(entry, "timeUnixNano"));
    log->observed_ns = number_of(json_object_get(entry, "observedTimeUnixNano"));
    log->severity = (int64_t)number_of(json_object_get(entry, "severityNumber"));
    log->flags = number_of(json_object_get(entry, "flags"));
    log->dropped = number_of(json_object_get(entry, "droppedAttributesCount"));
    buf_append_str(&log->severity_text, text_of(json_object_get(entry, "severityText")));
    buf_append_str(&log->event_name, text_of(json_object_get(entry, "eventName")));
    read_id(json_object_get(entry, "traceId"), sizeof(log->trace_id) - 1, log->trace_id);
    read_id(json_object_get(entry, "spanId"), sizeof(log->span_id) - 1, log->span_id);
    return otlp_log_hand_over(log, reader);
}

static int read_scope_logs(struct otlp_log *log, const json_t *part, const struct arrival_reader *reader)
{
    size_t i;
    json_t *entry;
    int err = read_scope(log, json_object_get(part, "scope"));
    json_array_foreach(json_object_get(part, "logRecords"), i, entry)
    {
        if (err == 0)
            err = read_log(log, entry, reader);
    }
    return err;
}

static int read_resource_logs(struct otlp_log *log, const json_t *part, const struct arrival_reader *reader)
{
    size_t i;
    json_t *scope;
    int err = read_attributes(&log->resource, json_object_get(json_object_get(part, "resource"), "attributes"));
    json_array_foreach(json_object_get(part, "scopeLogs"), i, scope)
    {
        if (err == 0)
            err = read_scope_logs(log, scope, reader);
    }
    return err;
}

int otlp_logs_read_json(struct str body, struct otlp_log *log, const struct arrival_reader *reader)
{
    size_t i;
    json_t *part;
    json_error_t error;
    json_t *root = foreign_json_load(body, 0, &error);
    int err = json_is_object(root) ? 0 : ERR_MALFORMED;
    json_array_foreach(json_object_get(root, "resourceLogs"), i, part)
    {
        if (err == 0)
            err = read_resource_logs(log, part, reader);
    }
    json_decref(root);
    return err;
}
