// Opening a store: the lock, the settings of the file, its schema, its incarnation, the content of the hot table.
#include "store/sqlite/schema/open.h"

#include "store/copy/mark.h"
#include "store/schema/schema.h"
#include "util/id.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#define APPLICATION_ID 0x526e6c32 // "Rnl2"
#define PREVIEW_ID     0x526e6c31 // "Rnl1": with a row of `hot` for each append

int store_lock(const char *path, struct buf *ret_error, int *ret_fd)
{
    CLEANUP(free_ptr) char *lock_path = xasprintf("%s.lock", path);
    CLEANUP(close_fd) int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int err = -errno;
        buf_printf(ret_error, "cannot open %s: %s", lock_path, strerror(-err));
        return err;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        buf_printf(ret_error,
                   "the store %s is in use by another process: stop that server first, or name another folder", path);
        return ERR_CONFLICT;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int store_check_file(struct db *db, const char *path, struct buf *ret_error, int *ret_version)
{
    int64_t version = 0, application = 0;
    int err = db_query_i64(db, "PRAGMA user_version", &version);
    if (err == 0)
        err = db_query_i64(db, "PRAGMA application_id", &application);
    if (err < 0) {
        buf_printf(ret_error, "cannot read %s: %s", path, sqlite3_errmsg(db->handle));
        return err;
    }
    if (application == PREVIEW_ID) {
        buf_printf(ret_error,
                   "%s was written by a preview of this program, whose layout is not read any more. Export its logs "
                   "with that one.",
                   path);
        return ERR_CONFLICT;
    }
    if (version > 0 && application != APPLICATION_ID) {
        buf_printf(ret_error, "%s is a database of another program", path);
        return ERR_CONFLICT;
    }
    if (version > schema_newest()) {
        buf_printf(ret_error,
                   "%s has the schema %lld; this program knows schemas up to %d. Use the program that has written it, "
                   "or go back with that one: `runnel store migrate --to %lld`, or a backup from before",
                   path, (long long)version, schema_newest(), (long long)version - 1);
        return ERR_TOO_NEW;
    }
    *ret_version = (int)version;
    return 0;
}

int store_check_version(struct db *db, const char *path, struct buf *ret_error, int *ret_version)
{
    int err = store_check_file(db, path, ret_error, ret_version);
    if (err < 0)
        return err;
    err = copy_mark_check(db->sql, path, *ret_version, ret_error);
    if (err < 0 && ret_error->len == 0)
        buf_printf(ret_error, "cannot read %s: %s", path, sqlite3_errmsg(db->handle));
    return err;
}

static int set_journal_mode(struct db *db, const char *mode)
{
    CLEANUP(free_ptr) char *sql = xasprintf("PRAGMA journal_mode = %s", mode);
    CLEANUP(db_finalize) sqlite3_stmt *set = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &set, NULL);
    if (rc != SQLITE_OK)
        return db_error_of(db->handle, rc);
    rc = db_row(set);
    if (rc < 0)
        return rc;
    return rc == 1 && str_eq_nocase(db_column_text(set, 0), str_of(mode)) ? 0 : ERR_UNAVAILABLE;
}

int store_begin_wal(struct db *db)
{
    return set_journal_mode(db, "WAL");
}

// The identity of a database changes in rollback mode only. So what its file says without the WAL is valid as long as
// there is a WAL, and a copy never has a WAL of its own.
static int leave_wal(struct db *db, bool lost)
{
    int64_t copy = 0;
    int err = db_query_i64(db, "SELECT count(*) FROM meta WHERE name = '" STORE_BACKUP_MARK "'", &copy);
    return err < 0 || (copy == 0 && !lost) ? err : set_journal_mode(db, "DELETE");
}

