#include "http/compress.h"
#include "util/testing.h"

#include <zlib.h>
#include <zstd.h>

static void the_client_s_wish_decides(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum http_coding coding;
    } cases[] = {
        {"", CODING_IDENTITY},
        {"gzip", CODING_GZIP},
        {"x-gzip", CODING_GZIP},
        {"GZIP", CODING_GZIP},
        {"gzip, deflate, br", CODING_GZIP},
        {"gzip, deflate, br, zstd", CODING_ZSTD},
        {"zstd;q=0.5, gzip;q=0.8", CODING_GZIP},
        {"zstd ; q=0.8,gzip;Q=0.8", CODING_ZSTD},
        {"gzip;q=0", CODING_IDENTITY},
        {"gzip;q=0.001", CODING_GZIP},
        {"gzip;q=1.000", CODING_GZIP},
        {"gzip;q=1.001", CODING_IDENTITY},
        {"gzip;q=2", CODING_IDENTITY},
        {"gzip;q=", CODING_IDENTITY},
        {"gzip;q=.5", CODING_IDENTITY},
        {"gzip;q=0.12345", CODING_IDENTITY},
        {"*", CODING_ZSTD},
        {"*;q=0", CODING_IDENTITY},
        {"zstd;q=0, *", CODING_GZIP},
        {"gzip, *;q=0", CODING_GZIP},
        {"identity", CODING_IDENTITY},
        {"identity, gzip;q=0.5", CODING_IDENTITY},
        {"identity;q=0.5, gzip", CODING_GZIP},
        {"identity;q=0", CODING_IDENTITY}, // there is nothing else that was not refused
        {"br, deflate", CODING_IDENTITY},
        {",, gzip ,", CODING_GZIP},
        {"gzipped", CODING_IDENTITY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (http_coding_of(str_of(cases[i].header)) != cases[i].coding)
            fail_msg("\"%s\" chose %s", cases[i].header, http_coding_name(http_coding_of(str_of(cases[i].header))));
    assert_true(http_coding_taken(STR("gzip;q=0.1, br, zstd"), CODING_GZIP));
    assert_true(http_coding_taken(STR("*"), CODING_GZIP));
    assert_false(http_coding_taken(STR("gzip;q=0, *"), CODING_GZIP));
    assert_false(http_coding_taken(STR(""), CODING_GZIP));
}

static void decode(enum http_coding coding, const struct buf *encoded, struct buf *ret)
{
    buf_reserve(ret, (size_t)4 << 20);
    if (coding == CODING_ZSTD) {
        size_t len = ZSTD_decompress(ret->data, ret->cap, encoded->data, encoded->len);
        if (ZSTD_isError(len)) { // a stream does not tell its length
            ZSTD_DCtx *context = ZSTD_createDCtx();
            ZSTD_inBuffer in = {encoded->data, encoded->len, 0};
            ZSTD_outBuffer out = {ret->data, ret->cap, 0};
            assert_int_equal(ZSTD_decompressStream(context, &out, &in), 0);
            len = out.pos;
            ZSTD_freeDCtx(context);
        }
        ret->len = len;
        return;
    }
    z_stream stream = {.next_in = (Bytef *)encoded->data,
                       .avail_in = (uInt)encoded->len,
                       .next_out = (Bytef *)ret->data,
                       .avail_out = (uInt)ret->cap};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    ret->len = stream.total_out;
    inflateEnd(&stream);
}

static void encode_in_pieces(enum http_coding coding, struct str text, uint64_t *random, struct buf *ret)
{
    CLEANUP(http_encoder_free) struct http_encoder *encoder = http_encoder_new(coding);
    for (size_t at = 0, part; at < text.len; at += part) {
        size_t step = 1 + (size_t)(test_random(random) % 60000);
        part = MIN(text.len - at, step);
        http_encoder_write(encoder, text.data + at, part, ret);
    }
    http_encoder_finish(encoder, ret);
}

static void what_was_encoded_in_any_pieces_is_decoded(void **state)
{
    (void)state;
    uint64_t random = 7;
    CLEANUP(buf_release) struct buf text = {0};
    while (text.len < 1000000)
        buf_printf(&text, "line %llu of them\n", (unsigned long long)(test_random(&random) % 5000));
    for (enum http_coding coding = CODING_GZIP; coding <= CODING_ZSTD; coding++) {
        static const size_t totals[] = {0, 1, 70000, 1000000};
        for (size_t i = 0; i < ARRAY_LEN(totals); i++) {
            CLEANUP(buf_release) struct buf encoded = {0};
            CLEANUP(buf_release) struct buf decoded = {0};
            encode_in_pieces(coding, str_n(text.data, totals[i]), &random, &encoded);
            decode(coding, &encoded, &decoded);
            assert_int_equal(decoded.len, totals[i]);
            assert_true(totals[i] == 0 || memcmp(decoded.data, text.data, totals[i]) == 0);
            assert_true(totals[i] < 70000 || encoded.len < totals[i] / 2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_s_wish_decides),
        cmocka_unit_test(what_was_encoded_in_any_pieces_is_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
