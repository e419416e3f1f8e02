// Picks: the records of which a chunk has few of a kind stand before its payload once more, so that a front shows them.
// A filter that wants no others need not unpack the chunk.
//
// Section: XXH3-64 (LE) of the rest; varints: of which kinds all records are here (streams, levels, traits, priorities,
// event types and nodes by their places in the dictionaries; a bit for each), how many records, and for each its place
// less the one before; then the records, as a chunk.
#include "model/chunk_private.h"

#define RAW_MIN      (32u * 1024) // bytes of payload; fewer are unpacked as fast
#define FEW          8u           // records of a kind
#define KINDS_MAX    8u           // of one record
#define SHARE        4            // the records may take a quarter of the stored payload, before they are packed
#define RECORD_COST  24u          // bytes beside those of message and extra
#define SECTION_COST 128u         // bytes beside those of the records
#define LEVEL        9

// Every kind of record has a number.
enum {
    KIND_OF_STREAM,
    KIND_OF_LEVEL = KIND_OF_STREAM + STREAM_COUNT,
    KIND_OF_TRAIT = KIND_OF_LEVEL + LEVEL_COUNT,
    KIND_OF_PRIORITY = KIND_OF_TRAIT + CHUNK_TRAIT_COUNT,
    KIND_OF_EVENT_TYPE = KIND_OF_PRIORITY + ROW_PRIORITY_MASK + 1,
    KIND_OF_NODE = KIND_OF_EVENT_TYPE + CHUNK_NAMES_MAX,
    KIND_COUNT = KIND_OF_NODE + CHUNK_NAMES_MAX,
};

// --- Making

struct candidate {
    uint32_t place;
    size_t bytes;
    bool chosen;
    unsigned count;
    uint8_t kinds[KINDS_MAX];
};

struct picking {
    const struct chunk *chunk;
    uint32_t counts[KIND_COUNT], chosen[KIND_COUNT];
    struct candidate *candidates; // records of a kind of which there are few, in order
    size_t candidate_count;
    size_t bytes, room;
};

// Sets place and kinds of a record.
static void look_at(const struct chunk *chunk, uint32_t i, struct candidate *ret)
{
    struct record record;
    struct chunk_record_fields fields = {.event_type = FIELD_NONE, .node_id = FIELD_NONE, .node_name = FIELD_NONE};
    chunk_record(chunk, i, &record);
    if (chunk->kinds[i] & KIND_EXTRA)
        fields = chunk_record_fields(chunk, i);
    *ret = (struct candidate){.place = i, .bytes = record.message.len + record.extra.len + RECORD_COST};
    uint8_t *kinds = ret->kinds;
    kinds[ret->count++] = (uint8_t)(KIND_OF_STREAM + (unsigned)record.stream);
    kinds[ret->count++] = (uint8_t)(KIND_OF_LEVEL + (unsigned)record_level_of(&record));
    kinds[ret->count++] = (uint8_t)(KIND_OF_TRAIT + (fields.business ? CHUNK_BUSINESS : CHUNK_TECHNICAL));
    kinds[ret->count++] = (uint8_t)(KIND_OF_PRIORITY + (fields.priority ? fields.priority : RECORD_PRIORITY_DEFAULT));
    if (fields.milestone)
        kinds[ret->count++] = KIND_OF_TRAIT + CHUNK_MILESTONE;
    if (fields.event_type >= 0)
        kinds[ret->count++] = (uint8_t)(KIND_OF_EVENT_TYPE + fields.event_type);
    if (fields.node_id >= 0)
        kinds[ret->count++] = (uint8_t)(KIND_OF_NODE + fields.node_id);
    if (fields.node_name >= 0 && fields.node_name != fields.node_id)
        kinds[ret->count++] = (uint8_t)(KIND_OF_NODE + fields.node_name);
}

static void count_kinds(struct picking *picking)
{
    for (uint32_t i = 0; i < picking->chunk->header.count; i++) {
        struct candidate record;
        look_at(picking->chunk, i, &record);
        for (unsigned k = 0; k < record.count; k++)
            picking->counts[record.kinds[k]]++;
    }
}

