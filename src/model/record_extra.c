// Reads and makes structured fields in canonical form.
#include "model/record.h"
#include "model/scan.h"

// Moves behind a string whose opening quote is at *at. Stays within bounds whatever the bytes are.
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\' && end - at > 1;
    return at < end ? at + 1 : end;
}

// Moves to the comma after a value, or to the end.
static const char *skip_member_value(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end && (depth > 0 || *at != ',')) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if ((*at == '}' || *at == ']') && depth > 0)
            depth--;
        at++;
    }
    return at;
}

bool record_extra_next(struct str *extra, struct str *ret_name, struct str *ret_json)
{
    if (extra->len == 0 || extra->data[0] != '"')
        return false;
    const char *at = extra->data, *end = at + extra->len;
    const char *name_end = skip_string(at, end);
    if (end - name_end < 2)
        return false;
    const char *value_end = skip_member_value(name_end + 1, end);
    *ret_name = str_n(at + 1, (size_t)(name_end - at) - 2);
    *ret_json = str_n(name_end + 1, (size_t)(value_end - name_end) - 1);
    const char *next = value_end + (value_end < end);
    *extra = str_n(next, (size_t)(end - next));
    return true;
}

bool record_extra_get(struct str extra, struct str name, struct str *ret_json)
{
    struct str key;
    while (record_extra_next(&extra, &key, ret_json)) {
        if (str_eq(key, name))
            return true;
    }
    return false;
}

bool record_extra_string(struct str extra, struct str name, struct buf *scratch, struct str *ret)
{
    struct str json;
    if (!record_extra_get(extra, name, &json) || json.len < 2 || json.data[0] != '"')
        return false;
    struct scan scan = {json.data, json.data + json.len};
    struct str body;
    bool escaped;
    if (!scan_string(&scan, &body, &escaped))
        return false;
    if (!escaped) {
        *ret = body;
        return true;
    }
    buf_reset(scratch);
    buf_reserve(scratch, body.len);
    scratch->len = scan_decode(body, scratch->data);
    *ret = buf_str(scratch);
    return true;
}

void record_extra_append_json(struct buf *extra, const char *name, struct str json)
{
    if (extra->len > 0)
        buf_append_byte(extra, ',');
    buf_append_byte(extra, '"');
    buf_append_text(extra, name);
    buf_append(extra, "\":", 2);
    buf_append_str(extra, json);
}

void record_extra_append_string(struct buf *extra, const char *name, struct str value)
{
    record_extra_append_json(extra, name, str_n(NULL, 0));
    buf_append_json_string(extra, value);
}
