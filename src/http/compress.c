#include "http/compress.h"

#include <zlib.h>
#include <zstd.h>

#define ZSTD_LEVEL      1
#define ZSTD_WINDOW_LOG 17        // 128 KiB
#define GZIP_WINDOW     (15 + 16) // 32 KiB; 16 asks for gzip's header and trailer
#define GZIP_MEMORY     8
#define OUT_STEP        ((size_t)16 * 1024)

// --- Which coding

static const struct {
    const char *name;
    enum http_coding coding;
} codings[] = {{"zstd", CODING_ZSTD}, {"gzip", CODING_GZIP}, {"x-gzip", CODING_GZIP}, {"identity", CODING_IDENTITY}};

// Reads "0.5" as thousandths (500). Returns -1 if it is not a q value.
static int parse_q(struct str text)
{
    int q = 0;
    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.len > 1 && text.data[1] != '.'))
        return -1;
    for (size_t i = 0; i < 5; i++) {
        char digit = i < text.len ? text.data[i] : '0';
        if (i == 1)
            continue;
        if (digit < '0' || digit > '9')
            return -1;
        q = q * 10 + (digit - '0');
    }
    return q <= 1000 ? q : -1;
}

static int item_q(struct str parameters)
{
    while (parameters.len > 0) {
        struct str value = str_trim(str_split(&parameters, ';'));
        struct str name = str_trim(str_split(&value, '='));
        if (str_eq_nocase(name, STR("q")))
            return parse_q(str_trim(value));
    }
    return 1000;
}

// How much each coding is wanted, in thousandths; -1 for identity that is not mentioned.
struct wishes {
    int q[CODING_ZSTD + 1];
};

static struct wishes wishes_of(struct str accept_encoding)
{
    struct wishes wishes = {{[CODING_IDENTITY] = -1, [CODING_GZIP] = -1, [CODING_ZSTD] = -1}};
    int others = 0;
    while (accept_encoding.len > 0) {
        struct str parameters = str_split(&accept_encoding, ',');
        struct str name = str_trim(str_split(&parameters, ';'));
        int q = item_q(parameters);
        if (q < 0)
            continue;
        if (str_eq(name, STR("*")))
            others = q;
        for (size_t i = 0; i < ARRAY_LEN(codings); i++)
            if (str_eq_nocase(name, str_of(codings[i].name)))
                wishes.q[codings[i].coding] = q;
    }
    for (enum http_coding coding = CODING_GZIP; coding <= CODING_ZSTD; coding++)
        if (wishes.q[coding] < 0)
            wishes.q[coding] = others;
    return wishes;
}

enum http_coding http_coding_of(struct str accept_encoding)
{
    struct wishes wishes = wishes_of(accept_encoding);
    enum http_coding best = CODING_IDENTITY;
    int best_q = MAX(wishes.q[CODING_IDENTITY], 0); // identity, if the client does not mention it, is the last choice
    for (enum http_coding coding = CODING_GZIP; coding <= CODING_ZSTD; coding++) {
        if (wishes.q[coding] > 0 && wishes.q[coding] >= best_q) {
            best = coding;
            best_q = wishes.q[coding];
        }
    }
    return best;
}

bool http_coding_taken(struct str accept_encoding, enum http_coding coding)
{
    return wishes_of(accept_encoding).q[coding] > 0;
}

const char *http_coding_name(enum http_coding coding)
{
    return coding == CODING_ZSTD ? "zstd" : coding == CODING_GZIP ? "gzip" : "identity";
}

// --- Encoders

struct http_encoder {
    ZSTD_CCtx *zstd; // may be NULL
    z_stream gzip;
};

struct http_encoder *http_encoder_new(enum http_coding coding)
{
    struct http_encoder *encoder = xcalloc(1, sizeof(*encoder));
    if (coding == CODING_ZSTD) {
        encoder->zstd = ZSTD_createCCtx();
        if (!encoder->zstd)
            abort();
        ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
        ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_LOG);
    } else if (deflateInit2(&encoder->gzip, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) !=
               Z_OK) {
        abort();
    }
    return encoder;
}

void http_encoder_free(struct http_encoder **encoder_ptr)
{
    struct http_encoder *encoder = TAKE_PTR(*encoder_ptr);
    if (!encoder)
        return;
    if (encoder->zstd)
        ZSTD_freeCCtx(encoder->zstd);
    else
        deflateEnd(&encoder->gzip);
    free(encoder);
}

static void run_zstd(struct http_encoder *encoder, const void *data, size_t len, ZSTD_EndDirective end, struct buf *out)
{
    ZSTD_inBuffer in = {data, len, 0};
    size_t left;
    do {
        buf_reserve(out, OUT_STEP);
        ZSTD_outBuffer room = {out->data + out->len, OUT_STEP, 0};
        left = ZSTD_compressStream2(encoder->zstd, &room, &in, end);
        if (ZSTD_isError(left))
            abort();
        out->len += room.pos;
    } while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
}

static void run_gzip(struct http_encoder *encoder, const void *data, size_t len, int flush, struct buf *out)
{
    z_stream *stream = &encoder->gzip;
    stream->next_in = (Bytef *)(uintptr_t)data;
    stream->avail_in = (uInt)len;
    do {
        buf_reserve(out, OUT_STEP);
        stream->next_out = (Bytef *)out->data + out->len;
        stream->avail_out = OUT_STEP;
        deflate(stream, flush);
        out->len += OUT_STEP - stream->avail_out;
    } while (stream->avail_out == 0);
}

void http_encoder_write(struct http_encoder *encoder, const void *data, size_t len, struct buf *out)
{
    const char *at = data;
    while (len > 0) {
        size_t part = MIN(len, (size_t)INT32_MAX);
        if (encoder->zstd)
            run_zstd(encoder, at, part, ZSTD_e_continue, out);
        else
            run_gzip(encoder, at, part, Z_NO_FLUSH, out);
        at += part;
        len -= part;
    }
}

void http_encoder_finish(struct http_encoder *encoder, struct buf *out)
{
    if (encoder->zstd)
        run_zstd(encoder, NULL, 0, ZSTD_e_end, out);
    else
        run_gzip(encoder, NULL, 0, Z_FINISH, out);
}