int store_prepare(struct db *db, const char *path, uint32_t page_size, int version, int to, bool lost,
                  struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf reason = {0};
    char settings[512];
    snprintf(settings, sizeof(settings),
             // counts for a new file; an existing one has its own
             "PRAGMA page_size = %u;"
             "PRAGMA auto_vacuum = INCREMENTAL;"
             "PRAGMA application_id = %d;"
             "PRAGMA synchronous = FULL;"
             "PRAGMA wal_autocheckpoint = 0;"
             "PRAGMA journal_size_limit = 33554432;"
             "PRAGMA cache_size = -32768;"
             "PRAGMA temp_store = MEMORY;"
             // To overwrite deleted data with zeros would write everything once more.
             "PRAGMA secure_delete = OFF",
             page_size, APPLICATION_ID);
    int err = db_exec(db, settings);
    if (err == 0 && version > 0)
        err = leave_wal(db, lost);
    if (err < 0) {
        CLEANUP(free_ptr) char *why = db_reason(db);
        buf_printf(ret_error, "cannot prepare %s: %s", path, why);
        return err;
    }
    err = schema_migrate(db->sql, to, &reason);
    if (err < 0)
        buf_printf(ret_error, "cannot migrate %s to the schema %d: %s", path, to, buf_cstr(&reason));
    return err;
}

static int meta_get(struct db *db, struct str name, char *out, size_t size, bool *ret_found)
{
    CLEANUP(db_reset) sqlite3_stmt *get = db_statement(db, STATEMENT_META_GET);
    db_bind_text(get, 1, name);
    int rc = db_row(get);
    *ret_found = rc == 1;
    if (rc == 1)
        snprintf(out, size, "%.*s", STR_ARGS(db_column_text(get, 0)));
    return rc < 0 ? rc : 0;
}

// What another incarnation may have had begins at the end of each open log. The hot table knows that end.
static int mark_restored(struct sqlite_store *store)
{
    CLEANUP(free_ptr) int64_t *rows = NULL;
    size_t count = hot_executions(&store->hot, INT64_MAX, &rows);
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++)
        err = catalogue_execution_fold(store->db.sql, rows[i], &hot_peek(&store->hot, rows[i])->state);
    return err < 0 ? err : catalogue_executions_restored(store->db.sql);
}

int store_secret_load(struct sqlite_store *store)
{
    char hex[2 * STORE_SECRET_LEN + 1];
    bool found;
    int err = meta_get(&store->db, STR("secret"), hex, sizeof(hex), &found);
    if (err < 0 || (found && hex_decode(str_of(hex), store->engine.base.secret, STORE_SECRET_LEN)))
        return err;
    random_bytes(store->engine.base.secret, STORE_SECRET_LEN);
    hex_encode(store->engine.base.secret, STORE_SECRET_LEN, hex);
    sqlite3_stmt *set = db_statement(&store->db, STATEMENT_META_SET);
    db_bind_text(set, 1, STR("secret"));
    db_bind_text(set, 2, str_of(hex));
    return db_run(set);
}

static int incarnation_make(struct sqlite_store *store, bool restored)
{
    struct db *db = &store->db;
    char *ret = store->engine.base.incarnation;
    id_sortable(session_now_ms(&store->tx.session), ret);
    int err = db_exec(db, "BEGIN IMMEDIATE");
    sqlite3_stmt *set = db_statement(db, STATEMENT_META_SET);
    db_bind_text(set, 1, STR("incarnation"));
    db_bind_text(set, 2, str_of(ret));
    if (err == 0)
        err = db_run(set);
    sqlite3_stmt *unmark = db_statement(db, STATEMENT_META_DELETE);
    db_bind_text(unmark, 1, STR(STORE_BACKUP_MARK));
    if (err == 0)
        err = db_run(unmark);
    sqlite3_stmt *mark = db_statement(db, STATEMENT_META_SET);
    db_bind_text(mark, 1, STR("restored"));
    db_bind_i64(mark, 2, 1);
    if (err == 0 && restored)
        err = db_run(mark);
    if (err == 0 && restored)
        err = mark_restored(store);
    return err < 0 ? err : db_exec(db, "COMMIT");
}

int store_incarnation_load(struct sqlite_store *store, bool lost, bool *ret_restored)
{
    bool found, marked;
    char mark[64];
    int err = meta_get(&store->db, STR("incarnation"), store->engine.base.incarnation,
                       sizeof(store->engine.base.incarnation), &found);
    if (err == 0)
        err = meta_get(&store->db, STR(STORE_BACKUP_MARK), mark, sizeof(mark), &marked);
    if (err < 0)
        return err;
    *ret_restored = found && marked;
    return found && !marked && !lost ? 0 : incarnation_make(store, found);
}
