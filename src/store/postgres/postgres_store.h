// The store of many nodes: PostgreSQL 15 or newer. See docs/internals/postgres.md.
#pragma once

#include "store/store.h"
#include "util/budget.h"
#include "util/log.h"

#include <stdatomic.h>

struct postgres_options {
    const char *conninfo; // as libpq takes it: a URL, or words
    unsigned readers;     // threads, each with a connection of its own
    // What carries hints between servers, as bus_choose (bus/bus.h) takes it; NULL: "notify". The file with what it
    // wants to know; NULL: none.
    const char *bus, *bus_credentials, *bus_ca;
    const struct logger *logger;
    struct budget *budget; // that memory kept for summaries counts for; NULL: none. Must outlive the store
    bool event_rows;       // structured records become rows of the table `events` too
    bool mirrors;          // the logs of new executions are to be copied (store/ops/mirror.h)
    bool merge_always;     // as soon as there is something. For tests
    // From a log's first entry in the journal until it is brought home; NULL: JOURNAL_HOME_MS. For tests
    _Atomic uint64_t *home_ms;
    int64_t (*now_ms)(void *arg); // realtime, thread-safe; NULL: the clock. For tests
    void *now_arg;
};

// Connects, and migrates the schema. Errors, with a text in *ret_error: ERR_INVALID (bus), ERR_UNAVAILABLE,
// ERR_TOO_NEW, or others of store/sql/sql.h.
int postgres_store_open(const struct postgres_options *options, struct buf *ret_error, struct store **ret);
