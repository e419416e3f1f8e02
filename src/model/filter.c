// Matching. Making filters is in filter_builder.c.
#include "model/filter_private.h"

#define REGEX_FIRST_STEPS  64
#define REGEX_STEPS_GROWTH 8
#define REGEX_HEAP_KIB     (8 * 1024)
#define PRIORITY_DEFAULT   5

// One match data and one context for a run, as the limit is a property of the context.
struct regex_state {
    pcre2_match_data *data;
    pcre2_match_context *ctx;
};

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

bool filter_needs_text(const struct filter *filter)
{
    return filter && (filter->rules.grep.data || filter->rules.regex || needs_extra(&filter->rules));
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

void filter_run_init(struct filter_run *run, const struct filter *filter, uint64_t steps)
{
    *run = (struct filter_run){.steps_left = steps};
    if (!filter || !filter->rules.regex)
        return;
    struct regex_state *state = xcalloc(1, sizeof(*state));
    state->data = pcre2_match_data_create(1, NULL);
    state->ctx = pcre2_match_context_create(NULL);
    if (!state->data || !state->ctx)
        abort();
    pcre2_set_heap_limit(state->ctx, REGEX_HEAP_KIB);
    run->match_data = state;
}

void filter_run_release(struct filter_run *run)
{
    struct regex_state *state = run->match_data;
    if (state) {
        pcre2_match_data_free(state->data);
        pcre2_match_context_free(state->ctx);
        free(state);
    }
    buf_release(&run->scratch);
    *run = (struct filter_run){0};
}

// PCRE2 does not tell how many steps a match took, only that it took more than the limit. So the limit begins low and
// grows, and each attempt is charged in full: a line that is easy costs little, and what is spent is at most a few
// times what was needed.
static int match_regex(const struct filter_rules *rules, struct filter_run *run, struct str message)
{
    struct regex_state *state = run->match_data;
    for (uint64_t limit = REGEX_FIRST_STEPS; run->steps_left > 0; limit *= REGEX_STEPS_GROWTH) {
        uint32_t steps = (uint32_t)MIN(MIN(limit, run->steps_left), (uint64_t)UINT32_MAX);
        run->steps_left -= steps;
        pcre2_set_match_limit(state->ctx, steps);
        int result = pcre2_match(rules->regex, (PCRE2_SPTR)(message.data ? message.data : ""), message.len, 0, 0,
                                 state->data, state->ctx);
        if (result >= 0)
            return 1;
        if (result == PCRE2_ERROR_NOMATCH)
            return 0;
        // Any other limit of this library is as good as a spent budget.
        if (result != PCRE2_ERROR_MATCHLIMIT)
            run->steps_left = 0;
    }
    return ERR_INVALID;
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

int filter_match(const struct filter *filter, struct filter_run *run, const struct record *record)
{
    if (!filter)
        return 1;
    const struct filter_rules *rules = &filter->rules;
    if (!(rules->streams >> record->stream & 1) || !(rules->levels >> record->level & 1) ||
        record->time_ms < rules->time_min || record->time_ms > rules->time_max)
        return 0;
    if (needs_extra(rules) && !match_extra(rules, run, record->extra))
        return 0;
    if (rules->grep.data && (record->message.len < rules->grep.len ||
                             !memmem(record->message.data, record->message.len, rules->grep.data, rules->grep.len)))
        return 0;
    return rules->regex ? match_regex(rules, run, record->message) : 1;
}
