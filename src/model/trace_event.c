#include "model/trace_event.h"

#include "model/record_fields.h"
#include "model/run.h"

static const char *level_text(enum record_level level)
{
    static const char *const texts[LEVEL_COUNT] = {
        [LEVEL_UNSET] = "info",   [LEVEL_DEBUG] = "debug", [LEVEL_INFO] = "info",
        [LEVEL_WARNING] = "warn", [LEVEL_ERROR] = "error", [LEVEL_CRITICAL] = "error",
    };
    return texts[level];
}

// The trace type of a record with these fields; NULL: it is no trace event.
static const char *type_of(const struct str fields[FIELD_COUNT])
{
    struct str json = fields[FIELD_event_type];
    return json.len > 2 ? run_trace_type(str_n(json.data + 1, json.len - 2)) : NULL;
}

static void append_member(struct buf *out, const char *name, struct str json)
{
    if (json.len > 0)
        record_extra_append_json(out, name, json);
}

// What both shapes begin with.
static void append_head(struct buf *out, const struct str fields[FIELD_COUNT], struct str run_id,
                        uint64_t sequence_number)
{
    struct str node = fields[FIELD_node_id].len ? fields[FIELD_node_id] : fields[FIELD_node_name];
    if (node.len == 0)
        node = STR("null");
    buf_append_text(out, "{\"id\":\"");
    buf_append_u64(out, sequence_number);
    buf_append_text(out, "\",\"runId\":\"");
    buf_append_str(out, run_id);
    buf_append_byte(out, '"');
    append_member(out, "nodeId", node);
    append_member(out, "nodeRef", node);
}

static void append_level_and_time(struct buf *out, const struct record *record)
{
    char time[TIME_RFC3339_LEN];
    time_format_rfc3339(record->time_ms, time);
    record_extra_append_string(out, "level", str_of(level_text(record_level_of(record))));
    record_extra_append_string(out, "timestamp", str_n(time, sizeof(time)));
}

// The members of an object, without its braces; empty for what is no object.
static struct str inside(struct str json)
{
    return json.len > 2 && json.data[0] == '{' ? str_n(json.data + 1, json.len - 2) : str_n(json.data, 0);
}

static struct str detail(const struct str fields[FIELD_COUNT], struct str name)
{
    struct str json = {0};
    return record_extra_get(inside(fields[FIELD_technical_details]), name, &json) ? json : (struct str){0};
}

static void append_error(struct buf *out, const struct record *record, const struct str fields[FIELD_COUNT],
                         const char *type)
{
    struct str error = detail(fields, STR("error"));
    if (error.len > 0) {
        append_member(out, "error", error);
        return;
    }
    if (strcmp(type, "FAILED") != 0)
        return;
    buf_append_text(out, ",\"error\":{\"message\":");
    buf_append_json_string(out, record->message);
    append_member(out, "stack", fields[FIELD_stack_trace]);
    buf_append_byte(out, '}');
}

bool trace_event_is(const struct record *record)
{
    struct str json;
    return record_extra_get(record->extra, STR("event_type"), &json) && json.len > 2 &&
           run_trace_type(str_n(json.data + 1, json.len - 2));
}

void trace_event_append(struct buf *out, const struct record *record, struct str run_id, uint64_t sequence_number)
{
    struct str fields[FIELD_COUNT] = {0};
    record_fields_take(record->extra, fields);
    const char *type = type_of(fields);
    if (!type)
        type = "PROGRESS";
    append_head(out, fields, run_id, sequence_number);
    record_extra_append_string(out, "type", str_of(type));
    append_level_and_time(out, record);
    if (record->message.len > 0)
        record_extra_append_string(out, "message", record->message);
    append_error(out, record, fields, type);
    append_member(out, "outputSummary", detail(fields, STR("outputSummary")));
    append_member(out, "data", fields[FIELD_data]);
    append_member(out, "metadata", detail(fields, STR("metadata")));
    buf_append_byte(out, '}');
}

void trace_line_append(struct buf *out, const struct record *record, struct str run_id, uint64_t sequence_number)
{
    struct str fields[FIELD_COUNT] = {0};
    record_fields_take(record->extra, fields);
    append_head(out, fields, run_id, sequence_number);
    record_extra_append_string(out, "stream", str_of(record_stream_name(record->stream)));
    append_level_and_time(out, record);
    record_extra_append_string(out, "message", record->message);
    buf_append_byte(out, '}');
}
