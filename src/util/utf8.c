// UTF-8 as table 3-7 of the Unicode standard defines it. The lead byte decides how many bytes follow, and the range of
// the first of them. Overlong forms and surrogates are outside of that range.
#include "util/str.h"

struct lead {
    uint8_t len; // 0: the byte cannot start a sequence
    uint8_t second_min, second_max;
};

static struct lead lead_of(uint8_t byte)
{
    if (byte < 0x80)
        return (struct lead){1, 0, 0};
    if (byte < 0xc2 || byte > 0xf4)
        return (struct lead){0, 0, 0};
    if (byte < 0xe0)
        return (struct lead){2, 0x80, 0xbf};
    if (byte < 0xf0)
        return (struct lead){3, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf};
    return (struct lead){4, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf};
}

int utf8_step(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    // A shortcut: most sequences have two or three bytes and no special second byte.
    if (bytes[0] >= 0xe1 && bytes[0] <= 0xec && len >= 3 && (bytes[1] & 0xc0) == 0x80 && (bytes[2] & 0xc0) == 0x80)
        return 3;
    if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf && len >= 2 && (bytes[1] & 0xc0) == 0x80)
        return 2;
    struct lead lead = lead_of(bytes[0]);
    if (lead.len == 0)
        return -1;
    for (int i = 1; i < lead.len; i++) {
        uint8_t min = i == 1 ? lead.second_min : 0x80;
        uint8_t max = i == 1 ? lead.second_max : 0xbf;
        if ((size_t)i >= len || bytes[i] < min || bytes[i] > max)
            return -i;
    }
    return lead.len;
}

static inline bool eight_are_ascii(const uint8_t *at, const uint8_t *end)
{
    uint64_t word;
    if (end - at < (ptrdiff_t)sizeof(word))
        return false;
    memcpy(&word, at, sizeof(word));
    return (word & 0x8080808080808080) == 0;
}

bool utf8_valid(const void *data, size_t len)
{
    const uint8_t *at = len > 0 ? data : (const void *)""; // no offset may be added to NULL
    const uint8_t *end = at + len;
    while (at < end) {
        if (eight_are_ascii(at, end)) {
            at += 8;
            continue;
        }
        int step = utf8_step(at, (size_t)(end - at));
        if (step < 0)
            return false;
        at += step;
    }
    return true;
}

size_t utf8_prefix(const void *data, size_t len, size_t max)
{
    const uint8_t *bytes = data;
    if (len <= max)
        return len;
    // A sequence that crosses the cut starts at most three bytes before it.
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        size_t start = max - back;
        if ((bytes[start] & 0xc0) == 0x80)
            continue;
        return utf8_step(bytes + start, len - start) > (int)back ? start : max;
    }
    return max;
}

// Whether these bytes begin a sequence but do not end it.
static bool sequence_begun(const uint8_t *bytes, size_t len)
{
    return lead_of(bytes[0]).len > len && utf8_step(bytes, len) == -(int)len;
}

size_t utf8_whole(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        size_t start = len - back;
        if ((bytes[start] & 0xc0) == 0x80)
            continue;
        return sequence_begun(bytes + start, back) ? start : len;
    }
    return len;
}

bool utf8_check_feed(struct utf8_check *check, const void *data, size_t len)
{
    const uint8_t *at = data;
    for (; check->len > 0 && len > 0; at++, len--) {
        check->bytes[check->len++] = *at;
        if (utf8_step(check->bytes, check->len) > 0)
            check->len = 0;
        else if (!sequence_begun(check->bytes, check->len))
            return false;
    }
    if (len == 0)
        return true;
    size_t whole = utf8_whole(at, len);
    check->len = len - whole;
    memcpy(check->bytes, at + whole, check->len);
    return utf8_valid(at, whole);
}
