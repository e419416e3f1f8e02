// The embedded store: one SQLite file in the data folder. See docs/internals/store.md.
#pragma once

#include "store/store.h"
#include "util/log.h"

// For tests and measurements; zero means the default everywhere.
struct sqlite_tuning {
    int64_t (*now_ms)(void *arg); // realtime, thread-safe
    void *now_arg;
    uint32_t hot_pieces, hot_bytes; // a merge begins when the hot table holds so many appends, or bytes of chunks
    uint32_t merge_after_ms;        // or after so long with rows in it; a twelfth of it if a log was sealed
    uint32_t merge_tries;           // a second apart, to read what cannot be read
    uint32_t page_size;
    uint32_t reserve_bytes; // of disk kept aside, so that a full store can be emptied
};

struct sqlite_options {
    const char *path; // DATA/runnel.db
    unsigned readers; // threads
    const struct logger *logger;
    const struct sqlite_tuning *tuning; // NULL: the defaults
};

// Opens or makes it, migrates, loads the hot index. ERR_TOO_NEW with a text in *ret_error when the file is newer than
// the program, ERR_CONFLICT when another process has it open.
int sqlite_store_open(const struct sqlite_options *options, struct buf *ret_error, struct store **ret);

// Brings the schema of a store that is open nowhere to the number `to`, forward, or back one step (store/schema). The
// store is of one number or of another, whenever the process or the power ends. *ret_from: the number that it had.
// ERR_NOT_FOUND, ERR_CONFLICT (it is in use, or something would be lost), ERR_INVALID, ERR_TOO_NEW; each with a text.
int sqlite_store_migrate(const struct sqlite_options *options, int to, int *ret_from, struct buf *ret_error);
// The number of the schema of a store, which may be in use. Errors as above.
int sqlite_store_schema(const char *path, int *ret, struct buf *ret_error);

struct sqlite_restore {
    const char *path; // DATA/runnel.db, open nowhere; it need not be there
    const char *file; // a backup, or another store's file
    bool discard;     // the former store, instead of keeping it beside
};
// Puts a copy of `file`, which is checked whole, in the place of the store, in one step: whenever the process or the
// power ends, either the former store is there or the new one. Who opens it first gives it a new incarnation.
// *ret_kept: where the former store is now, owned by the caller; or NULL. ERR_CONFLICT while the store is in use;
// others with a text.
int sqlite_store_restore(const struct sqlite_restore *restore, char **ret_kept, struct buf *ret_error);
// Writes that would take the store's files past so many bytes fail as on a full disk; 0: no limit. Any thread.
void sqlite_store_limit(struct store *store, uint64_t bytes);
