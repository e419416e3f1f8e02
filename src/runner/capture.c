#include "runner/capture.h"

// Where the records of one call go, and what they have in common.
struct sink {
    struct record record; // everything but the message and `partial`
    capture_emit *emit;
    void *arg;
};

void capture_init(struct capture *capture, enum record_stream stream, size_t message_max)
{
    *capture = (struct capture){.stream = stream, .message_max = MAX(message_max, (size_t)4)};
}

void capture_release(struct capture *capture)
{
    buf_release(&capture->rest);
}

static inline void put(struct sink *sink, const char *data, size_t len, bool partial)
{
    sink->record.message = str_n(data, len);
    sink->record.partial = partial;
    sink->emit(sink->arg, &sink->record);
}

// Emits fragments while more than `keep` bytes are there. Returns how many bytes were emitted. `keep` is message_max if
// the line is complete, and includes the look-ahead if the line may go on.
static size_t put_fragments(struct sink *sink, const char *data, size_t len, size_t message_max, size_t keep)
{
    size_t at = 0;
    while (len - at > keep) {
        size_t cut = utf8_prefix(data + at, len - at, message_max);
        put(sink, data + at, cut, true);
        at += cut;
    }
    return at;
}

static void put_line(struct sink *sink, const char *data, size_t len, size_t message_max, bool partial)
{
    size_t at = put_fragments(sink, data, len, message_max, message_max);
    put(sink, data + at, len - at, partial);
}

// The line's newline has come. Returns the length of the line.
static inline size_t line_len(const struct capture *capture, const char *data, size_t len)
{
    return capture->onlcr && len > 0 && data[len - 1] == '\r' ? len - 1 : len;
}

// Continues the unfinished line. Returns how many bytes were used. The line is unfinished afterwards only if all were
// used.
static size_t feed_rest(struct capture *capture, struct sink *sink, const char *data, size_t len)
{
    struct buf *rest = &capture->rest;
    size_t keep = capture->message_max + CAPTURE_LOOKAHEAD;
    size_t used = 0;
    while (used < len) {
        size_t step = MIN(len - used, keep + 1 - rest->len);
        const char *newline = memchr(data + used, '\n', step);
        if (newline)
            step = (size_t)(newline - (data + used));
        buf_append(rest, data + used, step);
        used += step;
        if (newline) {
            put_line(sink, rest->data, line_len(capture, rest->data, rest->len), capture->message_max, false);
            buf_reset(rest);
            return used + 1;
        }
        size_t gone = put_fragments(sink, rest->data, rest->len, capture->message_max, keep);
        if (gone > 0)
            buf_consume(rest, gone);
    }
    return used;
}

static struct sink sink_for(const struct capture *capture, int64_t now_ms, capture_emit *emit, void *arg)
{
    return (struct sink){.record = {.time_ms = now_ms, .stream = capture->stream}, .emit = emit, .arg = arg};
}

void capture_feed(struct capture *capture, const void *data, size_t len, int64_t now_ms, capture_emit *emit, void *arg)
{
    struct sink sink = sink_for(capture, now_ms, emit, arg);
    const char *at = data;
    const char *end = at + len;
    capture->time_ms = now_ms;
    if (capture_waits(capture))
        at += feed_rest(capture, &sink, at, len);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            break;
        size_t line = line_len(capture, at, (size_t)(newline - at));
        if (LIKELY(line <= capture->message_max))
            put(&sink, at, line, false);
        else
            put_line(&sink, at, line, capture->message_max, false);
        at = newline + 1;
    }
    if (at == end)
        return;
    at += put_fragments(&sink, at, (size_t)(end - at), capture->message_max, capture->message_max + CAPTURE_LOOKAHEAD);
    buf_append(&capture->rest, at, (size_t)(end - at));
    capture->begun++;
}

void capture_flush(struct capture *capture, capture_emit *emit, void *arg)
{
    struct sink sink = sink_for(capture, capture->time_ms, emit, arg);
    struct buf *rest = &capture->rest;
    if (!capture_waits(capture))
        return;
    size_t whole = line_len(capture, rest->data, utf8_whole(rest->data, rest->len));
    if (whole == 0)
        whole = rest->len;
    put_line(&sink, rest->data, whole, capture->message_max, true);
    buf_consume(rest, whole);
}

void capture_end(struct capture *capture, int64_t now_ms, capture_emit *emit, void *arg)
{
    struct sink sink = sink_for(capture, now_ms, emit, arg);
    if (!capture_waits(capture))
        return;
    put_line(&sink, capture->rest.data, capture->rest.len, capture->message_max, true);
    buf_reset(&capture->rest);
}
