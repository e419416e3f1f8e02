// Decodes chunks from bytes. What a header says is bounded before it is used, and compared with what the payload really
// holds.
#include "model/chunk_private.h"
#include "model/compress.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct times {
    uint64_t now;
    int64_t min, max;
};

static inline int64_t times_next(struct times *times, uint64_t delta)
{
    times->now += unzigzag(delta);
    int64_t now = (int64_t)times->now;
    times->min = MIN(times->min, now);
    times->max = MAX(times->max, now);
    return now;
}

// Whether the next eight numbers are of one byte each.
static inline bool eight_short(const struct reader *reader)
{
    uint64_t word;
    if (reader->end - reader->at < (ptrdiff_t)sizeof(word))
        return false;
    memcpy(&word, reader->at, sizeof(word));
    return (word & 0x8080808080808080) == 0;
}

static bool decode_times(struct chunk *chunk, struct reader *reader)
{
    uint32_t count = chunk->header.count, i = 0;
    struct times times = {(uint64_t)chunk->header.time_min, INT64_MAX, INT64_MIN};
    while (i < count) {
        // Lines come in bursts, so most deltas take one byte. Eight of them are read at a time.
        if (count - i >= 8 && eight_short(reader)) {
            for (unsigned k = 0; k < 8; k++)
                chunk->times[i++] = times_next(&times, *reader->at++);
            continue;
        }
        uint64_t delta;
        if (!read_varint(reader, &delta))
            return false;
        chunk->times[i++] = times_next(&times, delta);
    }
    return times.min == chunk->header.time_min && times.max == chunk->header.time_max;
}

static bool decode_kinds(struct chunk *chunk, struct reader *reader)
{
    uint32_t counters[COUNTER_COUNT] = {0};
    uint32_t count = chunk->header.count;
    for (uint32_t i = 0, run; i < count; i += run) {
        if (reader->at == reader->end)
            return false;
        uint8_t kind = *reader->at++;
        if (!kind_valid(kind) || !read_u32(reader, count - i, &run) || run == 0)
            return false;
        memset(chunk->kinds + i, kind, run);
        counters_add(counters, kind, i, run);
    }
    return memcmp(counters, chunk->header.counters, sizeof(counters)) == 0;
}

static bool decode_lengths(struct chunk *chunk, struct reader *reader)
{
    uint32_t at = 0, length;
    chunk->text_offsets[0] = 0;
    for (uint32_t i = 0; i < chunk->header.count; i++) {
        if (!read_u32(reader, chunk->header.payload_len - at, &length))
            return false;
        at += length + 1;
        chunk->text_offsets[i + 1] = at;
        if (at > chunk->header.payload_len)
            return false;
    }
    return true;
}

static bool decode_extras(struct chunk *chunk, struct reader *reader)
{
    uint32_t at = 0, length;
    if (!chunk->extra_offsets)
        return true;
    chunk->extra_offsets[0] = 0;
    for (uint32_t i = 0; i < chunk->header.count; i++) {
        length = 0;
        if (chunk->kinds[i] & KIND_EXTRA && (!read_u32(reader, RECORD_EXTRA_MAX, &length) || length == 0))
            return false;
        if (length > chunk->header.payload_len - at)
            return false;
        at += length;
        chunk->extra_offsets[i + 1] = at;
    }
    if ((size_t)(reader->end - reader->at) < at)
        return false;
    reader->at += at;
    return true;
}

// Writes the offset after each newline of [text, text + len) to `ends`, which has room for `max`. Returns how many
// newlines there are, or a number above `max` if there are too many.
static uint32_t scan_newlines(const uint8_t *text, uint32_t len, uint32_t *ends, uint32_t max)
{
    uint32_t found = 0, at = 0;
#ifdef __SSE2__
    const __m128i newline = _mm_set1_epi8('\n');
    for (; len - at >= 64; at += 64) {
        uint64_t mask = 0;
        for (unsigned k = 0; k < 4; k++) {
            __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(text + at + k * 16));
            mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, newline)) << (k * 16);
        }
        if ((uint32_t)__builtin_popcountll(mask) > max - found)
            return max + 1;
        for (; mask; mask &= mask - 1)
            ends[found++] = at + (uint32_t)__builtin_ctzll(mask) + 1;
    }
#endif
    for (const uint8_t *next; at < len && (next = memchr(text + at, '\n', len - at)); at = ends[found - 1]) {
        if (found == max)
            return max + 1;
        ends[found++] = (uint32_t)(next - text) + 1;
    }
    return found;
}

static bool decode_text(struct chunk *chunk, struct reader *reader)
{
    uint32_t count = chunk->header.count;
    uint32_t len = (uint32_t)(reader->end - reader->at);
    const uint8_t *text = reader->at;
    chunk->text = (const char *)text;
    reader->at = reader->end;
    if (chunk->header.sizes[SECTION_LENGTHS] == 0) {
        chunk->text_offsets[0] = 0;
        return scan_newlines(text, len, chunk->text_offsets + 1, count) == count && chunk->text_offsets[count] == len;
    }
    if (chunk->text_offsets[count] != len)
        return false;
    for (uint32_t i = 1; i <= count; i++) {
        if (text[chunk->text_offsets[i] - 1] != '\n')
            return false;
    }
    return true;
}

