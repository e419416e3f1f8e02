// Copies a whole store into another one, of the same engine or of the other, while no server has either. It can be
// ended at any moment, and goes on when it is begun again. Nothing counts before all of it was read back and compared.
// See docs/internals/copying.md.
#pragma once

#include "util/buf.h"

struct copy_side;

struct copy_progress {
    bool checking;        // what is there is read back; before that it is copied
    const char *table;    // that is copied or compared now; NULL: logs are
    uint64_t records, of; // of logs: how many are done, and how many there are
    uint64_t rows;        // of the tables, so far
};

// What keeps the bodies that `from` has moved elsewhere. They are read, and written to the copy.
#define COPY_REASON_MAX 255 // bytes
struct copy_objects {
    // Reads a range of an object; blocks. ERR_NOT_FOUND, ERR_UNAVAILABLE; ret_reason says why.
    int (*read)(void *arg, const char *object, uint64_t at, size_t len, struct buf *ret, char *ret_reason);
    void *arg;
};

struct store_copying {
    struct copy_side *from, *to; // as copy_side_open_… gave them; they stay the caller's
    struct copy_objects objects; // zeroed: a store with something elsewhere is refused
    const char *command;         // what goes on with this copy, for people
    // Called after each transaction. May be NULL.
    void (*progress)(void *arg, const struct copy_progress *progress);
    void *arg;
    size_t commit_bytes; // of chunks, in one transaction; 0: the default. For tests
};

struct store_copied {
    uint64_t executions; // with records
    uint64_t records, message_bytes;
    uint64_t rows;
    struct buf left; // tables with rows that are not copied, for people; empty: none
};

// Both ends must be open for as long as it runs, which is on the calling thread. Errors, each with a text for people:
// ERR_CONFLICT (`to` is neither empty nor an unfinished copy of this store, or a server has come), ERR_DIGEST (what was
// copied is not what should be there), ERR_INVALID (a value that `to` cannot hold; something lies elsewhere, and
// `objects` is zeroed), ERR_UNAVAILABLE (that cannot be read now), others of store/sql/sql.h. Memory: a few chunks and
// rows of each end.
int copy_store(const struct store_copying *copying, struct store_copied *ret, struct buf *ret_error);
void store_copied_release(struct store_copied *copied);
