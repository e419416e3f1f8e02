// Writes records as JSON. This happens once for every record and output format, so constant parts are formatted once.
#include "model/record.h"

#define SECOND_MS       1000
#define TIME_SECOND_LEN 20  // "2025-11-15T10:30:15."
#define FIXED_MAX       192 // everything between head and message, and after the message, except extra

_Static_assert(sizeof(((struct record_encoder *)0)->head) >= 255 + 45, "the longest execution id fits");

void record_encoder_init(struct record_encoder *encoder, struct str execution_id, bool type_log)
{
    static const char open[] = "{", open_log[] = "{\"type\":\"log\",";
    static const char id_key[] = "\"execution_id\":\"", number_key[] = "\",\"sequence_number\":";
    char *out = encoder->head;
    out = type_log ? mempcpy(out, open_log, sizeof(open_log) - 1) : mempcpy(out, open, sizeof(open) - 1);
    out = mempcpy(out, id_key, sizeof(id_key) - 1);
    out = mempcpy(out, execution_id.data, MIN(execution_id.len, (size_t)255));
    out = mempcpy(out, number_key, sizeof(number_key) - 1);
    encoder->head_len = (size_t)(out - encoder->head);
    encoder->second = INT64_MIN;
}

static char *put_number(char *out, uint64_t value)
{
    char digits[20]; // UINT64_MAX has 20 digits
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return mempcpy(out, at, (size_t)(digits + sizeof(digits) - at));
}

static char *put_time(struct record_encoder *encoder, char *out, int64_t time_ms)
{
    // Rounded down, also for times before 1970.
    unsigned ms = (unsigned)((time_ms % SECOND_MS + SECOND_MS) % SECOND_MS);
    int64_t second = time_ms / SECOND_MS - (time_ms % SECOND_MS < 0);
    if (UNLIKELY(second != encoder->second)) {
        time_format_rfc3339(time_ms, encoder->time);
        encoder->second = second;
    }
    out = mempcpy(out, encoder->time, TIME_SECOND_LEN);
    out[0] = (char)('0' + ms / 100);
    out[1] = (char)('0' + ms / 10 % 10);
    out[2] = (char)('0' + ms % 10);
    out[3] = 'Z';
    return out + 4;
}

static inline char *put_text(char *out, const char *text)
{
    return mempcpy(out, text, strlen(text));
}

void record_encoder_append(struct record_encoder *encoder, struct buf *out, const struct record *record,
                           uint64_t sequence_number)
{
    static const char *const stream_keys[STREAM_COUNT] = {
        [STREAM_STDOUT] = "\",\"stream\":\"stdout\",\"message\":",
        [STREAM_STDERR] = "\",\"stream\":\"stderr\",\"message\":",
        [STREAM_EVENT] = "\",\"stream\":\"event\",\"message\":",
    };
    buf_reserve(out, encoder->head_len + record->message.len + record->extra.len + FIXED_MAX);
    char *at = mempcpy(out->data + out->len, encoder->head, encoder->head_len);
    at = put_number(at, sequence_number);
    at = put_text(at, ",\"index\":");
    at = put_number(at, sequence_number + 1);
    at = put_text(at, ",\"timestamp\":\"");
    at = put_time(encoder, at, record->time_ms);
    at = put_text(at, stream_keys[record->stream]);
    out->len = (size_t)(at - out->data);
    buf_append_json_string(out, record->message);
    if (LIKELY(!record->partial && !record->continues && record->level == LEVEL_UNSET && record->extra.len == 0)) {
        buf_append_byte(out, '}');
        return;
    }
    if (record->partial)
        buf_append_text(out, ",\"partial\":true");
    if (record->continues)
        buf_append_text(out, ",\"continues\":true");
    enum record_level level = record_level_of(record);
    if (level != LEVEL_UNSET) {
        buf_append_text(out, ",\"level\":\"");
        buf_append_text(out, record_level_name(level));
        buf_append_byte(out, '"');
    }
    if (record->extra.len > 0) {
        buf_append_byte(out, ',');
        buf_append_str(out, record->extra);
    }
    buf_append_byte(out, '}');
}

void record_append_json(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number,
                        bool type_log)
{
    struct record_encoder encoder;
    record_encoder_init(&encoder, execution_id, type_log);
    record_encoder_append(&encoder, out, record, sequence_number);
}
