#include "api/fields.h"

#include "api/body.h"
#include "api/route.h"
#include "model/config_limits.h"
#include "util/clock.h"
#include "util/when.h"

#include <assert.h>

#define ERRORS_MAX   24
#define UNKNOWN_NAME "is not known"
#define HAS_NUL      "must not have the character U+0000"

// --- One value

static bool is_word(const struct field *field, struct str value)
{
    struct str words = str_of(field->words);
    while (words.len) {
        struct str word = str_split(&words, ' ');
        bool same = field->flags & FIELD_ANY_CASE ? str_eq_nocase(word, value) : str_eq(word, value);
        if (same && word.len)
            return true;
    }
    return false;
}

static bool read_flag(const struct field *field, struct str value, int64_t *ret)
{
    bool digits = field->flags & FIELD_DIGITS;
    *ret = str_eq(value, STR("true")) || (digits && str_eq(value, STR("1")));
    return *ret || str_eq(value, STR("false")) || (digits && str_eq(value, STR("0")));
}

static bool within(const struct field *field, int64_t number)
{
    return number >= field->min && number <= field->max;
}

static bool read_when(struct str value, int64_t *ret)
{
    int64_t duration;
    return when_parse_since(value, clock_real_ms(), ret) || duration_parse(value, &duration);
}

// Reads a value that came as text: of a query, or a string of a body.
static bool read_text(const struct field *field, struct str value, int64_t *ret)
{
    switch (field->type) {
    case FIELD_TEXT:
        return within(field, (int64_t)value.len) && (!field->rule || field->rule->good(value));
    case FIELD_WORD:
        return is_word(field, value);
    case FIELD_NUMBER:
        return str_to_i64(value, ret) && within(field, *ret);
    case FIELD_FLAG:
        return read_flag(field, value, ret);
    case FIELD_TIME:
        return time_parse_rfc3339(value, ret);
    case FIELD_WHEN:
        return read_when(value, ret);
    case FIELD_POSITION:
    case FIELD_CURSOR:
        return true;
    default:
        return false;
    }
}

static bool is_string(const json_t *value)
{
    return json_is_string(value);
}

static bool is_object(const json_t *value)
{
    return json_is_object(value);
}

static bool is_list(const json_t *value, size_t max, bool (*good)(const json_t *item))
{
    if (!json_is_array(value) || json_array_size(value) > max)
        return false;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!good(json_array_get(value, i)))
            return false;
    return true;
}

static bool is_text_map(json_t *value, size_t max)
{
    const char *key;
    json_t *item;
    if (!json_is_object(value) || json_object_size(value) > max)
        return false;
    json_object_foreach(value, key, item)
    {
        if (!json_is_string(item))
            return false;
    }
    return true;
}

static bool member_good(const struct field *field, json_t *value)
{
    int64_t number;
    switch (field->type) {
    case FIELD_NUMBER:
        return json_is_integer(value) && within(field, json_integer_value(value));
    case FIELD_FLAG:
        return json_is_boolean(value);
    case FIELD_DECIMAL:
        return json_is_number(value) && json_number_value(value) >= (double)field->min &&
               json_number_value(value) <= (double)field->max;
    case FIELD_OBJECT:
        return json_is_object(value);
    case FIELD_OBJECTS:
        return is_list(value, (size_t)field->max, is_object);
    case FIELD_TEXTS:
        return is_list(value, (size_t)field->max, is_string);
    case FIELD_TEXT_MAP:
        return is_text_map(value, (size_t)field->max);
    default:
        return json_is_string(value) &&
               read_text(field, str_n(json_string_value(value), json_string_length(value)), &number);
    }
}

static size_t count_members(const json_t *value)
{
    size_t count = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    size_t own = count;
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, key, item) count += count_members(item);
    for (size_t i = 0; json_is_array(value) && i < own; i++)
        count += count_members(json_array_get(value, i));
    return count;
}

const char *metadata_check(const json_t *value)
{
    if (!json_is_object(value))
        return "must be an object";
    if (count_members(value) > LIMIT_METADATA_MEMBERS)
        return METADATA_TOO_MANY;
    CLEANUP(free_ptr) char *text = json_text(value);
    return strlen(text) > LIMIT_METADATA ? METADATA_TOO_LARGE : NULL;
}

static const char *must_of(const struct field *field, struct arena *arena)
{
    CLEANUP(buf_release) struct buf text = {0};
    field_must(field, &text);
    return arena_dup(arena, buf_str(&text));
}

static const struct field *find_field(const struct field *fields, struct str name)
{
    for (const struct field *field = fields; field && field->name; field++) {
        struct str known = str_of(field->name);
        bool prefix = field->flags & FIELD_PREFIX;
        bool header = field->type == FIELD_POSITION && field->flags & FIELD_ANY_CASE;
        if (prefix   ? str_starts(name, known) && name.len > known.len
            : header ? str_eq_nocase(name, known)
                     : str_eq(name, known))
            return field;
    }
    return NULL;
}

// --- The query

struct query_check {
    struct call *call;
    uint64_t seen; // one bit for each row
    struct str name;
    const char *reason;
};

static bool param_good(const struct field *field, struct str value)
{
    int64_t number;
    bool more = true;
    if (!(field->flags & FIELD_LIST))
        return read_text(field, value, &number);
    while (more) {
        more = str_find(value, ',') != NULL;
        if (!read_text(field, str_split(&value, ','), &number))
            return false;
    }
    return true;
}

