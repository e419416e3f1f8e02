// A view of bytes that somebody else owns. Never NUL-terminated by promise; `data` may be NULL when `len` is 0.
#pragma once

#include "util/attrs.h"

struct str {
    const char *data;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_ARGS(s)  (int)(s).len, (s).data // for "%.*s"

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str str_n(const char *data, size_t len)
{
    return (struct str){data, len};
}

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); // ASCII only
bool str_starts(struct str s, struct str prefix);
struct str str_trim(struct str s); // white space at both ends
// Splits at the first `sep`: returns what precedes it and moves *rest past it; returns all of it and empties *rest when
// there is none.
struct str str_split(struct str *rest, char sep);
char *str_dup(struct str s); // NUL-terminated, owned by the caller

// Whole-string decimal numbers; false on anything else, overflow among it. *ret is untouched then.
bool str_to_u64(struct str s, uint64_t *ret);
bool str_to_i64(struct str s, int64_t *ret);

// Looks at the start of `data` (len > 0): the length of the well-formed UTF-8 sequence there, or minus the length of
// the maximal ill-formed part, which one U+FFFD replaces.
int utf8_step(const void *data, size_t len);
// True if the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
bool utf8_valid(const void *data, size_t len);
// The longest prefix of at most `max` bytes that does not cut a UTF-8 sequence of `data` in two.
size_t utf8_prefix(const void *data, size_t len, size_t max);
// `len` without a UTF-8 sequence at the end that has only begun.
size_t utf8_whole(const void *data, size_t len);

// Text that comes in pieces. Zero-initialised is ready.
struct utf8_check {
    uint8_t bytes[4];
    size_t len; // of a sequence that has begun and not ended; 0: the text so far is whole
};
// False if no continuation can make it UTF-8; it is of no more use then.
bool utf8_check_feed(struct utf8_check *check, const void *data, size_t len);
