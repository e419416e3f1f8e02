#include "store/sqlite/file/vfs.h"

#include "store/adapter.h"
#include "util/clock.h"

#include <errno.h>
#include <sqlite3.h>

enum vfs_file_kind { FILE_DATABASE, FILE_WAL, FILE_RESERVE, FILE_OTHER };

struct vfs {
    sqlite3_vfs methods; // registered; its pAppData points to this struct
    sqlite3_vfs *real;
    char name[32];
    const struct logger *logger;
    _Atomic uint64_t sizes[FILE_OTHER];
    _Atomic uint64_t written[FILE_OTHER];
    _Atomic uint64_t limit;
    int (*cover)(void *arg, uint64_t wal_bytes);
    void *cover_arg;
    uint64_t wal_covered; // used by the writer only
    struct wal_mark *mark;
    _Atomic uint64_t fsync_ns_sum, fsync_buckets[STORE_BUCKETS];
};

struct vfs_file {
    sqlite3_file base;
    struct vfs *vfs;
    enum vfs_file_kind kind;
    sqlite3_file *real; // directly behind this struct, in SQLite's allocation
};

// SQLite gives us its base struct, which is our first member.
static struct vfs_file *file_of(sqlite3_file *base)
{
    return CONTAINER_OF(base, struct vfs_file, base);
}

#define REAL(base)              (file_of(base)->real)
#define CALL(base, method, ...) (REAL(base)->pMethods->method(REAL(base), ##__VA_ARGS__))

static int file_close(sqlite3_file *base)
{
    return CALL(base, xClose);
}

static int file_read(sqlite3_file *base, void *out, int len, sqlite3_int64 offset)
{
    return CALL(base, xRead, out, len, offset);
}

static bool over_limit(struct vfs *vfs, enum vfs_file_kind kind, uint64_t end)
{
    uint64_t limit = atomic_load_explicit(&vfs->limit, memory_order_relaxed);
    if (limit == 0 || end <= atomic_load(&vfs->sizes[kind]))
        return false;
    for (int other = 0; other < FILE_OTHER; other++)
        end += other == (int)kind ? 0 : atomic_load(&vfs->sizes[other]);
    return end > limit;
}