static bool check_param(struct str name, struct str value, void *arg)
{
    struct query_check *check = arg;
    const struct route *route = check->call->route;
    const struct field *field = find_field(route->query, name);

    if (!field &&
        ((route->flags & ROUTE_ANY_QUERY) || ((route->flags & ROUTE_TICKET) && str_eq(name, STR("access_token")))))
        return true;
    check->name = name;
    if (!field) {
        check->reason = "is not a parameter of this route";
        return false;
    }
    uint64_t bit = (uint64_t)1 << (field - route->query);
    bool many = (field->flags & (FIELD_MANY | FIELD_LIST)) || field->type == FIELD_POSITION;
    if (check->seen & bit && !many)
        check->reason = "is given twice";
    else if (!param_good(field, value))
        check->reason = must_of(field, http_arena(check->call->request));
    check->seen |= bit;
    return !check->reason;
}

// Finds a parameter that must be there and is not.
static bool check_required(struct query_check *check)
{
    const struct route *route = check->call->route;
    for (const struct field *field = route->query; field && field->name; field++) {
        if (!(field->flags & FIELD_REQUIRED) || check->seen >> (field - route->query) & 1)
            continue;
        check->name = str_of(field->name);
        check->reason = "is missing";
        return false;
    }
    return true;
}

static bool check_query(struct call *call)
{
    struct query_check check = {.call = call};
    if (http_params_each(call->request, check_param, &check) && check_required(&check))
        return true;
    if (call->route->flags & ROUTE_FIELDS_422) {
        struct http_field_error error = {arena_printf(http_arena(call->request), "%.*s", STR_ARGS(check.name)),
                                         check.reason};
        call_fail_fields(call, &error, 1);
        return false;
    }
    call_fail(call, ERR_MALFORMED,
              arena_printf(http_arena(call->request), "parameter %.*s: %s", STR_ARGS(check.name), check.reason));
    return false;
}

// --- The body

// Whether a string in the value has a NUL. Names never have: jansson refuses those. The depth is bounded by
// call_json_object.
static bool has_nul(json_t *value)
{
    const char *name;
    json_t *item;
    size_t i;
    if (json_is_string(value))
        return strlen(json_string_value(value)) != json_string_length(value);
    json_array_foreach(value, i, item)
    {
        if (has_nul(item))
            return true;
    }
    json_object_foreach(value, name, item)
    {
        if (has_nul(item))
            return true;
    }
    return false;
}

static const char *check_member(struct call *call, const struct field *field, json_t *value)
{
    if (!field)
        return UNKNOWN_NAME;
    // The strings of bodies are kept as texts that end at the first NUL, so the rest of a string would be lost.
    if (has_nul(value))
        return HAS_NUL;
    if (json_is_null(value) && (field->flags & FIELD_NULL))
        return NULL;
    if (field->type == FIELD_METADATA)
        return metadata_check(value);
    return member_good(field, value) ? NULL : must_of(field, http_arena(call->request));
}

static bool check_body(struct call *call)
{
    struct http_field_error errors[ERRORS_MAX];
    size_t count = 0;
    const char *name;
    json_t *value;

    bool none = call->route->flags & ROUTE_BODY_OPTIONAL && http_body(call->request).len == 0;
    call->body = none ? json_object() : call_json_object(call);
    if (!call->body)
        return false;
    json_object_foreach(call->body, name, value)
    {
        const char *reason = check_member(call, find_field(call->route->body, str_of(name)), value);
        if (reason && count < ERRORS_MAX)
            errors[count++] = (struct http_field_error){name, reason};
    }
    for (const struct field *field = call->route->body; field->name; field++)
        if ((field->flags & FIELD_REQUIRED) && !json_object_get(call->body, field->name) && count < ERRORS_MAX)
            errors[count++] = (struct http_field_error){field->name, must_of(field, http_arena(call->request))};
    if (count)
        call_fail_fields(call, errors, count);
    return count == 0;
}

bool fields_check_object(struct call *call, const struct field *fields, json_t *object, const char **ret_name,
                         const char **ret_reason)
{
    json_t *value;
    json_object_foreach(object, *ret_name, value)
    {
        *ret_reason = check_member(call, find_field(fields, str_of(*ret_name)), value);
        if (*ret_reason)
            return false;
    }
    return true;
}

bool fields_check(struct call *call)
{
    return check_query(call) && (!call->route->body || check_body(call));
}

// --- For handlers

struct field_value call_param(const struct call *call, const char *name)
{
    const struct field *field = find_field(call->route->query, str_of(name));
    assert(field);
    struct field_value value = {.number = field->fallback};
    value.given = http_param(call->request, str_of(name), &value.text);
    if (value.given)
        read_text(field, value.text, &value.number);
    return value;
}

struct field_value call_member(const struct call *call, const char *name)
{
    const struct field *field = find_field(call->route->body, str_of(name));
    const json_t *value = json_object_get(call->body, name);
    assert(field);
    struct field_value ret = {.given = value && !json_is_null(value), .number = field->fallback};
    if (json_is_integer(value))
        ret.number = json_integer_value(value);
    else if (json_is_boolean(value))
        ret.number = json_is_true(value);
    else if (json_is_string(value))
        ret.text = str_n(json_string_value(value), json_string_length(value));
    if (json_is_string(value) && (field->type == FIELD_TIME || field->type == FIELD_WHEN))
        read_text(field, ret.text, &ret.number);
    return ret;
}
