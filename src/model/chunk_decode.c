// Chunks from bytes. Whatever a header says is bounded before it is used, and compared with what the payload turns out
// to hold.
#include "model/chunk_private.h"
#include "model/compress.h"

#include <endian.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct reader {
    const uint8_t *at, *end;
};

static inline bool read_varint(struct reader *reader, uint64_t *ret)
{
    if (LIKELY(reader->at < reader->end && *reader->at < 0x80)) {
        *ret = *reader->at++;
        return true;
    }
    return varint_read(&reader->at, reader->end, ret);
}

static bool read_u32(struct reader *reader, uint32_t max, uint32_t *ret)
{
    uint64_t value;
    if (!read_varint(reader, &value) || value > max)
        return false;
    *ret = (uint32_t)value;
    return true;
}

// A size that is over its limit is told apart from one that is no number.
static int read_size(struct reader *reader, uint32_t max, uint32_t *ret)
{
    uint64_t value;
    if (!read_varint(reader, &value))
        return ERR_CORRUPT;
    if (value > max)
        return ERR_TOO_LARGE;
    *ret = (uint32_t)value;
    return 0;
}

static bool read_counters(struct reader *reader, struct chunk_header *header)
{
    uint32_t bitmap;
    uint64_t streams = 0, levels = 0;
    if (!read_u32(reader, (1u << COUNTER_COUNT) - 1, &bitmap))
        return false;
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        header->counters[i] = 0;
        if (!(bitmap & 1u << i))
            continue;
        if (!read_u32(reader, header->count, &header->counters[i]) || header->counters[i] == 0)
            return false;
    }
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        streams += header->counters[COUNTER_STREAM + i];
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        levels += header->counters[COUNTER_LEVEL + i];
    return streams == header->count && levels == header->count;
}

static bool read_times_range(struct reader *reader, struct chunk_header *header)
{
    uint64_t min, range;
    if (!read_varint(reader, &min) || !read_varint(reader, &range))
        return false;
    header->time_min = (int64_t)unzigzag(min);
    header->time_max = (int64_t)((uint64_t)header->time_min + range);
    return header->time_max >= header->time_min;
}

// Moves `reader` to the checksum.
static int read_header(struct reader *reader, size_t raw_max, struct chunk_header *ret)
{
    int err;
    if (reader->end - reader->at < 4 || memcmp(reader->at, "RC", 2) != 0 || reader->at[2] != CHUNK_VERSION)
        return ERR_CORRUPT;
    ret->flags = reader->at[3];
    if (ret->flags & ~CHUNK_FLAGS)
        return ERR_CORRUPT;
    reader->at += 4;
    if ((err = read_size(reader, CHUNK_COUNT_MAX, &ret->count)) < 0 ||
        (err = read_size(reader, (uint32_t)raw_max, &ret->payload_len)) < 0 ||
        (err = read_size(reader, CHUNK_ENCODED_MAX, &ret->stored_len)) < 0)
        return err;
    if (!read_u32(reader, ret->payload_len, &ret->message_bytes) || !read_times_range(reader, ret) ||
        !read_counters(reader, ret))
        return ERR_CORRUPT;
    // So many records need so many bytes: the index arrays cannot be made larger than the payload warrants.
    if (ret->count == 0 || ret->payload_len / CHUNK_RECORD_MIN < ret->count)
        return ERR_CORRUPT;
    return 0;
}

static bool check_stored(const struct reader *reader, const uint8_t *start, const struct chunk_header *header)
{
    uint64_t checksum;
    size_t left = (size_t)(reader->end - reader->at);
    if (left < CHUNK_CHECKSUM_LEN || left - CHUNK_CHECKSUM_LEN != header->stored_len)
        return false;
    if (!(header->flags & CHUNK_FLAG_ZSTD) && header->stored_len != header->payload_len)
        return false;
    memcpy(&checksum, reader->at, sizeof(checksum));
    return le64toh(checksum) ==
           chunk_checksum(start, (size_t)(reader->at - start), reader->at + CHUNK_CHECKSUM_LEN, header->stored_len);
}

static bool decode_times(struct chunk *chunk, struct reader *reader)
{
    uint32_t count = chunk->header.count;
    uint64_t now = (uint64_t)chunk->header.time_min;
    int64_t min = INT64_MAX, max = INT64_MIN;
    uint32_t i = 0;
    while (i < count) {
        uint64_t word;
        // Lines come in bursts, so most deltas are one byte: eight of them at a time.
        if (count - i >= 8 && reader->end - reader->at >= 8 &&
            (memcpy(&word, reader->at, sizeof(word)), (word & 0x8080808080808080) == 0)) {
            for (unsigned k = 0; k < 8; k++) {
                now += unzigzag(reader->at[k]);
                chunk->times[i + k] = (int64_t)now;
                min = MIN(min, (int64_t)now);
                max = MAX(max, (int64_t)now);
            }
            reader->at += 8;
            i += 8;
            continue;
        }
        uint64_t delta;
        if (!read_varint(reader, &delta))
            return false;
        now += unzigzag(delta);
        chunk->times[i++] = (int64_t)now;
        min = MIN(min, (int64_t)now);
        max = MAX(max, (int64_t)now);
    }
    return min == chunk->header.time_min && max == chunk->header.time_max;
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
        counters_add(counters, kind, run);
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
    chunk->extras = (const char *)reader->at;
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
    chunk->extras = (const char *)reader->at;
    if ((size_t)(reader->end - reader->at) < at)
        return false;
    reader->at += at;
    return true;
}

// Writes the offset behind each newline of [text, text + len) to `ends`, which has room for `max`. Returns how many
// there are, or more than `max` if they are too many.
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
    if (len < count || len - count != chunk->header.message_bytes)
        return false;
    if (!(chunk->header.flags & CHUNK_FLAG_EXPLICIT)) {
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

static bool decode_columns(struct chunk *chunk)
{
    struct reader reader = {chunk->payload, chunk->payload + chunk->header.payload_len};
    if (!decode_times(chunk, &reader) || !decode_kinds(chunk, &reader))
        return false;
    if (chunk->header.flags & CHUNK_FLAG_EXPLICIT && !decode_lengths(chunk, &reader))
        return false;
    return decode_extras(chunk, &reader) && decode_text(chunk, &reader);
}

static int decode(const uint8_t *data, size_t len, size_t raw_max, struct chunk **ret)
{
    struct reader reader = {data, data + len};
    struct chunk_header header;
    if (len > CHUNK_ENCODED_MAX)
        return ERR_TOO_LARGE;
    int err = read_header(&reader, raw_max, &header);
    if (err < 0)
        return err;
    if (!check_stored(&reader, data, &header))
        return ERR_CORRUPT;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_allocate(&header, len);
    memcpy(chunk->encoded, data, len);
    if (header.flags & CHUNK_FLAG_ZSTD && !decompress_exact(chunk->encoded + (len - header.stored_len),
                                                            header.stored_len, chunk->payload, header.payload_len))
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

int chunk_decode(const void *data, size_t len, size_t message_max, struct chunk **ret)
{
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    int err = decode(data, len, CHUNK_RAW_MAX - CHUNK_SLACK / 2, &chunk);
    if (err < 0 || (err = check_messages(chunk, message_max)) < 0 || (err = check_extras(chunk)) < 0)
        return err;
    *ret = TAKE_PTR(chunk);
    return 0;
}

int chunk_decode_stored(const void *data, size_t len, struct chunk **ret)
{
    return decode(data, len, CHUNK_RAW_MAX, ret);
}
