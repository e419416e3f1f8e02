#include "store/sqlite/log/pack.h"

#include "model/compress.h"
#include "util/error.h"

#define LEVEL         1
#define COMPRESS_FROM 192 // bytes; fewer would not shrink
#define LOOSE_SHARE   4   // a body is compressed if at least this part of it is not compressed yet

// WITH_DIGESTS is added to one of the others: each producer's state has its digest.
enum { PLAIN, PACKED, WITH_DIGESTS };
enum { DIGEST_UNKNOWN, DIGEST_OF_LOG, DIGEST_OWN };
enum { ANONYMOUS, SAME_PRODUCER, NAMED }; // NAMED is the base: NAMED + the length of the name

// Differences wrap around, so every pair of values works.
static int64_t wrapping_less(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t wrapping_plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

void pack_builder_release(struct pack_builder *builder)
{
    buf_release(&builder->meta);
    buf_release(&builder->body);
    buf_release(&builder->last_producer);
    *builder = (struct pack_builder){0};
}

void pack_builder_reset(struct pack_builder *builder)
{
    buf_reset(&builder->meta);
    buf_reset(&builder->body);
    buf_reset(&builder->last_producer);
    builder->count = builder->loose = 0;
    builder->row = builder->time_ms = 0;
}

uint32_t pack_builder_offset(const struct pack_builder *builder)
{
    return (uint32_t)builder->body.len;
}

static void append_producer(struct pack_builder *builder, const struct pack_entry *entry)
{
    struct buf *meta = &builder->meta;
    if (entry->producer.len == 0) {
        buf_append_varint(meta, ANONYMOUS);
        return;
    }
    if (str_eq(buf_str(&builder->last_producer), entry->producer)) {
        buf_append_varint(meta, SAME_PRODUCER);
    } else {
        buf_append_varint(meta, NAMED + entry->producer.len);
        buf_append_str(meta, entry->producer);
        buf_reset(&builder->last_producer);
        buf_append_str(&builder->last_producer, entry->producer);
    }
    const struct producer_state *state = &entry->producer_state;
    buf_append_varint(meta, state->last_counter);
    buf_append_varint(meta, state->sequence.next - state->last_counter);
    buf_append_le64(meta, state->sequence.last_hash);
    // Usually all records of a log come from one producer.
    bool of_log = state->sequence.digest == entry->state.digest;
    unsigned kind = state->sequence.digest_unknown ? DIGEST_UNKNOWN : of_log ? DIGEST_OF_LOG : DIGEST_OWN;
    buf_append_varint(meta, kind);
    if (kind == DIGEST_OWN)
        buf_append_le64(meta, state->sequence.digest);
}

void pack_builder_add(struct pack_builder *builder, const struct pack_entry *entry, struct str body)
{
    struct buf *meta = &builder->meta;
    const struct hot_piece *piece = &entry->piece;
    buf_append_svarint(meta, wrapping_less(entry->row, builder->row));
    buf_append_varint(meta, piece->first);
    buf_append_varint(meta, piece->count);
    buf_append_varint(meta, piece->raw);
    buf_append_varint(meta, body.len);
    buf_append_svarint(meta, wrapping_less(piece->time_max, builder->time_ms));
    buf_append_varint(meta, entry->state.message_bytes);
    buf_append_le64(meta, entry->state.digest);
    append_producer(builder, entry);
    buf_append_str(&builder->body, body);
    if (body.len > piece->raw) // the payload uncompressed, and a header
        builder->loose += body.len;
    builder->row = entry->row;
    builder->time_ms = piece->time_max;
    builder->count++;
}

static void pack_bytes(const struct buf *bytes, int form, struct buf *ret)
{
    buf_reset(ret);
    buf_append_byte(ret, (char)(PACKED | form));
    buf_append_varint(ret, bytes->len);
    if (bytes->len >= COMPRESS_FROM && compress_append(ret, bytes->data, bytes->len, LEVEL))
        return;
    buf_reset(ret);
    buf_append_byte(ret, (char)(PLAIN | form));
    buf_append_str(ret, buf_str(bytes));
}

void pack_builder_finish(const struct pack_builder *builder, struct buf *ret_meta, struct buf *ret_body)
{
    pack_bytes(&builder->meta, WITH_DIGESTS, ret_meta);
    // A single chunk is compressed already, if that is of use, and may be large. So are most of many such chunks.
    if (builder->count > 1 && builder->loose >= builder->body.len / LOOSE_SHARE) {
        pack_bytes(&builder->body, 0, ret_body);
        return;
    }
    buf_reset(ret_body);
    buf_append_byte(ret_body, PLAIN);
    buf_append_str(ret_body, buf_str(&builder->body));
}

static int unpack_bytes(struct str bytes, size_t max, uint8_t form, struct buf *ret)
{
    const uint8_t *at = (const uint8_t *)bytes.data, *end = at + bytes.len;
    uint64_t len;
    if (at == end)
        return ERR_CORRUPT;
    buf_reset(ret);
    if (*at == (PLAIN | form)) {
        buf_append(ret, at + 1, bytes.len - 1);
        return 0;
    }
    if (*at++ != (PACKED | form) || !varint_read(&at, end, &len) || len > max)
        return ERR_CORRUPT;
    buf_reserve(ret, len);
    if (!decompress_exact(at, (size_t)(end - at), ret->data, len))
        return ERR_CORRUPT;
    ret->len = len;
    return 0;
}

int pack_body_unpack(struct str body, struct buf *ret)
{
    return unpack_bytes(body, PACK_BODY_MAX, 0, ret);
}

int pack_chunk_bytes(const struct buf *body, const struct hot_piece *piece, struct str *ret)
{
    if (piece->offset > body->len || piece->stored > body->len - piece->offset)
        return ERR_CORRUPT;
    *ret = str_n(body->data + piece->offset, piece->stored);
    return 0;
}

int pack_chunk(const struct buf *body, const struct hot_piece *piece, struct chunk **ret)
{
    struct str bytes;
    int err = pack_chunk_bytes(body, piece, &bytes);
    return err < 0 ? err : chunk_decode_stored(bytes.data, bytes.len, ret);
}

int pack_reader_init(struct pack_reader *reader, int64_t id, struct str meta)
{
    uint8_t form = meta.len > 0 ? (uint8_t)meta.data[0] & WITH_DIGESTS : 0;
    *reader = (struct pack_reader){.id = id, .with_digests = form != 0};
    int err = unpack_bytes(meta, PACK_META_MAX, form, &reader->unpacked);
    if (err < 0) {
        pack_reader_release(reader);
        return err;
    }
    reader->at = (const uint8_t *)reader->unpacked.data;
    reader->end = reader->at + reader->unpacked.len;
    return 0;
}

void pack_reader_release(struct pack_reader *reader)
{
    buf_release(&reader->unpacked);
}

static bool read_le64(struct pack_reader *reader, uint64_t *ret)
{
    if (reader->end - reader->at < 8)
        return false;
    *ret = 0;
    for (unsigned i = 0; i < 8; i++)
        *ret |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += 8;
    return true;
}

static bool read_u32(struct pack_reader *reader, uint32_t *ret)
{
    uint64_t value;
    if (!varint_read(&reader->at, reader->end, &value) || value > UINT32_MAX)
        return false;
    *ret = (uint32_t)value;
    return true;
}

static bool read_digest(struct pack_reader *reader, uint64_t of_log, struct sequence_producer *ret)
{
    uint64_t kind = DIGEST_UNKNOWN;
    if (reader->with_digests && !varint_read(&reader->at, reader->end, &kind))
        return false;
    ret->digest_unknown = kind == DIGEST_UNKNOWN;
    ret->digest = kind == DIGEST_OF_LOG ? of_log : 0;
    return kind == DIGEST_OWN ? read_le64(reader, &ret->digest) : kind <= DIGEST_OWN;
}

static bool read_producer(struct pack_reader *reader, struct pack_entry *entry)
{
    uint64_t tag, counts;
    if (!varint_read(&reader->at, reader->end, &tag))
        return false;
    if (tag == ANONYMOUS)
        return true;
    if (tag >= NAMED) {
        if (tag - NAMED > (uint64_t)(reader->end - reader->at))
            return false;
        reader->producer = str_n((const char *)reader->at, tag - NAMED);
        reader->at += tag - NAMED;
    }
    entry->producer = reader->producer;
    struct producer_state *state = &entry->producer_state;
    if (!varint_read(&reader->at, reader->end, &state->last_counter) ||
        !varint_read(&reader->at, reader->end, &counts) || !read_le64(reader, &state->sequence.last_hash) ||
        !read_digest(reader, entry->state.digest, &state->sequence))
        return false;
    state->sequence.next = state->last_counter + counts;
    state->last_sequence = entry->piece.first;
    return entry->producer.len > 0;
}

int pack_reader_next(struct pack_reader *reader, struct pack_entry *ret)
{
    if (reader->at == reader->end)
        return 0;
    *ret = (struct pack_entry){.piece = {.id = reader->id, .offset = reader->offset}};
    struct hot_piece *piece = &ret->piece;
    int64_t row, time_ms;
    bool whole = svarint_read(&reader->at, reader->end, &row) && varint_read(&reader->at, reader->end, &piece->first) &&
                 read_u32(reader, &piece->count) && read_u32(reader, &piece->raw) && read_u32(reader, &piece->stored) &&
                 svarint_read(&reader->at, reader->end, &time_ms) &&
                 varint_read(&reader->at, reader->end, &ret->state.message_bytes) &&
                 read_le64(reader, &ret->state.digest) && read_producer(reader, ret);
    if (!whole || piece->stored > PACK_BODY_MAX - reader->offset)
        return ERR_CORRUPT;
    ret->row = reader->row = wrapping_plus(reader->row, row);
    piece->time_max = reader->time_ms = wrapping_plus(reader->time_ms, time_ms);
    ret->state.next = piece->first + piece->count;
    reader->offset += piece->stored;
    return 1;
}
