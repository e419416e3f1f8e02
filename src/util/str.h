// A view of bytes that somebody else owns. It need not be NUL-terminated. `data` may be NULL if `len` is 0.
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

// ASCII letters alone change, in every locale.
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); // ASCII only
bool str_starts(struct str s, struct str prefix);
struct str str_trim(struct str s); // white space at both ends
// Splits at the first `sep`: returns the part before it, and moves *rest behind it. Without a `sep`, it returns all of
// it and empties *rest.
struct str str_split(struct str *rest, char sep);
char *str_dup(struct str s); // NUL-terminated, owned by the caller
// Returns where `c` first stands, or NULL; of an empty string also if its `data` is NULL, which memchr() does not take.
const char *str_find(struct str s, char c);
// Writes as much as fits and a NUL into `out`, of `size` > 0 bytes. Returns false if not all of it did.
bool str_put(char *out, size_t size, struct str s);

// Read a decimal number that is the whole string. Return false for anything else, also for an overflow, and leave *ret
// as it is.
bool str_to_u64(struct str s, uint64_t *ret);
bool str_to_i64(struct str s, int64_t *ret);

// Looks at the start of `data` (len > 0). Returns the length of the well-formed UTF-8 sequence there, or minus the
// length of the maximal ill-formed part, which one U+FFFD replaces.
int utf8_step(const void *data, size_t len);
// True if the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
bool utf8_valid(const void *data, size_t len);
// Returns the longest prefix of at most `max` bytes that does not cut a UTF-8 sequence in two.
size_t utf8_prefix(const void *data, size_t len, size_t max);
// Returns `len` without the bytes of an unfinished UTF-8 sequence at the end.
size_t utf8_whole(const void *data, size_t len);

// Checks text that comes in pieces. A zeroed struct is ready.
struct utf8_check {
    uint8_t bytes[4];
    size_t len; // bytes of an unfinished sequence; 0: the text so far is complete
};
// Returns false if no further bytes can make the text UTF-8. The struct is then of no more use.
bool utf8_check_feed(struct utf8_check *check, const void *data, size_t len);
