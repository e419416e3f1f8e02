// The members that a record's JSON object may have, in one table. The order of the structured members is their
// canonical order.
#pragma once

#include "model/record.h"

enum record_rule {
    RULE_CORE,    // part of the record itself or of record_input; see record_parse.c
    RULE_IGNORED, // known, so it is not refused
    RULE_TEXT,    // a string of at most `most` characters; 0: only RECORD_EXTRA_MAX limits it
    RULE_WORD,    // [a-z][a-z0-9_]*, at most `most` characters
    RULE_CATEGORY,
    RULE_INTEGER, // from `least` to `most`
    RULE_PERCENT, // 0–100, with two decimals
    RULE_SECONDS, // a number that is not negative
    RULE_FLAG,
    RULE_JSON, // any value
};

// X(name, rule, least, most)
#define RECORD_CORE_FIELDS(X)           \
    X(timestamp, RULE_CORE, 0, 0)       \
    X(stream, RULE_CORE, 0, 0)          \
    X(message, RULE_CORE, 0, 0)         \
    X(sequence_number, RULE_CORE, 0, 0) \
    X(execution_id, RULE_CORE, 0, 0)    \
    X(type, RULE_CORE, 0, 0)            \
    X(level, RULE_CORE, 0, 0)           \
    X(partial, RULE_CORE, 0, 0)         \
    X(continues, RULE_CORE, 0, 0)       \
    X(index, RULE_IGNORED, 0, 0)        \
    X(log_id, RULE_IGNORED, 0, 0)

#define RECORD_EXTRA_FIELDS(X)                   \
    X(event_type, RULE_WORD, 0, 64)              \
    X(category, RULE_CATEGORY, 0, 0)             \
    X(node_id, RULE_TEXT, 0, 255)                \
    X(node_name, RULE_TEXT, 0, 255)              \
    X(node_type, RULE_TEXT, 0, 100)              \
    X(step_number, RULE_INTEGER, 0, INT32_MAX)   \
    X(total_steps, RULE_INTEGER, 0, INT32_MAX)   \
    X(progress_percentage, RULE_PERCENT, 0, 100) \
    X(duration_seconds, RULE_SECONDS, 0, 0)      \
    X(user_friendly_message, RULE_TEXT, 0, 0)    \
    X(display_priority, RULE_INTEGER, 1, 10)     \
    X(is_milestone, RULE_FLAG, 0, 0)             \
    X(data, RULE_JSON, 0, 0)                     \
    X(technical_details, RULE_JSON, 0, 0)        \
    X(stack_trace, RULE_TEXT, 0, 0)              \
    X(performance_metrics, RULE_JSON, 0, 0)      \
    X(producer, RULE_TEXT, 0, 255)

enum record_field {
#define FIELD_ENUM(name, rule, least, most) FIELD_##name,
    RECORD_CORE_FIELDS(FIELD_ENUM) RECORD_EXTRA_FIELDS(FIELD_ENUM)
#undef FIELD_ENUM
        FIELD_COUNT,
    FIELD_EXTRA_FIRST = FIELD_event_type,
};

struct record_field_rule {
    const char *name;
    size_t name_len;
    enum record_rule rule;
    uint32_t least, most;
};

extern const struct record_field_rule record_fields[FIELD_COUNT];

// Returns FIELD_COUNT if there is no such name. Some members also have another name, which is found, too.
enum record_field record_field_find(struct str name);
// Takes canonical `extra` apart: the JSON of each field that is there; the others are left as they are.
void record_fields_take(struct str extra, struct str fields[FIELD_COUNT]);
// A percentage is kept in hundredths, 0 to RECORD_PERCENT_MAX, and written as a JSON number. record_percent_parse takes
// it as it was written so; of anything else it returns more than that.
#define RECORD_PERCENT_MAX 10000
uint64_t record_percent_parse(struct str value);
void record_percent_append(struct buf *out, uint64_t hundredths);
// Appends `"name":value` in canonical form, with a comma if `extra` is not empty. `value` is valid JSON as it was
// given, without white space around it. `scratch` is overwritten. Returns NULL; or the reason (static) why the value is
// refused, and `extra` stays as it was.
const char *record_field_append(struct buf *extra, enum record_field field, struct str value, struct buf *scratch);
