#include "model/record_mask.h"

#include "model/record_fields.h"

#include <jansson.h>

#define MASKED_WORD "masked" // in the place of a word, which "***" is not
#define DIGITS      15       // of a number beside something that is masked: as many as any text of them keeps

void record_masked_release(struct record_masked *scratch)
{
    buf_release(&scratch->message);
    buf_release(&scratch->extra);
}

// False if it is as it was; then `out` is empty.
static bool mask_changed(const struct mask *mask, struct str text, struct buf *out)
{
    buf_reset(out);
    mask_text(mask, text, out);
    bool changed = !str_eq(text, buf_str(out));
    if (!changed)
        buf_reset(out);
    return changed;
}

static json_t *masked_string(const struct buf *text)
{
    return json_stringn(text->data ? text->data : "", text->len);
}

// --- Values of JSON. Each of these returns a new value, or NULL if nothing of it changes.

static json_t *mask_value(const struct mask *mask, const json_t *value);

static json_t *mask_number(const struct mask *mask, const json_t *value)
{
    CLEANUP(buf_release) struct buf out = {0};
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    bool changed = mask_changed(mask, str_of(text), &out);
    free(text);
    return changed ? masked_string(&out) : NULL;
}

static json_t *mask_string(const struct mask *mask, const json_t *value)
{
    CLEANUP(buf_release) struct buf out = {0};
    bool changed = mask_changed(mask, str_n(json_string_value(value), json_string_length(value)), &out);
    return changed ? masked_string(&out) : NULL;
}

static json_t *mask_array(const struct mask *mask, const json_t *value)
{
    json_t *made = NULL, *item;
    size_t i;
    json_array_foreach(value, i, item)
    {
        json_t *masked = mask_value(mask, item);
        if (masked && !made)
            made = json_copy((json_t *)(uintptr_t)value);
        if (masked)
            json_array_set_new(made, i, masked);
    }
    return made;
}

static json_t *mask_object(const struct mask *mask, const json_t *value)
{
    json_t *made = json_object(), *item;
    bool changed = false;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        CLEANUP(buf_release) struct buf out = {0};
        bool renamed = mask_changed(mask, str_of(name), &out);
        json_t *masked = mask_value(mask, item);
        changed |= renamed || masked;
        json_object_set_new(made, renamed ? buf_cstr(&out) : name, masked ? masked : json_incref(item));
    }
    if (changed)
        return made;
    json_decref(made);
    return NULL;
}

static json_t *mask_value(const struct mask *mask, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return mask_object(mask, value);
    case JSON_ARRAY:
        return mask_array(mask, value);
    case JSON_STRING:
        return mask_string(mask, value);
    case JSON_INTEGER:
    case JSON_REAL:
        return mask_number(mask, value);
    default:
        return NULL;
    }
}

// --- Fields

// Written anew, numbers may be longer than they were; what does not fit any more goes as a whole.
static void append_masked(struct buf *extra, const char *name, const json_t *value, size_t room)
{
    char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
    struct str text = str_of(dumped);
    record_extra_append_json(extra, name, text.len <= room ? text : STR("\"" MASK_MARK "\""));
    free(dumped);
}

// What cannot be looked into, such as a number beyond 64 bits, is looked at as it is written.
static void mask_opaque(const struct mask *mask, struct buf *extra, const char *name, struct str json)
{
    CLEANUP(buf_release) struct buf out = {0};
    bool changed = mask_changed(mask, json, &out);
    record_extra_append_json(extra, name, changed ? STR("\"" MASK_MARK "\"") : json);
}

static void mask_field(const struct mask *mask, struct buf *extra, struct str key, struct str json)
{
    CLEANUP(free_ptr) char *name = str_dup(key);
    enum record_field field = record_field_find(key);
    enum record_rule rule = field < FIELD_COUNT ? record_fields[field].rule : RULE_JSON;
    json_t *value = json_loadb(json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_t *masked = value ? mask_value(mask, value) : NULL;
    // A count, a percentage, a duration, a category stays what it must be.
    bool stays = value && (!masked || rule == RULE_CATEGORY || (json_is_number(value) && rule != RULE_JSON));
    if (stays)
        record_extra_append_json(extra, name, json);
    else if (!value)
        mask_opaque(mask, extra, name, json);
    else if (rule == RULE_WORD)
        record_extra_append_json(extra, name, STR("\"" MASKED_WORD "\""));
    else
        append_masked(extra, name, masked, json.len);
    json_decref(masked);
    json_decref(value);
}

void record_mask(const struct mask *mask, const struct record *record, struct record_masked *scratch,
                 struct record *ret)
{
    struct str rest = record->extra, key, json;
    *ret = *record;
    if (mask_changed(mask, record->message, &scratch->message))
        ret->message = buf_str(&scratch->message);
    buf_reset(&scratch->extra);
    while (record_extra_next(&rest, &key, &json))
        mask_field(mask, &scratch->extra, key, json);
    ret->extra = buf_str(&scratch->extra);
}
