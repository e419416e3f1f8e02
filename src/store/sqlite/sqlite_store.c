// The adapter: opening and closing, queues, figures.
#include "store/sqlite/sqlite_store.h"

#include "store/engine/write/summaries.h"
#include "store/schema/schema.h"
#include "store/sqlite/copy/backup.h"
#include "store/sqlite/file/reserve.h"
#include "store/sqlite/file/target.h"
#include "store/sqlite/file/wal_open.h"
#include "store/sqlite/merge/load.h"
#include "store/sqlite/merge/merge.h"
#include "store/sqlite/read/reader.h"
#include "store/sqlite/schema/open.h"
#include "store/sqlite/sqlite_log.h"
#include "store/sqlite/write/writer.h"

#include <errno.h>
#include <unistd.h>

static const struct sqlite_tuning default_tuning = {
    .hot_pieces = 1024 * 1024,
    .hot_bytes = 64 * 1024 * 1024,
    .merge_after_ms = 60000,
    .merge_tries = 60,
    .page_size = 4096,
    .reserve_bytes = 32 * 1024 * 1024,
};

static void sqlite_submit(struct store *base, struct store_op *op)
{
    engine_submit(&sqlite_store_of(base)->engine, op);
}

static void sqlite_stats(struct store *base, struct store_stats *ret)
{
    struct sqlite_store *store = sqlite_store_of(base);
    engine_stats(&store->engine, ret);
    struct vfs_stats files;
    vfs_stats(store->vfs, &files);
    _Static_assert(sizeof(files.fsync_buckets) == sizeof(ret->fsync_buckets), "the same buckets");
    memcpy(ret->fsync_buckets, files.fsync_buckets, sizeof(ret->fsync_buckets));
    ret->in_files = true;
    ret->fsync_ns_sum = files.fsync_ns_sum;
    ret->bytes = files.bytes;
}

static void sqlite_stop(struct store *base)
{
    engine_stop(&sqlite_store_of(base)->engine);
}

static void sqlite_free(struct store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    engine_stop(&store->engine);
    merge_free(&store->merge);
    transaction_release(&store->tx);
    appended_release(&store->appended);
    hot_release(&store->hot);
    db_close(&store->db);
    wal_mark_close(&store->wal_mark);
    vfs_free(&store->vfs);
    close_fd(&store->reserve_fd);
    close_fd(&store->lock_fd);
    free(store->path);
    engine_release(&store->engine);
    free(store);
}

static const struct store_vtable sqlite_vtable = {
    .name = "sqlite",
    .submit = sqlite_submit,
    .backup = sqlite_submit,
    .stats = sqlite_stats,
    .stop = sqlite_stop,
    .free = sqlite_free,
};

static struct sqlite_store *store_new(const struct sqlite_options *options)
{
    struct sqlite_store *store = xcalloc(1, sizeof(*store));
    store->engine.base.vtable = &sqlite_vtable;
    store->engine.base.one_writer = store->engine.base.alone = true;
    store->engine.base.logger = options->logger;
    store->path = xstrdup(options->path);
    store->lock_fd = store->reserve_fd = store->wal_mark.fd = -1;
    store->tuning = options->tuning ? *options->tuning : default_tuning;
    struct sqlite_tuning *tuning = &store->tuning;
    tuning->hot_pieces = tuning->hot_pieces ? tuning->hot_pieces : default_tuning.hot_pieces;
    tuning->hot_bytes = tuning->hot_bytes ? tuning->hot_bytes : default_tuning.hot_bytes;
    tuning->merge_after_ms = tuning->merge_after_ms ? tuning->merge_after_ms : default_tuning.merge_after_ms;
    tuning->merge_tries = tuning->merge_tries ? tuning->merge_tries : default_tuning.merge_tries;
    tuning->page_size = tuning->page_size ? tuning->page_size : default_tuning.page_size;
    tuning->reserve_bytes = tuning->reserve_bytes ? tuning->reserve_bytes : default_tuning.reserve_bytes;
    engine_init(&store->engine, &sqlite_log);
    store->engine.now_ms = tuning->now_ms;
    store->engine.now_arg = tuning->now_arg;
    hot_init(&store->hot);
    transaction_init(&store->tx, &store->engine);
    return store;
}

// Opens the file until its schema is known and a WAL that a crash has left was checked. Changes nothing in the
// database.
static int open_file(struct sqlite_store *store, struct wal_found *wal, int *ret_version, struct buf *ret_error)
{
    int err = store_wal_check(store, wal, ret_error);
    if (err < 0)
        return err;
    err = vfs_new(store->engine.base.logger, &store->vfs);
    if (err == 0)
        err = db_open(&store->db, store->path, vfs_name(store->vfs), DB_WRITER);
    if (err < 0) {
        buf_printf(ret_error, "cannot open %s: %s", store->path, error_text(err));
        return err;
    }
    store->tx.session.sql = store->db.sql;
    store->tx.session.connection = &store->db;
    err = store_check_version(&store->db, store->path, ret_error, ret_version);
    return err < 0 ? err : store_wal_mark(store, wal, ret_error);
}

