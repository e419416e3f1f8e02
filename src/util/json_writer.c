#include "util/json_writer.h"

#include "util/clock.h"

#include <assert.h>
#include <inttypes.h>

struct json_writer json_writer_to(struct buf *out)
{
    return (struct json_writer){.out = out};
}

void json_writer_end(const struct json_writer *json)
{
    assert(json->depth == 0 && json->behind);
    (void)json;
}

static bool in_array(const struct json_writer *json)
{
    return json->depth > 0 && json->arrays >> (json->depth - 1) & 1;
}

// Writes what stands before a value: the comma and the name.
static void begin(struct json_writer *json, const char *name)
{
    assert((name != NULL) == (json->depth > 0 && !in_array(json)));
    assert(json->depth > 0 || !json->behind);
    if (json->behind)
        buf_append_byte(json->out, ',');
    json->behind = true;
    if (!name)
        return;
    buf_append_json_string(json->out, str_of(name));
    buf_append_byte(json->out, ':');
}

static void open_level(struct json_writer *json, const char *name, bool array)
{
    begin(json, name);
    assert(json->depth < JSON_DEPTH_MAX);
    uint64_t bit = (uint64_t)1 << json->depth++;
    json->arrays = array ? json->arrays | bit : json->arrays & ~bit;
    json->behind = false;
    buf_append_byte(json->out, array ? '[' : '{');
}

void json_open_object(struct json_writer *json, const char *name)
{
    open_level(json, name, false);
}

void json_open_array(struct json_writer *json, const char *name)
{
    open_level(json, name, true);
}

void json_close(struct json_writer *json)
{
    assert(json->depth > 0);
    buf_append_byte(json->out, in_array(json) ? ']' : '}');
    json->depth--;
    json->behind = true;
}

void json_add_str(struct json_writer *json, const char *name, struct str text)
{
    begin(json, name);
    buf_append_json_string(json->out, text);
}

void json_add_text(struct json_writer *json, const char *name, const char *text)
{
    if (text)
        json_add_str(json, name, str_of(text));
    else
        json_add_null(json, name);
}

void json_add_i64(struct json_writer *json, const char *name, int64_t number)
{
    begin(json, name);
    buf_append_i64(json->out, number);
}

void json_add_u64(struct json_writer *json, const char *name, uint64_t number)
{
    begin(json, name);
    buf_append_u64(json->out, number);
}

void json_add_bool(struct json_writer *json, const char *name, bool value)
{
    begin(json, name);
    buf_append_text(json->out, value ? "true" : "false");
}

void json_add_null(struct json_writer *json, const char *name)
{
    begin(json, name);
    buf_append_text(json->out, "null");
}

void json_add_time(struct json_writer *json, const char *name, int64_t real_ms)
{
    char text[TIME_RFC3339_LEN + 1] = {0};
    if (real_ms != 0)
        time_format_rfc3339(real_ms, text);
    json_add_text(json, name, real_ms != 0 ? text : NULL);
}

void json_add_hex(struct json_writer *json, const char *name, uint64_t number)
{
    begin(json, name);
    buf_printf(json->out, "\"%016" PRIx64 "\"", number);
}

void json_add_raw(struct json_writer *json, const char *name, struct str value)
{
    if (value.len == 0 && in_array(json))
        return;
    begin(json, name);
    buf_append_str(json->out, value.len > 0 ? value : STR("null"));
}
