// Keys that mean something here: attributes, labels, fields of a filter. Each protocol has one table of its keys; what
// they mean is one list for all of them, and so is what becomes of it. Pure.
#pragma once

#include "model/record_fields.h"

enum known {
    KNOWN_EXECUTION,
    KNOWN_STREAM,
    KNOWN_LEVEL,
    KNOWN_LEVEL_FOUND, // what somebody on the way has made of the message; KNOWN_LEVEL wins
    KNOWN_EVENT_TYPE,
    KNOWN_EVENT_NAME, // of which a type is made if there is none
    KNOWN_NODE_ID,
    KNOWN_NODE_NAME,
    KNOWN_NODE_TYPE,
    KNOWN_STACK_TRACE,
    KNOWN_PRODUCER,
    KNOWN_COUNT
};

struct known_key {
    const char *key;
    enum known meaning;
};

struct known_values { // zeroed; what it holds is owned
    struct buf values[KNOWN_COUNT];
};
void known_reset(struct known_values *values);
void known_release(struct known_values *values);
// Returns whether the key is in the table (which ends with NULL); then its value is kept. The last one of a key stays.
bool known_take(struct known_values *values, const struct known_key *table, struct str key, struct str value);

// Appends a key as the name of a member of JSON, not yet quoted. Those who read documents take no U+0000 there, or take
// it for the end, so that several keys would become one: each becomes U+FFFD.
void known_append_key(struct str key, struct buf *out);

struct known_event { // what is known of an event, and of what is around it; the event's own wins
    const struct known_values *own, *around;
};
struct str known_get(const struct known_event *event, enum known meaning); // empty: unknown
// The field as the text that is known; nothing if none is. Returns as record_field_append does.
const char *known_append(const struct known_event *event, enum known meaning, enum record_field field,
                         struct buf *extra, struct buf *scratch);
const char *known_append_text(enum record_field field, struct str text, struct buf *extra, struct buf *scratch);
enum record_stream known_stream(const struct known_event *event); // stdout unless another is known
enum record_level known_level(const struct known_event *event);