// Each column ends where the next one begins. A reader that stands there has its end moved to the end of the section.
static inline bool decode_column(struct chunk *chunk, enum chunk_section section, struct reader *reader,
                                 bool (*decode)(struct chunk *chunk, struct reader *reader))
{
    reader->end = reader->at + chunk->header.sizes[section];
    return decode(chunk, reader) && reader->at == reader->end;
}

static bool decode_columns(struct chunk *chunk)
{
    bool lengths = chunk->header.sizes[SECTION_LENGTHS] > 0, extras = chunk->header.sizes[SECTION_EXTRAS] > 0;
    struct reader reader = {.at = chunk->payload};
    return decode_column(chunk, SECTION_TIMES, &reader, decode_times) &&
           decode_column(chunk, SECTION_KINDS, &reader, decode_kinds) &&
           (!lengths || decode_column(chunk, SECTION_LENGTHS, &reader, decode_lengths)) &&
           (!extras || decode_column(chunk, SECTION_EXTRAS, &reader, decode_extras)) &&
           decode_column(chunk, SECTION_TEXT, &reader, decode_text);
}

// Keeps the chunk's bytes as they came; or, without `all`, without derived and unknown sections.
static struct chunk *take_bytes(const struct chunk_header *header, const uint8_t *data, size_t len, bool all)
{
    bool derived = header->plain_len > 0 || header->unknown;
    if (all || !derived || header->unknown_packed) {
        struct chunk *chunk = chunk_allocate(header, len);
        memcpy(chunk->encoded, data, len);
        return chunk;
    }
    struct chunk_header kept = *header;
    size_t front = (size_t)header->head_len + header->plain_len;
    return chunk_assemble(&kept, NULL, str_n((const char *)data + front, len - front));
}

static int decode(const uint8_t *data, size_t len, size_t raw_max, bool all, struct chunk **ret)
{
    struct chunk_header header;
    int err = chunk_header_read(data, len, raw_max, &header);
    if (err < 0)
        return err;
    size_t stored_len = len - header.head_len - header.plain_len;
    CLEANUP(chunk_unref) struct chunk *chunk = take_bytes(&header, data, len, all);
    if (header.zstd && !decompress_exact(data + (len - stored_len), stored_len, chunk->payload, header.payload_len))
        return ERR_CORRUPT;
    if (!decode_columns(chunk))
        return ERR_CORRUPT;
    *ret = TAKE_PTR(chunk);
    return 0;
}

static int check_messages(const struct chunk *chunk, size_t message_max)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < chunk->header.count; i++)
        longest = MAX(longest, chunk->text_offsets[i + 1] - chunk->text_offsets[i] - 1);
    return message_max > 0 && longest > message_max ? ERR_TOO_LONG : 0;
}

static int check_extras(const struct chunk *chunk)
{
    if (!chunk->extra_offsets)
        return 0;
    CLEANUP(record_parser_free) struct record_parser *parser = record_parser_new(0);
    for (uint32_t i = 0; i < chunk->header.count; i++) {
        struct record record;
        if (!(chunk->kinds[i] & KIND_EXTRA))
            continue;
        chunk_record(chunk, i, &record);
        if (!record_extra_valid(parser, record.extra))
            return ERR_CORRUPT;
    }
    return 0;
}

// Encodes the same records again, with the known columns alone.
static struct chunk *made_anew(const struct chunk *chunk)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    if (chunk_builder_add_range(builder, chunk, 0, chunk->header.count) < 0)
        return NULL; // cannot happen: it is smaller than before
    return chunk_builder_finish(builder, chunk->header.zstd ? 1 : 0);
}

int chunk_decode(const void *data, size_t len, size_t message_max, struct chunk **ret)
{
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    int err = decode(data, len, CHUNK_RAW_MAX - CHUNK_SLACK / 2, false, &chunk);
    if (err < 0 || (err = check_messages(chunk, message_max)) < 0 || (err = check_extras(chunk)) < 0)
        return err;
    *ret = chunk->header.unknown_packed ? made_anew(chunk) : TAKE_PTR(chunk);
    return *ret ? 0 : ERR_TOO_LARGE;
}

int chunk_decode_stored(const void *data, size_t len, struct chunk **ret)
{
    return decode(data, len, CHUNK_RAW_MAX, true, ret);
}

int chunk_decode_closed(const void *data, size_t len, struct chunk **ret)
{
    struct chunk_header header;
    int err = chunk_header_read(data, len, CHUNK_RAW_MAX, &header);
    if (err < 0)
        return err;
    *ret = chunk_allocate_closed(&header, len);
    memcpy((*ret)->encoded, data, len);
    return 0;
}

bool chunk_decode_front(const void *data, size_t given, size_t len, struct chunk **ret)
{
    struct chunk_header header;
    if (!chunk_header_read_front(data, given, len, &header))
        return false;
    size_t front = (size_t)header.head_len + header.plain_len;
    *ret = chunk_allocate_closed(&header, front);
    memcpy((*ret)->encoded, data, front);
    (*ret)->front = true;
    return true;
}

int chunk_open(struct chunk **chunk)
{
    struct chunk *open = NULL;
    if ((*chunk)->payload)
        return 0;
    int err = decode((*chunk)->encoded, (*chunk)->encoded_len, CHUNK_RAW_MAX, true, &open);
    if (err < 0)
        return err;
    chunk_unref(chunk);
    *chunk = open;
    return 0;
}
