#include "source/known.h"

void known_reset(struct known_values *values)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        buf_reset(&values->values[i]);
}

void known_release(struct known_values *values)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        buf_release(&values->values[i]);
}

bool known_take(struct known_values *values, const struct known_key *table, struct str key, struct str value)
{
    for (; table->key; table++) {
        if (!str_eq(key, str_of(table->key)))
            continue;
        struct buf *kept = &values->values[table->meaning];
        buf_reset(kept);
        buf_append_str(kept, value);
        return true;
    }
    return false;
}

void known_append_key(struct str key, struct buf *out)
{
    for (const char *nul; (nul = str_find(key, '\0'));) {
        size_t before = (size_t)(nul - key.data);
        buf_append(out, key.data, before);
        buf_append_text(out, "\xef\xbf\xbd");
        key = str_n(nul + 1, key.len - before - 1);
    }
    buf_append_str(out, key);
}

struct str known_get(const struct known_event *event, enum known meaning)
{
    const struct buf *own = &event->own->values[meaning];
    return buf_str(own->len ? own : &event->around->values[meaning]);
}

const char *known_append_text(enum record_field field, struct str text, struct buf *extra, struct buf *scratch)
{
    CLEANUP(buf_release) struct buf json = {0};
    if (text.len == 0)
        return NULL;
    buf_append_json_string(&json, text);
    return record_field_append(extra, field, buf_str(&json), scratch);
}

const char *known_append(const struct known_event *event, enum known meaning, enum record_field field,
                         struct buf *extra, struct buf *scratch)
{
    return known_append_text(field, known_get(event, meaning), extra, scratch);
}

enum record_stream known_stream(const struct known_event *event)
{
    enum record_stream stream;
    return record_stream_parse(known_get(event, KNOWN_STREAM), &stream) ? stream : STREAM_STDOUT;
}

enum record_level known_level(const struct known_event *event)
{
    enum record_level level;
    struct str text = known_get(event, KNOWN_LEVEL);
    return record_level_parse(text.len ? text : known_get(event, KNOWN_LEVEL_FOUND), &level) ? level : LEVEL_UNSET;
}
