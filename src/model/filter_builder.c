// Turns query parameters into filters. The row of FILTER_PARAMETERS judges a value; then a function of its own takes
// it.
#include "model/filter_private.h"
#include "util/clock.h"

#define ALL_STREAMS ((1u << STREAM_COUNT) - 1)
#define ALL_LEVELS  ((1u << LEVEL_COUNT) - 1)

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
    pcre2_code_free(rules->column);
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

struct value {
    struct str text;
    int64_t number; // a word's place among the words; a level; a flag as 0 or 1; a time in ms; or the number itself
};

static const char *take_stream(struct filter_builder *builder, struct value value)
{
    builder->streams |= 1u << value.number;
    return NULL;
}

// A record without a level counts as INFO.
static unsigned level_bits(unsigned level)
{
    return 1u << level | (level == LEVEL_INFO ? 1u << LEVEL_UNSET : 0);
}

static const char *take_level(struct filter_builder *builder, struct value value)
{
    builder->levels |= level_bits((unsigned)value.number);
    return NULL;
}

static const char *take_min_level(struct filter_builder *builder, struct value value)
{
    for (unsigned level = (unsigned)value.number; level < LEVEL_COUNT; level++)
        builder->min_levels |= level_bits(level);
    return NULL;
}

static const char *take_category(struct filter_builder *builder, struct value value)
{
    builder->rules.category = value.number == 0 ? CATEGORY_TECHNICAL : CATEGORY_BUSINESS;
    return NULL;
}

static const char *add_item(struct filter_list *list, struct str value)
{
    if (str_find(value, '\0'))
        return "must not hold a NUL";
    if (list->count == FILTER_LIST_MAX)
        return "is given too many times";
    list->items[list->count++] = str_dup(value);
    return NULL;
}

static const char *take_event_type(struct filter_builder *builder, struct value value)
{
    return add_item(&builder->rules.event_types, value.text);
}

static const char *take_node(struct filter_builder *builder, struct value value)
{
    return add_item(&builder->rules.nodes, value.text);
}

static const char *take_milestone(struct filter_builder *builder, struct value value)
{
    builder->rules.milestone = value.number;
    return NULL;
}

static const char *take_min_priority(struct filter_builder *builder, struct value value)
{
    builder->rules.min_priority = (unsigned)value.number;
    return NULL;
}

static const char *take_start_time(struct filter_builder *builder, struct value value)
{
    builder->rules.time_min = value.number;
    return NULL;
}

static const char *take_end_time(struct filter_builder *builder, struct value value)
{
    builder->rules.time_max = value.number;
    return NULL;
}

static const char *take_grep(struct filter_builder *builder, struct value value)
{
    builder->rules.grep = str_n(str_dup(value.text), value.text.len);
    return NULL;
}

static const char *take_regex(struct filter_builder *builder, struct value value)
{
    if (str_find(value.text, '\0'))
        return "must not hold a NUL";
    builder->regex = str_dup(value.text);
    return NULL;
}

static const char *take_ignore_case(struct filter_builder *builder, struct value value)
{
    builder->rules.ignore_case = value.number;
    return NULL;
}

static const char *take_invert(struct filter_builder *builder, struct value value)
{
    builder->rules.invert = value.number;
    return NULL;
}

// --- The table

enum kind { KIND_WORD, KIND_LEVEL, KIND_TEXT, KIND_NUMBER, KIND_FLAG, KIND_TIME };

struct parameter {
    const char *name;
    enum kind kind;
    const char *(*take)(struct filter_builder *builder, struct value value);
    int64_t least, most;
    const char *words;
    bool list; // may be repeated, and may hold several values with commas
};

static const char *read_word(const struct parameter *parameter, struct str text, struct value *ret)
{
    struct str words = str_of(parameter->words);
    for (ret->number = 0; words.len > 0; ret->number++)
        if (str_eq(text, str_split(&words, ' ')))
            return NULL;
    return "must be one of its words";
}

static const char *read_level(const struct parameter *parameter, struct str text, struct value *ret)
{
    (void)parameter;
    enum record_level level;
    if (!record_level_parse(text, &level))
        return "must be DEBUG, INFO, WARNING, ERROR or CRITICAL";
    ret->number = level;
    return NULL;
}

static const char *read_text(const struct parameter *parameter, struct str text, struct value *ret)
{
    (void)ret;
    if ((int64_t)text.len < parameter->least)
        return "must not be empty";
    return (int64_t)text.len > parameter->most ? "is too long" : NULL;
}

static const char *read_number(const struct parameter *parameter, struct str text, struct value *ret)
{
    if (!str_to_i64(text, &ret->number) || ret->number < parameter->least || ret->number > parameter->most)
        return "must be a whole number within its bounds";
    return NULL;
}

