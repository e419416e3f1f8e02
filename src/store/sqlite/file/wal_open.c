// What a start does with the WAL that it finds.
#include "store/sqlite/file/wal_open.h"

#include "store/sqlite/file/target.h"
#include "util/clock.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define KEPT_MAX ((size_t)1024 * 1024 * 1024) // of a damaged WAL

static int sync_folder_of(const char *path)
{
    CLEANUP(free_ptr) char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *(slash == folder ? slash + 1 : slash) = 0;
    return dir_sync(slash ? folder : ".");
}

// Gives it another name before SQLite can apply it. Its index is removed, too.
static int set_aside(struct sqlite_store *store, const char *wal, const char *why, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *aside = target_aside(wal, "aside", clock_real_ms());
    CLEANUP(free_ptr) char *index = xasprintf("%s-shm", store->path);
    int err = renameat2(AT_FDCWD, wal, AT_FDCWD, aside, RENAME_NOREPLACE) < 0 ? -errno : 0;
    if (err == 0 && unlink(index) < 0 && errno != ENOENT)
        err = -errno;
    if (err == 0)
        err = sync_folder_of(wal);
    if (err < 0) {
        buf_printf(ret_error, "cannot set %s aside, which %s: %s", wal, why, strerror(-err));
        return ERR_UNAVAILABLE;
    }
    log_warn(store->engine.base.logger, "a write-ahead log was set aside; it is not applied", LOG_S("reason", why),
             LOG_S("path", wal), LOG_S("kept_as", aside));
    return 0;
}

// SQLite overwrites what it cannot use. Somebody may still be able to rescue something from it.
static char *keep_damaged(const char *wal)
{
    CLEANUP(buf_release) struct buf content = {0};
    char *kept = target_aside(wal, "damaged", clock_real_ms());
    if (file_read_all(wal, KEPT_MAX, &content) == 0 && file_write_atomic(kept, content.data, content.len, 0600) == 0)
        return kept;
    free(kept);
    return NULL;
}

static void tell_lost(struct sqlite_store *store, const struct wal_found *found, const char *kept)
{
    char when[TIME_RFC3339_LEN + 1] = {0};
    const struct wal_claim *claim = &found->facts.claim;
    time_format_rfc3339(claim->time_ms, when);
    log_error(store->engine.base.logger,
              "the write-ahead log has less than was committed: the store has lost its last commits. Look at the disk. "
              "Readers "
              "are told of a gap, and runners that still have the records deliver them again",
              LOG_S("path", store->path), LOG_I("lost_bytes", (int64_t)found->lost),
              LOG_I("committed_bytes", (int64_t)claim->committed), LOG_S("committed_until", when),
              LOG_S("kept_as", kept ? kept : "nothing"));
}

static int refuse_unknown(const char *wal, struct buf *ret_error)
{
    buf_printf(
        ret_error,
        "%s is not the write-ahead log that this store has written last. If an older version of the program or another "
        "one wrote it to this store, remove %.*s.wal-mark; otherwise move it away. Then start again.",
        wal, (int)(strlen(wal) - 4), wal);
    return ERR_CONFLICT;
}

int store_wal_check(struct sqlite_store *store, struct wal_found *ret, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *wal = xasprintf("%s-wal", store->path), *kept = NULL;
    int err = wal_facts_read(store->path, &ret->facts);
    if (err < 0) {
        buf_printf(ret_error, "cannot read %s: %s", wal, strerror(-err));
        return ERR_UNAVAILABLE;
    }
    struct wal_judgement judgement = wal_judge(&ret->facts);
    ret->lost = judgement.lost;
    if (judgement.verdict == WAL_UNKNOWN)
        return refuse_unknown(wal, ret_error);
    if (judgement.verdict == WAL_OTHERS)
        err = set_aside(store, wal, judgement.lost > 0 ? "is damaged" : "belongs to another database", ret_error);
    else if (judgement.lost > ret->facts.claim.lost && ret->facts.wal_bytes > 0)
        kept = keep_damaged(wal);
    if (judgement.verdict == WAL_OTHERS)
        ret->facts.wal_header = false;
    if (judgement.verdict == WAL_ADOPTED)
        log_info(store->engine.base.logger,
                 "nothing says whose the write-ahead log is; it is taken for the store's own", LOG_S("path", wal));
    if (err == 0 && ret->lost > 0)
        tell_lost(store, ret, kept);
    return err;
}

int store_wal_mark(struct sqlite_store *store, const struct wal_found *found, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s.wal-mark", store->path);
    const struct wal_facts *facts = &found->facts;
    const struct wal_claim *known = &facts->claim;
    struct wal_claim claim = {
        .base = facts->generation,
        .last = facts->generation,
        .salts = facts->wal_header ? facts->salts : known->salts,
        .former = facts->wal_header ? (struct wal_salts){{0}} : known->former,
        .committed = facts->wal_header ? facts->wal_committed : 0,
        .lost = found->lost,
    };
    snprintf(claim.incarnation, sizeof(claim.incarnation), "%s", facts->incarnation);
    // A checkpoint may have been interrupted, so the mark's word about the WAL's beginning stands.
    if (facts->wal_header && facts->marked) {
        claim.base = MIN(known->base, claim.base);
        claim.last = MAX(known->last, claim.last);
    }
    int err = wal_mark_open(&store->wal_mark, path, &claim, facts->page_size, store->engine.base.logger);
    if (err < 0) {
        buf_printf(ret_error, "cannot write %s: %s", path, strerror(-err));
        return ERR_UNAVAILABLE;
    }
    vfs_set_mark(store->vfs, &store->wal_mark);
    return 0;
}

int store_wal_settle(struct sqlite_store *store)
{
    int64_t generation = 0;
    int err = db_query_i64(&store->db, "SELECT value FROM meta WHERE name = '" WAL_GENERATION "'", &generation);
    if (err < 0 && err != ERR_NOT_FOUND)
        return err;
    store->generation = (uint64_t)generation;
    store->generation_due = true;
    err = wal_mark_settle(&store->wal_mark, store->engine.base.incarnation, store->generation);
    return err < 0 ? ERR_UNAVAILABLE : 0;
}
