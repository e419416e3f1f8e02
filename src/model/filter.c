// Matching. Making filters is in filter_builder.c.
#include "model/filter_private.h"

#include <ctype.h>

#define PRIORITY_DEFAULT 5

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

// Rules that a record without structured fields cannot meet.
static bool refuses_plain(const struct filter_rules *rules)
{
    return rules->category == CATEGORY_BUSINESS || rules->event_types.count > 0 || rules->nodes.count > 0 ||
           rules->milestone || rules->min_priority > PRIORITY_DEFAULT;
}

bool filter_excludes_chunk(const struct filter *filter, const struct chunk *chunk)
{
    if (!filter)
        return false;
    const struct filter_rules *rules = &filter->rules;
    uint32_t streams = 0, levels = 0;
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        streams += rules->streams >> i & 1 ? chunk_stream_count(chunk, (enum record_stream)i) : 0;
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        levels += rules->levels >> i & 1 ? chunk_level_count(chunk, (enum record_level)i) : 0;
    return streams == 0 || levels == 0 || chunk_time_max(chunk) < rules->time_min ||
           chunk_time_min(chunk) > rules->time_max || (chunk_extra_count(chunk) == 0 && refuses_plain(rules));
}

static bool list_has(const struct filter_list *list, struct str value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(str_of(list->items[i]), value))
            return true;
    }
    return false;
}

static bool member_in(struct filter_run *run, struct str extra, struct str name, const struct filter_list *list)
{
    struct str value;
    return record_extra_string(extra, name, &run->scratch, &value) && list_has(list, value);
}

static bool match_extra(const struct filter_rules *rules, struct filter_run *run, struct str extra)
{
    struct str value;
    uint64_t priority = PRIORITY_DEFAULT;
    if (extra.len == 0)
        return !refuses_plain(rules);
    if (rules->category != CATEGORY_ANY) {
        bool business = record_extra_get(extra, STR("category"), &value) && str_eq(value, STR("\"business\""));
        if (business != (rules->category == CATEGORY_BUSINESS))
            return false;
    }
    if (rules->event_types.count > 0 && !member_in(run, extra, STR("event_type"), &rules->event_types))
        return false;
    if (rules->nodes.count > 0 && !member_in(run, extra, STR("node_id"), &rules->nodes) &&
        !member_in(run, extra, STR("node_name"), &rules->nodes))
        return false;
    if (rules->milestone && (!record_extra_get(extra, STR("is_milestone"), &value) || !str_eq(value, STR("true"))))
        return false;
    if (rules->min_priority > 0 && record_extra_get(extra, STR("display_priority"), &value))
        str_to_u64(value, &priority);
    return priority >= rules->min_priority;
}

bool filter_match_fields(const struct filter *filter, struct filter_run *run, const struct record *record)
{
    if (!filter)
        return true;
    const struct filter_rules *rules = &filter->rules;
    if (!(rules->streams >> record->stream & 1) || !(rules->levels >> record->level & 1) ||
        record->time_ms < rules->time_min || record->time_ms > rules->time_max)
        return false;
    return !needs_extra(rules) || match_extra(rules, run, record->extra);
}

// ASCII letters of either case are one; `needle` is lower already.
static bool contains_nocase(struct str text, struct str needle)
{
    for (size_t i = 0; i + needle.len <= text.len; i++) {
        size_t at = 0;
        while (at < needle.len && tolower((unsigned char)text.data[i + at]) == (unsigned char)needle.data[at])
            at++;
        if (at == needle.len)
            return true;
    }
    return false;
}

static bool contains(const struct filter_rules *rules, struct str text)
{
    if (text.len < rules->grep.len)
        return false;
    return rules->ignore_case ? contains_nocase(text, rules->grep)
                              : memmem(text.data, text.len, rules->grep.data, rules->grep.len) != NULL;
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

int filter_match(const struct filter *filter, struct filter_run *run, const struct record *record)
{
    return filter_match_fields(filter, run, record) ? filter_match_text(filter, run, record->message) : 0;
}
