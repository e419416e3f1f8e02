#include "model/chunk_private.h"
#include "model/testing.h"

#include <pthread.h>

#define MANY 400

struct log {
    struct random_record *records;
    uint32_t count;
};

static void log_release(struct log *log)
{
    free(log->records);
}

static struct log log_make(uint64_t *seed, unsigned may, uint32_t count)
{
    struct log log = {xcalloc(count, sizeof(*log.records)), count};
    for (uint32_t i = 0; i < count; i++)
        random_record_make(seed, may, &log.records[i]);
    return log;
}

static struct chunk *chunk_of(const struct log *log, uint32_t from, uint32_t count, int level)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = from; i < from + count; i++)
        assert_int_equal(chunk_builder_add(builder, &log->records[i].record), 0);
    size_t gathered = chunk_builder_raw(builder);
    struct chunk *chunk = chunk_builder_finish(builder, level);
    assert_in_range(chunk_raw(chunk), gathered - CHUNK_FIRST_TIME_MAX, gathered);
    assert_int_equal(chunk_builder_count(builder), 0);
    assert_int_equal(chunk_builder_raw(builder), 0);
    return chunk;
}

// Everything that can be asked of the chunk is what the records say.
static void assert_chunk_is(const struct chunk *chunk, const struct log *log, uint32_t from, uint32_t count)
{
    uint32_t streams[STREAM_COUNT] = {0}, levels[LEVEL_COUNT] = {0}, partial = 0, extra = 0;
    size_t bytes = 0;
    int64_t min = INT64_MAX, max = INT64_MIN;
    uint64_t digest = 7;
    assert_int_equal(chunk_count(chunk), count);
    for (uint32_t i = 0; i < count; i++) {
        const struct record *expected = &log->records[from + i].record;
        struct record record;
        chunk_record(chunk, i, &record);
        assert_record_same(&record, expected);
        streams[record.stream]++;
        levels[record.level]++;
        partial += record.partial;
        extra += record.extra.len > 0;
        bytes += record.message.len;
        min = MIN(min, record.time_ms);
        max = MAX(max, record.time_ms);
        digest = record_digest_next(digest, expected);
    }
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        assert_int_equal(chunk_stream_count(chunk, (enum record_stream)i), streams[i]);
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        assert_int_equal(chunk_level_count(chunk, (enum record_level)i), levels[i]);
    assert_int_equal(chunk_partial_count(chunk), partial);
    assert_int_equal(chunk_extra_count(chunk), extra);
    assert_int_equal(chunk_message_bytes(chunk), bytes);
    assert_int_equal(chunk_time_min(chunk), min);
    assert_int_equal(chunk_time_max(chunk), max);
    assert_int_equal(chunk_digest(chunk, 7), digest);
    assert_true(chunk_memory(chunk) >= chunk_encoded(chunk).len + count * 13u);
}

static struct chunk *decoded(const struct chunk *chunk)
{
    struct str encoded = chunk_encoded(chunk);
    struct chunk *stored = NULL, *outside = NULL;
    assert_int_equal(chunk_decode_stored(encoded.data, encoded.len, &stored), 0);
    assert_int_equal(chunk_decode(encoded.data, encoded.len, 300, &outside), 0);
    assert_str_same(chunk_encoded(stored), encoded);
    assert_int_equal(chunk_memory(stored), chunk_memory(chunk));
    chunk_unref(&stored);
    return outside;
}

static void decoding_gives_the_same_records_back(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 300; round++) {
        uint32_t count = 1 + (uint32_t)(test_random(&seed) % (round % 3 ? 20 : MANY));
        CLEANUP(log_release) struct log log = log_make(&seed, round % (RANDOM_ALL + 1), count);
        CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(&log, 0, count, (int)(round % 3));
        assert_chunk_is(chunk, &log, 0, count);
        CLEANUP(chunk_unref) struct chunk *again = decoded(chunk);
        assert_chunk_is(again, &log, 0, count);
    }
}

