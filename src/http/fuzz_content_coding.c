// Arbitrary bytes as an encoded body. In pieces and with little room they give the same as whole, never more than the
// room; and what an encoder made of them comes back.
#include "http/content_coding.h"

#define BODY_MAX ((size_t)32 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

// Returns 0 if it is a whole body, ERR_CLOSED if it is cut off, else what the decoder said.
static int decode(enum http_coding coding, struct str text, size_t piece, size_t room, struct buf *out)
{
    CLEANUP(http_decoder_free) struct http_decoder *decoder = http_decoder_new(coding);
    while (text.len > 0) {
        struct str in = str_n(text.data, MIN(piece, text.len));
        text = str_n(text.data + in.len, text.len - in.len);
        int result = DECODER_MORE;
        while (result == DECODER_MORE && out->len < BODY_MAX) {
            size_t before = out->len;
            result = http_decoder_step(decoder, &in, MIN(room, BODY_MAX - before), out);
            if (out->len - before > room)
                abort();
        }
        if (result < 0)
            return result;
        if (out->len == BODY_MAX)
            return ERR_TOO_LARGE;
        if (in.len > 0)
            abort();
    }
    return http_decoder_ended(decoder) ? 0 : ERR_CLOSED;
}

static void check_decoding(enum http_coding coding, struct str text, size_t piece, size_t room)
{
    CLEANUP(buf_release) struct buf whole = {0};
    CLEANUP(buf_release) struct buf pieces = {0};
    int err = decode(coding, text, text.len, BODY_MAX, &whole);
    int piece_err = decode(coding, text, piece, room, &pieces);
    if ((err == 0) != (piece_err == 0))
        abort();
    if (err == 0 && !str_eq(buf_str(&whole), buf_str(&pieces)))
        abort();
}

static void check_both_ways(enum http_coding coding, struct str text, size_t piece, size_t room)
{
    CLEANUP(http_encoder_free) struct http_encoder *encoder = http_encoder_new(coding);
    CLEANUP(buf_release) struct buf encoded = {0};
    CLEANUP(buf_release) struct buf decoded = {0};
    http_encoder_write(encoder, text.data, text.len, &encoded);
    http_encoder_finish(encoder, &encoded);
    if (decode(coding, buf_str(&encoded), piece, room, &decoded) != 0 || !str_eq(buf_str(&decoded), text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    enum http_coding named;
    if (len < 4 || len > 65536)
        return 0;
    enum http_coding coding = data[0] & 1 ? CODING_GZIP : CODING_ZSTD;
    size_t piece = 1 + data[1] * (data[0] >> 4), room = 1 + data[2] * (size_t)(data[0] & 0xe);
    struct str text = str_n((const char *)data + 3, len - 3);
    http_content_coding(text, &named);
    check_decoding(coding, text, piece, room);
    check_both_ways(coding, text, piece, room);
    return 0;
}
