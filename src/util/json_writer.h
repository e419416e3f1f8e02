// JSON, member by member, into a buffer: commas, quotes and escapes are its business. For answers and messages; records
// have an encoder of their own (model/record_json.c). One value is written, mostly an object. What does not nest is a
// fault of the program: asserts find it.
#pragma once

#include "util/buf.h"

#define JSON_DEPTH_MAX 64 // open objects and arrays

struct json_writer {
    struct buf *out; // borrowed
    uint64_t arrays; // a bit for each open level: whether it is an array
    unsigned depth;
    bool behind; // something precedes in this level
};

struct json_writer json_writer_to(struct buf *out);
void json_writer_end(const struct json_writer *json); // asserts that all is closed

// `name` is that of a member of the innermost object; NULL for an item of an array, and for the outermost value.
void json_open_object(struct json_writer *json, const char *name);
void json_open_array(struct json_writer *json, const char *name);
void json_close(struct json_writer *json); // the innermost one

void json_add_str(struct json_writer *json, const char *name, struct str text); // bytes that are no UTF-8 become U+FFFD
void json_add_text(struct json_writer *json, const char *name, const char *text); // NULL: null
void json_add_i64(struct json_writer *json, const char *name, int64_t number);
void json_add_u64(struct json_writer *json, const char *name, uint64_t number);
void json_add_bool(struct json_writer *json, const char *name, bool value);
void json_add_null(struct json_writer *json, const char *name);
void json_add_time(struct json_writer *json, const char *name, int64_t real_ms); // RFC 3339; 0: null
void json_add_hex(struct json_writer *json, const char *name, uint64_t number);  // a string of 16 digits, as of digests
// A value that is JSON already, or several with commas between them; empty: nothing in an array, null elsewhere.
void json_add_raw(struct json_writer *json, const char *name, struct str value);
