// Puts a backup in the place of the store.
#include "store/sqlite/copy/backup.h"
#include "store/sqlite/file/target.h"
#include "store/sqlite/schema/open.h"
#include "util/clock.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// What belongs to a store beside its file. A rollback journal stays under its name: it exists only if the process was
// killed while it made the store.
static const char *const beside[] = {"-wal", "-journal", ".wal-mark"};

static int fail(int err, struct buf *ret_error, const char *what, const char *path)
{
    buf_printf(ret_error, "%s %s: %s", what, path, target_error_text(err));
    return err;
}

static bool same_file(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

// Checks that it is ours, not of a newer program, and that every page and index of it is sound.
static int check_source(struct db *from, const char *file, struct buf *ret_error)
{
    int version;
    int err = store_check_version(from, file, ret_error, &version);
    if (err < 0)
        return err;
    if (version == 0) {
        buf_printf(ret_error, "%s is no store: it is empty", file);
        return ERR_CONFLICT;
    }
    CLEANUP(db_finalize) sqlite3_stmt *check = NULL;
    int rc = sqlite3_prepare_v2(from->handle, "PRAGMA integrity_check(1)", -1, &check, NULL);
    int row = rc == SQLITE_OK ? db_row(check) : db_error_of(from->handle, rc);
    if (row == 1 && str_eq(db_column_text(check, 0), STR("ok")))
        return 0;
    CLEANUP(free_ptr) char *reason = row == 1 ? db_column_dup(check, 0) : db_reason(from);
    buf_printf(ret_error, "%s is damaged: %s", file, reason);
    return ERR_CORRUPT;
}

static int count_cold(struct db *from, int64_t *ret)
{
    int64_t knows = 0; // a backup of long ago has no such table
    int err = db_query_i64(from, "SELECT count(*) FROM sqlite_master WHERE name = 'cold_packs'", &knows);
    return err < 0 || knows == 0 ? err
                                 : db_query_i64(from, "SELECT count(*) FROM cold_packs WHERE live_chunks > 0", ret);
}

static int copy_checked(const struct sqlite_restore *restore, const char *temporary, int64_t *ret_cold,
                        struct buf *ret_error)
{
    struct db from = {0};
    int err = access(restore->file, R_OK) == 0 ? db_open(&from, restore->file, NULL, DB_READER) : -errno;
    if (err < 0)
        return fail(err, ret_error, "cannot open", restore->file);
    err = check_source(&from, restore->file, ret_error);
    if (err == 0 && (err = count_cold(&from, ret_cold)) < 0)
        fail(err, ret_error, "cannot read", restore->file);
    if (err == 0)
        err = store_copy(&from, temporary, ret_error);
    db_close(&from);
    return err;
}

static int make_empty(const char *path)
{
    unlink(path); // left by a restore that was interrupted; we hold the store's lock
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? target_error(errno) : 0;
}

static int sync_file(const char *path)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || fdatasync(fd) < 0 ? target_error(errno) : 0;
}

static int sync_folder_of(const char *path)
{
    CLEANUP(free_ptr) char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *(slash == folder ? slash + 1 : slash) = 0;
    return dir_sync(slash ? folder : ".");
}

// Gives each file a second name, so that the first name never is missing.
static int keep_former(const char *path, const char *kept, struct buf *ret_error)
{
    if (link(path, kept) < 0)
        return fail(target_error(errno), ret_error, "cannot keep the former store as", kept);
    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        CLEANUP(free_ptr) char *from = xasprintf("%s%s", path, beside[i]), *to = xasprintf("%s%s", kept, beside[i]);
        if (link(from, to) < 0 && errno != ENOENT)
            return fail(target_error(errno), ret_error, "cannot keep the former store as", to);
    }
    int err = sync_folder_of(path);
    return err < 0 ? fail(err, ret_error, "cannot sync", path) : 0;
}

// A journal would be applied to any file with the name, so it must go first. A WAL is not (see wal_check.h), so it may
// go afterwards.
static int put_in_place(const char *path, const char *temporary, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *journal = xasprintf("%s-journal", path);
    if (unlink(journal) < 0 && errno != ENOENT)
        return fail(-errno, ret_error, "cannot remove", journal);
    if (rename(temporary, path) < 0)
        return fail(-errno, ret_error, "cannot write", path);
    int err = sync_folder_of(path);
    if (err < 0)
        return fail(err, ret_error, "cannot sync", path);
    static const char *const stale[] = {"-wal", "-shm", ".wal-mark"};
    for (size_t i = 0; i < ARRAY_LEN(stale); i++) {
        CLEANUP(free_ptr) char *name = xasprintf("%s%s", path, stale[i]);
        unlink(name);
    }
    return 0;
}

static int restore_locked(const struct sqlite_restore *restore, struct sqlite_restored *ret, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *temporary = xasprintf("%s.restoring", restore->path), *kept = NULL;
    int err = make_empty(temporary);
    if (err < 0)
        return fail(err, ret_error, "cannot write", temporary);
    err = copy_checked(restore, temporary, &ret->cold_packs, ret_error);
    if (err == 0 && (err = sync_file(temporary)) < 0)
        fail(err, ret_error, "cannot write", temporary);
    if (err == 0 && !restore->discard && access(restore->path, F_OK) == 0) {
        kept = target_aside(restore->path, "before", clock_real_ms());
        err = keep_former(restore->path, kept, ret_error);
    }
    if (err == 0)
        err = put_in_place(restore->path, temporary, ret_error);
    if (err < 0)
        unlink(temporary);
    else
        ret->kept = TAKE_PTR(kept);
    return err;
}

int sqlite_store_restore(const struct sqlite_restore *restore, struct sqlite_restored *ret, struct buf *ret_error)
{
    *ret = (struct sqlite_restored){0};
    if (same_file(restore->path, restore->file)) {
        buf_printf(ret_error, "%s is the store itself; name a backup of it", restore->file);
        return ERR_INVALID;
    }
    CLEANUP(close_fd) int lock = -1;
    int err = store_lock(restore->path, ret_error, &lock);
    return err < 0 ? err : restore_locked(restore, ret, ret_error);
}
