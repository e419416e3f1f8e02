// Decoders of encoded bodies, and which codings there are.
#include "http/content_coding.h"
#include "util/testing.h"

#include <zstd.h>

static const enum http_coding both[] = {CODING_GZIP, CODING_ZSTD};

static void one_coding_is_taken_and_others_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int err;
        enum http_coding coding;
    } cases[] = {
        {"", 0, CODING_IDENTITY},
        {"identity", 0, CODING_IDENTITY},
        {"gzip", 0, CODING_GZIP},
        {" GZip ", 0, CODING_GZIP},
        {"x-gzip", 0, CODING_GZIP},
        {"zstd", 0, CODING_ZSTD},
        {"deflate", ERR_MEDIA_TYPE, 0},
        {"br", ERR_MEDIA_TYPE, 0},
        {"gzip, gzip", ERR_MEDIA_TYPE, 0},
        {"gzip,zstd", ERR_MEDIA_TYPE, 0},
        {"gzip;q=1", ERR_MEDIA_TYPE, 0},
        {",", ERR_MEDIA_TYPE, 0},
        {"identity, gzip", ERR_MEDIA_TYPE, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum http_coding coding = CODING_IDENTITY;
        assert_int_equal(http_content_coding(str_of(cases[i].header), &coding), cases[i].err);
        assert_int_equal(coding, cases[i].coding);
    }
}

static void encode(enum http_coding coding, struct str text, struct buf *out)
{
    CLEANUP(http_encoder_free) struct http_encoder *encoder = http_encoder_new(coding);
    http_encoder_write(encoder, text.data, text.len, out);
    http_encoder_finish(encoder, out);
}

// In pieces and with rooms of random sizes. Returns the first error; ERR_CLOSED if the body is cut off.
static int decode(enum http_coding coding, struct str text, uint64_t *random, struct buf *out)
{
    CLEANUP(http_decoder_free) struct http_decoder *decoder = http_decoder_new(coding);
    while (text.len > 0) {
        size_t piece = 1 + (size_t)(test_random(random) % 3000);
        struct str in = str_n(text.data, MIN(piece, text.len));
        text = str_n(text.data + in.len, text.len - in.len);
        int result = DECODER_MORE;
        while (result == DECODER_MORE) {
            size_t room = 1 + (size_t)(test_random(random) % 5000), before = out->len;
            result = http_decoder_step(decoder, &in, room, out);
            assert_true(out->len - before <= room);
        }
        if (result < 0)
            return result;
        assert_int_equal(in.len, 0);
    }
    return http_decoder_ended(decoder) ? 0 : ERR_CLOSED;
}

static void fill(struct buf *text, size_t len, uint64_t *random)
{
    while (text->len < len)
        buf_printf(text, "line %u of %u\n", (unsigned)text->len, (unsigned)(test_random(random) % 1000));
}

static void what_was_encoded_comes_back_however_it_is_cut(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int round = 0; round < 40; round++) {
        CLEANUP(buf_release) struct buf text = {0};
        CLEANUP(buf_release) struct buf encoded = {0};
        CLEANUP(buf_release) struct buf decoded = {0};
        enum http_coding coding = both[round % 2];
        fill(&text, (size_t)(test_random(&random) % 200000), &random);
        encode(coding, buf_str(&text), &encoded);
        assert_int_equal(decode(coding, buf_str(&encoded), &random, &decoded), 0);
        assert_true(str_eq(buf_str(&decoded), buf_str(&text)));
    }
}

static void members_one_behind_the_other_are_one_body(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        CLEANUP(buf_release) struct buf encoded = {0};
        CLEANUP(buf_release) struct buf decoded = {0};
        encode(both[i], STR("one "), &encoded);
        encode(both[i], STR(""), &encoded);
        encode(both[i], STR("two"), &encoded);
        assert_int_equal(decode(both[i], buf_str(&encoded), &random, &decoded), 0);
        assert_true(str_eq(buf_str(&decoded), STR("one two")));
    }
}

static void a_body_that_is_cut_off_anywhere_is_not_whole(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        CLEANUP(buf_release) struct buf text = {0};
        CLEANUP(buf_release) struct buf encoded = {0};
        fill(&text, 3000, &random);
        encode(both[i], buf_str(&text), &encoded);
        for (size_t len = 0; len < encoded.len; len++) {
            CLEANUP(buf_release) struct buf decoded = {0};
            assert_int_equal(decode(both[i], str_n(encoded.data, len), &random, &decoded), ERR_CLOSED);
        }
    }
}

static void other_bytes_before_or_behind_it_are_refused(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        CLEANUP(buf_release) struct buf encoded = {0};
        CLEANUP(buf_release) struct buf decoded = {0};
        encode(both[i], STR("text"), &encoded);
        buf_append_text(&encoded, "more than is needed to see that this is no member");
        assert_int_equal(decode(both[i], buf_str(&encoded), &random, &decoded), ERR_MALFORMED);
        assert_int_equal(decode(both[i], STR("[{\"message\":\"plain\"}]"), &random, &decoded), ERR_MALFORMED);
    }
}

static void a_bomb_takes_no_more_than_the_room_of_each_step(void **state)
{
    (void)state;
    enum { SIZE = 50 * 1000 * 1000, ROOM = 65536 };
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        CLEANUP(http_encoder_free) struct http_encoder *encoder = http_encoder_new(both[i]);
        CLEANUP(http_decoder_free) struct http_decoder *decoder = http_decoder_new(both[i]);
        CLEANUP(buf_release) struct buf encoded = {0};
        CLEANUP(buf_release) struct buf decoded = {0};
        static const char zeros[100000];
        for (size_t at = 0; at < SIZE; at += sizeof(zeros))
            http_encoder_write(encoder, zeros, sizeof(zeros), &encoded);
        http_encoder_finish(encoder, &encoded);
        struct str in = buf_str(&encoded);
        for (unsigned steps = 1; steps <= 20; steps++) {
            assert_int_equal(http_decoder_step(decoder, &in, ROOM, &decoded), DECODER_MORE);
            assert_int_equal(decoded.len, steps * ROOM);
        }
        assert_true(http_decoder_memory(decoder) < (size_t)1 << 20);
    }
}

static void a_window_that_would_take_much_memory_is_refused(void **state)
{
    (void)state;
    uint64_t random = 7;
    CLEANUP(buf_release) struct buf encoded = {0};
    CLEANUP(buf_release) struct buf decoded = {0};
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27);
    buf_reserve(&encoded, 1000);
    ZSTD_inBuffer in = {"text", 4, 0}; // a stream does not tell its length, so the window stays as it was asked for
    ZSTD_outBuffer out = {encoded.data, 1000, 0};
    ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush);
    assert_int_equal(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end), 0);
    encoded.len = out.pos;
    ZSTD_freeCCtx(context);
    assert_int_equal(decode(CODING_ZSTD, buf_str(&encoded), &random, &decoded), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_coding_is_taken_and_others_are_refused),
        cmocka_unit_test(what_was_encoded_comes_back_however_it_is_cut),
        cmocka_unit_test(members_one_behind_the_other_are_one_body),
        cmocka_unit_test(a_body_that_is_cut_off_anywhere_is_not_whole),
        cmocka_unit_test(other_bytes_before_or_behind_it_are_refused),
        cmocka_unit_test(a_bomb_takes_no_more_than_the_room_of_each_step),
        cmocka_unit_test(a_window_that_would_take_much_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
