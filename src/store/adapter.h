// What an adapter of the store needs beside the port: what it embeds and fills, the table of kinds, and whom it tells
// what.
#pragma once

#include "store/store.h"

#include <stdatomic.h>

struct logger;

// What a store can do. `backup` and `stats` are NULL where it cannot.
struct store_vtable {
    const char *name;
    void (*submit)(struct store *store, struct store_op *op);
    void (*backup)(struct store *store, struct store_op *op); // as submit, of STORE_BACKUP
    void (*stats)(struct store *store, struct store_stats *ret);
    void (*stop)(struct store *store);
    void (*free)(struct store *store);
};

#define STORE_VERSION_SLOTS 32768

struct store_watcher {
    store_watch_fn *watch;
    void *arg;
};

struct store { // adapters embed it
    const struct store_vtable *vtable;
    char incarnation[27];
    uint8_t secret[STORE_SECRET_LEN];
    const struct logger *logger;
    struct store_watcher watchers[STORE_WATCHERS_MAX];
    size_t watcher_count;
    // Whether all commits are this process's, and one thread's: then that thread tells of its transactions by
    // store_versions_….
    bool one_writer;
    _Atomic uint64_t versions[STORE_VERSION_SLOTS];
};

struct store_kind { // made from the table in store/op.h
    bool commits, needs_space;
    size_t row_at, account_at; // where in the struct the member is; 0: none
    void (*release)(struct store_op *op);
};
extern const struct store_kind store_kinds[STORE_OP_KINDS];

// Around each transaction, with all operations of it: before it begins, and before their answers.
void store_versions_begin(struct store *store, struct store_op *const *ops, size_t count);
void store_versions_end(struct store *store, struct store_op *const *ops, size_t count);
// The same for a row that none of the operations names, once it is known that its transaction changes it. True if it
// was not marked yet: then it is to be ended as well.
bool store_version_begin(struct store *store, int64_t row);
void store_version_end(struct store *store, int64_t row);
// Between the two, once it is durable and visible to queries; of one transaction after the other.
void store_publish(struct store *store, const struct store_change *changes, size_t count);
// Posts `done` to the operation's loop; the operation is the caller's again.
void store_reply(struct store_op *op);
