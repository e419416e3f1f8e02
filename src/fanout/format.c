#include "fanout/format.h"

#include "model/log_entry.h"
#include "model/trace_event.h"
#include "sse/sse.h"
#include "ws/ws_parser.h"

#define FRAME_HEADER_USUAL 4 // length for frames of 126 to 65,535 bytes, which are the most frequent

// --- How a record is encoded

// The length of the header is known only when the text is written. If the guess was wrong, the text is moved.
static void encode_frame(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    struct buf *out = &encoder->out;
    uint8_t header[10] = {0};
    size_t at = out->len;

    buf_append(out, header, FRAME_HEADER_USUAL);
    record_encoder_append(&encoder->json, out, record, sequence);
    size_t len = out->len - at - FRAME_HEADER_USUAL, header_len = ws_frame_header(WS_TEXT, len, header);
    if (header_len != FRAME_HEADER_USUAL) {
        buf_reserve(out, sizeof(header));
        memmove(out->data + at + header_len, out->data + at + FRAME_HEADER_USUAL, len);
        out->len = at + header_len + len;
    }
    memcpy(out->data + at, header, header_len);
}

static void encode_event(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    buf_reset(&encoder->scratch);
    record_encoder_append(&encoder->json, &encoder->scratch, record, sequence);
    sse_append_event(&encoder->out, (int64_t)sequence, "log", buf_str(&encoder->scratch));
}

static void encode_entry(struct format_encoder *encoder, const struct record *record, uint64_t sequence, bool live)
{
    buf_reset(&encoder->scratch);
    log_entry_append_event(&encoder->scratch, record, encoder->execution_id, sequence, live);
    sse_append_event(&encoder->out, (int64_t)sequence, NULL, buf_str(&encoder->scratch));
}

static void encode_entry_past(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    encode_entry(encoder, record, sequence, false);
}

static void encode_entry_live(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    encode_entry(encoder, record, sequence, true);
}

// An envelope with one event or one line. The cursor is the id of what is in it.
static void encode_run(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    bool trace = trace_event_is(record);
    struct buf *out = &encoder->scratch;
    buf_reset(out);
    buf_append_text(out, "{\"runId\":\"");
    buf_append_str(out, encoder->execution_id);
    buf_append_text(out, trace ? "\",\"events\":[" : "\",\"logs\":[");
    (trace ? trace_event_append : trace_line_append)(out, record, encoder->execution_id, sequence);
    buf_printf(out, "],\"cursor\":\"%llu\"}", (unsigned long long)sequence);
    sse_append_event(&encoder->out, (int64_t)sequence, trace ? "trace" : "logs", buf_str(out));
}

static void encode_line(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    record_encoder_append(&encoder->json, &encoder->out, record, sequence);
    buf_append_byte(&encoder->out, '\n');
}

static void encode_csv(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    record_append_csv(&encoder->out, record, encoder->execution_id, sequence);
}

static void encode_csv_fields(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    record_append_csv_fields(&encoder->out, record, encoder->execution_id, sequence);
}

static void encode_raw(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    (void)sequence;
    if (record->stream == STREAM_EVENT)
        return;
    buf_append_str(&encoder->out, record->message);
    if (!record->partial)
        buf_append_byte(&encoder->out, '\n');
}

static void encode_text(struct format_encoder *encoder, const struct record *record, uint64_t sequence)
{
    if (record->stream == STREAM_EVENT || utf8_valid(record->message.data, record->message.len)) {
        encode_raw(encoder, record, sequence);
        return;
    }
    buf_append_utf8(&encoder->out, record->message);
    if (!record->partial)
        buf_append_byte(&encoder->out, '\n');
}

// --- What is told between records

static void tell_line(struct buf *out, struct str json, uint64_t next_sequence)
{
    (void)next_sequence;
    buf_append_str(out, json);
    buf_append_byte(out, '\n');
}

static void tell_frame(struct buf *out, struct str json, uint64_t next_sequence)
{
    buf_append_le64(out, next_sequence);
    buf_append_le32(out, CHUNK_FRAME_MESSAGE);
    buf_append_le32(out, (uint32_t)json.len);
    buf_append_str(out, json);
}

static void empty_line(struct buf *out)
{
    buf_append_byte(out, '\n');
}

// --- The table

