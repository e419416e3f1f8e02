// The fields of a query and of a JSON body: what the table of routes says about each, and the one check for all of
// them. The check runs before the handler, so a handler gets only what its row allows. Everything on the loop's thread.
#pragma once

#include "util/buf.h"
#include "util/json_writer.h"

struct call;
struct json_t;

enum field_type {
    FIELD_TEXT,     // min to max bytes, and as its rule says
    FIELD_WORD,     // one of `words`
    FIELD_NUMBER,   // whole, min to max
    FIELD_FLAG,     // true or false
    FIELD_TIME,     // RFC 3339
    FIELD_WHEN,     // RFC 3339, or a duration
    FIELD_POSITION, // in a query: a place in a log, which model/position.h checks (400 bad_cursor)
    FIELD_CURSOR,   // in a query: a place in a list, which api/cursor.h checks (400 bad_cursor)
    FIELD_TEXTS,    // in a body: a list of at most max strings
    FIELD_TEXT_MAP, // in a body: an object of at most max strings
    FIELD_DECIMAL,  // in a body: a number from min to max, which need not be whole
    FIELD_OBJECT,   // in a body: an object, which the handler looks into
    FIELD_OBJECTS,  // in a body: a list of at most max objects, which the handler looks into
    FIELD_METADATA, // in a body: an object; see metadata_check
};

enum field_flags {
    FIELD_REQUIRED = 1,
    FIELD_NULL = 2,      // null counts as absent
    FIELD_MANY = 4,      // may repeat
    FIELD_LIST = 8,      // may repeat, or hold several values with commas
    FIELD_PREFIX = 16,   // the name is the beginning of a name; the client chooses the rest
    FIELD_DIGITS = 32,   // for flags: also 1 and 0
    FIELD_ANY_CASE = 64, // for words; for the name of a position that comes as a header
};

struct field_rule {
    const char *must; // "must …"
    bool (*good)(struct str value);
};

struct field {
    const char *name; // NULL ends the list
    const char *meaning;
    const char *words;             // for FIELD_WORD, with spaces between them
    const struct field_rule *rule; // may be NULL
    int64_t min, max;
    int64_t fallback; // for numbers and flags that are absent
    enum field_type type;
    unsigned flags;
};

// Checks query and body against the route. Returns false after it has answered: 400 for a parameter, 422 with all wrong
// fields of a body; 400, 413 or 415 for a body that is not a JSON object. Then call->body is the body.
bool fields_check(struct call *call);

// The same for an object within a body. False with the first of its members that is wrong: its name, and a reason in
// the request's arena.
bool fields_check_object(struct call *call, const struct field *fields, struct json_t *object, const char **ret_name,
                         const char **ret_reason);

struct field_value {
    bool given;      // present and not null
    struct str text; // for text; valid while the request is
    int64_t number;  // for numbers and flags, the row's default if absent; for times, ms since 1970
};
struct field_value call_param(const struct call *call, const char *name);  // from the query; the row must have the name
struct field_value call_member(const struct call *call, const char *name); // from the body; the row must have the name

// Appends for example "must be a whole number from 1 to 1000".
void field_must(const struct field *field, struct buf *out);
void field_name(const struct field *field, struct buf *out);          // as documented: metadata.KEY
void field_values(const struct field *field, struct buf *out);        // for a page: "1 to 1000"
void field_json(const struct field *field, struct json_writer *json); // for tests of each row

// Returns what is wrong with metadata as they were sent; NULL if nothing is.
#define METADATA_TOO_LARGE "is larger than 64 KiB"
#define METADATA_TOO_MANY  "has more than 1000 members"
const char *metadata_check(const struct json_t *value);
