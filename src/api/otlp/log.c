#include "api/otlp/logs.h"
#include "model/record_fields.h"
#include "util/id.h"

static const struct known_key known_keys[] = {
    {"runnel.execution_id", KNOWN_EXECUTION},
    {"runnel.node_id", KNOWN_NODE_ID},
    {"runnel.node_name", KNOWN_NODE_NAME},
    {"runnel.node_type", KNOWN_NODE_TYPE},
    {"runnel.event_type", KNOWN_EVENT_TYPE},
    {"event.name", KNOWN_EVENT_NAME},
    {"exception.stacktrace", KNOWN_STACK_TRACE},
    {"service.name", KNOWN_PRODUCER},
    {0},
};

// --- Parts

void otlp_attributes_reset(struct otlp_attributes *attributes)
{
    buf_reset(&attributes->json);
    known_reset(&attributes->known);
}

void otlp_attributes_release(struct otlp_attributes *attributes)
{
    buf_release(&attributes->json);
    known_release(&attributes->known);
}

void otlp_attributes_know(struct otlp_attributes *attributes, struct str key, struct str text)
{
    known_take(&attributes->known, known_keys, key, text);
}

void otlp_log_reset(struct otlp_log *log)
{
    otlp_attributes_reset(&log->own);
    buf_reset(&log->body);
    buf_reset(&log->severity_text);
    buf_reset(&log->event_name);
    log->time_ns = log->observed_ns = log->flags = log->dropped = 0;
    log->severity = 0;
    log->trace_id[0] = log->span_id[0] = 0;
}

void otlp_log_release(struct otlp_log *log)
{
    otlp_attributes_release(&log->resource);
    otlp_attributes_release(&log->own);
    buf_release(&log->scope);
    buf_release(&log->body);
    buf_release(&log->severity_text);
    buf_release(&log->event_name);
    buf_release(&log->extra);
    buf_release(&log->scratch);
}

// --- A record of it

static struct known_event known_of(const struct otlp_log *log)
{
    return (struct known_event){&log->own.known, &log->resource.known};
}

// SeverityNumber: four of each kind, from TRACE on.
static enum record_level level_of(int64_t severity)
{
    static const enum record_level levels[] = {LEVEL_DEBUG,   LEVEL_DEBUG, LEVEL_INFO,
                                               LEVEL_WARNING, LEVEL_ERROR, LEVEL_CRITICAL};
    return severity >= 1 && severity <= 24 ? levels[(severity - 1) / 4] : LEVEL_UNSET;
}

// An event's name as a type of ours: small letters, digits and underscores. The name itself stays in `data`.
static void append_type(struct buf *out, struct str name)
{
    size_t max = record_fields[FIELD_event_type].most;
    for (size_t i = 0; i < name.len && out->len < max; i++) {
        char c = name.data[i];
        bool small = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9' && out->len > 0);
        if (small || (c >= 'A' && c <= 'Z'))
            buf_append_byte(out, (char)(small ? c : c - 'A' + 'a'));
        else if (out->len > 0)
            buf_append_byte(out, '_');
    }
}

static void add_part(struct json_writer *json, const char *name, const struct buf *part)
{
    if (part->len)
        json_add_raw(json, name, buf_str(part));
}

static void add_trace(struct json_writer *json, const struct otlp_log *log)
{
    char traceparent[64];
    if (!log->trace_id[0])
        return;
    json_add_text(json, "trace_id", log->trace_id);
    if (!log->span_id[0])
        return;
    json_add_text(json, "span_id", log->span_id);
    snprintf(traceparent, sizeof(traceparent), "00-%s-%s-%02x", log->trace_id, log->span_id,
             (unsigned)log->flags & 0xff);
    json_add_text(json, "traceparent", traceparent);
}

static void write_data(struct buf *out, const struct otlp_log *log)
{
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    add_part(&json, "attributes", &log->own.json);
    add_part(&json, "resource", &log->resource.json);
    add_part(&json, "scope", &log->scope);
    if (log->severity_text.len)
        json_add_str(&json, "severity_text", buf_str(&log->severity_text));
    if (log->event_name.len)
        json_add_str(&json, "event_name", buf_str(&log->event_name));
    add_trace(&json, log);
    if (log->time_ns && log->observed_ns)
        json_add_time(&json, "observed_timestamp", (int64_t)(log->observed_ns / 1000000));
    if (log->dropped)
        json_add_u64(&json, "dropped_attributes_count", log->dropped);
    json_close(&json);
}

// Returns why it cannot be a record; NULL: it can.
static const char *fill_extra(struct otlp_log *log)
{
    CLEANUP(buf_release) struct buf type = {0}, data = {0};
    // An event's name and a trace are the record's alone.
    const struct known_event known = known_of(log), own = {&log->own.known, &log->own.known};
    struct str given = known_get(&known, KNOWN_EVENT_TYPE);
    if (given.len == 0)
        given = log->event_name.len ? buf_str(&log->event_name) : known_get(&own, KNOWN_EVENT_NAME);
    append_type(&type, given);
    write_data(&data, log);
    buf_reset(&log->extra);
    const char *reason = known_append_text(FIELD_event_type, buf_str(&type), &log->extra, &log->scratch);
    if (!reason)
        reason = known_append(&known, KNOWN_NODE_ID, FIELD_node_id, &log->extra, &log->scratch);
    if (!reason)
        reason = known_append(&known, KNOWN_NODE_NAME, FIELD_node_name, &log->extra, &log->scratch);
    if (!reason)
        reason = known_append(&known, KNOWN_NODE_TYPE, FIELD_node_type, &log->extra, &log->scratch);
    if (!reason && data.len > 2)
        reason = record_field_append(&log->extra, FIELD_data, buf_str(&data), &log->scratch);
    if (!reason)
        reason = known_append(&own, KNOWN_STACK_TRACE, FIELD_stack_trace, &log->extra, &log->scratch);
    if (!reason)
        reason = known_append(&known, KNOWN_PRODUCER, FIELD_producer, &log->extra, &log->scratch);
    if (!reason && log->extra.len > RECORD_EXTRA_MAX)
        reason = "its attributes are larger than 64 KiB";
    return reason;
}

int otlp_log_hand_over(struct otlp_log *log, const struct arrival_reader *reader)
{
    int err = arrivals_spend(&log->spent, log->resource.json.len + log->scope.len + log->own.json.len + log->body.len);
    if (err)
        return err;
    const char *reason = fill_extra(log);
    if (reason) {
        reader->refused(reader->arg, reason);
        return 0;
    }
    const struct known_event known = known_of(log);
    uint64_t ns = log->time_ns ? log->time_ns : log->observed_ns;
    struct str extra = buf_str(&log->extra), type;
    bool event = record_extra_get(extra, STR("event_type"), &type);
    struct arrival arrival = {
        .record = {.time_ms = ns ? (int64_t)(ns / 1000000) : clock_real_ms(),
                   .stream = event ? STREAM_EVENT : STREAM_STDOUT,
                   .level = level_of(log->severity),
                   .message = buf_str(&log->body),
                   .extra = extra},
        .execution_id = known_get(&known, KNOWN_EXECUTION),
    };
    if (arrival.execution_id.len == 0)
        arrival.execution_id = str_of(log->trace_id);
    reader->each(reader->arg, &arrival);
    return 0;
}
