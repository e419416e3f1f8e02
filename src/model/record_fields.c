#include "model/record_fields.h"

#include "model/run.h"
#include "model/scan.h"

#define NUMBER_MAX 32 // characters of a number, so that it can be kept as it was written

const struct record_field_rule record_fields[FIELD_COUNT] = {
#define FIELD_RULE(name, rule, least, most) {#name, sizeof(#name) - 1, rule, least, most},
    RECORD_CORE_FIELDS(FIELD_RULE) RECORD_EXTRA_FIELDS(FIELD_RULE)
#undef FIELD_RULE
};

static const struct {
    struct str name;
    enum record_field field;
} aliases[] = {{{"log_category", 12}, FIELD_category}};

enum record_field record_field_find(struct str name)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (record_fields[i].name_len == name.len && memcmp(record_fields[i].name, name.data, name.len) == 0)
            return (enum record_field)i;
    }
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (str_eq(aliases[i].name, name))
            return aliases[i].field;
    }
    return FIELD_COUNT;
}

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    }
    return s.len > 0;
}

static bool is_number(struct str s)
{
    return s.data[0] == '-' || (s.data[0] >= '0' && s.data[0] <= '9');
}

static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char byte = s.data[i];
        bool letter = byte >= 'a' && byte <= 'z';
        bool later = (byte >= '0' && byte <= '9') || byte == '_';
        if (!letter && (i == 0 || !later))
            return false;
    }
    return s.len > 0;
}

// The text must be well-formed UTF-8.
static size_t count_characters(struct str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((uint8_t)s.data[i] & 0xc0) != 0x80;
    return count;
}

static const char *append_text(struct buf *out, const struct record_field_rule *rule, struct str value,
                               struct buf *scratch)
{
    if (value.data[0] != '"')
        return "must be a string";
    struct str body = str_n(value.data + 1, value.len - 2);
    if (str_find(body, '\\')) {
        buf_reset(scratch);
        buf_reserve(scratch, body.len);
        body = str_n(scratch->data, scan_decode(body, scratch->data));
    }
    if (rule->most > 0 && body.len > rule->most && count_characters(body) > rule->most)
        return "is too long";
    if (rule->rule == RULE_WORD && !is_word(body))
        body = run_event_type(body);
    if (rule->rule == RULE_WORD && body.len == 0)
        return "must be made of small letters, digits and underscores, and begin with a letter, or be the type of a "
               "trace "
               "event, such as NODE_STARTED";
    if (rule->rule == RULE_CATEGORY && !str_eq(body, STR("technical")) && !str_eq(body, STR("business")))
        return "must be technical or business";
    buf_append_json_string(out, body);
    return NULL;
}

static const char *append_integer(struct buf *out, const struct record_field_rule *rule, struct str value)
{
    uint64_t number;
    if (!is_digits(value))
        return "must be an integer that is not negative";
    if (!str_to_u64(value, &number) || number < rule->least || number > rule->most)
        return "is out of range";
    buf_append_str(out, value);
    return NULL;
}

// Returns the hundredths of a valid JSON number, rounded half up. Returns more than RECORD_PERCENT_MAX if the number is
// over 100.
static uint64_t parse_hundredths(struct str value)
{
    uint64_t number = 0;
    int exponent = 2, written = 0;
    size_t i = 0;
    bool fraction = false, negative = false;
    for (; i < value.len && (value.data[i] | 0x20) != 'e'; i++) {
        if (value.data[i] == '.') {
            fraction = true;
            continue;
        }
        // Digits that do not fit cannot change the first two decimals, only the magnitude.
        bool fits = number < UINT64_MAX / 100;
        number = fits ? number * 10 + (uint64_t)(value.data[i] - '0') : number;
        exponent += (fits ? 0 : 1) - (fraction ? 1 : 0);
    }
    for (i++; i < value.len; i++) {
        if (value.data[i] == '-')
            negative = true;
        else if (value.data[i] != '+')
            written = MIN(written * 10 + (value.data[i] - '0'), 1000);
    }
    exponent += negative ? -written : written;
    for (; exponent > 0 && number > 0 && number <= RECORD_PERCENT_MAX; exponent--)
        number *= 10;
    bool half = false;
    for (; exponent < 0 && number > 0; exponent++) {
        half = number % 10 >= 5;
        number /= 10;
    }
    // If the digits end before the rounding place, the number is rounded down.
    return number + (half && exponent == 0);
}

uint64_t record_percent_parse(struct str value)
{
    if (value.len == 0 || value.len > NUMBER_MAX)
        return UINT64_MAX;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] != '.' && (value.data[i] < '0' || value.data[i] > '9'))
            return UINT64_MAX;
    }
    return parse_hundredths(value);
}

void record_percent_append(struct buf *out, uint64_t hundredths)
{
    buf_append_u64(out, hundredths / 100);
    if (hundredths % 100 > 0) {
        buf_append_byte(out, '.');
        buf_append_byte(out, (char)('0' + hundredths / 10 % 10));
        if (hundredths % 10 > 0)
            buf_append_byte(out, (char)('0' + hundredths % 10));
    }
}

static const char *append_percent(struct buf *out, struct str value)
{
    if (!is_number(value))
        return "must be a number";
    if (value.data[0] == '-' || value.len > NUMBER_MAX)
        return "is out of range";
    uint64_t hundredths = parse_hundredths(value);
    if (hundredths > RECORD_PERCENT_MAX)
        return "is out of range";
    record_percent_append(out, hundredths);
    return NULL;
}

static const char *append_value(struct buf *out, const struct record_field_rule *rule, struct str value,
                                struct buf *scratch)
{
    switch (rule->rule) {
    case RULE_TEXT:
    case RULE_WORD:
    case RULE_CATEGORY:
        return append_text(out, rule, value, scratch);
    case RULE_INTEGER:
        return append_integer(out, rule, value);
    case RULE_PERCENT:
        return append_percent(out, value);
    case RULE_SECONDS:
        if (!is_number(value) || value.data[0] == '-' || value.len > NUMBER_MAX)
            return "must be a number that is not negative";
        buf_append_str(out, value);
        return NULL;
    case RULE_FLAG:
        if (value.data[0] != 't' && value.data[0] != 'f')
            return "must be true or false";
        buf_append_str(out, value);
        return NULL;
    case RULE_JSON:
        scan_append_canonical(out, value, scratch);
        return NULL;
    case RULE_CORE:
    case RULE_IGNORED:
        break;
    }
    return "is not a structured field";
}

const char *record_field_append(struct buf *extra, enum record_field field, struct str value, struct buf *scratch)
{
    const struct record_field_rule *rule = &record_fields[field];
    size_t before = extra->len;
    if (extra->len > 0)
        buf_append_byte(extra, ',');
    buf_append_byte(extra, '"');
    buf_append(extra, rule->name, rule->name_len);
    buf_append(extra, "\":", 2);
    const char *reason = append_value(extra, rule, value, scratch);
    if (reason)
        extra->len = before;
    return reason;
}

void record_fields_take(struct str extra, struct str fields[FIELD_COUNT])
{
    struct str name, json;
    while (record_extra_next(&extra, &name, &json)) {
        enum record_field field = record_field_find(name);
        if (field < FIELD_COUNT)
            fields[field] = json;
    }
}
