// Says what a field must be: in refusals, on the page of routes, and for tests.
#include "api/fields.h"

static void append_words(struct buf *out, const char *list)
{
    struct str words = str_trim(str_of(list));
    for (bool first = true; words.len; first = false) {
        struct str word = str_split(&words, ' ');
        if (!first)
            buf_append_text(out, words.len ? ", " : " or ");
        buf_append_str(out, word);
    }
}

static void append_range(struct buf *out, const struct field *field, const char *from)
{
    if (field->max == INT64_MAX)
        buf_printf(out, "at least %lld", (long long)field->min);
    else
        buf_printf(out, "%s%lld to %lld", from, (long long)field->min, (long long)field->max);
}

static void append_bytes(struct buf *out, const struct field *field)
{
    if (field->min > 0)
        buf_printf(out, "%lld to %lld bytes", (long long)field->min, (long long)field->max);
    else
        buf_printf(out, "at most %lld bytes", (long long)field->max);
}

void field_must(const struct field *field, struct buf *out)
{
    if (field->rule) {
        buf_append_text(out, field->rule->must);
        return;
    }
    switch (field->type) {
    case FIELD_TEXT:
        buf_append_text(out, "must be a string of ");
        append_bytes(out, field);
        return;
    case FIELD_WORD:
        buf_append_text(out, "must be ");
        append_words(out, field->words);
        return;
    case FIELD_NUMBER:
        buf_append_text(out, "must be a whole number, ");
        append_range(out, field, "");
        return;
    case FIELD_FLAG:
        buf_append_text(out, "must be true or false");
        return;
    case FIELD_TIME:
        buf_append_text(out, "must be a time in RFC 3339");
        return;
    case FIELD_WHEN:
        buf_append_text(out, "must be RFC 3339 or a duration such as 10m");
        return;
    case FIELD_POSITION:
        buf_append_text(out, "must be a position of the log");
        return;
    case FIELD_CURSOR:
        buf_append_text(out, "must be a cursor of this list");
        return;
    case FIELD_TEXTS:
        buf_printf(out, "must be a list of at most %lld strings", (long long)field->max);
        return;
    case FIELD_DECIMAL:
        buf_append_text(out, "must be a number, ");
        append_range(out, field, "");
        return;
    case FIELD_OBJECT:
        buf_append_text(out, "must be an object");
        return;
    case FIELD_OBJECTS:
        buf_printf(out, "must be a list of at most %lld objects", (long long)field->max);
        return;
    case FIELD_TEXT_MAP:
        buf_printf(out, "must be an object of at most %lld strings", (long long)field->max);
        return;
    case FIELD_METADATA:
        buf_append_text(out, "must be an object");
        return;
    }
}

void field_name(const struct field *field, struct buf *out)
{
    buf_printf(out, "%s%s", field->name, field->flags & FIELD_PREFIX ? "KEY" : "");
}

// As field_must writes it, without "must" and "be".
void field_values(const struct field *field, struct buf *out)
{
    CLEANUP(buf_release) struct buf must = {0};
    field_must(field, &must);
    struct str text = buf_str(&must), be = STR("must be "), only = STR("must ");
    size_t skip = str_starts(text, be) ? be.len : str_starts(text, only) ? only.len : 0;
    buf_append(out, text.data + skip, text.len - skip);
    if (field->flags & FIELD_LIST)
        buf_append_text(out, "; several with commas");
    else if (field->flags & FIELD_MANY)
        buf_append_text(out, "; several by repetition");
}

void field_json(const struct field *field, struct json_writer *json)
{
    static const char *const types[] = {"text",   "word",  "number",   "flag",    "time",   "when",    "position",
                                        "cursor", "texts", "text_map", "decimal", "object", "objects", "metadata"};
    CLEANUP(buf_release) struct buf name = {0};
    bool bounded = field->type == FIELD_DECIMAL || field->type == FIELD_OBJECTS || field->type == FIELD_TEXT ||
                   field->type == FIELD_NUMBER || field->type == FIELD_TEXTS || field->type == FIELD_TEXT_MAP;
    field_name(field, &name);
    json_open_object(json, NULL);
    json_add_str(json, "name", buf_str(&name));
    json_add_text(json, "type", types[field->type]);
    json_add_bool(json, "required", field->flags & FIELD_REQUIRED);
    json_add_bool(json, "null", field->flags & FIELD_NULL);
    json_add_bool(json, "many", field->flags & (FIELD_MANY | FIELD_LIST));
    json_add_bool(json, "digits", field->flags & FIELD_DIGITS);
    json_add_bool(json, "rule", field->rule != NULL);
    if (bounded) {
        json_add_i64(json, "min", field->min);
        json_add_i64(json, "max", field->max);
    }
    if (field->type == FIELD_NUMBER && field->fallback)
        json_add_i64(json, "default", field->fallback);
    json_open_array(json, "words");
    for (struct str words = str_trim(str_of(field->words)); words.len;)
        json_add_str(json, NULL, str_split(&words, ' '));
    json_close(json);
    json_close(json);
}
