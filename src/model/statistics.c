#include "model/statistics.h"

void statistics_init(struct statistics *statistics, int64_t first_ms, int64_t last_ms, unsigned buckets)
{
    uint64_t span = (uint64_t)last_ms - (uint64_t)first_ms + 1;
    *statistics = (struct statistics){.from_ms = first_ms};
    statistics->bucket_ms = (int64_t)MAX(span / buckets + (span % buckets > 0), 1u);
    statistics->bucket_count = (unsigned)((span - 1) / (uint64_t)statistics->bucket_ms) + 1;
    statistics->buckets = xcalloc(statistics->bucket_count, sizeof(*statistics->buckets));
}

static void names_release(struct statistics_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        buf_release(&names->names[i]);
}

void statistics_release(struct statistics *statistics)
{
    names_release(&statistics->event_types);
    names_release(&statistics->nodes);
    free(statistics->buckets);
    *statistics = (struct statistics){0};
}

unsigned statistics_bucket_of(const struct statistics *statistics, int64_t time_ms)
{
    if (time_ms <= statistics->from_ms)
        return 0;
    uint64_t bucket = ((uint64_t)time_ms - (uint64_t)statistics->from_ms) / (uint64_t)statistics->bucket_ms;
    return (unsigned)MIN(bucket, (uint64_t)statistics->bucket_count - 1);
}

bool statistics_wants_open(const struct statistics *statistics, const struct chunk *chunk)
{
    return chunk_extra_count(chunk) > 0 || statistics_bucket_of(statistics, chunk_time_min(chunk)) !=
                                               statistics_bucket_of(statistics, chunk_time_max(chunk));
}

// --- Names

static unsigned name_take(struct statistics_names *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (str_eq(buf_str(&names->names[i]), name))
            return (unsigned)i;
    }
    if (names->count == STATISTICS_NAMES_MAX)
        return STATISTICS_NAMES_MAX;
    buf_append_str(&names->names[names->count], name);
    return (unsigned)names->count++;
}

// Where the names of a chunk's dictionary are counted. Those that no record has used are not taken.
struct places {
    const struct chunk_dictionary *dictionary;
    struct statistics_names *names;
    int at[CHUNK_NAMES_MAX]; // -1: not looked for yet
};

static void places_init(struct places *places, const struct chunk_dictionary *dictionary,
                        struct statistics_names *names)
{
    places->dictionary = dictionary;
    places->names = names;
    for (size_t i = 0; i < CHUNK_NAMES_MAX; i++)
        places->at[i] = -1;
}

// `field` is one of struct chunk_record_fields, and not FIELD_NONE.
static unsigned place_of(struct places *places, int field)
{
    if (field == FIELD_OTHER)
        return STATISTICS_NAMES_MAX;
    if (places->at[field] < 0)
        places->at[field] = (int)name_take(places->names, places->dictionary->names[field].name);
    return (unsigned)places->at[field];
}

// --- Counting

static void add_header(struct statistics_bucket *bucket, const struct chunk *chunk)
{
    bucket->records += chunk_count(chunk);
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        bucket->levels[i] += chunk_level_count(chunk, (enum record_level)i);
}

static void add_fields(struct statistics_bucket *bucket, const struct chunk_record_fields *fields,
                       struct places *event_types, struct places *nodes)
{
    int node = fields->node_id != FIELD_NONE ? fields->node_id : fields->node_name;
    if (fields->event_type != FIELD_NONE)
        bucket->event_types[place_of(event_types, fields->event_type)]++;
    if (node != FIELD_NONE)
        bucket->nodes[place_of(nodes, node)]++;
}

void statistics_add(struct statistics *statistics, const struct chunk *chunk, uint32_t from, uint32_t to)
{
    if (!chunk_is_open(chunk)) {
        add_header(&statistics->buckets[statistics_bucket_of(statistics, chunk_time_min(chunk))], chunk);
        return;
    }
    bool structured = chunk_extra_count(chunk) > 0;
    struct places event_types = {0}, nodes = {0};
    if (structured) {
        const struct chunk_names *names = chunk_fields_names(chunk);
        places_init(&event_types, &names->event_types, &statistics->event_types);
        places_init(&nodes, &names->nodes, &statistics->nodes);
    }
    for (uint32_t i = from; i < to; i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        struct statistics_bucket *bucket = &statistics->buckets[statistics_bucket_of(statistics, record.time_ms)];
        bucket->records++;
        bucket->levels[record_level_of(&record)]++;
        if (record.extra.len == 0)
            continue;
        const struct chunk_record_fields fields = chunk_record_fields(chunk, i);
        add_fields(bucket, &fields, &event_types, &nodes);
    }
}

// --- Whole logs

void statistics_add_summary(struct statistics *statistics, const struct summary *summary, int64_t time_ms)
{
    struct statistics_bucket *bucket = &statistics->buckets[statistics_bucket_of(statistics, time_ms)];
    bucket->records += summary_records(summary);
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        bucket->levels[i] += summary->levels[i];
    for (size_t i = 0; i < summary->event_type_count; i++) {
        const struct summary_event_type *type = &summary->event_types[i];
        bucket->event_types[name_take(&statistics->event_types, buf_str(&type->name))] += type->count;
    }
    bucket->event_types[STATISTICS_NAMES_MAX] += summary->other_events;
    for (size_t i = 0; i < summary->node_count; i++)
        bucket->nodes[name_take(&statistics->nodes, buf_str(&summary->nodes[i].id))] += summary->nodes[i].records;
    bucket->nodes[STATISTICS_NAMES_MAX] += summary->other_nodes;
}

void statistics_bucket_add(struct statistics_bucket *sum, const struct statistics_bucket *bucket)
{
    sum->records += bucket->records;
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        sum->levels[i] += bucket->levels[i];
    for (size_t i = 0; i <= STATISTICS_NAMES_MAX; i++) {
        sum->event_types[i] += bucket->event_types[i];
        sum->nodes[i] += bucket->nodes[i];
    }
}
