#include "http/content_coding.h"

#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY // for the size of a context
#include <zstd.h>
#include <zstd_errors.h>

#define GZIP_WINDOW         (15 + 16)           // 32 KiB; 16 asks for gzip's header and trailer
#define GZIP_MEMORY         ((size_t)44 * 1024) // what zlib says that inflate takes
#define ZSTD_WINDOW_LOG_MAX 23                  // 8 MiB

struct http_decoder {
    ZSTD_DCtx *zstd; // NULL: gzip
    z_stream gzip;
    bool between; // no member has begun, or the last one is complete
    bool any;     // a member was complete
};

int http_content_coding(struct str content_encoding, enum http_coding *ret)
{
    static const struct {
        const char *name;
        enum http_coding coding;
    } codings[] = {
        {"", CODING_IDENTITY},   {"identity", CODING_IDENTITY}, {"gzip", CODING_GZIP},
        {"x-gzip", CODING_GZIP}, {"zstd", CODING_ZSTD},
    };
    struct str name = str_trim(content_encoding);
    for (size_t i = 0; i < ARRAY_LEN(codings); i++) {
        if (!str_eq_nocase(name, str_of(codings[i].name)))
            continue;
        *ret = codings[i].coding;
        return 0;
    }
    return ERR_MEDIA_TYPE;
}

struct http_decoder *http_decoder_new(enum http_coding coding)
{
    struct http_decoder *decoder = xcalloc(1, sizeof(*decoder));
    decoder->between = true;
    if (coding == CODING_ZSTD) {
        decoder->zstd = ZSTD_createDCtx();
        if (!decoder->zstd)
            abort();
        ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    } else if (inflateInit2(&decoder->gzip, GZIP_WINDOW) != Z_OK) {
        abort();
    }
    return decoder;
}

void http_decoder_free(struct http_decoder **owner)
{
    struct http_decoder *decoder = TAKE_PTR(*owner);
    if (!decoder)
        return;
    if (decoder->zstd)
        ZSTD_freeDCtx(decoder->zstd);
    else
        inflateEnd(&decoder->gzip);
    free(decoder);
}

static void member_ended(struct http_decoder *decoder)
{
    decoder->between = decoder->any = true;
}

static int step_gzip(struct http_decoder *decoder, struct str *in, size_t room, struct buf *out)
{
    z_stream *stream = &decoder->gzip;
    size_t part = MIN(in->len, (size_t)INT32_MAX);
    stream->next_in = (Bytef *)(uintptr_t)in->data;
    stream->avail_in = (uInt)part;
    stream->next_out = (Bytef *)out->data + out->len;
    stream->avail_out = (uInt)room;
    int result = Z_OK;
    while (result != Z_BUF_ERROR && stream->avail_out > 0 && (stream->avail_in > 0 || !decoder->between)) {
        decoder->between = false;
        result = inflate(stream, Z_NO_FLUSH);
        if (result == Z_STREAM_END) {
            inflateReset(stream);
            member_ended(decoder);
        } else if (result != Z_OK && result != Z_BUF_ERROR) { // the latter: it needs more input
            return ERR_MALFORMED;
        }
    }
    *in = str_n(in->data + (part - stream->avail_in), in->len - (part - stream->avail_in));
    out->len += room - stream->avail_out;
    return stream->avail_out == 0 || in->len > 0 ? DECODER_MORE : 0;
}

static int step_zstd(struct http_decoder *decoder, struct str *in, size_t room, struct buf *out)
{
    ZSTD_inBuffer source = {in->data, in->len, 0};
    ZSTD_outBuffer sink = {out->data + out->len, room, 0};
    bool moved = true;
    while (moved && sink.pos < sink.size && (source.pos < source.size || !decoder->between)) {
        size_t read = source.pos, written = sink.pos;
        size_t left = ZSTD_decompressStream(decoder->zstd, &sink, &source);
        if (ZSTD_isError(left))
            return ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge ? ERR_TOO_LARGE : ERR_MALFORMED;
        decoder->between = false;
        if (left == 0)
            member_ended(decoder);
        moved = source.pos > read || sink.pos > written;
    }
    *in = str_n(in->data + source.pos, in->len - source.pos);
    out->len += sink.pos;
    return sink.pos == sink.size || in->len > 0 ? DECODER_MORE : 0;
}

int http_decoder_step(struct http_decoder *decoder, struct str *in, size_t room, struct buf *out)
{
    room = MIN(room, (size_t)INT32_MAX);
    buf_reserve(out, room);
    return decoder->zstd ? step_zstd(decoder, in, room, out) : step_gzip(decoder, in, room, out);
}

bool http_decoder_ended(const struct http_decoder *decoder)
{
    return decoder->any && decoder->between;
}

size_t http_decoder_memory(const struct http_decoder *decoder)
{
    return decoder->zstd ? ZSTD_sizeof_DCtx(decoder->zstd) : GZIP_MEMORY;
}
