// Chunks of the end that is copied, also those whose bodies lie elsewhere (docs/internals/cold.md): what lies together
// there is read at once, and kept for the chunks that follow.
#pragma once

#include "model/cold.h"
#include "store/copy/copy.h"
#include "store/copy/side.h"

#define COPY_AHEAD ((uint64_t)8 * 1024 * 1024) // bytes that are read at once

struct copy_cold { // zeroed: nothing was read yet
    char object[COLD_OBJECT_MAX + 1];
    uint64_t at; // where in it `range` begins
    struct buf range;
    struct buf *error; // gets what people are told. Borrowed
};
void copy_cold_release(struct copy_cold *cold);

struct copy_reading {
    struct copy_side *side;
    const struct copy_objects *objects; // NULL: nothing lies elsewhere
    struct copy_cold *cold;
};

// As `chunk` of struct copy_kind. ERR_UNAVAILABLE, with a text: what lies elsewhere cannot be read now. ERR_CORRUPT: it
// is not there, or not what was stored.
int copy_chunk(const struct copy_reading *from, int64_t row, uint64_t at, struct chunk **ret);
