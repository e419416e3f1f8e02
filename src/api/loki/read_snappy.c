// logproto.PushRequest, in one block of snappy.
#include "api/loki/labels.h"
#include "api/loki/push.h"
#include "util/protobuf.h"

#include <snappy-c.h>

static int read_labels(struct loki_push *push, struct str text)
{
    struct str name, value;
    int got;
    loki_pairs_reset(&push->labels);
    text = str_trim(text);
    if (text.len == 0 || text.data[0] != '{')
        return ERR_MALFORMED;
    text = str_n(text.data + 1, text.len - 1);
    while ((got = loki_label_next(&text, &name, &value, &push->scratch)) > 0)
        loki_pairs_add(&push->labels, name, value);
    return got;
}

static int read_time(struct str message, uint64_t *ret_ns)
{
    struct protobuf_field field;
    int64_t seconds = 0, nanos = 0;
    int got;
    while ((got = protobuf_next(&message, &field)) > 0) {
        if (protobuf_is(&field, 1, PROTOBUF_VARINT))
            seconds = (int64_t)field.value;
        else if (protobuf_is(&field, 2, PROTOBUF_VARINT))
            nanos = (int64_t)field.value;
    }
    bool sane = seconds >= 0 && seconds < INT64_C(1) << 34 && nanos >= 0 && nanos < 1000000000;
    *ret_ns = sane ? (uint64_t)seconds * 1000000000 + (uint64_t)nanos : 0;
    return got < 0 || sane ? got : ERR_MALFORMED;
}

static int read_metadata(struct loki_push *push, struct str message)
{
    struct protobuf_field field;
    struct str name = {0}, value = {0};
    int got;
    while ((got = protobuf_next(&message, &field)) > 0) {
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            name = field.bytes;
        else if (protobuf_is(&field, 2, PROTOBUF_BYTES))
            value = field.bytes;
    }
    if (got == 0)
        loki_pairs_add(&push->metadata, name, value);
    return got;
}

static int read_entry(struct loki_push *push, const struct loki_entry *entry)
{
    struct str message = str_n(entry->value, entry->value_len), line = {0};
    struct protobuf_field field;
    int got = 0;
    if (push->stream != entry->stream)
        got = read_labels(push, str_n(entry->stream, entry->stream_len));
    push->stream = entry->stream;
    loki_pairs_reset(&push->metadata);
    while (got >= 0 && (got = protobuf_next(&message, &field)) > 0) {
        if (protobuf_is(&field, 2, PROTOBUF_BYTES))
            line = field.bytes;
        else if (protobuf_is(&field, 3, PROTOBUF_BYTES))
            got = read_metadata(push, field.bytes);
    }
    return got < 0 ? got : loki_push_line(push, (int64_t)(entry->ns / 1000000), line);
}

static int add_entry(struct loki_push *push, struct str labels, struct str message)
{
    struct loki_entry entry = {
        .stream = labels.data, .stream_len = labels.len, .value = message.data, .value_len = message.len};
    struct protobuf_field field;
    int got;
    while ((got = protobuf_next(&message, &field)) > 0) {
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            got = read_time(field.bytes, &entry.ns);
        if (got < 0)
            return got;
    }
    return got < 0 ? got : loki_push_add(push, &entry);
}

// The labels come first; they may stand behind.
static int add_stream(struct loki_push *push, struct str message)
{
    struct protobuf_field field;
    struct str rest = message, labels = {0};
    int got;
    while ((got = protobuf_next(&rest, &field)) > 0)
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            labels = field.bytes;
    while (got >= 0 && (got = protobuf_next(&message, &field)) > 0)
        if (protobuf_is(&field, 2, PROTOBUF_BYTES))
            got = add_entry(push, labels, field.bytes);
    return got;
}

static int read_push(struct loki_push *push, struct str body)
{
    struct protobuf_field field;
    int got = 0;
    while (got >= 0 && (got = protobuf_next(&body, &field)) > 0)
        if (protobuf_is(&field, 1, PROTOBUF_BYTES))
            got = add_stream(push, field.bytes);
    loki_push_sort(push);
    for (size_t i = 0; i < push->count && got == 0; i++)
        got = read_entry(push, &push->entries[i]);
    return got;
}

int loki_read_snappy(struct str body, const struct arrival_reader *reader, const char **ret_reason)
{
    size_t len;
    CLEANUP(loki_push_release) struct loki_push push = {.reader = reader};
    *ret_reason = "the body is no push of Loki: Protocol Buffers in a block of snappy";
    if (snappy_uncompressed_length(body.data, body.len, &len) != SNAPPY_OK)
        return ERR_MALFORMED;
    if (len > LOKI_BODY_MAX) {
        *ret_reason = "the body is larger than 20 MiB, decoded";
        return ERR_TOO_LARGE;
    }
    CLEANUP(free_ptr) char *plain = xmalloc(len + 1);
    if (snappy_uncompress(body.data, body.len, plain, &len) != SNAPPY_OK)
        return ERR_MALFORMED;
    int err = read_push(&push, str_n(plain, len));
    if (err == ERR_TOO_LARGE)
        *ret_reason = ARRIVALS_TOO_LARGE;
    return err;
}
