// The port to objects: bytes under names that the caller makes, such as v1/0/20260102/ID.pack (a name is a key as
// blob/key.h has them). Every call blocks until it is answered, for threads of their own; any number at a time.
//
// Errors: ERR_NOT_FOUND (the object), ERR_UNAVAILABLE (what keeps them is away, or refuses), ERR_STORE_FULL. ret_reason
// says why, for people; "" where the error says all.
#pragma once

#include "blob/blob.h"
#include "util/buf.h"

struct object_store;

struct object_entry {
    char name[BLOB_KEY_MAX + 1];
    int64_t changed_ms; // realtime, by the clock of what keeps it
};

struct object_vtable {
    int (*put)(struct object_store *store, const char *name, struct str body, char *ret_reason);
    // Up to `len` bytes from `at`; fewer at its end.
    int (*get)(struct object_store *store, const char *name, uint64_t at, size_t len, struct buf *ret,
               char *ret_reason);
    int (*remove)(struct object_store *store, const char *name, char *ret_reason); // 0 also if it is not there
    // Those behind `after` in the order of names, at most BLOB_LIST_MAX; *ret_count is 0 behind the last one.
    int (*list)(struct object_store *store, const char *after, struct object_entry *ret, size_t *ret_count,
                char *ret_reason);
    bool (*away)(struct object_store *store, char *ret_reason); // asks nobody
    void (*stop)(struct object_store *store);                   // what waits to ask again fails
    void (*free)(struct object_store *store);
};

struct object_store { // adapters embed it
    const struct object_vtable *vtable;
};

static inline void object_store_free(struct object_store **store)
{
    if (*store)
        (*store)->vtable->free(*store);
    *store = NULL;
}
