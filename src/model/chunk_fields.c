// Structured fields as columns: two dictionaries of names, and four bytes for each record. They are read from the
// chunk's sections if it has them. Otherwise they are made once from the extras.
//
// Sections:
// - names: event types first, then nodes; for each group a varint (how many << 1 | there are others), then for each
//   name a varint length, the bytes, and a varint count
// - fields: a byte, 1 if the rest is one zstd frame; the rest is four columns of one byte for each record with extras:
//   event types, node ids, node names, traits
#include "model/chunk_private.h"
#include "model/compress.h"

#define ROW_LEN    sizeof(struct chunk_row)
#define FIELDS_MIN 8 // records; fewer can be looked at as fast

enum { ROWS_PLAIN, ROWS_PACKED };

void chunk_fields_free(struct chunk *chunk)
{
    free(atomic_load_explicit(&chunk->fields, memory_order_relaxed));
}

size_t chunk_fields_memory(const struct chunk_header *header)
{
    return header->counters[COUNTER_EXTRA] > 0 ? sizeof(struct chunk_fields) + header->count * ROW_LEN : 0;
}

// --- From extras

// Returns the place of a name in the dictionary plus one. Adds the name if there is room.
static uint8_t dictionary_take(struct chunk_dictionary *dictionary, struct str name)
{
    for (unsigned i = 0; i < dictionary->count; i++) {
        if (str_eq(dictionary->names[i].name, name))
            return (uint8_t)(i + 1);
    }
    if (dictionary->count == CHUNK_NAMES_MAX || name.len > CHUNK_NAME_MAX) {
        dictionary->more = true;
        return ROW_OTHER;
    }
    dictionary->names[dictionary->count++] = (struct chunk_name){.name = name};
    return (uint8_t)dictionary->count;
}

// Names that are written with escapes are left to code that decodes them.
static uint8_t take_string(struct chunk_dictionary *dictionary, struct str json)
{
    if (json.len < 3 || json.data[0] != '"')
        return ROW_NONE; // no filter can ask for an empty one
    struct str name = str_n(json.data + 1, json.len - 2);
    if (str_find(name, '\\')) {
        dictionary->more = true;
        return ROW_OTHER;
    }
    return dictionary_take(dictionary, name);
}

static unsigned read_priority(struct str json)
{
    uint64_t priority;
    return str_to_u64(json, &priority) ? (unsigned)MIN(priority, (uint64_t)ROW_PRIORITY_MASK) : ROW_NONE;
}

static void take_member(struct chunk_names *names, struct chunk_row *row, struct str name, struct str json)
{
    if (str_eq(name, STR("event_type")))
        row->event_type = take_string(&names->event_types, json);
    else if (str_eq(name, STR("node_id")))
        row->node_id = take_string(&names->nodes, json);
    else if (str_eq(name, STR("node_name")))
        row->node_name = take_string(&names->nodes, json);
    else if (str_eq(name, STR("category")))
        row->traits |= str_eq(json, STR("\"business\"")) ? ROW_BUSINESS : 0;
    else if (str_eq(name, STR("is_milestone")))
        row->traits |= str_eq(json, STR("true")) ? ROW_MILESTONE : 0;
    else if (str_eq(name, STR("display_priority")))
        row->traits = (uint8_t)(row->traits | read_priority(json));
}

static void count_row(struct chunk_names *names, const struct chunk_row *row)
{
    if (row->event_type != ROW_NONE && row->event_type != ROW_OTHER)
        names->event_types.names[row->event_type - 1].count++;
    if (row->node_id != ROW_NONE && row->node_id != ROW_OTHER)
        names->nodes.names[row->node_id - 1].count++;
    if (row->node_name != ROW_NONE && row->node_name != ROW_OTHER && row->node_name != row->node_id)
        names->nodes.names[row->node_name - 1].count++;
}

static void read_extras(const struct chunk *chunk, struct chunk_fields *fields)
{
    for (uint32_t i = 0; i < chunk->header.count; i++) {
        struct record record;
        struct str name, json;
        if (!(chunk->kinds[i] & KIND_EXTRA))
            continue;
        chunk_record(chunk, i, &record);
        // Members are in the order of their table, and the wanted ones come first.
        while (record_extra_next(&record.extra, &name, &json) && !str_eq(name, STR("data")))
            take_member(&fields->names, &fields->rows[i], name, json);
        count_row(&fields->names, &fields->rows[i]);
    }
}

// --- From sections

static bool read_dictionary(struct reader *reader, struct chunk_dictionary *ret)
{
    uint32_t head, len;
    if (!read_u32(reader, CHUNK_NAMES_MAX << 1 | 1, &head))
        return false;
    ret->more = head & 1;
    for (ret->count = 0; ret->count < head >> 1; ret->count++) {
        struct chunk_name *name = &ret->names[ret->count];
        if (!read_u32(reader, CHUNK_NAME_MAX, &len) || len > (size_t)(reader->end - reader->at))
            return false;
        name->name = str_n((const char *)reader->at, len);
        reader->at += len;
        if (!read_u32(reader, UINT32_MAX, &name->count))
            return false;
    }
    return true;
}

bool chunk_names(const struct chunk *chunk, struct chunk_names *ret)
{
    struct str section = chunk_derived(chunk, SECTION_NAMES);
    struct reader reader = {(const uint8_t *)section.data, (const uint8_t *)section.data + section.len};
    return section.len > 0 && read_dictionary(&reader, &ret->event_types) && read_dictionary(&reader, &ret->nodes) &&
           reader.at == reader.end;
}

