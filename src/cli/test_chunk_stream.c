#include "cli/chunk_stream.h"
#include "util/testing.h"

struct seen {
    struct buf text;
    uint64_t next;
    unsigned chunks;
    bool stop;
    struct buf complete;
};

static bool see_chunk(void *arg, uint64_t first, const struct chunk *chunk)
{
    struct seen *seen = arg;
    assert_int_equal(first, seen->next);
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        buf_append_str(&seen->text, record.message);
        buf_append_byte(&seen->text, '|');
    }
    seen->next += chunk_count(chunk);
    seen->chunks++;
    return !seen->stop;
}

static void see_complete(void *arg, struct str json)
{
    buf_append_str(&((struct seen *)arg)->complete, json);
}

static void append_frame(struct buf *out, uint64_t first, const char *const *messages)
{
    struct chunk_builder *builder = chunk_builder_new();
    for (; *messages; messages++) {
        struct record record = {.time_ms = 1, .message = str_of(*messages)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    chunk_builder_free(&builder);
    struct str encoded = chunk_encoded(chunk);
    buf_append_le64(out, first);
    buf_append_le32(out, (uint32_t)encoded.len);
    buf_append_str(out, encoded);
}

static void append_stream(struct buf *out)
{
    static const char json[] = "{\"type\":\"complete\"}";
    append_frame(out, 0, (const char *const[]){"a", "bb", NULL});
    append_frame(out, 2, (const char *const[]){"\xff\xfe", NULL});
    buf_append_le64(out, 3);
    buf_append_le32(out, 0xFFFFFFFF);
    buf_append_le32(out, sizeof(json) - 1);
    buf_append_text(out, json);
}

static void release_seen(struct seen *seen)
{
    buf_release(&seen->text);
    buf_release(&seen->complete);
}

static void frames_come_through_however_they_are_cut(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf bytes = {0};
    append_stream(&bytes);
    for (size_t step = 1; step <= bytes.len; step++) {
        CLEANUP(release_seen) struct seen seen = {0};
        CLEANUP(chunk_stream_release)
        struct chunk_stream stream = {.chunk = see_chunk, .message = see_complete, .arg = &seen};
        for (size_t at = 0; at < bytes.len; at += step)
            assert_int_equal(chunk_stream_feed(&stream, str_n(bytes.data + at, MIN(step, bytes.len - at))), 0);
        assert_string_equal(buf_cstr(&seen.text), "a|bb|\xff\xfe|");
        assert_string_equal(buf_cstr(&seen.complete), "{\"type\":\"complete\"}");
        assert_int_equal(stream.buf.len, 0);
    }
}

static void reader_can_stop_it(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf bytes = {0};
    CLEANUP(release_seen) struct seen seen = {.stop = true};
    CLEANUP(chunk_stream_release) struct chunk_stream stream = {.chunk = see_chunk, .arg = &seen};
    append_stream(&bytes);
    assert_int_equal(chunk_stream_feed(&stream, buf_str(&bytes)), ERR_CANCELED);
    assert_int_equal(seen.chunks, 1);
}

static void lengths_beyond_the_limits_and_broken_chunks_are_refused(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf huge = {0}, long_end = {0}, broken = {0};
    CLEANUP(release_seen) struct seen seen = {0};
    buf_append_le64(&huge, 0);
    buf_append_le32(&huge, CHUNK_ENCODED_MAX + 1);
    buf_append_le64(&long_end, 0);
    buf_append_le32(&long_end, 0xFFFFFFFF);
    buf_append_le32(&long_end, 1u << 30);
    append_frame(&broken, 0, (const char *const[]){"a message", NULL});
    broken.data[broken.len - 3] ^= 1;
    struct buf *cases[] = {&huge, &long_end, &broken};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(chunk_stream_release) struct chunk_stream stream = {.chunk = see_chunk, .arg = &seen};
        assert_true(chunk_stream_feed(&stream, buf_str(cases[i])) < 0);
        assert_int_equal(seen.chunks, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_through_however_they_are_cut),
        cmocka_unit_test(reader_can_stop_it),
        cmocka_unit_test(lengths_beyond_the_limits_and_broken_chunks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
