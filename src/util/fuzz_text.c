// The small parsers and the JSON encoder, on the same bytes, by what must hold for any.
#include "util/clock.h"
#include "util/id.h"
#include "util/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_times(struct str text)
{
    int64_t ms = (int64_t)text.len, again;
    char out[TIME_RFC3339_LEN];
    if (duration_parse(text, &ms))
        must(ms >= 0);
    const struct when_options options = {.now_ms = 1763202615123, .utc = ms % 2 == 0};
    bool is_moment = when_parse(text, &options, &again);
    if (!time_parse_rfc3339(text, &ms))
        return;
    must(is_moment);
    time_format_rfc3339(ms, out);
    must(time_parse_rfc3339(str_n(out, sizeof(out)), &again));
    // An offset may lead to the day before the year 0, or after 9999, which is clamped.
    must(again == ms || ms < -62167219200000 || ms > 253402300799999);
}

static void check_numbers(struct str text)
{
    CLEANUP(buf_release) struct buf out = {0};
    int64_t value, again;
    if (!str_to_i64(text, &value))
        return;
    buf_append_i64(&out, value);
    must(str_to_i64(buf_str(&out), &again) && again == value);
}

static void check_varints(const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf out = {0};
    const uint8_t *pos = data, *end = data + size;
    uint64_t value, again;
    while (varint_read(&pos, end, &value)) {
        buf_reset(&out);
        buf_append_varint(&out, value);
        const uint8_t *start = (const uint8_t *)out.data;
        must(varint_read(&start, start + out.len, &again) && again == value);
    }
    must(pos <= end);
}

static void check_prefixes(struct str text)
{
    bool whole = utf8_valid(text.data, text.len);
    for (size_t max = 0; max <= MIN(text.len, 64); max++) {
        size_t len = utf8_prefix(text.data, text.len, max);
        must(len <= max && max - len < 4);
        must(!whole || utf8_valid(text.data, len));
    }
}

static void check_json(struct str text)
{
    CLEANUP(buf_release) struct buf out = {0};
    buf_append_json_string(&out, text);
    must(out.len >= 2 && utf8_valid(out.data, out.len));
    must(out.data[0] == '"' && out.data[out.len - 1] == '"');
    size_t at = 1;
    for (; at < out.len - 1; at++) {
        must((unsigned char)out.data[at] >= 0x20 && out.data[at] != '"');
        if (out.data[at] == '\\')
            at += out.data[at + 1] == 'u' ? 5 : 1;
    }
    must(at == out.len - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    uint8_t bytes[8];
    char hex[2 * sizeof(bytes) + 1];
    check_times(text);
    check_numbers(text);
    check_varints(data, size);
    check_prefixes(text);
    check_json(text);
    if (hex_decode(text, bytes, sizeof(bytes))) {
        hex_encode(bytes, sizeof(bytes), hex);
        must(str_eq_nocase(text, str_of(hex)));
    }
    return 0;
}