static bool row_valid(const struct chunk_names *names, const struct chunk_row *row)
{
    return (row->event_type == ROW_OTHER || row->event_type <= names->event_types.count) &&
           (row->node_id == ROW_OTHER || row->node_id <= names->nodes.count) &&
           (row->node_name == ROW_OTHER || row->node_name <= names->nodes.count) && row->traits <= ROW_TRAITS;
}

// `columns` holds all four.
static bool read_rows(const struct chunk *chunk, const uint8_t *columns, struct chunk_fields *fields)
{
    uint32_t of_each = chunk->header.counters[COUNTER_EXTRA], at = 0;
    for (uint32_t i = 0; i < chunk->header.count; i++) {
        if (!(chunk->kinds[i] & KIND_EXTRA))
            continue;
        fields->rows[i] = (struct chunk_row){columns[at], columns[at + of_each], columns[at + of_each * 2],
                                             columns[at + of_each * 3]};
        if (!row_valid(&fields->names, &fields->rows[i]))
            return false;
        at++;
    }
    return true;
}

static bool read_sections(const struct chunk *chunk, struct chunk_fields *fields)
{
    struct str section = chunk_derived(chunk, SECTION_FIELDS);
    size_t len = chunk->header.counters[COUNTER_EXTRA] * ROW_LEN;
    if (section.len == 0 || !chunk_names(chunk, &fields->names))
        return false;
    if (section.data[0] == ROWS_PLAIN)
        return section.len - 1 == len && read_rows(chunk, (const uint8_t *)section.data + 1, fields);
    CLEANUP(free_ptr) uint8_t *columns = xmalloc(len);
    return decompress_exact(section.data + 1, section.len - 1, columns, len) && read_rows(chunk, columns, fields);
}

// If the sections cannot be used, the extras are read.
static struct chunk_fields *fields_new(const struct chunk *chunk)
{
    struct chunk_fields *fields = xcalloc(1, sizeof(*fields) + chunk->header.count * ROW_LEN);
    if (read_sections(chunk, fields))
        return fields;
    memset(fields, 0, sizeof(*fields) + chunk->header.count * ROW_LEN);
    read_extras(chunk, fields);
    return fields;
}

static const struct chunk_fields *fields_of(const struct chunk *chunk)
{
    // The first caller makes it. Afterwards it is as immutable as the rest of the chunk.
    struct chunk *owner = (struct chunk *)(uintptr_t)chunk;
    struct chunk_fields *fields = atomic_load_explicit(&owner->fields, memory_order_acquire);
    if (LIKELY(fields != NULL))
        return fields;
    struct chunk_fields *made = fields_new(chunk);
    if (atomic_compare_exchange_strong(&owner->fields, &fields, made))
        return made;
    free(made);
    return fields;
}

// --- Asking

const struct chunk_names *chunk_fields_names(const struct chunk *chunk)
{
    return &fields_of(chunk)->names;
}

static int number_of(uint8_t place)
{
    return place == ROW_NONE ? FIELD_NONE : place == ROW_OTHER ? FIELD_OTHER : place - 1;
}

struct chunk_record_fields chunk_record_fields(const struct chunk *chunk, uint32_t i)
{
    const struct chunk_row *row = &fields_of(chunk)->rows[i];
    return (struct chunk_record_fields){
        .event_type = number_of(row->event_type),
        .node_id = number_of(row->node_id),
        .node_name = number_of(row->node_name),
        .priority = row->traits & ROW_PRIORITY_MASK,
        .business = row->traits & ROW_BUSINESS,
        .milestone = row->traits & ROW_MILESTONE,
    };
}

// --- Encoding

static void append_dictionary(const struct chunk_dictionary *dictionary, struct buf *out)
{
    buf_append_varint(out, dictionary->count << 1 | dictionary->more);
    for (unsigned i = 0; i < dictionary->count; i++) {
        buf_append_varint(out, dictionary->names[i].name.len);
        buf_append_str(out, dictionary->names[i].name);
        buf_append_varint(out, dictionary->names[i].count);
    }
}

static void append_columns(const struct chunk *chunk, struct buf *out)
{
    const struct chunk_fields *fields = fields_of(chunk);
    for (unsigned column = 0; column < ROW_LEN; column++) {
        for (uint32_t i = 0; i < chunk->header.count; i++) {
            if (chunk->kinds[i] & KIND_EXTRA)
                buf_append_byte(out, (char)((const uint8_t *)&fields->rows[i])[column]);
        }
    }
}

void chunk_fields_encode(const struct chunk *chunk, struct buf *names, struct buf *rows)
{
    CLEANUP(buf_release) struct buf columns = {0};
    if (chunk->header.counters[COUNTER_EXTRA] < FIELDS_MIN)
        return;
    append_dictionary(&fields_of(chunk)->names.event_types, names);
    append_dictionary(&fields_of(chunk)->names.nodes, names);
    append_columns(chunk, &columns);
    buf_append_byte(rows, ROWS_PACKED);
    if (compress_append(rows, columns.data, columns.len, 1))
        return;
    buf_reset(rows);
    buf_append_byte(rows, ROWS_PLAIN);
    buf_append_str(rows, buf_str(&columns));
}
