// Turns JSON objects into records, in two steps. The first step scans the object: it checks the whole syntax and notes
// where the values of known members are. The second step reads them. So the order of members does not matter, and only
// escaped bytes are copied.
#include "model/config_limits.h"
#include "model/record_fields.h"
#include "model/scan.h"
#include "util/arena.h"

#define FIELD_NAME_MAX 64

struct record_parser {
    size_t message_max;
    struct arena strings; // decoded strings; they live until the next record_parse
    struct buf extra, scratch;
    // About the present object. Each has a bit per enum record_field: the member was seen; its value is not null; its
    // value is a string with escapes.
    uint32_t seen, present, escaped;
    struct str values[FIELD_COUNT];
    // The first fault, and the number of the object in which it is.
    int err;
    const char *reason;
    char field[FIELD_NAME_MAX + 32];
    size_t number;
    bool numbered; // the text has, or may have, more than one object
};

_Static_assert(FIELD_COUNT <= 32, "a bit for each field");

struct record_parser *record_parser_new(size_t message_max)
{
    struct record_parser *parser = xcalloc(1, sizeof(*parser));
    parser->message_max = message_max;
    return parser;
}

void record_parser_free(struct record_parser **owner)
{
    struct record_parser *parser = TAKE_PTR(*owner);
    if (!parser)
        return;
    arena_release(&parser->strings);
    buf_release(&parser->extra);
    buf_release(&parser->scratch);
    free(parser);
}

static void refuse(struct record_parser *parser, int err, struct str field, const char *reason)
{
    if (parser->err)
        return;
    int name_len = (int)utf8_prefix(field.data, field.len, FIELD_NAME_MAX);
    if (parser->numbered)
        snprintf(parser->field, sizeof(parser->field), "[%zu].%.*s", parser->number, name_len, field.data);
    else
        snprintf(parser->field, sizeof(parser->field), "%.*s", name_len, field.data);
    parser->err = err;
    parser->reason = reason;
}

static void refuse_field(struct record_parser *parser, int err, enum record_field field, const char *reason)
{
    refuse(parser, err, str_n(record_fields[field].name, record_fields[field].name_len), reason);
}

// A fault of syntax. It comes before any other fault, because nothing else can be said about text that is not JSON.
static int malformed(struct record_parser *parser, const char *reason)
{
    parser->err = 0;
    refuse(parser, ERR_MALFORMED, STR("body"), reason);
    return ERR_MALFORMED;
}

// --- First step

static enum record_field find_field(struct record_parser *parser, struct str key, bool escaped)
{
    if (!escaped)
        return record_field_find(key);
    buf_reset(&parser->scratch);
    buf_reserve(&parser->scratch, key.len);
    return record_field_find(str_n(parser->scratch.data, scan_decode(key, parser->scratch.data)));
}

static bool scan_member(struct record_parser *parser, struct scan *scan, unsigned depth)
{
    struct str key, value;
    bool escaped = false;
    if (!scan_skip_space(scan) || !scan_string(scan, &key, &escaped) || !scan_take(scan, ':') || !scan_skip_space(scan))
        return false;
    enum record_field field = find_field(parser, key, escaped);
    escaped = false;
    if (*scan->at == '"') {
        const char *start = scan->at;
        if (!scan_string(scan, &value, &escaped))
            return false;
        value = str_n(start, (size_t)(scan->at - start));
    } else if (!scan_value(scan, depth, &value)) {
        return false;
    }
    if (field == FIELD_COUNT) {
        refuse(parser, ERR_INVALID, key, "is not a field of a record");
        return true;
    }
    uint32_t bit = 1u << field;
    if (parser->seen & bit)
        refuse_field(parser, ERR_INVALID, field, "is given twice");
    parser->seen |= bit;
    parser->values[field] = value;
    parser->present |= value.data[0] != 'n' ? bit : 0;
    parser->escaped |= escaped ? bit : 0;
    return true;
}

// Starts at an opening brace. The members' values go to parser->values.
static bool scan_object(struct record_parser *parser, struct scan *scan, unsigned depth)
{
    parser->seen = parser->present = parser->escaped = 0;
    parser->err = 0;
    scan->at++;
    if (scan_take(scan, '}'))
        return true;
    do {
        if (!scan_member(parser, scan, depth))
            return false;
    } while (scan_take(scan, ','));
    return scan_take(scan, '}');
}

