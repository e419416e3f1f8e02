// Turns query parameters into filters: a table of names, and a function for each that reads its value.
#include "model/filter_private.h"
#include "util/clock.h"

#define ALL_STREAMS  ((1u << STREAM_COUNT) - 1)
#define ALL_LEVELS   ((1u << LEVEL_COUNT) - 1)
#define PRIORITY_MAX 10

enum parameter {
    PARAMETER_STREAM,
    PARAMETER_LEVEL,
    PARAMETER_MIN_LEVEL,
    PARAMETER_CATEGORY,
    PARAMETER_EVENT_TYPE,
    PARAMETER_NODE,
    PARAMETER_MILESTONE,
    PARAMETER_MIN_PRIORITY,
    PARAMETER_START_TIME,
    PARAMETER_END_TIME,
    PARAMETER_GREP,
    PARAMETER_REGEX,
    PARAMETER_IGNORE_CASE,
    PARAMETER_INVERT,
    PARAMETER_COUNT,
};

struct filter_builder {
    struct filter_rules rules;
    unsigned seen;            // one bit for each parameter
    unsigned streams, levels; // the union of the named ones
    unsigned min_levels;
    char *regex; // compiled at the end, because its options are parameters too
};

static void rules_init(struct filter_rules *rules)
{
    *rules = (struct filter_rules){
        .streams = ALL_STREAMS, .levels = ALL_LEVELS, .time_min = INT64_MIN, .time_max = INT64_MAX};
}

void filter_rules_release(struct filter_rules *rules)
{
    for (size_t i = 0; i < rules->event_types.count; i++)
        free(rules->event_types.items[i]);
    for (size_t i = 0; i < rules->nodes.count; i++)
        free(rules->nodes.items[i]);
    free((char *)(uintptr_t)rules->grep.data);
    for (size_t i = 0; i < ARRAY_LEN(rules->literals); i++)
        filter_literals_release(&rules->literals[i]);
    pcre2_code_free(rules->regex);
}

struct filter_builder *filter_builder_new(void)
{
    struct filter_builder *builder = xcalloc(1, sizeof(*builder));
    rules_init(&builder->rules);
    return builder;
}

void filter_builder_free(struct filter_builder **owner)
{
    struct filter_builder *builder = TAKE_PTR(*owner);
    if (!builder)
        return;
    filter_rules_release(&builder->rules);
    free(builder->regex);
    free(builder);
}

// --- One function for each parameter. They return NULL, or the reason why the value is refused.

static const char *read_stream(struct filter_builder *builder, struct str value)
{
    enum record_stream stream;
    if (!record_stream_parse(value, &stream))
        return "must be stdout, stderr or event";
    builder->streams |= 1u << stream;
    return NULL;
}

// A record without a level counts as INFO.
static unsigned level_bits(enum record_level level)
{
    return 1u << level | (level == LEVEL_INFO ? 1u << LEVEL_UNSET : 0);
}

static const char *read_level(struct filter_builder *builder, struct str value)
{
    enum record_level level;
    if (!record_level_parse(value, &level))
        return "must be DEBUG, INFO, WARNING, ERROR or CRITICAL";
    builder->levels |= level_bits(level);
    return NULL;
}

static const char *read_min_level(struct filter_builder *builder, struct str value)
{
    enum record_level least;
    if (!record_level_parse(value, &least))
        return "must be DEBUG, INFO, WARNING, ERROR or CRITICAL";
    for (unsigned level = (unsigned)least; level < LEVEL_COUNT; level++)
        builder->min_levels |= level_bits((enum record_level)level);
    return NULL;
}

static const char *read_category(struct filter_builder *builder, struct str value)
{
    if (str_eq(value, STR("technical")))
        builder->rules.category = CATEGORY_TECHNICAL;
    else if (str_eq(value, STR("business")))
        builder->rules.category = CATEGORY_BUSINESS;
    else
        return "must be technical or business";
    return NULL;
}

