// Contents that travel together in one body: for each of them a line "HASH SIZE", which ends with LF, and then SIZE
// bytes. HASH is the SHA-256 in 64 hex digits of lower case, SIZE a decimal number. Nothing stands between them or at
// the end. Values without I/O; any thread.
#pragma once

#include "util/str.h"

#define CONTENT_HASH_BYTES 32
#define CONTENTS_MAX       1000               // in one body
#define CONTENTS_BODY_MAX  (8u * 1024 * 1024) // bytes of a body
#define CONTENTS_EACH_MAX  (1024u * 1024)     // bytes of one content

struct contents_item {
    uint8_t hash[CONTENT_HASH_BYTES]; // as it was said; nobody has checked it
    struct str bytes;                 // points into the body
};

// Takes the next one from *rest. Returns 1; 0 at the end; ERR_MALFORMED, or ERR_TOO_LARGE if it is beyond
// CONTENTS_EACH_MAX, with *ret_problem.
int contents_next(struct str *rest, struct contents_item *ret, const char **ret_problem);

// Reads 64 hex digits in lower case.
bool content_hash_read(struct str text, uint8_t ret[CONTENT_HASH_BYTES]);
