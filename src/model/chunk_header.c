// The header of a chunk, which stands before the payload: writes, reads and checks it.
#include "model/chunk_private.h"

#include <endian.h>
#include <xxhash.h>

#define MAGIC_LEN 2

// The two flag bits in the tag of each section.
static const uint8_t section_kinds[SECTION_COUNT] = {
    [SECTION_TIMES] = SECTION_PACKED | SECTION_REQUIRED,   [SECTION_KINDS] = SECTION_PACKED | SECTION_REQUIRED,
    [SECTION_LENGTHS] = SECTION_PACKED | SECTION_REQUIRED, [SECTION_EXTRAS] = SECTION_PACKED | SECTION_REQUIRED,
    [SECTION_TEXT] = SECTION_PACKED | SECTION_REQUIRED,
};

static uint64_t checksum_of(const uint8_t *encoded, size_t len)
{
    uint64_t seed = (uint64_t)encoded[0] | (uint64_t)encoded[1] << 8 | (uint64_t)encoded[2] << 16;
    size_t at = CHUNK_CHECKSUM_AT + CHUNK_CHECKSUM_LEN;
    return XXH3_64bits_withSeed(encoded + at, len - at, seed);
}

static size_t front_sum_at(const struct chunk_header *header)
{
    return header->head_len + chunk_section_offset(header, SECTION_FRONT_SUM);
}

void chunk_seal_front(uint8_t *encoded, const struct chunk_header *header)
{
    size_t at = front_sum_at(header);
    uint64_t sum = htole64(checksum_of(encoded, at));
    memcpy(encoded + at, &sum, sizeof(sum));
}

static uint64_t picks_sum(const char *section, size_t len)
{
    return htole64(XXH3_64bits(section + CHUNK_PICKS_SUM_LEN, len - CHUNK_PICKS_SUM_LEN));
}

void chunk_seal_picks(struct buf *section)
{
    uint64_t sum = picks_sum(section->data, section->len);
    memcpy(section->data, &sum, sizeof(sum));
}

// True also if there are none.
static bool picks_are_sound(const uint8_t *data, const struct chunk_header *header)
{
    uint64_t sum;
    const char *section = (const char *)data + header->head_len + chunk_section_offset(header, SECTION_PICKS);
    size_t len = header->sizes[SECTION_PICKS];
    if (len < sizeof(sum))
        return len == 0;
    memcpy(&sum, section, sizeof(sum));
    return sum == picks_sum(section, len);
}

void chunk_seal(uint8_t *encoded, size_t len)
{
    uint64_t checksum = htole64(checksum_of(encoded, len));
    memcpy(encoded + CHUNK_CHECKSUM_AT, &checksum, sizeof(checksum));
}

// --- Writing

void chunk_header_arrange(struct chunk_header *header)
{
    header->payload_len = header->plain_len = 0;
    for (unsigned i = 0; i < SECTION_COUNT; i++)
        *(section_kinds[i] & SECTION_PACKED ? &header->payload_len : &header->plain_len) += header->sizes[i];
}

size_t chunk_section_offset(const struct chunk_header *header, enum chunk_section section)
{
    size_t offset = 0;
    for (unsigned i = 0; i < section; i++)
        offset += section_kinds[i] == section_kinds[section] ? header->sizes[i] : 0;
    return offset;
}

static uint8_t *put_counters(const struct chunk_header *header, uint8_t *out)
{
    unsigned bitmap = 0;
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        bitmap |= header->counters[i] > 0 ? 1u << i : 0;
    out = put_varint(out, bitmap);
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        if (header->counters[i] > 0)
            out = put_varint(out, header->counters[i]);
    }
    return out;
}

static uint8_t *put_sections(const struct chunk_header *header, uint8_t *out)
{
    uint8_t *count = out++;
    *count = 0;
    for (unsigned i = 0; i < SECTION_COUNT; i++) {
        if (header->sizes[i] == 0)
            continue;
        *out++ = (uint8_t)((i + 1) << SECTION_ID_SHIFT | section_kinds[i]);
        out = put_varint(out, header->sizes[i]);
        ++*count;
    }
    return out;
}

size_t chunk_header_put(const struct chunk_header *header, uint8_t *start)
{
    uint8_t *out = start;
    *out++ = 'R';
    *out++ = 'C';
    *out++ = CHUNK_VERSION;
    out += CHUNK_CHECKSUM_LEN;
    unsigned continues = header->counters[COUNTER_CONTINUES] > 0 ? CHUNK_MUST_CONTINUE : 0;
    *out++ = (uint8_t)((header->zstd ? CHUNK_MUST_ZSTD : 0) | continues);
    out = put_varint(out, header->count);
    out = put_varint(out, zigzag((uint64_t)header->time_min));
    out = put_varint(out, (uint64_t)header->time_max - (uint64_t)header->time_min);
    out = put_counters(header, out);
    return (size_t)(put_sections(header, out) - start);
}

// --- Reading

