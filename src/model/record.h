// One entry of an execution's sequence. It is a view: all bytes are borrowed.
#pragma once

#include "util/buf.h"
#include "util/clock.h"
#include "util/error.h"

enum record_stream { STREAM_STDOUT, STREAM_STDERR, STREAM_EVENT, STREAM_COUNT };
// LEVEL_UNSET: filters treat it as INFO, unless the event's type tells another one (record_level_of).
enum record_level { LEVEL_UNSET, LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL_CRITICAL, LEVEL_COUNT };

#define RECORD_MESSAGE_MAX      (10 * 1024) // bytes; a setting can change it, to at most 1 MiB
#define RECORD_EXTRA_MAX        (64 * 1024) // bytes of all structured fields together, as canonical JSON
#define RECORD_PRIORITY_DEFAULT 5           // of a record that does not say

struct record {
    int64_t time_ms; // realtime; it never decides the order
    enum record_stream stream;
    enum record_level level;
    bool partial;       // the line goes on in the next record of the stream
    bool continues;     // goes on with the record right before it, if that is of the same stream (line_filter.h)
    struct str message; // any bytes, without the line's newline
    // The structured fields in canonical form, each validated: JSON members without braces, compact, in the order of
    // the table in record_fields.c. Example: `"event_type":"step_started","node_id":"n1"`. Empty if there are none.
    struct str extra;
};

const char *record_stream_name(enum record_stream stream); // "stdout" …
bool record_stream_parse(struct str s, enum record_stream *ret);
const char *record_level_name(enum record_level level);        // "DEBUG" …; NULL for LEVEL_UNSET
const char *record_level_word(enum record_level level);        // "debug" …; "info" for LEVEL_UNSET
bool record_level_parse(struct str s, enum record_level *ret); // in any case; warn and fatal become their usual names
// The level that a record is shown and filtered by: its own; without one, that of its event type if it is one of nodes,
// steps or workflows (completed: INFO, skipped: WARNING, failed: ERROR …); else LEVEL_UNSET. It is not stored, so the
// digest stays that of what was sent.
enum record_level record_level_of(const struct record *record);

// Hash (XXH3-64) of everything but the time. It decides whether a producer has repeated the same record.
uint64_t record_hash(const struct record *record);
// Running digest over a whole log: digest_next(h, r) = XXH3_64 of r's bytes, seeded with h; 0 before the first record.
// It proves order and content. It covers stream, partial, continues, level, message and extra, not the time. Shown as
// 16 hex digits.
uint64_t record_digest_next(uint64_t digest, const struct record *record);

// --- JSON. `execution_id` must be a valid id (which needs no escaping). Appends one object:
// {"execution_id":…,"sequence_number":…,"index":…,"timestamp":…,"stream":…,
//  "message":…[,"partial":true][,"continues":true][,"level":…][,extra]}
// With `type_log`, `"type":"log",` comes first.
void record_append_json(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number,
                        bool type_log);
// Appends execution_id,sequence_number,index,timestamp,stream,level,message (RFC 4180); see record_csv_header.
void record_append_csv(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number);
extern const char record_csv_header[];
// The same, then a column for each structured field: strings as their text, other values as JSON.
void record_append_csv_fields(struct buf *out, const struct record *record, struct str execution_id,
                              uint64_t sequence_number);
extern const char record_csv_fields_header[];

// An encoder for many records of one execution. It keeps the constant parts ready, and takes less than half the time.
struct record_encoder {
    size_t head_len;
    char head[300]; // up to and including `"sequence_number":`
    int64_t second; // the second that `time` holds
    char time[TIME_RFC3339_LEN];
};
void record_encoder_init(struct record_encoder *encoder, struct str execution_id, bool type_log);
void record_encoder_append(struct record_encoder *encoder, struct buf *out, const struct record *record,
                           uint64_t sequence_number);

// What a parsed object said in addition to the record. An object whose `type` is neither absent nor "log" is a control
// frame: only its `type` and `execution_id` are read and checked, `record` is empty, and the caller parses its other
// members.
struct record_input {
    struct record record;     // bytes live in the input, or in the parser until the next record_parse
    bool has_sequence_number; // the producer's counter
    uint64_t sequence_number;
    bool has_time;           // false: the caller sets the time
    struct str execution_id; // empty if absent
    struct str type;         // "log", or "complete" … for control frames; empty if absent
};

// What the parser refused, for `fields` of the answer. The strings are static or scratch.
struct record_problem {
    const char *field, *reason;
};

// Parses one JSON text: an object, an array of objects, or NDJSON. The scanner is our own, because this is a hot path;
// it is tested against jansson. It follows RFC 8259 strictly (UTF-8 is checked, depth ≤ 64, no known key twice).
// Unknown members are refused as ERR_INVALID. The known members `type`, `execution_id`, `index` and `log_id` are
// ignored or returned.
struct record_parser;
// message_max: a longer message is ERR_TOO_LONG; 0 = no limit (then the caller splits).
struct record_parser *record_parser_new(size_t message_max);
void record_parser_free(struct record_parser **parser);
// Calls `each` for every object, in order, until it returns non-zero, which is returned. Objects before a faulty one
// have been handed over by then, so a caller that must take all or none gathers them first. `stream` is "event" by
// default if there is an `event_type`, otherwise "stdout". `message` may be absent beside an `event_type`. null counts
// as absent. Errors: ERR_MALFORMED (not JSON), ERR_INVALID (a field is wrong), ERR_TOO_LONG, ERR_TOO_LARGE (extra).
// *ret_problem says what is wrong and where; it may be NULL.
int record_parse(struct record_parser *parser, struct str json,
                 int (*each)(void *arg, const struct record_input *input), void *arg,
                 struct record_problem *ret_problem);
// True if `extra` is in canonical form. For chunks from outside.
bool record_extra_valid(struct record_parser *parser, struct str extra);
// Takes the first member from canonical `extra`; returns false at the end. The value is raw JSON.
bool record_extra_next(struct str *extra, struct str *ret_name, struct str *ret_json);
// Gets the raw JSON value of a top-level member of canonical `extra`; returns false if it is absent. Strings have their
// quotes.
bool record_extra_get(struct str extra, struct str name, struct str *ret_json);
// Gets a string without its quotes. A value with a backslash is decoded into *scratch; otherwise *ret is a view of
// `extra`.
bool record_extra_string(struct str extra, struct str name, struct buf *scratch, struct str *ret);
// For event records that we make: appends `"name":"value"` in canonical form, with a comma if needed. The calls must be
// in the order of the table.
void record_extra_append_string(struct buf *extra, const char *name, struct str value);
void record_extra_append_json(struct buf *extra, const char *name, struct str json);
