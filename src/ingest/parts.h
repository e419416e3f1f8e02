// Records on their way to the store, as chunks: as few as the limits of a chunk allow. Owned by one request.
#pragma once

#include "model/chunk.h"
#include "model/late.h"

struct record_part {
    struct chunk *chunk;             // owned
    uint64_t first;                  // how many records are in the parts before
    size_t first_event, event_count; // of `events`
};

struct record_parts {
    size_t message_max; // bytes; a longer message becomes fragments, of which the last has the record's own end
    struct chunk_builder *builder;
    struct record_part *parts;
    size_t count;
    uint64_t total; // records
    struct late_key *events;
    size_t event_count, event_capacity;
};

int record_parts_add(struct record_parts *parts, const struct record *record); // ERR_TOO_LARGE, as for a chunk
// Whether all fragments of a record fit into one part.
bool record_parts_fits(size_t message_max, const struct record *record);
// The same for an event that is stored once: all its fragments are in one part, which has its key.
int record_parts_add_event(struct record_parts *parts, const struct late_event *event);
void record_parts_end(struct record_parts *parts);            // everything was added
size_t record_parts_memory(const struct record_parts *parts); // bytes of all chunks
void record_parts_release(struct record_parts *parts);
