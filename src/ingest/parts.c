#include "ingest/parts.h"

#define PIECE_BYTES 32 // of a record, beside its message and extra: more than it takes in a chunk

void record_parts_end(struct record_parts *parts)
{
    if (!parts->builder || chunk_builder_count(parts->builder) == 0)
        return;
    parts->parts = xrealloc(parts->parts, (parts->count + 1) * sizeof(*parts->parts));
    struct record_part *part = &parts->parts[parts->count++];
    part->first = parts->total - chunk_builder_count(parts->builder);
    part->chunk = chunk_builder_finish(parts->builder, 1);
    part->first_event = parts->count > 1 ? part[-1].first_event + part[-1].event_count : 0;
    part->event_count = parts->event_count - part->first_event;
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

// What a record takes in a chunk at most: each of its fragments has its extra.
static size_t pieces_of(size_t message_max, const struct record *record, size_t *ret_raw)
{
    size_t pieces = record->message.len / message_max + 1;
    *ret_raw = record->message.len + pieces * (record->extra.len + PIECE_BYTES);
    return pieces;
}

bool record_parts_fits(size_t message_max, const struct record *record)
{
    size_t raw, pieces = pieces_of(message_max, record, &raw);
    return raw <= CHUNK_RAW_MAX && pieces <= CHUNK_COUNT_MAX;
}

int record_parts_add_event(struct record_parts *parts, const struct late_event *event)
{
    const struct record *record = &event->record;
    size_t raw, pieces = pieces_of(parts->message_max, record, &raw);
    if (!record_parts_fits(parts->message_max, record))
        return ERR_TOO_LARGE;
    if (parts->builder && (chunk_builder_raw(parts->builder) + raw > CHUNK_RAW_MAX ||
                           chunk_builder_count(parts->builder) + pieces > CHUNK_COUNT_MAX))
        record_parts_end(parts);
    if (parts->event_count == parts->event_capacity) {
        parts->event_capacity = MAX(parts->event_capacity * 2, (size_t)64);
        parts->events = xrealloc(parts->events, parts->event_capacity * sizeof(*parts->events));
    }
    int err = record_parts_add(parts, record);
    if (err == 0)
        parts->events[parts->event_count++] = event->key;
    return err;
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
    free(parts->events);
    chunk_builder_free(&parts->builder);
    *parts = (struct record_parts){0};
}