static int migrate(struct sqlite_store *store, const struct wal_found *wal, int from, int to, struct buf *ret_error)
{
    int err = store_prepare(&store->db, store->path, store->tuning.page_size, from, to, wal->lost > 0, ret_error);
    if (err == 0 && from > 0 && from != to)
        log_info(store->engine.base.logger, "the store was migrated", LOG_S("path", store->path), LOG_I("from", from),
                 LOG_I("to", to));
    return err;
}

static int load(struct sqlite_store *store, const struct wal_found *wal, bool *ret_restored)
{
    int64_t page_size = 0, purging = 0, purging_account = 0, restored = 0;
    int err = store_hot_load(&store->db, &store->hot, &store->appended.hot_id);
    if (err == 0)
        err = store_incarnation_load(store, wal->lost > 0, ret_restored);
    if (err == 0)
        err = store_begin_wal(&store->db);
    if (err == 0)
        err = store_wal_settle(store);
    if (err == 0)
        err = store_secret_load(store);
    if (err == 0)
        err = db_query_i64(&store->db, "PRAGMA page_size", &page_size);
    if (err == 0)
        err = db_query_i64(&store->db, "SELECT count(*) FROM purging", &purging);
    if (err == 0)
        err = catalogue_account_purging(store->db.sql, &purging_account);
    if (err == 0)
        err = db_query_i64(&store->db, "SELECT count(*) FROM meta WHERE name = 'restored'", &restored);
    store->page_size = (uint64_t)page_size;
    store->purging = purging > 0 || purging_account > 0;
    store->tx.restored = restored > 0;
    return err;
}

static int open_database(struct sqlite_store *store, struct buf *ret_error)
{
    struct wal_found wal;
    bool restored = false;
    int version = 0;
    int err = open_file(store, &wal, &version, ret_error);
    if (err == 0)
        err = migrate(store, &wal, version, schema_newest(), ret_error);
    if (err < 0)
        return err;
    err = load(store, &wal, &restored);
    if (err < 0) {
        CLEANUP(free_ptr) char *reason = db_reason(&store->db);
        buf_printf(ret_error, "cannot read %s: %s", store->path, reason);
        return err;
    }
    store->engine.stats.wal_lost = wal.lost;
    store->wal_pages = vfs_wal_bytes(store->vfs) / MAX(store->page_size, 1u); // what a crash has left in the WAL
    store_backup_clear(store);
    reserve_make(store, 0); // if there is no room, the first full group finds that out
    vfs_set_cover(store->vfs, reserve_cover, store);
    if (restored)
        log_info(store->engine.base.logger, "the store is a restored backup and has a new incarnation",
                 LOG_S("path", store->path), LOG_S("incarnation", store->engine.base.incarnation));
    return 0;
}

static int start_threads(struct sqlite_store *store, const struct sqlite_options *options)
{
    store->engine.mirrors = options->mirrors;
    int err = merge_new(store, &store->merge);
    if (err < 0)
        return err;
    err = summaries_init(&store->engine, options->budget);
    if (err < 0)
        return err;
    return engine_start(&store->engine, writer_main, reader_main, options->readers, store);
}

int sqlite_store_open(const struct sqlite_options *options, struct buf *ret_error, struct store **ret)
{
    struct sqlite_store *store = store_new(options);
    int err = store_lock(store->path, ret_error, &store->lock_fd);
    if (err == 0)
        err = open_database(store, ret_error);
    if (err == 0) {
        err = start_threads(store, options);
        if (err < 0)
            buf_append_text(ret_error, "cannot start the store's threads");
    }
    if (err < 0) {
        sqlite_free(&store->engine.base);
        return err;
    }
    *ret = &store->engine.base;
    return 0;
}

static int migrate_locked(struct sqlite_store *store, int to, int *ret_from, struct buf *ret_error)
{
    struct wal_found wal;
    int err = open_file(store, &wal, ret_from, ret_error);
    if (err < 0)
        return err;
    if (*ret_from == 0) {
        buf_printf(ret_error, "%s is no store: it is empty", store->path);
        return ERR_CONFLICT;
    }
    if (wal.lost > 0) { // a server that starts on it makes a new incarnation first
        buf_printf(ret_error, "%s has lost its last commits: start a server on it before it is migrated", store->path);
        return ERR_CONFLICT;
    }
    return migrate(store, &wal, *ret_from, to, ret_error);
}

int sqlite_store_migrate(const struct sqlite_options *options, int to, int *ret_from, struct buf *ret_error)
{
    if (access(options->path, F_OK) < 0) {
        buf_printf(ret_error, "there is no store at %s: %s", options->path, strerror(errno));
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    struct sqlite_store *store = store_new(options);
    int err = store_lock(store->path, ret_error, &store->lock_fd);
    if (err == 0)
        err = migrate_locked(store, to, ret_from, ret_error);
    sqlite_free(&store->engine.base);
    return err;
}

int sqlite_store_schema(const char *path, int *ret, struct buf *ret_error)
{
    struct db db = {0};
    int err = access(path, F_OK) < 0 ? -errno : db_open(&db, path, NULL, DB_READER);
    if (err < 0)
        buf_printf(ret_error, "cannot open %s: %s", path, target_error_text(err));
    else
        err = store_check_version(&db, path, ret_error, ret);
    db_close(&db);
    return err == -ENOENT ? ERR_NOT_FOUND : err;
}

void sqlite_store_limit(struct store *store, uint64_t bytes)
{
    vfs_limit(sqlite_store_of(store)->vfs, bytes);
}
