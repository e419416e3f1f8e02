// Records as rows (RFC 4180).
#include "model/record_fields.h"

#define COLUMNS "execution_id,sequence_number,index,timestamp,stream,level,message"

const char record_csv_header[] = COLUMNS "\r\n";

#define COLUMN(name, rule, least, most) "," #name
const char record_csv_fields_header[] = COLUMNS RECORD_EXTRA_FIELDS(COLUMN) "\r\n";
#undef COLUMN

static void append_csv_text(struct buf *out, struct str text)
{
    bool plain = true;
    for (size_t i = 0; i < text.len && plain; i++)
        plain = text.data[i] != '"' && text.data[i] != ',' && text.data[i] != '\r' && text.data[i] != '\n';
    if (plain) {
        buf_append_str(out, text);
        return;
    }
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"')
            buf_append_byte(out, '"');
        buf_append_byte(out, text.data[i]);
    }
    buf_append_byte(out, '"');
}

static void append_row(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number)
{
    char time[TIME_RFC3339_LEN];
    time_format_rfc3339(record->time_ms, time);
    buf_append_str(out, execution_id);
    buf_append_byte(out, ',');
    buf_append_u64(out, sequence_number);
    buf_append_byte(out, ',');
    buf_append_u64(out, sequence_number + 1);
    buf_append_byte(out, ',');
    buf_append(out, time, sizeof(time));
    buf_append_byte(out, ',');
    buf_append_text(out, record_stream_name(record->stream));
    buf_append_byte(out, ',');
    if (record_level_of(record) != LEVEL_UNSET)
        buf_append_text(out, record_level_name(record_level_of(record)));
    buf_append_byte(out, ',');
    append_csv_text(out, record->message);
}

void record_append_csv(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number)
{
    append_row(out, record, execution_id, sequence_number);
    buf_append_text(out, "\r\n");
}

static void append_field(struct buf *out, struct str extra, enum record_field field, struct str json)
{
    CLEANUP(buf_release) struct buf scratch = {0};
    struct str text = json;
    struct str name = str_n(record_fields[field].name, record_fields[field].name_len);
    if (json.len > 0 && json.data[0] == '"')
        record_extra_string(extra, name, &scratch, &text);
    append_csv_text(out, text);
}

void record_append_csv_fields(struct buf *out, const struct record *record, struct str execution_id,
                              uint64_t sequence_number)
{
    struct str fields[FIELD_COUNT] = {0};
    append_row(out, record, execution_id, sequence_number);
    record_fields_take(record->extra, fields);
    for (enum record_field field = FIELD_EXTRA_FIRST; field < FIELD_COUNT; field++) {
        buf_append_byte(out, ',');
        if (fields[field].len > 0)
            append_field(out, record->extra, field, fields[field]);
    }
    buf_append_text(out, "\r\n");
}