// SQLite asks for errno if a write has failed for another reason than a full disk.
static int wal_cover(const struct vfs_file *file, uint64_t end)
{
    const struct vfs *vfs = file->vfs;
    if (file->kind != FILE_WAL || !vfs->cover || end <= vfs->wal_covered)
        return SQLITE_OK;
    int cause = vfs->cover(vfs->cover_arg, end);
    errno = cause;
    if (cause == 0)
        return SQLITE_OK;
    return cause == ENOSPC || cause == EDQUOT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static struct wal_mark *mark_of(const struct vfs_file *file)
{
    return file->kind == FILE_WAL ? file->vfs->mark : NULL;
}

static int mark_result(int err)
{
    errno = -err;
    return err == 0 ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int file_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
    struct vfs_file *file = file_of(base);
    if (file->kind == FILE_OTHER)
        return CALL(base, xWrite, data, len, offset);
    uint64_t end = (uint64_t)offset + (uint64_t)len;
    int rc = over_limit(file->vfs, file->kind, end) ? SQLITE_FULL : wal_cover(file, end);
    if (rc == SQLITE_OK && mark_of(file))
        rc = mark_result(wal_mark_writing(mark_of(file), data, (size_t)len, (uint64_t)offset));
    if (rc == SQLITE_OK)
        rc = CALL(base, xWrite, data, len, offset);
    if (rc != SQLITE_OK)
        return rc;
    atomic_fetch_add_explicit(&file->vfs->written[file->kind], (uint64_t)len, memory_order_relaxed);
    if (end > atomic_load(&file->vfs->sizes[file->kind]))
        atomic_store(&file->vfs->sizes[file->kind], end);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct vfs_file *file = file_of(base);
    int rc = mark_of(file) ? mark_result(wal_mark_cutting(mark_of(file), (uint64_t)size)) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = CALL(base, xTruncate, size);
    if (rc == SQLITE_OK && file->kind != FILE_OTHER)
        atomic_store(&file->vfs->sizes[file->kind], (uint64_t)size);
    return rc;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct vfs *vfs = file_of(base)->vfs;
    uint64_t start = clock_mono_ns();
    int rc = CALL(base, xSync, flags);
    if (rc != SQLITE_OK) {
        // The kernel may have dropped the pages and forgotten the error, so nothing that is read back can be trusted.
        log_error(vfs->logger, "fsync of the store failed; ending the process", LOG_I("sqlite_code", rc));
        abort();
    }
    uint64_t ns = clock_mono_ns() - start;
    atomic_fetch_add_explicit(&vfs->fsync_ns_sum, ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&vfs->fsync_buckets[store_bucket(ns)], 1, memory_order_relaxed);
    if (mark_of(file_of(base)))
        wal_mark_synced(mark_of(file_of(base)));
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    return CALL(base, xFileSize, ret);
}

static int file_lock(sqlite3_file *base, int level)
{
    return CALL(base, xLock, level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    return CALL(base, xUnlock, level);
}

static int file_check_reserved_lock(sqlite3_file *base, int *ret)
{
    return CALL(base, xCheckReservedLock, ret);
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    return CALL(base, xFileControl, op, arg);
}

static int file_sector_size(sqlite3_file *base)
{
    return CALL(base, xSectorSize);
}

static int file_device_characteristics(sqlite3_file *base)
{
    return CALL(base, xDeviceCharacteristics);
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret)
{
    return CALL(base, xShmMap, region, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return CALL(base, xShmLock, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *base)
{
    CALL(base, xShmBarrier);
}

static int file_shm_unmap(sqlite3_file *base, int delete_it)
{
    return CALL(base, xShmUnmap, delete_it);
}

static int file_fetch(sqlite3_file *base, sqlite3_int64 offset, int len, void **ret)
{
    return CALL(base, xFetch, offset, len, ret);
}

static int file_unfetch(sqlite3_file *base, sqlite3_int64 offset, void *page)
{
    return CALL(base, xUnfetch, offset, page);
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 3,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_device_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
    .xFetch = file_fetch,
    .xUnfetch = file_unfetch,
};

static enum vfs_file_kind kind_of(int flags)
{
    if (flags & SQLITE_OPEN_MAIN_DB)
        return FILE_DATABASE;
    return flags & SQLITE_OPEN_WAL ? FILE_WAL : FILE_OTHER;
}

static int vfs_open(sqlite3_vfs *methods, sqlite3_filename name, sqlite3_file *base, int flags, int *ret_flags)
{
    struct vfs *vfs = methods->pAppData;
    struct vfs_file *file = file_of(base);
    *file = (struct vfs_file){.vfs = vfs, .kind = kind_of(flags), .real = (sqlite3_file *)(void *)(file + 1)};
    int rc = vfs->real->xOpen(vfs->real, name, file->real, flags, ret_flags);
    if (!file->real->pMethods)
        return rc;
    base->pMethods = &file_methods; // from now on SQLite calls xClose, also after a failure
    sqlite3_int64 size = 0;
    if (rc == SQLITE_OK && file->kind != FILE_OTHER && CALL(base, xFileSize, &size) == SQLITE_OK)
        atomic_store(&vfs->sizes[file->kind], (uint64_t)size);
    return rc;
}

static int vfs_delete(sqlite3_vfs *methods, const char *name, int sync_folder)
{
    struct vfs *vfs = methods->pAppData;
    size_t len = strlen(name);
    bool wal = len > 4 && strcmp(name + len - 4, "-wal") == 0;
    int rc = wal && vfs->mark ? mark_result(wal_mark_cutting(vfs->mark, 0)) : SQLITE_OK;
    return rc == SQLITE_OK ? vfs->real->xDelete(vfs->real, name, sync_folder) : rc;
}

static int vfs_access(sqlite3_vfs *methods, const char *name, int flags, int *ret)
{
    struct vfs *vfs = methods->pAppData;
    return vfs->real->xAccess(vfs->real, name, flags, ret);
}

static int vfs_full_pathname(sqlite3_vfs *methods, const char *name, int len, char *out)
{
    struct vfs *vfs = methods->pAppData;
    return vfs->real->xFullPathname(vfs->real, name, len, out);
}

int vfs_new(const struct logger *logger, struct vfs **ret)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (!real)
        return ERR_UNAVAILABLE;
    struct vfs *vfs = xcalloc(1, sizeof(*vfs));
    vfs->real = real;
    vfs->logger = logger;
    snprintf(vfs->name, sizeof(vfs->name), "runnel-%p", (void *)vfs);
    vfs->methods = *real; // randomness, time and the like are those of the real one, and need no state
    vfs->methods.pNext = NULL;
    vfs->methods.szOsFile = (int)sizeof(struct vfs_file) + real->szOsFile;
    vfs->methods.zName = vfs->name;
    vfs->methods.pAppData = vfs;
    vfs->methods.xOpen = vfs_open;
    vfs->methods.xDelete = vfs_delete;
    vfs->methods.xAccess = vfs_access;
    vfs->methods.xFullPathname = vfs_full_pathname;
    int rc = sqlite3_vfs_register(&vfs->methods, 0);
    if (rc != SQLITE_OK) {
        vfs_free(&vfs);
        return ERR_UNAVAILABLE;
    }
    *ret = vfs;
    return 0;
}

void vfs_free(struct vfs **vfs)
{
    if (!*vfs)
        return;
    sqlite3_vfs_unregister(&(*vfs)->methods);
    free(TAKE_PTR(*vfs));
}

const char *vfs_name(const struct vfs *vfs)
{
    return vfs->name;
}

void vfs_limit(struct vfs *vfs, uint64_t bytes)
{
    atomic_store(&vfs->limit, bytes);
}

bool vfs_set_reserve(struct vfs *vfs, uint64_t bytes)
{
    if (over_limit(vfs, FILE_RESERVE, bytes))
        return false;
    atomic_store(&vfs->sizes[FILE_RESERVE], bytes);
    return true;
}

void vfs_set_cover(struct vfs *vfs, int (*cover)(void *arg, uint64_t wal_bytes), void *arg)
{
    vfs->cover = cover;
    vfs->cover_arg = arg;
}

void vfs_cover_wal(struct vfs *vfs, uint64_t wal_bytes)
{
    vfs->wal_covered = wal_bytes;
}

void vfs_set_mark(struct vfs *vfs, struct wal_mark *mark)
{
    vfs->mark = mark;
}

uint64_t vfs_wal_bytes(struct vfs *vfs)
{
    return atomic_load(&vfs->sizes[FILE_WAL]);
}

void vfs_stats(struct vfs *vfs, struct vfs_stats *ret)
{
    ret->fsync_ns_sum = atomic_load(&vfs->fsync_ns_sum);
    for (size_t i = 0; i < STORE_BUCKETS; i++)
        ret->fsync_buckets[i] = atomic_load(&vfs->fsync_buckets[i]);
    ret->wal_written = atomic_load(&vfs->written[FILE_WAL]);
    ret->file_written = atomic_load(&vfs->written[FILE_DATABASE]);
    ret->bytes = 0;
    for (int kind = 0; kind < FILE_OTHER; kind++)
        ret->bytes += atomic_load(&vfs->sizes[kind]);
}
