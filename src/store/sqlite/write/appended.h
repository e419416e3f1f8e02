// The appends of the writer's present transaction: gathered in packs, and told to the hot index after the commit. For
// the writer's thread.
#pragma once

#include "store/sqlite/log/pack.h"

struct appended_entry {
    int64_t row;
    struct log_state state;
    char *producer; // NULL: anonymous
    struct producer_state producer_state;
};

struct appended {
    struct appended_entry *entries;
    size_t count, cap;
    struct pack_builder pack;        // those that are not in a row of `hot` yet
    struct buf pack_meta, pack_body; // scratch
    int64_t hot_id;                  // of the last pack; never given out again, even after a rollback
};

struct sqlite_store;
struct transaction;
struct log_append;

int appended_add(struct transaction *tx, const struct log_append *append); // log_engine.append
int appended_flush(struct sqlite_store *store);        // writes what the pack has gathered. Before the commit
void appended_committed(struct sqlite_store *store);   // confirms them in the hot index
void appended_rolled_back(struct sqlite_store *store); // takes them out of it
void appended_release(struct appended *appended);