static const char *read_flag(const struct parameter *parameter, struct str text, struct value *ret)
{
    (void)parameter;
    ret->number = str_eq(text, STR("true"));
    return ret->number || str_eq(text, STR("false")) ? NULL : "must be true or false";
}

static const char *read_time(const struct parameter *parameter, struct str text, struct value *ret)
{
    (void)parameter;
    return time_parse_rfc3339(text, &ret->number) ? NULL : "must be a date and time as in RFC 3339";
}

static const char *(*const readers[])(const struct parameter *parameter, struct str text, struct value *ret) = {
    [KIND_WORD] = read_word,     [KIND_LEVEL] = read_level, [KIND_TEXT] = read_text,
    [KIND_NUMBER] = read_number, [KIND_FLAG] = read_flag,   [KIND_TIME] = read_time,
};

static const struct parameter parameters[] = {
#define PARAMETER_ROW(name_, means, kind_, least_, most_, words_, list_) \
    {.name = #name_,                                                     \
     .kind = KIND_##kind_,                                               \
     .take = take_##name_,                                               \
     .least = least_,                                                    \
     .most = most_,                                                      \
     .words = words_,                                                    \
     .list = list_},
    FILTER_PARAMETERS(PARAMETER_ROW)
#undef PARAMETER_ROW
};

static const char *read_one(struct filter_builder *builder, const struct parameter *parameter, struct str text)
{
    struct value value = {.text = text};
    const char *reason = readers[parameter->kind](parameter, text, &value);
    return reason ? reason : parameter->take(builder, value);
}

static const char *read_parameter(struct filter_builder *builder, const struct parameter *parameter, struct str text)
{
    unsigned bit = 1u << (parameter - parameters);
    if (!parameter->list) {
        if (builder->seen & bit)
            return "is given twice";
        builder->seen |= bit;
        return read_one(builder, parameter, text);
    }
    builder->seen |= bit;
    for (bool more = true; more;) {
        more = str_find(text, ',') != NULL;
        const char *reason = read_one(builder, parameter, str_split(&text, ','));
        if (reason)
            return reason;
    }
    return NULL;
}

int filter_builder_offer(struct filter_builder *builder, struct str name, struct str value, bool *ret_taken,
                         const char **ret_reason)
{
    *ret_taken = false;
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
        if (!str_eq(name, str_of(parameters[i].name)))
            continue;
        *ret_taken = true;
        const char *reason = read_parameter(builder, &parameters[i], value);
        if (!reason)
            return 0;
        *ret_reason = reason;
        return ERR_INVALID;
    }
    return 0;
}

// Whether the rules for fields let every record pass.
static bool fields_pass_all(const struct filter_rules *rules)
{
    return rules->streams == ALL_STREAMS && rules->levels == ALL_LEVELS && rules->time_min == INT64_MIN &&
           rules->time_max == INT64_MAX && rules->category == CATEGORY_ANY && rules->event_types.count == 0 &&
           rules->nodes.count == 0 && !rules->milestone && rules->min_priority <= 1;
}

bool filter_has_rules(const struct filter *filter)
{
    return filter && !fields_pass_all(&filter->rules);
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
    CLEANUP(free_ptr) char *column = filter_column_pattern(str_of(builder->regex));
    if (column) {
        options |= PCRE2_MULTILINE;
        builder->rules.column = pcre2_compile((PCRE2_SPTR)column, PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL);
    }
    if (builder->rules.column)
        pcre2_jit_compile(builder->rules.column, PCRE2_JIT_COMPLETE);
    return NULL;
}

// A text that every match contains is searched for first.
static void settle_must(struct filter_rules *rules)
{
    char *longest = rules->literals[1].longest;
    for (char *at = longest; at && rules->ignore_case && *at; at++)
        *at = ascii_lower(*at);
    if (longest)
        rules->must = needle_of(str_of(longest), rules->ignore_case);
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
    if (rules->grep.data) {
        filter_literals_of_text(&rules->literals[0], rules->grep);
        rules->grep_needle = needle_of(rules->grep, rules->ignore_case);
    }
    if (rules->regex) {
        filter_literals_of_regex(&rules->literals[1], str_of(builder->regex), rules->ignore_case);
        settle_must(rules);
    }
}

int filter_builder_finish(struct filter_builder *builder, struct filter **ret, const char **ret_reason)
{
    struct filter_rules *rules = &builder->rules;
    *ret = NULL;
    *ret_reason = compile_regex(builder);
    if (!*ret_reason && (rules->invert || rules->ignore_case) && !rules->grep.data && !rules->regex)
        *ret_reason = rules->invert ? "invert needs grep or regex" : "ignore_case needs grep or regex";
    settle_rules(builder);
    if (*ret_reason || (fields_pass_all(rules) && !rules->grep.data && !rules->regex)) {
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
