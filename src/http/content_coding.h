// Content codings of requests' bodies (RFC 9110, 8.4): gzip and zstd. A decoder works in steps of a bounded size, so
// that a few bytes that become very many neither hold up the loop nor fill its memory.
#pragma once

#include "http/compress.h"
#include "util/error.h"

#define CONTENT_CODINGS_TAKEN "gzip, zstd" // for the header Accept-Encoding of a refusal

// Which coding the header Content-Encoding names. An empty one is identity. Returns ERR_MEDIA_TYPE for an unknown one,
// and for several: nobody needs them, and each would multiply what a few bytes become.
int http_content_coding(struct str content_encoding, enum http_coding *ret);

struct http_decoder;
struct http_decoder *http_decoder_new(enum http_coding coding); // gzip or zstd
void http_decoder_free(struct http_decoder **decoder);
// Decodes from the front of *in, which is moved on, and appends at most `room` bytes (> 0) to `out`. Returns
// DECODER_MORE if the room was used up: there may be more to come, also when *in is empty. Returns 0 when all of *in is
// used and nothing is held back. Errors: ERR_MALFORMED; ERR_TOO_LARGE (zstd with a window of more than 8 MiB, see RFC
// 9659). Several members or frames, one behind the other, are one body.
enum { DECODER_MORE = 1 };
int http_decoder_step(struct http_decoder *decoder, struct str *in, size_t room, struct buf *out);
// Whether the body may end here: a member is complete, and none has begun behind it.
bool http_decoder_ended(const struct http_decoder *decoder);
size_t http_decoder_memory(const struct http_decoder *decoder); // bytes that it holds by itself
