#include "api/console/console.h"

#include "api/console/assets.h"
#include "http/content_coding.h"

// Nothing from elsewhere, nothing inline. Pictures of artifacts are shown from memory (blob:).
#define POLICY                                                                                            \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; " \
    "frame-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct console_asset *find(struct str name)
{
    for (const struct console_asset *it = console_assets; it->name; it++)
        if (str_eq(name, str_of(it->name)))
            return it;
    return NULL;
}

// For the few clients that do not take gzip.
static void respond_unpacked(struct http_request *request, const struct console_asset *asset)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct http_decoder *decoder = http_decoder_new(CODING_GZIP);
    struct str rest = str_n((const char *)asset->packed, asset->packed_len);
    while (http_decoder_step(decoder, &rest, asset->len + 1, &text) == DECODER_MORE)
        ;
    http_decoder_free(&decoder);
    http_respond(request, 200, asset->content_type, text.data, text.len);
}

static void respond(struct call *call, const struct console_asset *asset, const char *cache)
{
    struct http_request *request = call_take_request(call);
    http_add_header(request, "Content-Security-Policy", POLICY);
    http_add_header(request, "X-Frame-Options", "DENY");
    http_add_header(request, "Referrer-Policy", "no-referrer");
    http_add_header(request, "Cross-Origin-Opener-Policy", "same-origin");
    http_add_header(request, "Cache-Control", cache);
    http_add_header(request, "ETag", asset->etag);
    http_add_header(request, "Vary", "Accept-Encoding");
    if (http_none_match(http_header(request, STR("If-None-Match")), str_of(asset->etag))) {
        http_respond(request, 304, NULL, NULL, 0);
    } else if (http_coding_taken(http_header(request, STR("Accept-Encoding")), CODING_GZIP)) {
        http_add_header(request, "Content-Encoding", http_coding_name(CODING_GZIP));
        http_respond(request, 200, asset->content_type, asset->packed, asset->packed_len);
    } else {
        respond_unpacked(request, asset);
    }
}

void console_page(struct call *call)
{
    if (console_assets[0].name)
        respond(call, &console_assets[0], "no-cache");
    else
        call_fail(call, ERR_NOT_FOUND, "this build has no console: it was made with -Dconsole=disabled");
}

// Their names change with their content.
void console_asset(struct call *call)
{
    const struct console_asset *asset = find(call_capture(call, "name"));
    if (asset && asset != &console_assets[0])
        respond(call, asset, "public, max-age=31536000, immutable");
    else
        call_fail(call, ERR_NOT_FOUND, "the console has no such file; a newer page has other names, so reload it");
}
