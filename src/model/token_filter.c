#include "model/token_filter.h"

#include <endian.h>

// The first byte of the filter: which tokens it has. A filter of another construction needs another value. Words has
// the trigrams too, and all has both. Sparse has the trigrams, with one bit for each.
enum token_kind { KIND_NONE, KIND_TRIGRAMS, KIND_WORDS, KIND_ALL, KIND_SPARSE };

#define WORD_MIN       4
#define GRAM           6
#define BLOCK          64 // bytes
#define BLOCK_BITS     (BLOCK * 8u)
#define BITS_EACH      6 // bits of the filter for each token
#define NEEDLE_MAX     64
#define RECENT_BITS    12
#define SLOTS_AT_FIRST 4096u
#define GRAM_SALT      0x9e3779b97f4a7c15u

#define TRIGRAM_MAX UINT32_C(0x01000000)
#define WORD_MAX    UINT32_C(0x3fffffff)

static const struct construction {
    uint32_t token_max;        // it has the tokens up to this number
    unsigned token_bits;       // that are set for each
    unsigned half_bits_least;  // halves of a bit of the filter for each; with fewer, nearly everything would pass
    enum token_kind otherwise; // what is tried if there is no room
} constructions[] = {
    [KIND_NONE] = {0},
    [KIND_TRIGRAMS] = {TRIGRAM_MAX, 3, 6, KIND_SPARSE},
    [KIND_WORDS] = {WORD_MAX, 3, 6, KIND_TRIGRAMS},
    [KIND_ALL] = {UINT32_MAX, 3, 6, KIND_WORDS},
    // A text of eight letters has six trigrams. With 2 bits for each token 39 % of the bits are set, and it passes in
    // 0.4 %.
    [KIND_SPARSE] = {TRIGRAM_MAX, 1, 3, KIND_NONE},
};

// A set of distinct tokens; 0 is an empty slot.
struct token_builder {
    uint32_t *slots;
    size_t mask, count;
    size_t blocks_max;    // of the filter
    enum token_kind kind; // that with the most tokens for which there is room yet; no others are looked for
    size_t of_kind[ARRAY_LEN(constructions)];
    uint32_t recent[1u << RECENT_BITS]; // some of those in the set, where they are found faster
};

struct token_builder *token_builder_new(size_t max)
{
    struct token_builder *builder = xcalloc(1, sizeof(*builder));
    builder->blocks_max = (max - MIN(max, (size_t)1)) / BLOCK;
    builder->kind = KIND_ALL;
    builder->mask = SLOTS_AT_FIRST - 1;
    builder->slots = xcalloc(SLOTS_AT_FIRST, sizeof(*builder->slots));
    return builder;
}

void token_builder_free(struct token_builder **owner)
{
    struct token_builder *builder = TAKE_PTR(*owner);
    if (!builder)
        return;
    free(builder->slots);
    free(builder);
}

// --- Tokens

static inline uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static inline bool in_word(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
}

static inline uint64_t mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    return value ^ value >> 32;
}

static inline bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

// The last bytes of a text, in lower case.
struct tail {
    uint64_t bytes;  // GRAM of them, the last one highest
    unsigned digits; // of the last three: a bit for each that is a digit, or before the text
};
#define TAIL_BEFORE ((struct tail){.digits = 7})

static inline void tail_next(struct tail *tail, uint8_t byte)
{
    tail->bytes = tail->bytes >> 8 | (uint64_t)byte << (GRAM - 1) * 8;
    tail->digits = (tail->digits << 1 | is_digit(byte)) & 7;
}

// Returns 0 for a trigram with a digit: nearly all of those are in every chunk that has numbers.
static inline uint32_t trigram(const struct tail *tail)
{
    return tail->digits ? 0 : (uint32_t)(tail->bytes >> (GRAM - 3) * 8) + 1;
}

// Returns 0 if it is not one of the chosen ones.
static inline uint32_t long_gram(const struct tail *tail)
{
    uint64_t hash = mix(tail->bytes + GRAM_SALT);
    return hash >> 63 ? ((uint32_t)hash & 0x3fffffff) | 0x40000000 : 0;
}

static uint32_t word_token(const uint8_t *at, size_t len)
{
    uint64_t hash = len;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ lower(at[i])) * 0x100000001b3u;
    return ((uint32_t)mix(hash) & 0x1fffffff) | 0x20000000;
}

typedef void take_token(void *arg, uint32_t token); // 0: none

// `whole`: the text is a complete message, so no other byte stands before or after it. For a needle that is not known.
// `most`: the highest token that is wanted; the construction's, as a constant.
static inline void each_token(struct str text, bool whole, uint32_t most, take_token *take, void *arg)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    struct tail tail = TAIL_BEFORE;
    size_t run = 0; // length of the run of word bytes that ends here
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = lower(bytes[i]);
        tail_next(&tail, byte);
        take(arg, trigram(&tail));
        if (most <= TRIGRAM_MAX)
            continue;
        if (in_word(byte)) {
            run++;
            if (most > WORD_MAX && run >= GRAM)
                take(arg, long_gram(&tail));
            continue;
        }
        if (run >= WORD_MIN && (whole || run < i))
            take(arg, word_token(bytes + i - run, run));
        run = 0;
    }
    if (most > TRIGRAM_MAX && whole && run >= WORD_MIN)
        take(arg, word_token(bytes + text.len - run, run));
}

// --- Making

static size_t slot_of(const struct token_builder *builder, uint32_t token)
{
    size_t at = (token * 0x9e3779b1u) >> 7 & builder->mask;
    while (builder->slots[at] && builder->slots[at] != token)
        at = (at + 1) & builder->mask;
    return at;
}