static const char *add_item(struct filter_list *list, struct str value)
{
    if (value.len == 0)
        return "must not be empty";
    if (memchr(value.data, 0, value.len))
        return "must not hold a NUL";
    if (list->count == FILTER_LIST_MAX)
        return "is given too many times";
    list->items[list->count++] = str_dup(value);
    return NULL;
}

static const char *read_event_type(struct filter_builder *builder, struct str value)
{
    return add_item(&builder->rules.event_types, value);
}

static const char *read_node(struct filter_builder *builder, struct str value)
{
    return add_item(&builder->rules.nodes, value);
}

static const char *read_bool(struct str value, bool *ret)
{
    *ret = str_eq(value, STR("true"));
    return *ret || str_eq(value, STR("false")) ? NULL : "must be true or false";
}

static const char *read_milestone(struct filter_builder *builder, struct str value)
{
    return read_bool(value, &builder->rules.milestone);
}

static const char *read_min_priority(struct filter_builder *builder, struct str value)
{
    uint64_t priority;
    if (!str_to_u64(value, &priority) || priority < 1 || priority > PRIORITY_MAX)
        return "must be from 1 to 10";
    builder->rules.min_priority = (unsigned)priority;
    return NULL;
}

static const char *read_start_time(struct filter_builder *builder, struct str value)
{
    return time_parse_rfc3339(value, &builder->rules.time_min) ? NULL : "must be a date and time as in RFC 3339";
}

static const char *read_end_time(struct filter_builder *builder, struct str value)
{
    return time_parse_rfc3339(value, &builder->rules.time_max) ? NULL : "must be a date and time as in RFC 3339";
}

static const char *read_grep(struct filter_builder *builder, struct str value)
{
    if (value.len == 0)
        return "must not be empty";
    builder->rules.grep = str_n(str_dup(value), value.len);
    return NULL;
}

static const char *read_regex(struct filter_builder *builder, struct str value)
{
    if (value.len == 0)
        return "must not be empty";
    if (memchr(value.data, 0, value.len))
        return "must not hold a NUL";
    builder->regex = str_dup(value);
    return NULL;
}

static const char *read_ignore_case(struct filter_builder *builder, struct str value)
{
    return read_bool(value, &builder->rules.ignore_case);
}

static const char *read_invert(struct filter_builder *builder, struct str value)
{
    return read_bool(value, &builder->rules.invert);
}

static const struct {
    const char *name;
    const char *(*read)(struct filter_builder *builder, struct str value);
    bool list; // may be repeated, and may hold several values with commas
} parameters[PARAMETER_COUNT] = {
    [PARAMETER_STREAM] = {"stream", read_stream, true},
    [PARAMETER_LEVEL] = {"level", read_level, true},
    [PARAMETER_MIN_LEVEL] = {"min_level", read_min_level, false},
    [PARAMETER_CATEGORY] = {"category", read_category, false},
    [PARAMETER_EVENT_TYPE] = {"event_type", read_event_type, true},
    [PARAMETER_NODE] = {"node", read_node, true},
    [PARAMETER_MILESTONE] = {"milestone", read_milestone, false},
    [PARAMETER_MIN_PRIORITY] = {"min_priority", read_min_priority, false},
    [PARAMETER_START_TIME] = {"start_time", read_start_time, false},
    [PARAMETER_END_TIME] = {"end_time", read_end_time, false},
    [PARAMETER_GREP] = {"grep", read_grep, false},
    [PARAMETER_REGEX] = {"regex", read_regex, false},
    [PARAMETER_IGNORE_CASE] = {"ignore_case", read_ignore_case, false},
    [PARAMETER_INVERT] = {"invert", read_invert, false},
};