static void times_may_jump_from_one_end_of_the_range_to_the_other(void **state)
{
    (void)state;
    const int64_t times[] = {0, INT64_MAX, INT64_MIN, -1, INT64_MIN, INT64_MAX, 1};
    struct log log = {xcalloc(ARRAY_LEN(times), sizeof(*log.records)), ARRAY_LEN(times)};
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        log.records[i].record.time_ms = times[i];
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(&log, 0, log.count, 0);
    CLEANUP(chunk_unref) struct chunk *again = decoded(chunk);
    assert_chunk_is(again, &log, 0, log.count);
    log_release(&log);
}

static void a_slice_is_the_records_of_its_range(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (unsigned round = 0; round < 100; round++) {
        CLEANUP(log_release) struct log log = log_make(&seed, round % (RANDOM_ALL + 1), 60);
        CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(&log, 0, 60, 1);
        uint32_t from = (uint32_t)(test_random(&seed) % 60), count = 1 + (uint32_t)(test_random(&seed) % (60 - from));
        CLEANUP(chunk_unref) struct chunk *slice = chunk_slice(chunk, from, count, (int)(round & 1));
        CLEANUP(chunk_unref) struct chunk *again = decoded(slice);
        assert_chunk_is(again, &log, from, count);
    }
}

static void a_slice_of_all_is_the_same_chunk_and_none_is_null(void **state)
{
    (void)state;
    uint64_t seed = 3;
    CLEANUP(log_release) struct log log = log_make(&seed, RANDOM_ALL, 9);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(&log, 0, 9, 1);
    CLEANUP(chunk_unref) struct chunk *all = chunk_slice(chunk, 0, 9, 0);
    assert_ptr_equal(all, chunk);
    assert_null(chunk_slice(chunk, 3, 0, 0));
    assert_null(chunk_slice(chunk, 9, 1, 0));
    assert_null(chunk_slice(chunk, 8, 2, 0));
    assert_null(chunk_slice(chunk, 1, UINT32_MAX, 0));
}

static void a_merge_is_the_concatenation(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (unsigned round = 0; round < 50; round++) {
        CLEANUP(log_release) struct log log = log_make(&seed, round % (RANDOM_ALL + 1), 90);
        struct chunk *parts[] = {chunk_of(&log, 0, 1, 1), chunk_of(&log, 1, 49, 0), chunk_of(&log, 50, 40, 1)};
        CLEANUP(chunk_unref) struct chunk *merged = NULL;
        assert_int_equal(chunk_merge(parts, 3, 3, &merged), 0);
        CLEANUP(chunk_unref) struct chunk *again = decoded(merged);
        assert_chunk_is(again, &log, 0, 90);
        CLEANUP(chunk_unref) struct chunk *at_once = chunk_of(&log, 0, 90, 3);
        assert_str_same(chunk_encoded(merged), chunk_encoded(at_once));
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
            chunk_unref(&parts[i]);
    }
}

static void the_text_column_is_plain_output(void **state)
{
    (void)state;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.message = STR("one")};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    record = (struct record){.message = STR("t\nwo"), .stream = STREAM_STDERR};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    record.message = STR("");
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *output = chunk_builder_finish(builder, 0);
    assert_str(chunk_text(output), "one\nt\nwo\n\n");
    assert_int_equal(chunk_text_offset(output, 1), 4);
    assert_int_equal(chunk_text_offset(output, 2), 9);
    assert_int_equal(chunk_text_offset(output, 3), 10);

    record.partial = true;
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *cut = chunk_builder_finish(builder, 0);
    assert_int_equal(chunk_text(cut).len, 0);
    record = (struct record){.stream = STREAM_EVENT};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *event = chunk_builder_finish(builder, 0);
    assert_int_equal(chunk_text(event).len, 0);
}