static bool read_counters(struct reader *reader, struct chunk_header *header)
{
    uint32_t bitmap;
    uint64_t streams = 0, levels = 0;
    if (!read_u32(reader, (1u << COUNTER_COUNT) - 1, &bitmap))
        return false;
    for (; bitmap; bitmap &= bitmap - 1) {
        unsigned i = (unsigned)__builtin_ctz(bitmap);
        if (!read_u32(reader, header->count, &header->counters[i]) || header->counters[i] == 0)
            return false;
        streams += i < COUNTER_LEVEL ? header->counters[i] : 0;
        levels += i >= COUNTER_LEVEL && i < COUNTER_PARTIAL ? header->counters[i] : 0;
    }
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

// Reads one section. Ids grow, so no section comes twice, and the packed ones are in the payload in this order.
static int read_section(struct reader *reader, uint32_t *last_id, uint64_t *packed, uint64_t *plain,
                        struct chunk_header *header)
{
    uint32_t tag, size;
    if (!read_u32(reader, UINT32_MAX, &tag) || !read_u32(reader, UINT32_MAX, &size))
        return ERR_CORRUPT;
    uint32_t id = tag >> SECTION_ID_SHIFT, kind = tag & (SECTION_PACKED | SECTION_REQUIRED);
    if (id <= *last_id)
        return ERR_CORRUPT;
    *last_id = id;
    uint64_t *end = kind & SECTION_PACKED ? packed : plain;
    if (id <= SECTION_COUNT) {
        if (size == 0 || kind != section_kinds[id - 1])
            return ERR_CORRUPT;
        header->sizes[id - 1] = size;
    } else if (kind & SECTION_REQUIRED) {
        return ERR_TOO_NEW;
    } else {
        header->unknown = true;
        header->unknown_packed |= kind & SECTION_PACKED;
    }
    *end += size;
    return 0;
}

static int read_sections(struct reader *reader, size_t len, size_t raw_max, struct chunk_header *header)
{
    uint32_t count, last_id = 0;
    uint64_t packed = 0, plain = 0;
    if (!read_u32(reader, CHUNK_SECTIONS_MAX, &count))
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        int err = read_section(reader, &last_id, &packed, &plain, header);
        if (err < 0)
            return err;
    }
    if (packed > raw_max)
        return ERR_TOO_LARGE;
    if (plain > len)
        return ERR_CORRUPT;
    header->payload_len = (uint32_t)packed;
    header->plain_len = (uint32_t)plain;
    return 0;
}

// Whether the parts of the header fit together, as far as the header alone can tell.
static bool is_consistent(const struct chunk_header *header, size_t stored_len)
{
    const uint32_t *sizes = header->sizes;
    bool extras = header->counters[COUNTER_EXTRA] > 0;
    // So many records need at least so many bytes. Otherwise a small payload could ask for large index arrays.
    if (header->count == 0 || sizes[SECTION_TIMES] < header->count || sizes[SECTION_TEXT] < header->count)
        return false;
    if (sizes[SECTION_KINDS] == 0 || (sizes[SECTION_EXTRAS] > 0) != extras)
        return false;
    return header->zstd ? stored_len > 0 : stored_len == header->payload_len;
}

// Reads a header of a chunk of `len` bytes, of which the first `given` are there.
static int read_header(const uint8_t *data, size_t given, size_t len, size_t raw_max, struct chunk_header *ret)
{
    *ret = (struct chunk_header){0};
    if (data[MAGIC_LEN] != CHUNK_VERSION)
        return data[MAGIC_LEN] > CHUNK_VERSION ? ERR_TOO_NEW : ERR_CORRUPT;
    unsigned flags = data[CHUNK_FLAGS_AT];
    if (flags & CHUNK_MUST & ~(CHUNK_MUST_ZSTD | CHUNK_MUST_CONTINUE))
        return ERR_TOO_NEW;
    ret->zstd = flags & CHUNK_MUST_ZSTD;
    ret->unknown = flags & ~CHUNK_MUST;
    struct reader reader = {data + CHUNK_FIXED_LEN, data + given};
    uint64_t count;
    if (!read_varint(&reader, &count))
        return ERR_CORRUPT;
    if (count > CHUNK_COUNT_MAX)
        return ERR_TOO_LARGE;
    ret->count = (uint32_t)count;
    if (!read_times_range(&reader, ret) || !read_counters(&reader, ret))
        return ERR_CORRUPT;
    if (!(flags & CHUNK_MUST_CONTINUE) != (ret->counters[COUNTER_CONTINUES] == 0))
        return ERR_CORRUPT;
    int err = read_sections(&reader, len, raw_max, ret);
    if (err < 0)
        return err;
    ret->head_len = (uint16_t)(reader.at - data);
    size_t front = (size_t)ret->head_len + ret->plain_len;
    return front <= len && is_consistent(ret, len - front) ? 0 : ERR_CORRUPT;
}

int chunk_header_read(const uint8_t *data, size_t len, size_t raw_max, struct chunk_header *ret)
{
    uint64_t checksum;
    *ret = (struct chunk_header){0};
    if (len > CHUNK_ENCODED_MAX)
        return ERR_TOO_LARGE;
    if (len < CHUNK_FIXED_LEN || memcmp(data, "RC", MAGIC_LEN) != 0)
        return ERR_CORRUPT;
    memcpy(&checksum, data + CHUNK_CHECKSUM_AT, sizeof(checksum));
    // Checked for every version: a chunk that was damaged on its way must not be taken for a newer one.
    if (le64toh(checksum) != checksum_of(data, len))
        return ERR_CORRUPT;
    return read_header(data, len, len, raw_max, ret);
}

bool chunk_header_read_front(const uint8_t *data, size_t given, size_t len, struct chunk_header *ret)
{
    uint64_t sum;
    *ret = (struct chunk_header){0};
    if (given < CHUNK_FIXED_LEN || len > CHUNK_ENCODED_MAX || memcmp(data, "RC", MAGIC_LEN) != 0)
        return false;
    if (read_header(data, given, len, CHUNK_RAW_MAX, ret) < 0 || ret->unknown ||
        ret->sizes[SECTION_FRONT_SUM] != CHUNK_FRONT_SUM_LEN || (size_t)ret->head_len + ret->plain_len > given)
        return false;
    size_t at = front_sum_at(ret);
    memcpy(&sum, data + at, sizeof(sum));
    return le64toh(sum) == checksum_of(data, at) && picks_are_sound(data, ret);
}