static void builder_grow(struct token_builder *builder)
{
    struct token_builder larger = {.mask = builder->mask * 2 + 1};
    larger.slots = xcalloc(larger.mask + 1, sizeof(*larger.slots));
    for (size_t i = 0; i <= builder->mask; i++) {
        if (builder->slots[i])
            larger.slots[slot_of(&larger, builder->slots[i])] = builder->slots[i];
    }
    free(builder->slots);
    builder->slots = larger.slots;
    builder->mask = larger.mask;
}

static void builder_insert(struct token_builder *builder, uint32_t token)
{
    size_t at = slot_of(builder, token);
    if (builder->slots[at])
        return;
    builder->slots[at] = token;
    for (unsigned kind = KIND_TRIGRAMS; kind < ARRAY_LEN(constructions); kind++)
        builder->of_kind[kind] += token <= constructions[kind].token_max;
    if (++builder->count > builder->mask / 2)
        builder_grow(builder);
}

static inline void builder_take(void *arg, uint32_t token)
{
    struct token_builder *builder = arg;
    uint32_t *recent = &builder->recent[token * 0x9e3779b1u >> (32 - RECENT_BITS)];
    if (LIKELY(*recent == token) || token == 0)
        return;
    *recent = token;
    builder_insert(builder, token);
}

// Leaves out the kinds of tokens of which there are too many already. What was found of them stays until the end.
static void builder_narrow(struct token_builder *builder)
{
    size_t half_bits = builder->blocks_max * BLOCK_BITS * 2;
    while (half_bits < builder->of_kind[builder->kind] * constructions[builder->kind].half_bits_least)
        builder->kind = constructions[builder->kind].otherwise;
}

void token_builder_add(struct token_builder *builder, struct str text)
{
    switch (builder->kind) {
    case KIND_NONE:
        return;
    case KIND_ALL:
        each_token(text, true, UINT32_MAX, builder_take, builder);
        break;
    case KIND_WORDS:
        each_token(text, true, WORD_MAX, builder_take, builder);
        break;
    case KIND_TRIGRAMS:
    case KIND_SPARSE:
        each_token(text, true, TRIGRAM_MAX, builder_take, builder);
        break;
    }
    builder_narrow(builder);
}

struct place {
    size_t block;
    uint64_t bits; // BLOCK_BITS places, nine bits for each
};

static inline struct place place_of(uint32_t token, size_t blocks)
{
    uint64_t hash = mix(token * GRAM_SALT);
    return (struct place){(size_t)(((hash >> 32) * blocks) >> 32), mix(hash)};
}

static void set_bits(const struct token_builder *builder, const struct construction *how, size_t blocks,
                     uint8_t *filter)
{
    memset(filter, 0, blocks * BLOCK);
    for (size_t i = 0; i <= builder->mask; i++) {
        if (builder->slots[i] == 0 || builder->slots[i] > how->token_max)
            continue;
        struct place place = place_of(builder->slots[i], blocks);
        for (unsigned k = 0; k < how->token_bits; k++, place.bits >>= 9)
            filter[place.block * BLOCK + (place.bits >> 3 & (BLOCK - 1))] |= (uint8_t)(1u << (place.bits & 7));
    }
}

void token_builder_finish(struct token_builder *builder, struct buf *out)
{
    size_t wanted = (builder->of_kind[builder->kind] * BITS_EACH + BLOCK_BITS - 1) / BLOCK_BITS;
    size_t blocks = MIN(wanted, builder->blocks_max);
    if (blocks > 0) {
        buf_append_byte(out, (char)builder->kind);
        buf_reserve(out, blocks * BLOCK);
        set_bits(builder, &constructions[builder->kind], blocks, (uint8_t *)out->data + out->len);
        out->len += blocks * BLOCK;
    }
    memset(builder->recent, 0, sizeof(builder->recent));
    memset(builder->slots, 0, (builder->mask + 1) * sizeof(*builder->slots));
    memset(builder->of_kind, 0, sizeof(builder->of_kind));
    builder->kind = KIND_ALL;
    builder->count = 0;
}

// --- Asking

static void needle_take(void *arg, uint32_t token)
{
    struct token_needle *needle = arg;
    if (token && needle->count < NEEDLE_MAX)
        needle->tokens[needle->count++] = token;
}

void token_needle_add(struct token_needle *needle, struct str text)
{
    if (!needle->tokens)
        needle->tokens = xcalloc(NEEDLE_MAX, sizeof(*needle->tokens));
    each_token(text, false, UINT32_MAX, needle_take, needle);
}

void token_needle_release(struct token_needle *needle)
{
    free(TAKE_PTR(needle->tokens));
    needle->count = 0;
}

bool token_filter_may_hold(struct str filter, const struct token_needle *needle)
{
    unsigned kind = filter.len > 1 ? (unsigned char)filter.data[0] : KIND_NONE;
    if (kind == KIND_NONE || kind >= ARRAY_LEN(constructions) || (filter.len - 1) % BLOCK != 0)
        return true;
    const struct construction *how = &constructions[kind];
    const uint8_t *bytes = (const uint8_t *)filter.data + 1;
    for (size_t i = 0; i < needle->count; i++) {
        struct place place = place_of(needle->tokens[i], (filter.len - 1) / BLOCK);
        for (unsigned k = 0; k < how->token_bits && needle->tokens[i] <= how->token_max; k++, place.bits >>= 9) {
            if (!(bytes[place.block * BLOCK + (place.bits >> 3 & (BLOCK - 1))] >> (place.bits & 7) & 1))
                return false;
        }
    }
    return true;
}
