#include "model/log_entry.h"

#include "model/record_fields.h"

// The structured fields that an entry shows, in its order. `otherwise`: what it shows without the field; NULL: nothing.
static const struct {
    const char *name;
    enum record_field field;
    const char *otherwise;
} shown[] = {
    {"node_name", FIELD_node_name, "null"},
    {"event_type", FIELD_event_type, "\"log\""},
    {"data", FIELD_data, "{}"},
    {"node_id", FIELD_node_id, NULL},
    {"node_type", FIELD_node_type, NULL},
    {"step_number", FIELD_step_number, NULL},
    {"total_steps", FIELD_total_steps, NULL},
    {"progress_percentage", FIELD_progress_percentage, NULL},
    {"display_priority", FIELD_display_priority, NULL},
    {"is_milestone", FIELD_is_milestone, NULL},
};

void log_entry_append(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number,
                      bool live)
{
    struct str fields[FIELD_COUNT] = {0};
    char time[TIME_RFC3339_LEN];
    record_fields_take(record->extra, fields);
    time_format_rfc3339(record->time_ms, time);

    buf_append_text(out, "{\"id\":\"");
    buf_append_str(out, execution_id);
    buf_append_byte(out, ':');
    buf_append_u64(out, sequence_number);
    buf_append_text(out, "\",\"timestamp\":\"");
    buf_append(out, time, sizeof(time));
    buf_append_text(out, "\",\"message\":");
    if (fields[FIELD_user_friendly_message].len > 2)
        buf_append_str(out, fields[FIELD_user_friendly_message]);
    else
        buf_append_json_string(out, record->message);
    buf_append_text(out, ",\"level\":\"");
    buf_append_text(out, record_level_word(record_level_of(record)));
    buf_append_byte(out, '"');
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        struct str json = fields[shown[i].field];
        if (json.len == 0 && shown[i].otherwise)
            json = str_of(shown[i].otherwise);
        if (json.len > 0)
            record_extra_append_json(out, shown[i].name, json);
    }
    if (live)
        record_extra_append_json(out, "is_realtime", STR("true"));
    buf_append_byte(out, '}');
}

void log_entry_append_event(struct buf *out, const struct record *record, struct str execution_id,
                            uint64_t sequence_number, bool live)
{
    char time[TIME_RFC3339_LEN];
    time_format_rfc3339(record->time_ms, time);
    buf_append_text(out, "{\"event_type\":\"LOG\",\"session_id\":\"");
    buf_append_str(out, execution_id);
    buf_append_text(out, "\",\"is_final\":false,\"data\":");
    log_entry_append(out, record, execution_id, sequence_number, live);
    buf_append_text(out, ",\"timestamp\":\"");
    buf_append(out, time, sizeof(time));
    buf_append_text(out, "\"}");
}