static void find_candidates(struct picking *picking)
{
    size_t most = 0;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        most += picking->counts[kind] <= FEW ? picking->counts[kind] : 0;
    picking->candidates = xcalloc(most + 1, sizeof(*picking->candidates));
    for (uint32_t i = 0; most > 0 && i < picking->chunk->header.count; i++) {
        struct candidate record;
        bool few = false;
        look_at(picking->chunk, i, &record);
        for (unsigned k = 0; k < record.count; k++)
            few |= picking->counts[record.kinds[k]] <= FEW;
        if (few)
            picking->candidates[picking->candidate_count++] = record;
    }
}

static bool is_of(const struct candidate *record, unsigned kind)
{
    return memchr(record->kinds, (int)kind, record->count) != NULL;
}

// Chooses all records of the kind, if there is room for them.
static void choose(struct picking *picking, unsigned kind)
{
    size_t bytes = 0, more = 0, chosen = 0;
    for (size_t i = 0; i < picking->candidate_count; i++) {
        const struct candidate *record = &picking->candidates[i];
        chosen += record->chosen;
        more += !record->chosen && is_of(record, kind);
        bytes += !record->chosen && is_of(record, kind) ? record->bytes : 0;
    }
    if (picking->bytes + bytes > picking->room || chosen + more > CHUNK_PICKS_MAX)
        return;
    picking->bytes += bytes;
    for (size_t i = 0; i < picking->candidate_count; i++) {
        struct candidate *record = &picking->candidates[i];
        if (record->chosen || !is_of(record, kind))
            continue;
        record->chosen = true;
        for (unsigned k = 0; k < record->count; k++)
            picking->chosen[record->kinds[k]]++;
    }
}

static uint64_t complete(const struct picking *picking, unsigned first, unsigned count)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < count; i++)
        bits |= (uint64_t)(picking->chosen[first + i] == picking->counts[first + i]) << i;
    return bits;
}

static size_t chosen_count(const struct picking *picking)
{
    size_t count = 0;
    for (size_t i = 0; i < picking->candidate_count; i++)
        count += picking->candidates[i].chosen;
    return count;
}

static void append_records(const struct picking *picking, struct buf *out)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    uint32_t last = 0;
    for (size_t i = 0; i < picking->candidate_count; i++) {
        struct record record;
        if (!picking->candidates[i].chosen)
            continue;
        buf_append_varint(out, picking->candidates[i].place - last);
        last = picking->candidates[i].place;
        chunk_record(picking->chunk, last, &record);
        if (chunk_builder_add(builder, &record) < 0)
            abort(); // they are a part of one chunk
    }
    if (chunk_builder_count(builder) == 0)
        return;
    CLEANUP(chunk_unref) struct chunk *records = chunk_builder_finish(builder, LEVEL);
    buf_append_str(out, chunk_encoded(records));
}

static void append_section(const struct picking *picking, struct buf *out)
{
    static const char no_sum[CHUNK_PICKS_SUM_LEN];
    buf_append(out, no_sum, sizeof(no_sum));
    buf_append_varint(out, complete(picking, KIND_OF_STREAM, STREAM_COUNT));
    buf_append_varint(out, complete(picking, KIND_OF_LEVEL, LEVEL_COUNT));
    buf_append_varint(out, complete(picking, KIND_OF_TRAIT, CHUNK_TRAIT_COUNT));
    buf_append_varint(out, complete(picking, KIND_OF_PRIORITY, ROW_PRIORITY_MASK + 1));
    buf_append_varint(out, complete(picking, KIND_OF_EVENT_TYPE, CHUNK_NAMES_MAX));
    buf_append_varint(out, complete(picking, KIND_OF_NODE, CHUNK_NAMES_MAX));
    buf_append_varint(out, chosen_count(picking));
    append_records(picking, out);
    chunk_seal_picks(out);
}

