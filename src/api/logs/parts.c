#include "api/logs/parts.h"

void record_parts_end(struct record_parts *parts)
{
    if (!parts->builder || chunk_builder_count(parts->builder) == 0)
        return;
    parts->parts = xrealloc(parts->parts, (parts->count + 1) * sizeof(*parts->parts));
    struct record_part *part = &parts->parts[parts->count++];
    part->first = parts->total - chunk_builder_count(parts->builder);
    part->chunk = chunk_builder_finish(parts->builder, 1);
}

static int add(struct record_parts *parts, const struct record *record)
{
    if (!parts->builder)
        parts->builder = chunk_builder_new();
    int err = chunk_builder_add(parts->builder, record);
    if (err == ERR_TOO_LARGE && chunk_builder_count(parts->builder)) {
        record_parts_end(parts);
        err = chunk_builder_add(parts->builder, record);
    }
    if (err == 0)
        parts->total++;
    return err;
}

int record_parts_add(struct record_parts *parts, const struct record *record)
{
    struct record piece = *record;
    struct str rest = record->message;
    while (rest.len > parts->message_max) {
        size_t len = utf8_prefix(rest.data, rest.len, parts->message_max);
        piece.message = str_n(rest.data, len);
        piece.partial = true;
        int err = add(parts, &piece);
        if (err)
            return err;
        rest = str_n(rest.data + len, rest.len - len);
    }
    piece.message = rest;
    piece.partial = record->partial;
    return add(parts, &piece);
}

size_t record_parts_memory(const struct record_parts *parts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < parts->count; i++)
        bytes += chunk_memory(parts->parts[i].chunk);
    return bytes;
}

void record_parts_release(struct record_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        chunk_unref(&parts->parts[i].chunk);
    free(parts->parts);
    chunk_builder_free(&parts->builder);
    *parts = (struct record_parts){0};
}
