#include "mirror/loki/answer.h"

#include "model/foreign_json.h"

#define LINES_MAX 100000

struct reading {
    const struct loki_ask *ask;
    struct loki_lines *lines;
    size_t room;
    uint64_t phase;
};

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : (struct str){0};
}

// A text is a place in the buffer, from 1 on, as long as that grows; afterwards a view.
static struct str keep(struct loki_lines *lines, const json_t *value)
{
    struct str text = text_of(value);
    size_t at = lines->text.len;
    if (!text.data)
        return (struct str){0};
    buf_append_str(&lines->text, text);
    return str_n((const char *)(uintptr_t)(at + 1), text.len);
}

static void settle(const struct buf *text, struct str *place)
{
    if (place->data)
        place->data = text->data + ((uintptr_t)place->data - 1);
}

// What a line says of itself: beside it, or as a label of its stream.
static const json_t *property(const json_t *labels, const json_t *metadata, const char *name)
{
    const json_t *found = json_object_get(metadata, name);
    return found ? found : json_object_get(labels, name);
}

static int read_line(struct reading *it, const json_t *labels, const json_t *value)
{
    struct loki_lines *lines = it->lines;
    const json_t *metadata = json_array_get(value, 2), *inner = json_object_get(metadata, "structuredMetadata");
    struct loki_line line = {0};
    struct str text = text_of(json_array_get(value, 1));
    if (!str_to_u64(text_of(json_array_get(value, 0)), &line.time_ns) || !text.data || lines->count >= LINES_MAX)
        return ERR_MALFORMED;
    if (lines->count == it->room) {
        it->room = MAX(2 * it->room, 64u);
        lines->items = xrealloc(lines->items, it->room * sizeof(*lines->items));
    }
    metadata = inner ? inner : metadata;
    line.time_ms = (int64_t)(line.time_ns / 1000000);
    line.text = keep(lines, json_array_get(value, 1));
    line.node = keep(lines, property(labels, metadata, "node"));
    line.stream = keep(lines, property(labels, metadata, "stream"));
    line.level = keep(lines, property(labels, metadata, "level"));
    if (!str_to_u64(text_of(property(labels, metadata, "sequence")), &line.sequence))
        line.sequence = UINT64_MAX; // its time tells
    lines->items[lines->count++] = line;
    return 0;
}

static int read_stream(struct reading *it, const json_t *stream)
{
    const json_t *labels = json_object_get(stream, "stream"), *values = json_object_get(stream, "values"), *value;
    size_t i;
    int err = json_is_object(labels) && json_is_array(values) ? 0 : ERR_MALFORMED;
    json_array_foreach(values, i, value)
    {
        if (err == 0)
            err = read_line(it, labels, value);
    }
    return err;
}

static int by_time(const void *left, const void *right)
{
    const struct loki_line *a = left, *b = right;
    return a->time_ns < b->time_ns ? -1 : a->time_ns > b->time_ns;
}

static int by_number(const void *left, const void *right)
{
    const struct loki_line *a = left, *b = right;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static void number(struct reading *it)
{
    struct loki_lines *lines = it->lines;
    uint64_t near = it->ask->near;
    if (lines->count == 0)
        return;
    qsort(lines->items, lines->count, sizeof(*lines->items), by_time);
    for (size_t i = 0; i < lines->count; i++) {
        struct loki_line *line = &lines->items[i];
        if (line->sequence == UINT64_MAX)
            line->sequence = loki_sequence_of(line->time_ns, it->phase, near);
        near = line->sequence;
    }
    lines->last_ns = lines->items[lines->count - 1].time_ns;
    qsort(lines->items, lines->count, sizeof(*lines->items), by_number);
}

static int read_document(struct reading *it, const json_t *document)
{
    const json_t *data = json_object_get(document, "data"), *result = json_object_get(data, "result"), *stream;
    struct str type = text_of(json_object_get(data, "resultType"));
    size_t i;
    int err = json_is_array(result) && str_eq(type, STR("streams")) ? 0 : ERR_MALFORMED;
    json_array_foreach(result, i, stream)
    {
        if (err == 0)
            err = read_stream(it, stream);
    }
    return err;
}

int loki_answer_read(struct str json, const struct loki_ask *ask, struct loki_lines *ret)
{
    CLEANUP(buf_release) struct buf mended = {0};
    struct reading it = {.ask = ask, .lines = ret, .phase = loki_phase(ask->labels, ask->run.run_id)};
    json_error_t error;
    buf_reserve(&ret->text, 1);
    json_t *document = foreign_json_load(foreign_json_mend(json, &mended), 0, &error);
    int err = document ? read_document(&it, document) : ERR_MALFORMED;
    json_decref(document);
    for (size_t i = 0; i < ret->count; i++) {
        struct loki_line *line = &ret->items[i];
        struct str *const parts[] = {&line->text, &line->node, &line->stream, &line->level};
        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
            settle(&ret->text, parts[k]);
    }
    if (err == 0)
        number(&it);
    return err;
}

void loki_lines_release(struct loki_lines *lines)
{
    buf_release(&lines->text);
    free(lines->items);
    *lines = (struct loki_lines){0};
}
