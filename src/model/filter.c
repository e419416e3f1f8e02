// Matches records against filters. filter_builder.c makes filters.
#include "model/filter_private.h"

struct filter *filter_ref(struct filter *filter)
{
    atomic_fetch_add_explicit(&filter->refs, 1, memory_order_relaxed);
    return filter;
}

void filter_unref(struct filter **owner)
{
    struct filter *filter = TAKE_PTR(*owner);
    if (!filter || atomic_fetch_sub_explicit(&filter->refs, 1, memory_order_acq_rel) != 1)
        return;
    filter_rules_release(&filter->rules);
    free(filter);
}

static bool needs_extra(const struct filter_rules *rules)
{
    return rules->category != CATEGORY_ANY || rules->event_types.count > 0 || rules->nodes.count > 0 ||
           rules->milestone || rules->min_priority > 0;
}

bool filter_joins_lines(const struct filter *filter)
{
    return filter && (filter->rules.grep.data || filter->rules.regex);
}

bool filter_needs_text(const struct filter *filter)
{
    return filter_joins_lines(filter) || (filter && needs_extra(&filter->rules));
}

bool filter_wants_stream(const struct filter *filter, enum record_stream stream)
{
    return !filter || filter->rules.streams >> stream & 1;
}

// Whether there are rules that no record without structured fields can meet.
static bool refuses_plain(const struct filter_rules *rules)
{
    return rules->category == CATEGORY_BUSINESS || rules->event_types.count > 0 || rules->nodes.count > 0 ||
           rules->milestone || rules->min_priority > RECORD_PRIORITY_DEFAULT;
}

static bool list_has(const struct filter_list *list, struct str value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(str_of(list->items[i]), value))
            return true;
    }
    return false;
}

// Returns a bit for each name of the dictionary that is in the list.
static uint64_t names_in(const struct filter_list *list, const struct chunk_dictionary *dictionary)
{
    uint64_t bits = 0;
    for (unsigned i = 0; list->count > 0 && i < dictionary->count; i++)
        bits |= (uint64_t)list_has(list, dictionary->names[i].name) << i;
    return bits;
}

static bool lacks(const struct filter_list *list, const struct chunk_dictionary *dictionary)
{
    return list->count > 0 && !dictionary->more && names_in(list, dictionary) == 0;
}

// Whether the dictionaries of event types and nodes lack all wanted names.
static bool lacks_names(const struct filter_rules *rules, const struct chunk *chunk)
{
    struct chunk_names names;
    return (rules->event_types.count > 0 || rules->nodes.count > 0) && chunk_names(chunk, &names) &&
           (lacks(&rules->event_types, &names.event_types) || lacks(&rules->nodes, &names.nodes));
}

// How many records of the chunk have one of the wanted streams, and of the wanted levels.
static void count_wanted(const struct filter_rules *rules, const struct chunk *chunk, uint32_t *ret_streams,
                         uint32_t *ret_levels)
{
    *ret_streams = *ret_levels = 0;
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        *ret_streams += rules->streams >> i & 1 ? chunk_stream_count(chunk, (enum record_stream)i) : 0;
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        *ret_levels += rules->levels >> i & 1 ? chunk_level_count(chunk, (enum record_level)i) : 0;
}

// Whether there may be events without a level whose types tell one that the counters do not have, and that is wanted.
static bool may_have_defaults(const struct filter_rules *rules, const struct chunk *chunk)
{
    const unsigned told = 1u << LEVEL_INFO | 1u << LEVEL_WARNING | 1u << LEVEL_ERROR;
    return rules->levels & told && chunk_extra_count(chunk) > 0 && chunk_level_count(chunk, LEVEL_UNSET) > 0;
}

// Whether there is a rule for levels, and events without a level may pass it or not.
static bool levels_unclear(const struct filter_rules *rules, const struct chunk *chunk)
{
    return rules->levels != (1u << LEVEL_COUNT) - 1 && chunk_extra_count(chunk) > 0 &&
           chunk_level_count(chunk, LEVEL_UNSET) > 0;
}

