#include "runner/transcript.h"

#include "model/record_mask.h"
#include "runner/capture.h"

#define ZSTD_LEVEL 1
#define CHUNK_RAW  (256u * 1024) // one is finished when it has so much
#define CHUNK_RAW_LIMIT \
    (900u * 1024) // with the next message; a chunk has to fit into a frame whatever it compresses to

struct unfinished {  // text of a stream that waits for its newline
    uint64_t begun;  // capture's number of it
    uint64_t due_ms; // monotonic: when it is no longer waited for; 0: nothing waits
};

struct transcript {
    struct transcript_options options;
    struct capture captures[TRANSCRIPT_STREAMS];
    struct masker maskers[TRANSCRIPT_STREAMS]; // with options.mask
    struct unfinished unfinished[TRANSCRIPT_STREAMS];
    struct chunk_builder *builder;
    int failed; // everything is thrown away from then on
};

struct transcript *transcript_new(const struct transcript_options *options)
{
    struct transcript *transcript = xcalloc(1, sizeof(*transcript));
    transcript->options = *options;
    transcript->builder = chunk_builder_new();
    for (int stream = 0; stream < TRANSCRIPT_STREAMS; stream++)
        capture_init(&transcript->captures[stream], (enum record_stream)stream, options->message_max);
    for (int stream = 0; stream < TRANSCRIPT_STREAMS; stream++)
        masker_init(&transcript->maskers[stream], options->mask);
    return transcript;
}

void transcript_free(struct transcript **transcript_ptr)
{
    struct transcript *transcript = TAKE_PTR(*transcript_ptr);
    if (!transcript)
        return;
    for (int stream = 0; stream < TRANSCRIPT_STREAMS; stream++)
        capture_release(&transcript->captures[stream]);
    for (int stream = 0; stream < TRANSCRIPT_STREAMS; stream++)
        masker_release(&transcript->maskers[stream]);
    chunk_builder_free(&transcript->builder);
    free(transcript);
}

void transcript_flush(struct transcript *transcript)
{
    if (chunk_builder_count(transcript->builder) == 0)
        return;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(transcript->builder, ZSTD_LEVEL);
    if (transcript->failed == 0)
        transcript->failed = transcript->options.append(transcript->options.arg, chunk);
}

static void add_record(void *arg, const struct record *record)
{
    struct transcript *transcript = arg;
    size_t raw = chunk_builder_raw(transcript->builder);
    size_t more = record->message.len + record->extra.len;
    bool full = chunk_builder_count(transcript->builder) >= CHUNK_COUNT_MAX;
    if (full || raw >= CHUNK_RAW || raw + more > CHUNK_RAW_LIMIT)
        transcript_flush(transcript);
    // After a failure the builder is only emptied; a later record must not follow on ones that are missing.
    if (transcript->failed == 0 && chunk_builder_add(transcript->builder, record) < 0)
        transcript->failed = ERR_TOO_LARGE;
}

// A record of what the streams say.
static void captured(void *arg, const struct record *record)
{
    const struct transcript *transcript = arg;
    if (transcript->options.result && record->stream == STREAM_STDOUT)
        result_read(transcript->options.result, record->message, record->partial);
    add_record(arg, record);
}

struct feeding { // what a masker gives on
    struct transcript *transcript;
    struct capture *capture;
    int64_t time_ms;
};

static void feed_masked(void *arg, struct str bytes)
{
    const struct feeding *feeding = arg;
    capture_feed(feeding->capture, bytes.data, bytes.len, feeding->time_ms, captured, feeding->transcript);
}

void transcript_feed(struct transcript *transcript, const struct transcript_bytes *bytes)
{
    struct capture *capture = &transcript->captures[bytes->stream];
    capture->onlcr = bytes->onlcr;
    if (!transcript->options.mask) {
        capture_feed(capture, bytes->data, bytes->len, bytes->time_ms, captured, transcript);
        return;
    }
    struct feeding feeding = {transcript, capture, bytes->time_ms};
    masker_feed(&transcript->maskers[bytes->stream], str_n(bytes->data, bytes->len), feed_masked, &feeding);
}

static void add_parts(struct transcript *transcript, const struct record *record)
{
    struct record part = *record;
    struct str rest = record->message;
    size_t max = transcript->options.message_max;
    while (rest.len > max) {
        size_t len = utf8_prefix(rest.data, rest.len, max);
        part.message = str_n(rest.data, len > 0 ? len : max);
        part.partial = true;
        add_record(transcript, &part);
        rest = str_n(rest.data + part.message.len, rest.len - part.message.len);
    }
    part.message = rest;
    part.partial = record->partial;
    add_record(transcript, &part);
}

void transcript_add(struct transcript *transcript, const struct record *record)
{
    CLEANUP(record_masked_release) struct record_masked scratch = {0};
    struct record masked = *record;
    if (transcript->options.mask)
        record_mask(transcript->options.mask, record, &scratch, &masked);
    add_parts(transcript, &masked);
}

void transcript_end(struct transcript *transcript, enum record_stream stream, int64_t time_ms)
{
    struct feeding feeding = {transcript, &transcript->captures[stream], time_ms};
    if (transcript->options.mask)
        masker_end(&transcript->maskers[stream], feed_masked, &feeding);
    capture_end(&transcript->captures[stream], time_ms, captured, transcript);
}

static void settle(struct transcript *transcript, struct capture *capture, struct unfinished *unfinished,
                   uint64_t mono_ms)
{
    bool known = unfinished->due_ms > 0 && unfinished->begun == capture->begun;
    if (capture_waits(capture) && known && mono_ms >= unfinished->due_ms) {
        capture_flush(capture, captured, transcript);
        known = false;
    }
    if (!capture_waits(capture))
        *unfinished = (struct unfinished){0};
    else if (!known)
        *unfinished = (struct unfinished){.begun = capture->begun, .due_ms = mono_ms + TRANSCRIPT_PARTIAL_MS};
}

void transcript_settle(struct transcript *transcript, uint64_t mono_ms)
{
    for (int stream = 0; stream < TRANSCRIPT_STREAMS; stream++)
        settle(transcript, &transcript->captures[stream], &transcript->unfinished[stream], mono_ms);
}

uint64_t transcript_due_ms(const struct transcript *transcript)
{
    uint64_t first = 0;
    for (int stream = 0; stream < TRANSCRIPT_STREAMS; stream++) {
        uint64_t due = transcript->unfinished[stream].due_ms;
        if (due > 0 && (first == 0 || due < first))
            first = due;
    }
    return first;
}

void transcript_wait_anew(struct transcript *transcript, uint64_t mono_ms)
{
    for (int stream = 0; stream < TRANSCRIPT_STREAMS; stream++) {
        if (transcript->unfinished[stream].due_ms > 0)
            transcript->unfinished[stream].due_ms = mono_ms + TRANSCRIPT_PARTIAL_MS;
    }
}

int transcript_failed(const struct transcript *transcript)
{
    return transcript->failed;
}
