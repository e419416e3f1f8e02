// Bytes to a chunk, as from a runner's socket. What decodes must survive every way of making chunks of it.
#include "model/chunk_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_same(const struct chunk *a, uint32_t a_from, const struct chunk *b, uint32_t b_from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct record left, right;
        chunk_record(a, a_from + i, &left);
        chunk_record(b, b_from + i, &right);
        check(left.time_ms == right.time_ms && left.stream == right.stream && left.level == right.level &&
              left.partial == right.partial && left.continues == right.continues &&
              str_eq(left.message, right.message) && str_eq(left.extra, right.extra));
    }
}

static void check_counters(const struct chunk *chunk)
{
    uint32_t counters[COUNTER_COUNT] = {0};
    size_t bytes = 0;
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        counters_add(counters, kind_of(&record), i, 1);
        bytes += record.message.len;
        check(record.time_ms >= chunk_time_min(chunk) && record.time_ms <= chunk_time_max(chunk));
        check(chunk_text_offset(chunk, i + 1) - chunk_text_offset(chunk, i) == record.message.len + 1);
    }
    check(memcmp(counters, chunk->header.counters, sizeof(counters)) == 0);
    check(bytes == chunk_message_bytes(chunk));
}

static void check_decodes(const struct chunk *chunk)
{
    struct chunk *again = NULL;
    struct str encoded = chunk_encoded(chunk);
    check(chunk_decode_stored(encoded.data, encoded.len, &again) == 0);
    check(chunk_count(again) == chunk_count(chunk) && chunk_digest(again, 1) == chunk_digest(chunk, 1));
    chunk_unref(&again);
}

static void check_derived(const struct chunk *chunk, uint32_t cut)
{
    uint32_t count = chunk_count(chunk);
    struct chunk *parts[2] = {chunk_slice(chunk, 0, cut, 0), chunk_slice(chunk, cut, count - cut, 1)};
    struct chunk *merged = NULL;
    check(parts[0] && parts[1]);
    check_same(chunk, 0, parts[0], 0, cut);
    check_same(chunk, cut, parts[1], 0, count - cut);
    check_decodes(parts[0]);
    check_decodes(parts[1]);
    if (chunk_merge(parts, 2, 1, &merged) == 0) {
        check_same(chunk, 0, merged, 0, count);
        check_decodes(merged);
        chunk_unref(&merged);
    }
    chunk_unref(&parts[0]);
    chunk_unref(&parts[1]);
}

// The fields as the columns say them, against what the extras say.
static void check_fields(const struct chunk *chunk)
{
    const struct chunk_names *names = chunk_extra_count(chunk) > 0 ? chunk_fields_names(chunk) : NULL;
    for (uint32_t i = 0; names && i < chunk_count(chunk); i++) {
        struct record record;
        struct str json;
        chunk_record(chunk, i, &record);
        struct chunk_record_fields fields = chunk_record_fields(chunk, i);
        bool has = record_extra_get(record.extra, STR("event_type"), &json);
        check(has == (fields.event_type != FIELD_NONE));
        if (fields.event_type >= 0)
            check(json.len == names->event_types.names[fields.event_type].name.len + 2);
    }
}

static void check_picks(const struct chunk *front, const struct chunk *chunk)
{
    struct chunk_kinds kinds;
    struct record picked, record;
    uint32_t place = 0;
    if (!chunk_picks_all(front, &kinds))
        return;
    for (uint32_t from = 0; chunk_pick_next(front, from, &place, &picked); from = place + 1) {
        chunk_record(chunk, place, &record);
        check(str_eq(picked.message, record.message) && str_eq(picked.extra, record.extra));
    }
}

static void check_refined(const struct chunk *chunk)
{
    struct chunk *refined = chunk_refine(chunk), *closed = NULL;
    struct str encoded = chunk_encoded(refined);
    check_decodes(refined);
    check_fields(chunk);
    check_fields(refined);
    struct chunk *front = NULL;
    if (chunk_decode_front(encoded.data, encoded.len, encoded.len, &front))
        check(chunk_count(front) == chunk_count(chunk) && str_eq(chunk_tokens(front), chunk_tokens(refined)));
    check((front != NULL) == (refined != chunk));
    if (front)
        check_picks(front, chunk);
    chunk_unref(&front);
    check(chunk_decode_closed(encoded.data, encoded.len, &closed) == 0);
    check(chunk_open(&closed) == 0 && chunk_digest(closed, 1) == chunk_digest(chunk, 1));
    check_fields(closed);
    chunk_unref(&closed);
    chunk_unref(&refined);
}

static void check_packed(const struct chunk *chunk)
{
    struct chunk *packed = chunk_repack(chunk, 3);
    check_same(chunk, 0, packed, 0, chunk_count(chunk));
    check_decodes(packed);
    chunk_unref(&packed);
}

// As if this program had stored it: whatever it says, every question has an answer.
static void check_stored(const uint8_t *data, size_t size)
{
    struct chunk *chunk = NULL;
    struct chunk_names names;
    if (chunk_decode_front(data, size / 2, size, &chunk)) {
        struct chunk_kinds kinds;
        chunk_names(chunk, &names);
        chunk_picks_all(chunk, &kinds);
    }
    chunk_unref(&chunk);
    if (chunk_decode_stored(data, size, &chunk) < 0)
        return;
    chunk_names(chunk, &names);
    for (uint32_t i = 0; chunk_extra_count(chunk) > 0 && i < chunk_count(chunk); i++)
        chunk_record_fields(chunk, i);
    chunk_unref(&chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chunk *chunk = NULL;
    uint8_t *bytes = xmalloc(size + 1);
    if (size > 0)
        memcpy(bytes, data, size);
    if (size >= CHUNK_FIXED_LEN)
        chunk_seal(bytes, size); // the fuzzer cannot guess it
    check_stored(bytes, size);
    if (chunk_decode(bytes, size, RECORD_MESSAGE_MAX, &chunk) == 0) {
        check_counters(chunk);
        check_decodes(chunk);
        check_refined(chunk);
        check_packed(chunk);
        if (chunk_count(chunk) > 1)
            check_derived(chunk, 1 + (uint32_t)(size % (chunk_count(chunk) - 1)));
    }
    chunk_unref(&chunk);
    free(bytes);
    return 0;
}
