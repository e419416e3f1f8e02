// Arbitrary payloads. The first byte says what they are within: nothing, base64, base64 of gzip. Each record that comes
// out is one that may be stored, and no more is unpacked than may be.
#include "http/compress.h"
#include "source/cloudwatch/cloudwatch.h"
#include "util/base64.h"

#define ROOM ((size_t)256 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void each(void *arg, const struct arrival *arrival)
{
    struct str extra = arrival->record.extra;
    if (extra.len > RECORD_EXTRA_MAX || !record_extra_valid(arg, extra) || arrival->record.level >= LEVEL_COUNT ||
        arrival->record.stream >= STREAM_COUNT || arrival->record.time_ms < 0)
        abort();
}

static void refused(void *arg, const char *reason)
{
    (void)arg;
    if (!reason)
        abort();
}

static void pack(struct str plain, struct buf *out)
{
    struct http_encoder *encoder = http_encoder_new(CODING_GZIP);
    http_encoder_write(encoder, plain.data, plain.len, out);
    http_encoder_finish(encoder, out);
    http_encoder_free(&encoder);
}

static void encode(struct str bytes, struct buf *out)
{
    buf_reserve(out, BASE64_LEN(bytes.len) + 1);
    out->len = base64_encode(bytes.data, bytes.len, out->data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct record_parser *parser;
    CLEANUP(buf_release) struct buf packed = {0}, text = {0};
    const char *reason = NULL;
    size_t room = ROOM;
    if (!parser)
        parser = record_parser_new(0);
    if (len == 0)
        return 0;
    struct str body = str_n((const char *)data + 1, len - 1);
    if (data[0] % 3 == 2) {
        pack(body, &packed);
        body = buf_str(&packed);
    }
    if (data[0] % 3 > 0) {
        encode(body, &text);
        body = buf_str(&text);
    }
    const struct arrival_reader reader = {each, refused, parser};
    struct cloudwatch *cloudwatch = cloudwatch_new();
    int err = cloudwatch_read(cloudwatch, body, &room, &reader, &reason);
    cloudwatch_free(&cloudwatch);
    if (room > ROOM || (err != 0 && ((err != ERR_MALFORMED && err != ERR_TOO_LARGE) || !reason)))
        abort();
    return 0;
}
