// Whether the store answers, for all who ask on one loop. One question at most is under way, however many ask, and
// nobody waits for it longer than `patience_ms` after it was asked: a table that somebody has locked, or a database
// that stands still, holds up a question for as long as it likes.
#pragma once

#include "util/list.h"

struct loop;
struct store;
struct readiness;

// Embedded in whoever asks. `told` runs once, on the loop: 0, an error of the store, or ERR_TIMEOUT, when nothing has
// come back yet.
struct readiness_ask {
    struct list_node node;
    void (*told)(struct readiness_ask *ask, int err);
};

struct readiness *readiness_new(struct loop *loop, struct store *store, uint64_t patience_ms);
// Only when the store has answered: after store_stop, and with its mail delivered. Does nothing for NULL.
void readiness_free(struct readiness **readiness);
void readiness_ask(struct readiness *readiness, struct readiness_ask *ask);
