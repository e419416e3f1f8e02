// The embedded store: one SQLite file in the data folder. See docs/internals/store.md.
#pragma once

#include "store/store.h"
#include "util/budget.h"
#include "util/log.h"

// For tests and measurements. Zero means the default everywhere.
struct sqlite_tuning {
    int64_t (*now_ms)(void *arg); // realtime, thread-safe
    void *now_arg;
    uint32_t hot_pieces, hot_bytes; // a merge begins when the hot table holds so many appends, or bytes of chunks
    uint32_t merge_after_ms;        // or after so long with rows in it; after a twelfth of that if a log was sealed
    uint32_t merge_tries;           // how often, a second apart, to try to read what cannot be read
    uint32_t page_size;
    uint32_t reserve_bytes; // disk space that is kept aside, so that a full store can be emptied
};

struct sqlite_options {
    const char *path; // DATA/runnel.db
    unsigned readers; // threads
    const struct logger *logger;
    const struct sqlite_tuning *tuning; // NULL: the defaults
    bool mirrors;                       // the logs of new executions are to be copied (store/ops/mirror.h)
    struct budget *budget;              // that memory kept for summaries counts for; NULL: none. Must outlive the store
};

// Opens or makes the store, migrates it, and loads the hot index. Returns ERR_TOO_NEW with a text in *ret_error if the
// file is newer than the program, ERR_CONFLICT if another process has it open.
int sqlite_store_open(const struct sqlite_options *options, struct buf *ret_error, struct store **ret);

// Migrates the schema of a store to the number `to`: forward, or one step back (store/schema). The store must not be
// open anywhere. If the process or the power ends at any moment, the store has either the one number or another.
// *ret_from is the number that it had. Errors, each with a text: ERR_NOT_FOUND, ERR_CONFLICT (it is in use, or
// something would be lost), ERR_INVALID, ERR_TOO_NEW.
int sqlite_store_migrate(const struct sqlite_options *options, int to, int *ret_from, struct buf *ret_error);
// Returns the number of the schema of a store, which may be in use. Errors as above.
int sqlite_store_schema(const char *path, int *ret, struct buf *ret_error);

struct sqlite_restore {
    const char *path; // DATA/runnel.db; not open anywhere; it need not exist
    const char *file; // a backup, or another store's file
    bool discard;     // delete the former store and do not keep it beside the new one
};
// Puts a copy of `file`, which is checked completely, in the place of the store, in one step. If the process or the
// power ends at any moment, either the former store is there or the new one. The program that opens it first gives it a
// new incarnation. Returns ERR_CONFLICT while the store is in use; other errors have a text.
struct sqlite_restored {
    char *kept;         // where the former store is now, owned by the caller; or NULL
    int64_t cold_packs; // objects elsewhere that it refers to (docs/internals/cold.md)
};
int sqlite_store_restore(const struct sqlite_restore *restore, struct sqlite_restored *ret, struct buf *ret_error);
// Writes that would make the store's files larger than `bytes` fail as on a full disk; 0: no limit. Any thread.
void sqlite_store_limit(struct store *store, uint64_t bytes);
