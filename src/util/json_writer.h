// Writes JSON into a buffer, member by member, with commas, quotes and escapes. It is for answers and messages; records
// have their own encoder (model/record_json.c). One writer writes one value, usually an object. Wrong nesting is a
// fault of the program: asserts find it.
#pragma once

#include "util/buf.h"

#define JSON_DEPTH_MAX 64 // open objects and arrays

struct json_writer {
    struct buf *out; // borrowed
    uint64_t arrays; // one bit for each open level: whether it is an array
    unsigned depth;
    bool behind; // this level already has a value
};

struct json_writer json_writer_to(struct buf *out);
void json_writer_end(const struct json_writer *json); // asserts that all is closed

// `name` is the name of a member of the innermost object. It is NULL for an item of an array and for the outermost
// value.
void json_open_object(struct json_writer *json, const char *name);
void json_open_array(struct json_writer *json, const char *name);
void json_close(struct json_writer *json); // closes the innermost one

// bytes that are not UTF-8 become U+FFFD
void json_add_str(struct json_writer *json, const char *name, struct str text);
void json_add_text(struct json_writer *json, const char *name, const char *text); // NULL is written as null
void json_add_i64(struct json_writer *json, const char *name, int64_t number);
void json_add_u64(struct json_writer *json, const char *name, uint64_t number);
void json_add_bool(struct json_writer *json, const char *name, bool value);
void json_add_null(struct json_writer *json, const char *name);
void json_add_time(struct json_writer *json, const char *name, int64_t real_ms); // RFC 3339; 0 is written as null
// a string of 16 digits, as digests are written
void json_add_hex(struct json_writer *json, const char *name, uint64_t number);
// Adds a value that is JSON already, or several with commas between them. Empty text adds nothing to an array, and null
// elsewhere.
void json_add_raw(struct json_writer *json, const char *name, struct str value);