static void lines_of_every_length_are_found(void **state)
{
    (void)state;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    char line[200];
    memset(line, 'x', sizeof(line));
    for (size_t len = 0; len < sizeof(line); len++) {
        struct record record = {.message = str_n(line, len)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    CLEANUP(chunk_unref) struct chunk *again = decoded(chunk);
    for (uint32_t i = 0; i < sizeof(line); i++) {
        struct record record;
        chunk_record(again, i, &record);
        assert_int_equal(record.message.len, i);
    }
}

static void a_full_builder_refuses_and_stays_as_it_was(void **state)
{
    (void)state;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(free_ptr) char *long_line = xcalloc(1, CHUNK_RAW_MAX);
    struct record record = {.message = str_n(long_line, CHUNK_RAW_MAX - 1000)};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    record.message.len = 1000;
    size_t raw = chunk_builder_raw(builder);
    assert_int_equal(chunk_builder_add(builder, &record), ERR_TOO_LARGE);
    assert_int_equal(chunk_builder_raw(builder), raw);
    record.message.len = 10;
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 1);
    assert_int_equal(chunk_count(chunk), 2);
    struct str encoded = chunk_encoded(chunk);
    CLEANUP(chunk_unref) struct chunk *again = NULL;
    assert_int_equal(chunk_decode(encoded.data, encoded.len, 0, &again), 0);
}

static void a_merge_over_the_limit_is_refused(void **state)
{
    (void)state;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(free_ptr) char *long_line = xcalloc(1, CHUNK_RAW_MAX);
    struct record record = {.message = str_n(long_line, CHUNK_RAW_MAX / 2)};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *half = chunk_builder_finish(builder, 1);
    struct chunk *halves[] = {half, half};
    struct chunk *merged = NULL;
    assert_int_equal(chunk_merge(halves, 2, 1, &merged), ERR_TOO_LARGE);
    assert_null(merged);
}

// Records that alternate in kind cost the most bytes in a chunk; whatever is made at the limit must decode, and so must
// each slice.
static void the_fullest_chunk_and_its_slices_decode(void **state)
{
    (void)state;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.time_ms = INT64_MAX, .message = STR("\n")};
    uint32_t count = 0;
    while (chunk_builder_add(builder, &record) == 0) {
        record.stream = record.stream == STREAM_STDOUT ? STREAM_STDERR : STREAM_STDOUT;
        record.time_ms = ++count == 1 ? INT64_MIN : record.time_ms + 1;
    }
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 1);
    struct str encoded = chunk_encoded(chunk);
    CLEANUP(chunk_unref) struct chunk *again = NULL;
    assert_int_equal(chunk_decode(encoded.data, encoded.len, 0, &again), 0);
    CLEANUP(chunk_unref) struct chunk *slice = chunk_slice(again, 1, count - 1, 1);
    CLEANUP(chunk_unref) struct chunk *slice_again = NULL;
    encoded = chunk_encoded(slice);
    assert_int_equal(chunk_decode(encoded.data, encoded.len, 0, &slice_again), 0);
    assert_int_equal(chunk_count(slice_again), count - 1);
}

static void messages_over_the_maximum_are_too_long(void **state)
{
    (void)state;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.message = STR("12345")};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    struct str encoded = chunk_encoded(chunk);
    struct chunk *again = NULL;
    assert_int_equal(chunk_decode(encoded.data, encoded.len, 4, &again), ERR_TOO_LONG);
    assert_int_equal(chunk_decode(encoded.data, encoded.len, 5, &again), 0);
    chunk_unref(&again);
}

static void extras_that_are_not_canonical_are_refused_from_outside(void **state)
{
    (void)state;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.message = STR("m"), .extra = STR("\"node_id\":\"a\",\"event_type\":\"x\"")};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    struct str encoded = chunk_encoded(chunk);
    struct chunk *again = NULL;
    assert_int_equal(chunk_decode(encoded.data, encoded.len, 10, &again), ERR_CORRUPT);
    assert_int_equal(chunk_decode_stored(encoded.data, encoded.len, &again), 0);
    chunk_unref(&again);
}

static void any_changed_or_missing_byte_is_corrupt(void **state)
{
    (void)state;
    uint64_t seed = 5;
    CLEANUP(log_release) struct log log = log_make(&seed, RANDOM_ALL, 12);
    for (int level = 0; level < 2; level++) {
        CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(&log, 0, 12, level);
        struct str encoded = chunk_encoded(chunk);
        CLEANUP(free_ptr) char *bytes = xmalloc(encoded.len);
        memcpy(bytes, encoded.data, encoded.len);
        for (size_t i = 0; i < encoded.len; i++) {
            struct chunk *again = NULL;
            bytes[i] = (char)(bytes[i] ^ (1 << i % 8));
            int err = chunk_decode(bytes, encoded.len, 0, &again);
            assert_int_equal(err, ERR_CORRUPT);
            assert_null(again);
            bytes[i] = encoded.data[i];
            // A copy of just that length, so that reading behind it is noticed.
            CLEANUP(free_ptr) char *head = xmalloc(i + 1);
            memcpy(head, bytes, i);
            assert_int_equal(chunk_decode_stored(head, i, &again), ERR_CORRUPT);
        }
    }
}