// --- Second step

static bool has(const struct record_parser *parser, enum record_field field)
{
    return parser->present & 1u << field;
}

// Gets a string's decoded value. Returns false, and refuses the member, if it is not a string. The member must be
// present.
static bool take_string(struct record_parser *parser, enum record_field field, struct str *ret)
{
    struct str value = parser->values[field];
    if (value.data[0] != '"') {
        refuse_field(parser, ERR_INVALID, field, "must be a string");
        return false;
    }
    *ret = str_n(value.data + 1, value.len - 2);
    if (parser->escaped & 1u << field) {
        char *decoded = arena_alloc(&parser->strings, ret->len);
        *ret = str_n(decoded, scan_decode(*ret, decoded));
    }
    return true;
}

static void read_message(struct record_parser *parser, struct record *record)
{
    if (!has(parser, FIELD_message)) {
        // An event may have a type and no message.
        if (!has(parser, FIELD_event_type))
            refuse_field(parser, ERR_INVALID, FIELD_message, "is required");
        return;
    }
    if (take_string(parser, FIELD_message, &record->message) && parser->message_max > 0 &&
        record->message.len > parser->message_max)
        refuse_field(parser, ERR_TOO_LONG, FIELD_message, "is longer than the limit");
}

static void read_stream(struct record_parser *parser, struct record *record)
{
    struct str word;
    record->stream = has(parser, FIELD_event_type) ? STREAM_EVENT : STREAM_STDOUT;
    if (has(parser, FIELD_stream) && take_string(parser, FIELD_stream, &word) &&
        !record_stream_parse(word, &record->stream))
        refuse_field(parser, ERR_INVALID, FIELD_stream, "must be stdout, stderr or event");
}

static void read_level(struct record_parser *parser, struct record *record)
{
    struct str word;
    if (has(parser, FIELD_level) && take_string(parser, FIELD_level, &word) &&
        !record_level_parse(word, &record->level))
        refuse_field(parser, ERR_INVALID, FIELD_level, "must be DEBUG, INFO, WARNING, ERROR or CRITICAL");
}

static void read_time(struct record_parser *parser, struct record_input *input)
{
    struct str text;
    if (!has(parser, FIELD_timestamp) || !take_string(parser, FIELD_timestamp, &text))
        return;
    input->has_time = time_parse_rfc3339(text, &input->record.time_ms);
    if (!input->has_time)
        refuse_field(parser, ERR_INVALID, FIELD_timestamp, "must be a date and time as in RFC 3339");
}

static bool read_flag(struct record_parser *parser, enum record_field field)
{
    if (!has(parser, field))
        return false;
    char first = parser->values[field].data[0];
    if (first != 't' && first != 'f')
        refuse_field(parser, ERR_INVALID, field, "must be true or false");
    return first == 't';
}

static void read_sequence_number(struct record_parser *parser, struct record_input *input)
{
    if (!has(parser, FIELD_sequence_number))
        return;
    struct str value = parser->values[FIELD_sequence_number];
    input->has_sequence_number = str_to_u64(value, &input->sequence_number) && input->sequence_number <= INT64_MAX;
    if (!input->has_sequence_number)
        refuse_field(parser, ERR_INVALID, FIELD_sequence_number, "must be an integer that is not negative");
}

// Writes the structured fields to parser->extra, in canonical form.
static void build_extra(struct record_parser *parser)
{
    buf_reset(&parser->extra);
    uint32_t left = parser->present >> FIELD_EXTRA_FIRST << FIELD_EXTRA_FIRST;
    for (; left; left &= left - 1) {
        enum record_field field = (enum record_field)__builtin_ctz(left);
        const char *reason = record_field_append(&parser->extra, field, parser->values[field], &parser->scratch);
        if (reason)
            refuse_field(parser, ERR_INVALID, field, reason);
    }
    if (parser->extra.len > RECORD_EXTRA_MAX)
        refuse(parser, ERR_TOO_LARGE, STR("extra"), "the structured fields together are larger than the limit");
}

static void read_extra(struct record_parser *parser, struct record *record)
{
    if (!(parser->present >> FIELD_EXTRA_FIRST))
        return;
    build_extra(parser);
    if (parser->err || parser->extra.len == 0)
        return;
    char *copy = arena_alloc(&parser->strings, parser->extra.len);
    memcpy(copy, parser->extra.data, parser->extra.len);
    record->extra = str_n(copy, parser->extra.len);
}

