// Gives room back to the file system. Free pages at the end of the file are cut off, and free pages before it are
// filled from the end: a slice at a time, and only while no operation waits. A checkpoint then makes the file shorter.
// Some pages stay free, because the next packs would make the file grow again. A file of an earlier version can do this
// only after it was backed up and restored.
#include "store/sqlite/write/vacuum.h"

#include "store/sqlite/write/checkpoint.h"
#include "util/clock.h"

#define SLICE_NS      3000000 // of one transaction, which a commit may have to wait for
#define SLICE_SHARE   8       // while operations come, the slices take at most this part of the time
#define QUIET_MS      2000    // after so long without a commit, no operations are coming
#define KEPT_PAGES    256
#define KEPT_FRACTION 16 // of the file

void vacuum_look(struct sqlite_store *store)
{
    int64_t mode = 0, free_pages = 0, pages = 0;
    store->vacuum_pages = 0;
    if (db_query_i64(&store->db, "PRAGMA auto_vacuum", &mode) < 0 || mode != 2 ||
        db_query_i64(&store->db, "PRAGMA freelist_count", &free_pages) < 0 ||
        db_query_i64(&store->db, "PRAGMA page_count", &pages) < 0)
        return;
    int64_t kept = MAX(KEPT_PAGES, pages / KEPT_FRACTION);
    // Not for a few pages: each slice is written twice.
    if (free_pages > 2 * kept)
        store->vacuum_pages = (uint64_t)(free_pages - kept);
}

bool vacuum_waits(const struct sqlite_store *store, uint64_t now_ms)
{
    return vacuum_due_in_ms(store, now_ms) == 0;
}

uint64_t vacuum_due_in_ms(const struct sqlite_store *store, uint64_t now_ms)
{
    if (store->vacuum_pages == 0 || store->refusing || store->purging)
        return UINT64_MAX;
    uint64_t from_ms = MAX(store->vacuum_from_ms, store->background_from_ms);
    return from_ms > now_ms ? from_ms - now_ms : 0;
}

// Gives back one page at each step. It may stop in the middle: what was done stays done.
static int give_pages(struct sqlite_store *store, uint64_t start_ns, uint64_t *ret_pages)
{
    CLEANUP(db_finalize) sqlite3_stmt *vacuum = NULL;
    int rc = sqlite3_prepare_v2(store->db.handle, "PRAGMA incremental_vacuum", -1, &vacuum, NULL);
    if (rc != SQLITE_OK)
        return db_error_of(store->db.handle, rc);
    int row = 1;
    while (row == 1 && *ret_pages < store->vacuum_pages && clock_mono_ns() - start_ns < SLICE_NS) {
        row = db_row(vacuum);
        *ret_pages += row == 1;
    }
    if (row == 0)
        store->vacuum_pages = *ret_pages; // no more can be given back
    return MIN(row, 0);
}

void vacuum_slice(struct sqlite_store *store)
{
    uint64_t start_ns = clock_mono_ns(), pages = 0;
    int err = db_run(db_statement(&store->db, STATEMENT_BEGIN_WRITE));
    if (err == 0 && store->generation_due)
        err = store_raise_generation(store);
    if (err == 0)
        err = give_pages(store, start_ns, &pages);
    if (err == 0)
        err = db_run(db_statement(&store->db, STATEMENT_COMMIT));
    uint64_t now_ms = clock_mono_ms(), took_ms = (clock_mono_ns() - start_ns) / 1000000 + 1;
    bool quiet = now_ms - store->last_commit_ms >= QUIET_MS;
    store->vacuum_from_ms = quiet ? now_ms : now_ms + took_ms * (SLICE_SHARE - 1);
    if (err == 0) {
        store_generation_committed(store);
        store->vacuum_pages -= pages;
        return;
    }
    // It is not important, so it waits until the next look. Commits will find out what is wrong with the disk.
    store->vacuum_pages = 0;
    if (!sqlite3_get_autocommit(store->db.handle))
        db_run(db_statement(&store->db, STATEMENT_ROLLBACK));
}
