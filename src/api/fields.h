// The fields of a query and of a JSON body: what the table of routes says of each, and the one check of all of them. It
// runs before the handler, so a handler sees only what its route's row allows. All of it on the loop's thread.
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
    FIELD_POSITION, // of a query: a place in a log, which model/position.h judges (400 bad_cursor)
    FIELD_CURSOR,   // of a query: a place in a list, which api/cursor.h judges (400 bad_cursor)
    FIELD_TEXTS,    // of a body: a list of at most max strings
    FIELD_TEXT_MAP, // of a body: an object of at most max strings
    FIELD_METADATA, // of a body: an object; see metadata_check
};

enum field_flags {
    FIELD_REQUIRED = 1,
    FIELD_NULL = 2,      // null is as good as none
    FIELD_MANY = 4,      // may repeat
    FIELD_LIST = 8,      // may be several with commas between them
    FIELD_PREFIX = 16,   // the name is a beginning, the client's own word follows
    FIELD_DIGITS = 32,   // of flags: also 1 and 0
    FIELD_ANY_CASE = 64, // of words; of a position's name, which is a header's
};

struct field_rule {
    const char *must; // "must …"
    bool (*good)(struct str value);
};

struct field {
    const char *name; // NULL ends a list of them
    const char *meaning;
    const char *words;             // of FIELD_WORD, with spaces between them
    const struct field_rule *rule; // or NULL
    int64_t min, max;
    int64_t fallback; // of numbers and flags that are not given
    enum field_type type;
    unsigned flags;
};

// Checks query and body against the route. False after having answered: 400 for a parameter, 422 with all wrong fields
// of a body, and 400, 413 or 415 for a body that is no JSON object. What the body holds is then call->body.
bool fields_check(struct call *call);

struct field_value {
    bool given;      // and not null
    struct str text; // of what is text; valid while the request is
    int64_t number;  // of numbers and flags, the row's default if not given; of times ms since the epoch
};
struct field_value call_param(const struct call *call, const char *name);  // of the query; the row must have it
struct field_value call_member(const struct call *call, const char *name); // of the body; the same

// "must be a whole number from 1 to 1000".
void field_must(const struct field *field, struct buf *out);
void field_name(const struct field *field, struct buf *out);          // as it is documented: metadata.KEY
void field_values(const struct field *field, struct buf *out);        // for a page: "1 to 1000"
void field_json(const struct field *field, struct json_writer *json); // for tests of each row

// What is wrong with metadata as it was sent; NULL if nothing is.
#define METADATA_TOO_LARGE "is larger than 64 KiB"
#define METADATA_TOO_MANY  "has more than 1000 members"
const char *metadata_check(const struct json_t *value);
