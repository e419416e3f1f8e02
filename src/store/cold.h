// Reads of chunks whose bodies lie elsewhere (docs/internals/cold.md): a query that meets one says what it wants and is
// put aside; a thread of its own fetches the bodies, and the query runs again. So no reader's thread, and no snapshot
// of the database, ever waits for what is far away. For adapters and the engine.
#pragma once

#include "model/cold.h"
#include "store/adapter.h"

#define COLD_WANTED_MAX 64 // bodies that one query holds

struct cold_body {
    int64_t row;
    uint64_t first;
    char object[COLD_OBJECT_MAX + 1];
    struct cold_place place;
    size_t raw;  // bytes of payload
    char *bytes; // NULL: not there yet
    bool wrong;  // what came in its place is not what was stored
};

struct cold_reads; // of a store: its threads, and what they may hold

// What a query wants, and has. op->cold; NULL until it wants something. For whoever has the query.
struct cold_wants;

// Gives the body of a chunk, as a view that lasts until the next call for the same query; ERR_COLD: it is not there.
int cold_wants_find(struct store_op *op, int64_t row, uint64_t first, struct str *ret);
// Whether it may want more: not if what it wanted could not be had.
bool cold_wants_may(const struct store_op *op);
void cold_wants_add(struct store_op *op, const struct cold_body *body);
bool cold_wants_any(const struct store_op *op); // that are not there yet
void cold_wants_forget(struct store_op *op);    // all of it

// Puts the query aside until its bodies are there, or cannot be had; then it is submitted again. False: it was not
// taken, and is told that they cannot be had.
bool cold_park(struct store *store, struct store_op *op);
void cold_free(struct store *store); // when the threads of the store have ended
void cold_stop(struct store *store); // before the readers end: what waits is told that it cannot be had
