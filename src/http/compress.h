// Content codings of answers: which one a client wants (RFC 9110, 12.5.3), and encoders for gzip and zstd. Encoders
// work at their fastest level and with small windows, because each costs its loop time and memory (about 300 KiB) for
// as long as the answer lasts.
#pragma once

#include "util/buf.h"

enum http_coding { CODING_IDENTITY, CODING_GZIP, CODING_ZSTD };

// Returns the best coding that is known here: the highest q wins, then zstd, then gzip, then none. A header that
// forbids all of them does not refuse the answer: the client gets it without a coding.
enum http_coding http_coding_of(struct str accept_encoding);
// Whether the client takes this one, gzip or zstd, even if it likes another better: for what is kept in one coding.
bool http_coding_taken(struct str accept_encoding, enum http_coding coding);
const char *http_coding_name(enum http_coding coding);

struct http_encoder;
struct http_encoder *http_encoder_new(enum http_coding coding); // gzip or zstd
void http_encoder_free(struct http_encoder **encoder);
// Appends the encoded bytes to `out`. There may be none yet.
void http_encoder_write(struct http_encoder *encoder, const void *data, size_t len, struct buf *out);
void http_encoder_finish(struct http_encoder *encoder, struct buf *out); // nothing may be written afterwards
