#include "model/needle.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

// How common a byte is in logs: 0 for rare ones. It only decides about speed.
static unsigned commonness(uint8_t byte)
{
    static const char common[] = "zqjxkvwbygpmfhucdlnsriatoe0123456789:-./ "; // the most common ones last
    const char *at = byte ? strchr(common, ascii_lower((char)byte)) : NULL;
    return at ? (unsigned)(at - common) + 1 : 0;
}

struct needle needle_of(struct str text, bool ignore_case)
{
    struct needle needle = {.text = text, .ignore_case = ignore_case};
    for (size_t i = 1; i < text.len; i++) {
        if (commonness((uint8_t)text.data[i]) < commonness((uint8_t)text.data[needle.first]))
            needle.first = i;
    }
    needle.second = needle.first > 0 ? 0 : text.len - 1;
    for (size_t i = 0; i < text.len; i++) {
        bool rarer = commonness((uint8_t)text.data[i]) < commonness((uint8_t)text.data[needle.second]);
        if (i != needle.first && rarer)
            needle.second = i;
    }
    return needle;
}

static bool stands_at(const struct needle *needle, const char *at)
{
    if (!needle->ignore_case)
        return memcmp(at, needle->text.data, needle->text.len) == 0;
    for (size_t i = 0; i < needle->text.len; i++) {
        if (ascii_lower(at[i]) != needle->text.data[i])
            return false;
    }
    return true;
}

static const char *find_slowly(const struct needle *needle, const char *at, const char *end)
{
    for (; (size_t)(end - at) >= needle->text.len; at++) {
        if (stands_at(needle, at))
            return at;
    }
    return NULL;
}

#ifdef __SSE2__
// A byte of the needle, sixteen times, and the bit that makes both cases of a letter equal.
struct wanted {
    __m128i byte, fold;
};

static struct wanted wanted_of(const struct needle *needle, size_t at)
{
    char byte = needle->text.data[at];
    bool letter = needle->ignore_case && byte >= 'a' && byte <= 'z';
    return (struct wanted){_mm_set1_epi8(byte), _mm_set1_epi8(letter ? 0x20 : 0)};
}

static inline __m128i equal(const char *at, const struct wanted *wanted)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
    return _mm_cmpeq_epi8(_mm_or_si128(block, wanted->fold), wanted->byte);
}
#endif

const char *needle_find(const struct needle *needle, const char *at, const char *end)
{
    if ((size_t)(end - at) < needle->text.len)
        return NULL;
#ifdef __SSE2__
    const struct wanted first = wanted_of(needle, needle->first), second = wanted_of(needle, needle->second);
    const char *last = end - needle->text.len; // where it may begin
    for (; last - at >= 15; at += 16) {
        __m128i both = _mm_and_si128(equal(at + needle->first, &first), equal(at + needle->second, &second));
        for (unsigned mask = (unsigned)_mm_movemask_epi8(both); mask; mask &= mask - 1) {
            const char *place = at + __builtin_ctz(mask);
            if (stands_at(needle, place))
                return place;
        }
    }
#endif
    return find_slowly(needle, at, end);
}

size_t newlines_count(const char *at, const char *end)
{
    size_t count = 0;
#ifdef __SSE2__
    const __m128i newline = _mm_set1_epi8('\n'), zero = _mm_setzero_si128();
    while (end - at >= 16) {
        // Each byte counts to 255 at most before the sums are taken.
        __m128i counts = zero;
        for (unsigned i = 0; i < 255 && end - at >= 16; i++, at += 16)
            counts = _mm_sub_epi8(counts, _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)at), newline));
        __m128i sums = _mm_sad_epu8(counts, zero);
        count += (size_t)_mm_cvtsi128_si64(sums) + (size_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums));
    }
#endif
    for (; at < end; at++)
        count += *at == '\n';
    return count;
}
