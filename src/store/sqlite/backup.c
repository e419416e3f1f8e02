// A consistent copy: page by page under one read transaction, made whole under a temporary name, marked, synced, renamed.
#include "store/sqlite/open.h"

#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

// Everything of the target that has to do with SQLite. The copy takes over the page size and the WAL mode of the source; a
// single file is easier to carry, so the mode is changed back.
static int copy_pages(struct db *from, const char *target, struct buf *ret_error)
{
    struct db to = {0};
    int err = db_open(&to, target, NULL, DB_WRITER);
    if (err < 0)
        return err;
    sqlite3_backup *backup = sqlite3_backup_init(to.handle, "main", from->handle, "main");
    int rc = backup ? sqlite3_backup_step(backup, -1) : SQLITE_ERROR;
    if (backup)
        sqlite3_backup_finish(backup);
    err = rc == SQLITE_DONE ? 0 : db_error_of(rc);
    if (err == 0)
        err = db_exec(&to, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    sqlite3_stmt *mark = err == 0 ? db_statement(&to, STATEMENT_META_SET) : NULL;
    if (mark) {
        db_bind_text(mark, 1, STR(STORE_BACKUP_MARK));
        db_bind_text(mark, 2, STR("1"));
    }
    if (err == 0)
        err = db_run(mark);
    if (err < 0)
        buf_printf(ret_error, "cannot write %s: %s", target, sqlite3_errmsg(to.handle));
    db_close(&to);
    return err;
}

static int sync_file(const char *path)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? str_dup(str_n(path, (size_t)MAX(slash - path, 1))) : xstrdup(".");
}

static int sync_folder_of(const char *path)
{
    CLEANUP(free_ptr) char *folder = folder_of(path);
    return dir_sync(folder);
}

// SQLite would only say that it cannot open the file.
static int check_folder_of(const char *path, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *folder = folder_of(path);
    CLEANUP(close_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && access(folder, W_OK | X_OK) == 0)
        return 0;
    buf_printf(ret_error, "cannot write in %s: %s", folder, strerror(errno));
    return ERR_INVALID;
}

static int backup_to(struct db *from, const char *target, struct buf *ret_error)
{
    int err = check_folder_of(target, ret_error);
    if (err < 0)
        return err;
    if (access(target, F_OK) == 0) {
        buf_printf(ret_error, "%s exists already", target);
        return ERR_CONFLICT;
    }
    CLEANUP(free_ptr) char *temporary = xasprintf("%s.partial", target);
    CLEANUP(free_ptr) char *journal = xasprintf("%s-journal", temporary);
    unlink(temporary); // of a copy that was interrupted
    unlink(journal);
    err = copy_pages(from, temporary, ret_error);
    if (err == 0)
        err = sync_file(temporary);
    if (err == 0 && renameat2(AT_FDCWD, temporary, AT_FDCWD, target, RENAME_NOREPLACE) < 0)
        err = errno == EEXIST ? ERR_CONFLICT : -errno;
    if (err == 0)
        err = sync_folder_of(target);
    if (err < 0)
        unlink(temporary);
    if (err < 0 && ret_error->len == 0)
        buf_printf(ret_error, "cannot write %s: %s", target, error_text(err));
    return err;
}

void query_backup(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    struct store_backup *backup = CONTAINER_OF(op, struct store_backup, op);
    CLEANUP(buf_release) struct buf reason = {0};
    CLEANUP(free_ptr) char *target = str_dup(backup->path);
    op->err = backup_to(db, target, &reason);
    if (op->err < 0)
        log_error(store->base.logger, "the backup failed", LOG_STR("reason", buf_str(&reason)));
    if (op->err < 0)
        backup->ret_reason = buf_take(&reason);
    else
        log_info(store->base.logger, "the backup is complete", LOG_S("path", target));
}

int sqlite_store_copy(const char *path, const char *target, struct buf *ret_error)
{
    struct db from = {0};
    int err = access(path, F_OK) == 0 ? db_open(&from, path, NULL, DB_READER) : -errno;
    if (err < 0) {
        buf_printf(ret_error, "cannot open %s: %s", path, error_text(err));
        return err;
    }
    err = backup_to(&from, target, ret_error);
    db_close(&from);
    return err;
}