// A control frame has members of its own, which the caller reads. Nothing else of it is looked at here.
static bool read_control(struct record_parser *parser, struct record_input *input)
{
    if (!has(parser, FIELD_type) || !take_string(parser, FIELD_type, &input->type) || input->type.len == 0 ||
        str_eq(input->type, STR("log")))
        return false;
    if (has(parser, FIELD_execution_id))
        take_string(parser, FIELD_execution_id, &input->execution_id);
    parser->err = 0;
    return true;
}

static int read_object(struct record_parser *parser, struct record_input *ret)
{
    *ret = (struct record_input){0};
    if (read_control(parser, ret))
        return 0;
    read_message(parser, &ret->record);
    read_stream(parser, &ret->record);
    read_level(parser, &ret->record);
    read_time(parser, ret);
    ret->record.partial = read_flag(parser, FIELD_partial);
    ret->record.continues = read_flag(parser, FIELD_continues);
    read_sequence_number(parser, ret);
    if (has(parser, FIELD_execution_id))
        take_string(parser, FIELD_execution_id, &ret->execution_id);
    read_extra(parser, &ret->record);
    return parser->err;
}

// --- The whole text

typedef int record_each(void *arg, const struct record_input *input);

static int parse_one(struct record_parser *parser, struct scan *scan, unsigned depth, record_each *each, void *arg)
{
    struct record_input input;
    if (!scan_skip_space(scan) || *scan->at != '{')
        return malformed(parser, "must be an object, an array of objects, or objects on a line each");
    if (!scan_object(parser, scan, depth))
        return malformed(parser, "is not well-formed JSON");
    int err = read_object(parser, &input);
    if (err == 0)
        err = each(arg, &input);
    parser->number++;
    return err;
}

static int parse_array(struct record_parser *parser, struct scan *scan, record_each *each, void *arg)
{
    parser->numbered = true;
    scan->at++;
    if (!scan_take(scan, ']')) {
        do {
            int err = parse_one(parser, scan, LIMIT_JSON_DEPTH - 2, each, arg);
            if (err != 0)
                return err;
        } while (scan_take(scan, ','));
        if (!scan_take(scan, ']'))
            return malformed(parser, "is not well-formed JSON");
    }
    return scan_skip_space(scan) ? malformed(parser, "has something behind the array") : 0;
}

static int parse_lines(struct record_parser *parser, struct scan *scan, record_each *each, void *arg)
{
    for (;;) {
        int err = parse_one(parser, scan, LIMIT_JSON_DEPTH - 1, each, arg);
        if (err != 0)
            return err;
        const char *behind = scan->at;
        if (!scan_skip_space(scan))
            return 0;
        if (!memchr(behind, '\n', (size_t)(scan->at - behind)))
            return malformed(parser, "has something behind the object on its line");
        parser->numbered = true;
    }
}

int record_parse(struct record_parser *parser, struct str json, record_each *each, void *arg,
                 struct record_problem *ret_problem)
{
    struct scan scan = {json.len > 0 ? json.data : "", NULL};
    scan.end = scan.at + json.len;
    arena_release(&parser->strings);
    parser->err = 0;
    parser->number = 0;
    parser->numbered = false;
    int err = scan_skip_space(&scan) && *scan.at == '[' ? parse_array(parser, &scan, each, arg)
                                                        : parse_lines(parser, &scan, each, arg);
    if (ret_problem && parser->err)
        *ret_problem = (struct record_problem){parser->field, parser->reason};
    return err;
}

bool record_extra_valid(struct record_parser *parser, struct str extra)
{
    struct buf text = {0};
    if (extra.len == 0)
        return true;
    if (extra.len > RECORD_EXTRA_MAX)
        return false;
    buf_append_byte(&text, '{');
    buf_append_str(&text, extra);
    buf_append_byte(&text, '}');
    struct scan scan = {text.data, text.data + text.len};
    bool valid = scan_object(parser, &scan, LIMIT_JSON_DEPTH - 1) && scan.at == scan.end && !parser->err &&
                 parser->seen >> FIELD_EXTRA_FIRST << FIELD_EXTRA_FIRST == parser->seen;
    if (valid) {
        build_extra(parser);
        valid = !parser->err && str_eq(buf_str(&parser->extra), extra);
    }
    buf_release(&text);
    return valid;
}
