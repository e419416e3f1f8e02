// The port to content: what runs take and leave, bytes named by their SHA-256. Everything is asynchronous: an operation
// is embedded in the caller's struct, submitted, and comes back by `done` on the thread of its loop `reply_to`. It may
// be submitted from any thread. What goes in must live until `done`.
//
// Content belongs to an account; nothing is shared between accounts. It comes in by an upload, in parts, and is then
// kept under a key. A key is never given out twice, so to remove it never hits what was uploaded again meanwhile. Who
// refers to a key is told elsewhere (store/ops/artifact.h); this port has bytes alone.
//
// Errors: ERR_STORE_FULL (no room; what was there stays), ERR_NOT_FOUND, ERR_NO_FILES, ERR_UNAVAILABLE (too much is
// asked for at once, or what keeps the content is away; it can be asked again), ERR_SHUTTING_DOWN (after blob_stop),
// ERR_IO.
#pragma once

#include "loop/pool.h"
#include "util/str.h"

#define BLOB_HASH_LEN   32
#define BLOB_KEY_MAX    127
#define BLOB_REASON_MAX 159

struct blob_store;
struct blob_upload; // one that is under way; the adapter's

// X(NAME, name): BLOB_NAME is the kind, struct blob_name is what it takes and gives.
#define BLOB_OPS(X)   \
    X(BEGIN, begin)   \
    X(WRITE, write)   \
    X(PAUSE, pause)   \
    X(FINISH, finish) \
    X(KEEP, keep)     \
    X(OFFSET, offset) \
    X(READ, read)     \
    X(REMOVE, remove) \
    X(LIST, list)     \
    X(FORGET, forget)

enum blob_op_kind {
#define BLOB_KIND(NAME, name) BLOB_##NAME,
    BLOB_OPS(BLOB_KIND)
#undef BLOB_KIND
        BLOB_OP_KINDS
};

struct blob_op {
    // Set by the caller.
    enum blob_op_kind kind;
    struct loop *reply_to;
    void (*done)(struct blob_op *op);
    int64_t account; // whose turn it takes; also whose content it is
    // Set by the store.
    int err;
    char ret_reason[BLOB_REASON_MAX + 1]; // why, for people; "": the error says all
    struct blob_store *store;
    struct job job;
};

// --- Uploads. Each BEGIN that succeeds is followed by one PAUSE or FINISH, which ends the upload whatever its outcome.
// One operation of an upload at a time.

struct blob_begin {
    struct blob_op op;
    uint8_t hash[BLOB_HASH_LEN];
    uint64_t size;
    bool resume; // go on with what an interrupted upload has left; else from the beginning
    // What interrupted uploads of the account may hold together with this one, in bytes. ERR_TOO_LARGE.
    uint64_t parts_max;
    struct blob_upload *ret_upload;
    // How much of it is there. Also 0 if another upload of the same content is under way: then this one begins anew,
    // and is forgotten if it is interrupted.
    uint64_t ret_offset;
};
struct blob_write { // appends. ERR_TOO_LARGE: beyond the size. After an error only PAUSE is useful.
    struct blob_op op;
    struct blob_upload *upload;
    const void *data;
    size_t len;
};
struct blob_pause { // keeps what is there, for a day (BLOB_FORGET)
    struct blob_op op;
    struct blob_upload *upload;
    uint64_t ret_offset;
};
struct blob_finish { // durable afterwards. ERR_DIGEST: the hash is another; then nothing is kept. ERR_GAP: it is
                     // shorter.
    struct blob_op op;
    struct blob_upload *upload;
    char ret_key[BLOB_KEY_MAX + 1];
};
struct blob_offset { // how much an interrupted upload has left
    struct blob_op op;
    uint8_t hash[BLOB_HASH_LEN];
    uint64_t ret_offset;
};

// --- Contents that are whole, in memory: many in one operation

struct blob_content {
    uint8_t hash[BLOB_HASH_LEN];
    struct str bytes;
    bool known;                     // it is kept already: only its hash is checked
    char ret_key[BLOB_KEY_MAX + 1]; // "" if it is known
};
struct blob_keep { // all of them are durable afterwards, or nothing is kept
    struct blob_op op;
    struct blob_content *contents;
    size_t count;
    size_t ret_wrong; // ERR_DIGEST: whose hash is another
};

// --- Content

struct blob_read { // a range of it. ERR_NOT_FOUND: it is not there
    struct blob_op op;
    struct str key;
    uint64_t at;
    void *data;
    size_t len;
    size_t ret_len; // fewer at its end
};
struct blob_remove { // nothing happens if it is not there
    struct blob_op op;
    struct str key;
};

// --- For the sweep

#define BLOB_LIST_MAX 256
struct blob_entry {
    char key[BLOB_KEY_MAX + 1];
    int64_t changed_ms; // realtime
};
struct blob_list { // in the order of keys
    struct blob_op op;
    char after[BLOB_KEY_MAX + 1]; // "": from the first
    unsigned limit;               // at most BLOB_LIST_MAX; 0 means that
    struct blob_entry ret_entries[BLOB_LIST_MAX];
    size_t ret_count; // 0: there are no more
};
struct blob_forget { // removes interrupted uploads that nobody has written to since
    struct blob_op op;
    int64_t before_ms; // realtime
    uint64_t ret_count;
};

// Never fails at once: errors come by `done`.
void blob_submit(struct blob_store *store, struct blob_op *op);
void blob_stop(struct blob_store *store); // finishes what was submitted; what comes later gets ERR_SHUTTING_DOWN
void blob_free(struct blob_store **store);
// Whether what keeps the content is away. Then *ret_reason says why, for people. Any thread; asks nobody.
bool blob_away(struct blob_store *store, char ret_reason[BLOB_REASON_MAX + 1]);

// --- For adapters

// What an adapter does, one function for each kind. They block, and run on threads of the pool; any number at a time.
// They may set op.ret_reason with an error.
struct blob_vtable {
#define BLOB_FUNCTION(NAME, name) int (*name)(struct blob_store * store, struct blob_##name * it);
    BLOB_OPS(BLOB_FUNCTION)
#undef BLOB_FUNCTION
    void (*abandon)(struct blob_store *store, struct blob_upload *upload); // a PAUSE that cannot be run; must not block
    void (*stop)(struct blob_store *store); // what waits for something goes on; NULL: nothing does
    bool (*away)(struct blob_store *store, char ret_reason[BLOB_REASON_MAX + 1]); // NULL: never
    void (*free)(struct blob_store *store);
};

struct blob_store { // adapters embed it
    const struct blob_vtable *vtable;
    struct pool *pool;
    _Atomic bool stopped;
};