static const char *read_parameter(struct filter_builder *builder, unsigned parameter, struct str value)
{
    if (value.len > FILTER_TEXT_MAX)
        return "is too long";
    if (!parameters[parameter].list) {
        if (builder->seen & 1u << parameter)
            return "is given twice";
        builder->seen |= 1u << parameter;
        return parameters[parameter].read(builder, value);
    }
    builder->seen |= 1u << parameter;
    for (bool more = true; more;) {
        more = value.len > 0 && memchr(value.data, ',', value.len) != NULL;
        const char *reason = parameters[parameter].read(builder, str_split(&value, ','));
        if (reason)
            return reason;
    }
    return NULL;
}

int filter_builder_offer(struct filter_builder *builder, struct str name, struct str value, bool *ret_taken,
                         const char **ret_reason)
{
    *ret_taken = false;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        if (!str_eq(name, str_of(parameters[i].name)))
            continue;
        *ret_taken = true;
        const char *reason = read_parameter(builder, i, value);
        if (!reason)
            return 0;
        *ret_reason = reason;
        return ERR_INVALID;
    }
    return 0;
}

// Whether the rules let every record pass.
static bool rules_pass_all(const struct filter_rules *rules)
{
    return rules->streams == ALL_STREAMS && rules->levels == ALL_LEVELS && rules->time_min == INT64_MIN &&
           rules->time_max == INT64_MAX && rules->category == CATEGORY_ANY && rules->event_types.count == 0 &&
           rules->nodes.count == 0 && !rules->milestone && rules->min_priority <= 1 && !rules->grep.data &&
           !rules->regex;
}

static const char *compile_regex(struct filter_builder *builder)
{
    int code;
    PCRE2_SIZE offset;
    if (!builder->regex)
        return NULL;
    // Messages may hold any bytes. Where they are not UTF-8, nothing matches. \C is not allowed: it could cut a
    // character in two.
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
    if (builder->rules.ignore_case)
        options |= PCRE2_CASELESS;
    builder->rules.regex =
        pcre2_compile((PCRE2_SPTR)builder->regex, PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL);
    if (!builder->rules.regex)
        return "parameter regex: is not a regular expression of PCRE2";
    // If memory may not be made executable, PCRE2 interprets the expression.
    pcre2_jit_compile(builder->rules.regex, PCRE2_JIT_COMPLETE);
    return NULL;
}

static void settle_rules(struct filter_builder *builder)
{
    struct filter_rules *rules = &builder->rules;
    if (builder->streams)
        rules->streams = builder->streams;
    if (builder->levels)
        rules->levels &= builder->levels;
    if (builder->min_levels)
        rules->levels &= builder->min_levels;
    char *grep = (char *)(uintptr_t)rules->grep.data;
    for (size_t i = 0; rules->ignore_case && i < rules->grep.len; i++)
        grep[i] = ascii_lower(grep[i]);
    if (rules->grep.data)
        filter_literals_of_text(&rules->literals[0], rules->grep);
    if (rules->regex)
        filter_literals_of_regex(&rules->literals[1], str_of(builder->regex), rules->ignore_case);
}

int filter_builder_finish(struct filter_builder *builder, struct filter **ret, const char **ret_reason)
{
    struct filter_rules *rules = &builder->rules;
    *ret = NULL;
    *ret_reason = compile_regex(builder);
    if (!*ret_reason && (rules->invert || rules->ignore_case) && !rules->grep.data && !rules->regex)
        *ret_reason = rules->invert ? "invert needs grep or regex" : "ignore_case needs grep or regex";
    settle_rules(builder);
    if (*ret_reason || rules_pass_all(rules)) {
        filter_rules_release(rules);
    } else {
        *ret = xmalloc(sizeof(**ret));
        atomic_init(&(*ret)->refs, 1);
        (*ret)->rules = *rules;
    }
    free(builder->regex);
    *builder = (struct filter_builder){0};
    rules_init(rules);
    return *ret_reason ? ERR_INVALID : 0;
}
