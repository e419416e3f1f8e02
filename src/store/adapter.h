// What an adapter of the store needs in addition to the port: the struct that it embeds and fills, the table of kinds,
// and the calls by which it tells what has changed.
#pragma once

#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct logger;

// What a store can do. `backup` and `stats` are NULL if it cannot do that.
struct store_vtable {
    const char *name;
    void (*submit)(struct store *store, struct store_op *op);
    void (*backup)(struct store *store, struct store_op *op); // as submit, for STORE_BACKUP
    void (*stats)(struct store *store, struct store_stats *ret);
    const char *(*bus_away)(struct store *store); // NULL: there is none
    // What store_version, store_cold_serve and store_away ask, if it is not the adapter's base that knows; NULL: it is.
    uint64_t (*version)(const struct store *store, int64_t row);
    int (*cold_serve)(struct store *store, const struct store_cold_source *source);
    bool (*away)(struct store *store, struct buf *out);
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
    pthread_mutex_t watch_mutex; // who tells them, and who adds one, come one after the other
    struct store_watcher watchers[STORE_WATCHERS_MAX];
    size_t watcher_count;
    store_hear_fn *hear; // NULL: nobody does
    void *hear_arg;
    struct cold_reads *cold; // store/cold.h; NULL: nothing cold can be read
    // Whether all commits are made by one thread of this process. Then that thread announces its transactions with
    // store_versions_….
    bool one_writer;
    bool alone; // no other server has it: one that starts fences those before it
    _Atomic uint64_t versions[STORE_VERSION_SLOTS];
};

struct store_kind { // made from the table in store/op.h
    bool commits, needs_space;
    size_t size;               // of the struct
    size_t row_at, account_at; // offset of the member in the struct; 0: none
    void (*release)(struct store_op *op);
};
extern const struct store_kind store_kinds[STORE_OP_KINDS];

unsigned store_bucket(uint64_t ns); // of the histograms in struct store_stats

int64_t store_op_row(const struct store_op *op); // the execution that it names; 0: none

// Called around each transaction, with all its operations: before it begins, and before the operations are answered.
void store_versions_begin(struct store *store, struct store_op *const *ops, size_t count);
void store_versions_end(struct store *store, struct store_op *const *ops, size_t count);
// Does the same for a row that no operation names, when it is known that the transaction changes it. Returns true if
// the row was not marked yet; then its end must be called as well.
bool store_version_begin(struct store *store, int64_t row);
void store_version_end(struct store *store, int64_t row);
// Called between the two, when the transaction is durable and visible to queries. For one transaction after the other.
void store_publish(struct store *store, const struct store_change *changes, size_t count);
void store_announce(struct store *store, const struct store_news *news); // to who hears; as store_publish
// Posts `done` to the operation's loop. The operation belongs to the caller again.
void store_reply(struct store_op *op);