bool filter_excludes_chunk(const struct filter *filter, const struct chunk *chunk)
{
    if (!filter)
        return false;
    const struct filter_rules *rules = &filter->rules;
    uint32_t streams, levels;
    count_wanted(rules, chunk, &streams, &levels);
    return streams == 0 || (levels == 0 && !may_have_defaults(rules, chunk)) ||
           chunk_time_max(chunk) < rules->time_min || chunk_time_min(chunk) > rules->time_max ||
           (chunk_extra_count(chunk) == 0 && refuses_plain(rules)) || lacks_names(rules, chunk);
}

// Whether the records with the names of the list are all in `kinds`.
static bool has_names(const struct filter_list *list, const struct chunk_dictionary *dictionary, uint64_t kinds)
{
    return list->count > 0 && !dictionary->more && (names_in(list, dictionary) & ~kinds) == 0;
}

bool filter_wants_picks(const struct filter *filter, const struct chunk *chunk)
{
    struct chunk_kinds all;
    struct chunk_names names;
    if (!filter || filter_joins_lines(filter) || !chunk_picks_all(chunk, &all))
        return false;
    const struct filter_rules *rules = &filter->rules;
    const uint32_t priorities = UINT16_MAX << rules->min_priority & UINT16_MAX;
    const uint32_t category = 1u << (rules->category == CATEGORY_BUSINESS ? CHUNK_BUSINESS : CHUNK_TECHNICAL);
    if ((rules->streams & ~all.streams) == 0 || (rules->levels & ~all.levels) == 0 ||
        (rules->milestone && all.traits >> CHUNK_MILESTONE & 1) ||
        (rules->category != CATEGORY_ANY && all.traits & category) ||
        (rules->min_priority > 0 && (priorities & ~all.priorities) == 0))
        return true;
    return (rules->event_types.count > 0 || rules->nodes.count > 0) && chunk_names(chunk, &names) &&
           (has_names(&rules->event_types, &names.event_types, all.event_types) ||
            has_names(&rules->nodes, &names.nodes, all.nodes));
}

bool filter_tells_count(const struct filter *filter, const struct chunk *chunk, uint32_t *ret)
{
    uint32_t all = chunk_count(chunk), streams, levels;
    *ret = filter ? 0 : all;
    if (!filter)
        return true;
    if (chunk_continues_count(chunk) > 0) // other records may decide about some of them
        return false;
    if (filter_excludes_chunk(filter, chunk))
        return true;
    const struct filter_rules *rules = &filter->rules;
    if (filter_joins_lines(filter) || (needs_extra(rules) && chunk_extra_count(chunk) > 0) ||
        levels_unclear(rules, chunk) || chunk_time_min(chunk) < rules->time_min ||
        chunk_time_max(chunk) > rules->time_max)
        return false;
    count_wanted(rules, chunk, &streams, &levels);
    *ret = MIN(streams, levels);
    return streams == all || levels == all;
}

static bool may_hold_any(const struct filter_literals *literals, struct str tokens)
{
    for (size_t i = 0; i < literals->count; i++) {
        if (token_filter_may_hold(tokens, &literals->needles[i]))
            return true;
    }
    return literals->count == 0;
}

bool filter_excludes_texts(const struct filter *filter, const struct chunk *chunk)
{
    if (!filter || filter->rules.invert)
        return false;
    struct str tokens = chunk_tokens(chunk);
    if (tokens.len == 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(filter->rules.literals); i++) {
        if (!may_hold_any(&filter->rules.literals[i], tokens))
            return true;
    }
    return false;
}

bool filter_wants_front(const struct filter *filter, const struct chunk *chunk)
{
    bool lines = !filter_joins_lines(filter) || chunk_partial_count(chunk) == 0; // no line goes on
    return (lines && (filter_excludes_chunk(filter, chunk) || filter_excludes_texts(filter, chunk))) ||
           filter_wants_picks(filter, chunk);
}

