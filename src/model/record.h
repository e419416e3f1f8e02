// One entry of an execution's sequence, as a view: all bytes are borrowed from whoever made it.
#pragma once

#include "util/buf.h"
#include "util/clock.h"
#include "util/error.h"

enum record_stream { STREAM_STDOUT, STREAM_STDERR, STREAM_EVENT, STREAM_COUNT };
// LEVEL_UNSET is shown as nothing and filtered as INFO.
enum record_level { LEVEL_UNSET, LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL_CRITICAL, LEVEL_COUNT };

#define RECORD_MESSAGE_MAX (10 * 1024) // bytes; configurable downwards and upwards to 1 MiB
#define RECORD_EXTRA_MAX   (64 * 1024) // bytes of all structured fields together, as canonical JSON

struct record {
    int64_t time_ms; // realtime; never used as an order
    enum record_stream stream;
    enum record_level level;
    bool partial;       // no newline ended this record
    struct str message; // any bytes, without the line's newline
    // The structured fields in canonical form: JSON members without braces, compact, in the order of the table in
    // record_fields.c, each validated: `"event_type":"step_started","node_id":"n1"`. Empty when there are none.
    struct str extra;
};

const char *record_stream_name(enum record_stream stream); // "stdout" …
bool record_stream_parse(struct str s, enum record_stream *ret);
const char *record_level_name(enum record_level level);        // "DEBUG" …; NULL for LEVEL_UNSET
bool record_level_parse(struct str s, enum record_level *ret); // any case; warn, fatal normalised

// XXH3-64 of all but the time: what "the same record" means when a producer repeats itself.
uint64_t record_hash(const struct record *record);
// Running digest over a whole log: digest_next(h, r) = XXH3_64 of r's bytes seeded with h; 0 before the first record.
// Proves order and content; covers stream, partial, level, message, extra; not the time. Shown as 16 hex digits.
uint64_t record_digest_next(uint64_t digest, const struct record *record);

// --- JSON. `execution_id` is a valid id (needs no escaping). Appends one object:
// {"execution_id":…,"sequence_number":…,"index":…,"timestamp":…,"stream":…,
//  "message":…[,"partial":true][,"level":…][,extra]}
// With `type_log`, `"type":"log",` comes first.
void record_append_json(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number,
                        bool type_log);
// execution_id,sequence_number,index,timestamp,stream,level,message (RFC 4180); see record_csv_header.
void record_append_csv(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number);
extern const char record_csv_header[];

// The same with what stays constant kept ready, for many records of one execution: less than half the time.
struct record_encoder {
    size_t head_len;
    char head[300]; // up to and with `"sequence_number":`
    int64_t second; // the one that `time` holds
    char time[TIME_RFC3339_LEN];
};
void record_encoder_init(struct record_encoder *encoder, struct str execution_id, bool type_log);
void record_encoder_append(struct record_encoder *encoder, struct buf *out, const struct record *record,
                           uint64_t sequence_number);

// What a parsed object said besides the record itself. An object whose `type` is neither absent nor "log" is a control
// frame: nothing of it but `type` and `execution_id` is read or judged, as its other members are for the caller to
// parse; `record` is empty then.
struct record_input {
    struct record record;     // bytes live in the input, or in the parser until its next record_parse
    bool has_sequence_number; // the producer's counter
    uint64_t sequence_number;
    bool has_time;           // else the caller stamps it
    struct str execution_id; // empty if absent
    struct str type;         // "log", or of control frames "complete" …; empty if absent
};

// What the parser refused, for the answer's `fields`. Static or scratch strings.
struct record_problem {
    const char *field, *reason;
};

// Parser of one JSON text with one object, an array of objects, or NDJSON. Own scanner (hot path), property-tested
// against jansson; strict RFC 8259 (UTF-8 checked, depth ≤ 64, no duplicate known keys). Unknown members are refused as
// ERR_INVALID, save `type`, `execution_id`, `index`, `log_id`, which are known and ignored or returned.
struct record_parser;
// message_max: ERR_TOO_LONG above it; 0 = no limit (the caller splits).
struct record_parser *record_parser_new(size_t message_max);
void record_parser_free(struct record_parser **parser);
// Calls `each` for every object in order until it returns non-zero, which is returned. Objects before a faulty one have
// been handed over by then: whoever must take all or none gathers first. `stream` is by default "event" if there is an
// `event_type`, else "stdout"; `message` may be absent beside an `event_type`; null is as absent. Errors: ERR_MALFORMED
// (not JSON), ERR_INVALID (a field is wrong), ERR_TOO_LONG, ERR_TOO_LARGE (extra). *ret_problem (may be NULL) says what
// and where.
int record_parse(struct record_parser *parser, struct str json,
                 int (*each)(void *arg, const struct record_input *input), void *arg,
                 struct record_problem *ret_problem);
// True if `extra` is in the canonical form; for chunks that came from outside.
bool record_extra_valid(struct record_parser *parser, struct str extra);
// Takes the first member off canonical `extra`; false at the end. The value is raw JSON.
bool record_extra_next(struct str *extra, struct str *ret_name, struct str *ret_json);
// The raw JSON value of a top-level member of canonical `extra`; false if absent. Strings come with their quotes.
bool record_extra_get(struct str extra, struct str name, struct str *ret_json);
// The same for strings without escapes needed: unquoted value, only if it holds no backslash; else decoded into
// *scratch.
bool record_extra_string(struct str extra, struct str name, struct buf *scratch, struct str *ret);
// For our own event records: appends `"name":"value"` in canonical quoting, with a comma if needed. Call in table
// order.
void record_extra_append_string(struct buf *extra, const char *name, struct str value);
void record_extra_append_json(struct buf *extra, const char *name, struct str json);
