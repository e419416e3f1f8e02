// Copies of a store: into a backup while it runs, and out of a backup by a restore. Each is made by VACUUM INTO. So it
// has no free pages, and can give room back later, whatever the source is. It is marked, and stays in rollback mode: so
// a WAL beside it cannot be its own.
#include "store/sqlite/copy/backup.h"

#include "store/engine/read/query.h"
#include "store/sqlite/file/target.h"
#include "store/sqlite/schema/open.h"
#include "store/sqlite/sqlite_log.h"

#include <unistd.h>

// Makes a single file that is marked as a copy. Nobody looks for its name until it is complete, so it needs no journal.
static int mark_copy(const char *path, struct buf *ret_error)
{
    struct db db = {0};
    int err = db_open(&db, path, NULL, DB_WRITER);
    if (err == 0)
        err = db_exec(&db, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
    sqlite3_stmt *mark = err == 0 ? db_statement(&db, STATEMENT_META_SET) : NULL;
    if (mark) {
        db_bind_text(mark, 1, STR(STORE_BACKUP_MARK));
        db_bind_text(mark, 2, STR("1"));
    }
    if (err == 0)
        err = db_run(mark);
    if (err < 0 && db.handle)
        buf_printf(ret_error, "cannot write %s: %s", path, sqlite3_errmsg(db.handle));
    db_close(&db);
    return err;
}

int store_copy(struct db *from, const char *path, struct buf *ret_error)
{
    CLEANUP(db_finalize) sqlite3_stmt *vacuum = NULL;
    int64_t auto_vacuum = 0;
    int err = db_query_i64(from, "PRAGMA auto_vacuum", &auto_vacuum);
    // A property of the copy. On a store that has the property, the statement would write to the store.
    if (err == 0 && auto_vacuum == 0)
        err = db_exec(from, "PRAGMA auto_vacuum = INCREMENTAL");
    if (err == 0)
        err = db_exec(from, "PRAGMA cache_size = -32768");
    if (err == 0)
        err = db_error_of(from->handle, sqlite3_prepare_v2(from->handle, "VACUUM INTO ?1", -1, &vacuum, NULL));
    if (err == 0) {
        db_bind_text(vacuum, 1, str_of(path));
        err = db_run(vacuum);
    }
    if (err < 0) {
        CLEANUP(free_ptr) char *reason = db_reason(from);
        buf_printf(ret_error, "cannot copy the store to %s: %s", path, err == ERR_NO_FILES ? error_text(err) : reason);
        return err;
    }
    return mark_copy(path, ret_error);
}

static int backup_to(struct sqlite_store *store, const struct store_backup *backup, char **ret_path,
                     struct buf *ret_error)
{
    CLEANUP(free_ptr) char *note = xasprintf("%s.backup", store->path), *folder = str_dup(backup->folder);
    CLEANUP(target_release) struct target target;
    // A connection of its own: the reader's cannot write, and the store's file layer would take the copy for the store.
    struct db from = {0};
    int err = target_make(&target, folder, backup->name, note, ret_error);
    if (err < 0)
        return err;
    err = db_open(&from, store->path, NULL, DB_READER);
    if (err < 0)
        buf_printf(ret_error, "cannot open %s: %s", store->path, error_text(err));
    else
        err = store_copy(&from, target.temporary_path, ret_error);
    db_close(&from);
    if (err == 0)
        err = target_publish(&target, ret_error);
    if (err == 0)
        *ret_path = xstrdup(target.path);
    return err;
}

void log_backup(const struct session *session, struct store_op *op)
{
    struct sqlite_store *store = sqlite_store_of(&session->engine->base);
    struct store_backup *backup = CONTAINER_OF(op, struct store_backup, op);
    CLEANUP(buf_release) struct buf reason = {0};
    if (atomic_exchange(&store->backing_up, true)) {
        buf_append_text(&reason, "another backup is under way; try again when it is done");
        op->err = ERR_CONFLICT;
    } else {
        op->err = backup_to(store, backup, &backup->ret_path, &reason);
        atomic_store(&store->backing_up, false);
    }
    if (op->err == 0) {
        log_info(store->engine.base.logger, "the backup is complete", LOG_S("path", backup->ret_path));
        return;
    }
    log_error(store->engine.base.logger, "the backup failed", LOG_STR("reason", buf_str(&reason)));
    backup->ret_reason = buf_take(&reason);
}

void store_backup_clear(struct sqlite_store *store)
{
    CLEANUP(free_ptr) char *note = xasprintf("%s.backup", store->path);
    target_clear(note);
}