void chunk_picks_encode(const struct chunk *chunk, size_t room, struct buf *out)
{
    const struct chunk_header *header = &chunk->header;
    size_t stored = chunk->encoded_len - header->head_len - header->plain_len;
    // What continues a record may be decided by it.
    if (header->payload_len < RAW_MIN || header->counters[COUNTER_CONTINUES] > 0 || room < SECTION_COST)
        return;
    struct picking picking = {.chunk = chunk, .room = MIN(room - SECTION_COST, stored / SHARE)};
    count_kinds(&picking);
    find_candidates(&picking);
    for (uint32_t count = 1; count <= FEW; count++) {
        for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
            if (picking.counts[kind] == count)
                choose(&picking, kind);
        }
    }
    // Without structured fields, the counters tell what there is none of.
    if (header->counters[COUNTER_EXTRA] > 0 || picking.bytes > 0)
        append_section(&picking, out);
    free(picking.candidates);
}

// --- Looking

static bool read_kinds(struct reader *reader, struct chunk_kinds *ret)
{
    return read_u32(reader, UINT32_MAX, &ret->streams) && read_u32(reader, UINT32_MAX, &ret->levels) &&
           read_u32(reader, UINT32_MAX, &ret->traits) && read_u32(reader, UINT32_MAX, &ret->priorities) &&
           read_varint(reader, &ret->event_types) && read_varint(reader, &ret->nodes);
}

static bool read_places(struct reader *reader, uint32_t count, struct chunk_picks *ret)
{
    uint32_t at = 0, more;
    if (!read_u32(reader, CHUNK_PICKS_MAX, &ret->count))
        return false;
    for (uint32_t i = 0; i < ret->count; i++) {
        if (!read_u32(reader, count - 1 - at, &more) || (i > 0 && more == 0))
            return false;
        ret->places[i] = at += more;
    }
    return true;
}

static bool read_picks(const struct chunk *chunk, struct chunk_picks *ret)
{
    struct str section = chunk_derived(chunk, SECTION_PICKS);
    if (section.len < CHUNK_PICKS_SUM_LEN)
        return false;
    struct reader reader = {(const uint8_t *)section.data + CHUNK_PICKS_SUM_LEN,
                            (const uint8_t *)section.data + section.len};
    if (!read_kinds(&reader, &ret->kinds) || !read_places(&reader, chunk->header.count, ret))
        return false;
    if (ret->count == 0)
        return reader.at == reader.end;
    return chunk_decode_stored(reader.at, (size_t)(reader.end - reader.at), &ret->records) == 0 &&
           chunk_count(ret->records) == ret->count;
}

static const struct chunk_picks *picks_of(const struct chunk *chunk)
{
    // As with fields: the first caller makes it.
    struct chunk *owner = (struct chunk *)(uintptr_t)chunk;
    struct chunk_picks *picks = atomic_load_explicit(&owner->picks, memory_order_acquire);
    if (picks)
        return picks;
    struct chunk_picks *made = xcalloc(1, sizeof(*made));
    made->sound = read_picks(chunk, made);
    if (atomic_compare_exchange_strong(&owner->picks, &picks, made))
        return made;
    chunk_picks_free(made);
    return picks;
}

bool chunk_picks_all(const struct chunk *chunk, struct chunk_kinds *ret)
{
    if (!chunk->front || chunk->header.sizes[SECTION_PICKS] == 0)
        return false;
    const struct chunk_picks *picks = picks_of(chunk);
    *ret = picks->kinds;
    return picks->sound;
}

bool chunk_pick_next(const struct chunk *chunk, uint32_t from, uint32_t *ret_place, struct record *ret)
{
    const struct chunk_picks *picks = picks_of(chunk);
    for (uint32_t i = 0; picks->sound && i < picks->count; i++) {
        if (picks->places[i] < from)
            continue;
        *ret_place = picks->places[i];
        chunk_record(picks->records, i, ret);
        return true;
    }
    return false;
}