// For names that are not in the dictionaries.
static bool member_in(struct filter_run *run, struct str extra, struct str name, const struct filter_list *list)
{
    struct str value;
    return record_extra_string(extra, name, &run->scratch, &value) && list_has(list, value);
}

static bool match_name(struct filter_run *run, int place, uint64_t bits, struct str extra, struct str name,
                       const struct filter_list *list)
{
    return place >= 0 ? bits >> place & 1 : place == FIELD_OTHER && member_in(run, extra, name, list);
}

// Looks up the wanted names, once for each chunk.
static void look_up_names(const struct filter_rules *rules, struct filter_run *run, const struct chunk *chunk)
{
    const struct chunk_names *names = chunk_fields_names(chunk);
    chunk_unref(&run->chunk);
    run->chunk = chunk_ref(chunk);
    run->event_types = names_in(&rules->event_types, &names->event_types);
    run->nodes = names_in(&rules->nodes, &names->nodes);
}

// For a record that is in no chunk: only its extra tells which names it has.
static struct chunk_record_fields fields_of_extra(struct str extra)
{
    struct chunk_record_fields fields = {.event_type = FIELD_OTHER, .node_id = FIELD_OTHER, .node_name = FIELD_OTHER};
    struct str json;
    uint64_t priority = 0;
    if (record_extra_get(extra, STR("display_priority"), &json) && str_to_u64(json, &priority))
        fields.priority = (unsigned)priority;
    fields.business = record_extra_get(extra, STR("category"), &json) && str_eq(json, STR("\"business\""));
    fields.milestone = record_extra_get(extra, STR("is_milestone"), &json) && str_eq(json, STR("true"));
    return fields;
}

static bool match_extra(const struct filter_rules *rules, struct filter_run *run, const struct chunk *chunk, uint32_t i,
                        struct str extra)
{
    if (extra.len == 0)
        return !refuses_plain(rules);
    if (chunk && run->chunk != chunk)
        look_up_names(rules, run, chunk);
    struct chunk_record_fields fields = chunk ? chunk_record_fields(chunk, i) : fields_of_extra(extra);
    if (rules->category != CATEGORY_ANY && fields.business != (rules->category == CATEGORY_BUSINESS))
        return false;
    if (rules->event_types.count > 0 &&
        !match_name(run, fields.event_type, run->event_types, extra, STR("event_type"), &rules->event_types))
        return false;
    if (rules->nodes.count > 0 && !match_name(run, fields.node_id, run->nodes, extra, STR("node_id"), &rules->nodes) &&
        !match_name(run, fields.node_name, run->nodes, extra, STR("node_name"), &rules->nodes))
        return false;
    if (rules->milestone && !fields.milestone)
        return false;
    return (fields.priority ? fields.priority : RECORD_PRIORITY_DEFAULT) >= rules->min_priority;
}

bool filter_match_fields(const struct filter *filter, struct filter_run *run, const struct chunk *chunk, uint32_t i,
                         const struct record *record)
{
    if (!filter)
        return true;
    const struct filter_rules *rules = &filter->rules;
    if (!(rules->streams >> record->stream & 1) || !(rules->levels >> record_level_of(record) & 1) ||
        record->time_ms < rules->time_min || record->time_ms > rules->time_max)
        return false;
    return !needs_extra(rules) || match_extra(rules, run, chunk, i, record->extra);
}

static bool contains(const struct filter_rules *rules, struct str text)
{
    const char *at = text.data ? text.data : "";
    return needle_find(&rules->grep_needle, at, at + text.len) != NULL;
}

int filter_match_text(const struct filter *filter, struct filter_run *run, struct str text)
{
    if (!filter_joins_lines(filter))
        return 1;
    const struct filter_rules *rules = &filter->rules;
    int match = !rules->grep.data || contains(rules, text);
    if (match && rules->regex)
        match = filter_regex_match(rules->regex, run, text);
    return match < 0 ? match : match != rules->invert;
}