static const struct format formats[FORMAT_COUNT + 1] = {
    [FORMAT_WEBSOCKET] = {.can = FORMAT_CAN_FILTER | FORMAT_TYPED | FORMAT_GAPS | FORMAT_STATES | FORMAT_COMPLETE |
                                 FORMAT_POSITIONS,
                          .encode = encode_frame},
    [FORMAT_SSE] = {.content_type = "text/event-stream",
                    .can = FORMAT_CAN_FILTER | FORMAT_GAPS | FORMAT_COMPLETE | FORMAT_POSITIONS,
                    .encode = encode_event,
                    .keep_alive = sse_append_comment},
    [FORMAT_NDJSON] = {.name = "ndjson",
                       .media_type = "application/x-ndjson",
                       .content_type = "application/x-ndjson",
                       .can = FORMAT_CAN_FILTER | FORMAT_GAPS | FORMAT_STATES | FORMAT_COMPLETE | FORMAT_COMPRESSIBLE,
                       .encode = encode_line,
                       .tell = tell_line,
                       .keep_alive = empty_line},
    [FORMAT_CSV] = {.name = "csv",
                    .media_type = "text/csv",
                    .content_type = "text/csv; charset=utf-8; header=present",
                    .head = record_csv_header,
                    .can = FORMAT_CAN_FILTER | FORMAT_COMPRESSIBLE,
                    .encode = encode_csv},
    [FORMAT_CSV_FIELDS] = {.name = "csv-fields",
                           .content_type = "text/csv; charset=utf-8; header=present",
                           .head = record_csv_fields_header,
                           .can = FORMAT_CAN_FILTER | FORMAT_COMPRESSIBLE,
                           .encode = encode_csv_fields},
    [FORMAT_TEXT] = {.name = "text",
                     .media_type = "text/plain",
                     .content_type = "text/plain; charset=utf-8",
                     .can = FORMAT_CAN_FILTER | FORMAT_OUTPUT_ONLY | FORMAT_UTF8 | FORMAT_COMPRESSIBLE,
                     .encode = encode_text},
    [FORMAT_RAW] = {.name = "raw",
                    .media_type = "application/octet-stream",
                    .content_type = "application/octet-stream",
                    .can = FORMAT_CAN_FILTER | FORMAT_OUTPUT_ONLY | FORMAT_COMPRESSIBLE,
                    .encode = encode_raw},
    [FORMAT_LOG_API] = {.content_type = "text/event-stream",
                        .can = FORMAT_CAN_FILTER | FORMAT_GAPS | FORMAT_COMPLETE | FORMAT_POSITIONS,
                        .encode = encode_entry_past,
                        .live = FORMAT_LOG_API_LIVE,
                        .keep_alive = sse_append_comment},
    [FORMAT_LOG_API_LIVE] = {.content_type = "text/event-stream",
                             .can = FORMAT_CAN_FILTER | FORMAT_GAPS | FORMAT_COMPLETE | FORMAT_POSITIONS,
                             .encode = encode_entry_live,
                             .keep_alive = sse_append_comment},
    [FORMAT_RUN] = {.content_type = "text/event-stream",
                    .can = FORMAT_CAN_FILTER | FORMAT_GAPS | FORMAT_STATES | FORMAT_COMPLETE | FORMAT_POSITIONS,
                    .encode = encode_run,
                    .keep_alive = sse_append_comment},
    // Chunks are compressed already.
    [FORMAT_CHUNK] = {.name = "chunk",
                      .media_type = "application/vnd.runnel.chunks",
                      .content_type = "application/vnd.runnel.chunks",
                      .can = FORMAT_GAPS | FORMAT_COMPLETE,
                      .tell = tell_frame},
};

const struct format *format_of(enum follow_format format)
{
    return &formats[format];
}

bool format_by_name(struct str name, enum follow_format *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (!formats[i].name || !str_eq_nocase(name, str_of(formats[i].name)))
            continue;
        *ret = (enum follow_format)i;
        return true;
    }
    return false;
}

bool format_by_media_type(struct str media_type, enum follow_format *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (!formats[i].media_type || !str_eq_nocase(media_type, str_of(formats[i].media_type)))
            continue;
        *ret = (enum follow_format)i;
        return true;
    }
    return false;
}