// Changes one byte of an uncompressed chunk and makes the checksum fit, as somebody hostile would.
static int decode_forged(const struct chunk *chunk, size_t at, uint8_t value)
{
    struct str encoded = chunk_encoded(chunk);
    CLEANUP(free_ptr) uint8_t *bytes = xmalloc(encoded.len);
    memcpy(bytes, encoded.data, encoded.len);
    bytes[at] = value;
    chunk_seal(bytes, encoded.len);
    struct chunk *again = NULL;
    int err = chunk_decode(bytes, encoded.len, 0, &again);
    if (err == 0) {
        // What passes must be whole: every record can be read, and the counters are those of the records.
        assert_true(chunk_encoded(again).len <= encoded.len + 8);
        assert_int_not_equal(chunk_digest(again, 1), 0);
        size_t messages = 0;
        for (uint32_t i = 0; i < chunk_count(again); i++) {
            struct record record;
            chunk_record(again, i, &record);
            messages += record.message.len;
        }
        assert_int_equal(messages, chunk_message_bytes(again));
    }
    chunk_unref(&again);
    return err;
}

static void forged_headers_and_columns_never_get_past_the_bounds(void **state)
{
    (void)state;
    uint64_t seed = 6;
    unsigned passed = 0, refused = 0;
    CLEANUP(log_release) struct log log = log_make(&seed, RANDOM_ALL, 6);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(&log, 0, 6, 0);
    size_t len = chunk_encoded(chunk).len;
    for (size_t at = 0; at < len; at++) {
        unsigned step = at < CHUNK_HEADER_MAX ? 1 : 17; // bounds stand in the header, columns have each half of a byte
        for (unsigned value = 0; value < 256; value += step) {
            int err = decode_forged(chunk, at, (uint8_t)value);
            assert_true(err == 0 || err == ERR_CORRUPT || err == ERR_TOO_LARGE || err == ERR_TOO_NEW);
            passed += err == 0;
            refused += err != 0;
        }
    }
    assert_true(passed > 0 && refused > 0);
}

static void *compress_in_thread(void *arg)
{
    uint64_t seed = 8;
    (void)arg;
    for (unsigned i = 0; i < 20; i++) {
        CLEANUP(log_release) struct log log = log_make(&seed, RANDOM_ALL, 50);
        CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(&log, 0, 50, 1);
        CLEANUP(chunk_unref) struct chunk *again = decoded(chunk);
        assert_chunk_is(again, &log, 0, 50);
    }
    return NULL;
}

static void threads_compress_at_once_and_leave_nothing_behind(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, compress_in_thread, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_gives_the_same_records_back),
        cmocka_unit_test(times_may_jump_from_one_end_of_the_range_to_the_other),
        cmocka_unit_test(a_slice_is_the_records_of_its_range),
        cmocka_unit_test(a_slice_of_all_is_the_same_chunk_and_none_is_null),
        cmocka_unit_test(a_merge_is_the_concatenation),
        cmocka_unit_test(the_text_column_is_plain_output),
        cmocka_unit_test(lines_of_every_length_are_found),
        cmocka_unit_test(a_full_builder_refuses_and_stays_as_it_was),
        cmocka_unit_test(a_merge_over_the_limit_is_refused),
        cmocka_unit_test(the_fullest_chunk_and_its_slices_decode),
        cmocka_unit_test(messages_over_the_maximum_are_too_long),
        cmocka_unit_test(extras_that_are_not_canonical_are_refused_from_outside),
        cmocka_unit_test(any_changed_or_missing_byte_is_corrupt),
        cmocka_unit_test(forged_headers_and_columns_never_get_past_the_bounds),
        cmocka_unit_test(threads_compress_at_once_and_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
