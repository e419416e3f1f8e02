// What servers that share a store tell each other of their commits, as messages of a bus (bus/bus.h). Changes gather
// until the bus takes them: of an execution only the newest is kept, and of more than HINTS_MAX nothing but that there
// were more. A message is text: a line about itself, and one for each change.
//
//     1 SENDER FLAGS
//     ROW ACCOUNT BATCH NEXT FRONT STATUS FLAGS
#pragma once

#include "store/store.h"

#define HINTS_MAX 4096

struct hints; // what gathers here. Thread-safe

// `sender` tells this process from others.
struct hints *hints_new(uint64_t sender);
void hints_free(struct hints **hints); // does nothing for NULL
void hints_add(struct hints *hints, const struct store_change *changes, size_t count);
void hints_add_news(struct hints *hints); // there is something new among the news
// Writes one message of what has gathered. Returns false if nothing has.
bool hints_take(struct hints *hints, struct buf *out);

struct hints_heard {
    uint64_t sender;
    bool news, missed;            // missed: more has changed than was told
    struct store_change *changes; // the caller frees them. Each is `elsewhere`
    size_t count;
};
// Reads a message. Returns false, and nothing to free, if it is none of this form: another version's, or nobody's.
bool hints_read(struct str message, struct hints_heard *ret);
