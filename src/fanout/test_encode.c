#include "fanout/encode.h"
#include "util/testing.h"
#include "ws/ws_parser.h"

static const struct str execution_id = {"e1", 2};

static struct chunk *make_chunk(const size_t *lengths, size_t count)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (size_t i = 0; i < count; i++) {
        CLEANUP(buf_release) struct buf message = {0};
        for (size_t k = 0; k < lengths[i]; k++)
            buf_append_byte(&message, (char)('a' + k % 26));
        struct record record = {.time_ms = 1000 + (int64_t)i, .message = buf_str(&message)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 1);
}

static void take_frame(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len, unsigned code)
{
    struct buf *texts = owner;
    assert_int_equal(opcode, WS_TEXT);
    assert_int_equal(code, 0);
    buf_append(texts, data, len);
    buf_append_byte(texts, '\n');
}

// Lengths of frames take two or eight bytes more, whichever they need.
static void frames_hold_the_records_whatever_their_length(void **state)
{
    static const struct ws_parser_events events = {.message = take_frame};
    static const size_t lengths[] = {0, 5, 300, 65535, 65536, 70000, 1};
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = make_chunk(lengths, ARRAY_LEN(lengths));
    CLEANUP(encoded_free) struct encoded *encoded = encoded_new(chunk, 40, execution_id, FORMAT_WEBSOCKET);
    assert_int_equal(encoded->count, ARRAY_LEN(lengths));
    for (uint32_t i = 0; i < encoded->count; i++) {
        CLEANUP(buf_release) struct buf got = {0};
        CLEANUP(buf_release) struct buf expected = {0};
        struct ws_parser *parser = ws_parser_new(false, 1 << 20, &events, &got);
        const char *frame = encoded->payload->data + encoded->offsets[i];
        assert_int_equal(ws_parser_feed(parser, (const uint8_t *)frame, encoded->offsets[i + 1] - encoded->offsets[i]),
                         0);
        ws_parser_free(&parser);
        struct record record;
        chunk_record(chunk, i, &record);
        record_append_json(&expected, &record, execution_id, 40 + i, true);
        buf_append_byte(&expected, '\n');
        assert_int_equal(got.len, expected.len);
        assert_memory_equal(got.data, expected.data, got.len);
    }
}

static void whole_text_is_sent_from_the_chunk_and_keeps_it(void **state)
{
    static const size_t lengths[] = {3, 0, 2000};
    (void)state;
    struct chunk *chunk = make_chunk(lengths, ARRAY_LEN(lengths));
    struct encoded *encoded = encoded_new(chunk, 0, execution_id, FORMAT_TEXT);
    assert_ptr_equal(encoded->payload->data, chunk_text(chunk).data);
    struct payload *payload = payload_ref(encoded->payload);
    encoded_free(&encoded);
    chunk_unref(&chunk);
    assert_str(str_n(payload->data, 6), "abc\n\na");
    assert_int_equal(payload->len, 3 + 0 + 2000 + 3);
    payload_unref(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_hold_the_records_whatever_their_length),
        cmocka_unit_test(whole_text_is_sent_from_the_chunk_and_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
