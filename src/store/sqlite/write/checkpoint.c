#include "store/sqlite/write/checkpoint.h"

#include "store/sqlite/file/reserve.h"

#define WAL_KEEP (512u * 1024) // size of the file without load; to cut it shorter would cost the next commits more

int store_raise_generation(struct sqlite_store *store)
{
    store->wal_mark.generation = store->generation + 1;
    sqlite3_stmt *set = db_statement(&store->db, STATEMENT_META_SET);
    db_bind_text(set, 1, STR(WAL_GENERATION));
    db_bind_u64(set, 2, store->wal_mark.generation);
    return db_run(set);
}

void store_generation_committed(struct sqlite_store *store)
{
    store->generation = store->wal_mark.generation;
    store->generation_due = false;
}

void checkpoint(struct sqlite_store *store, int mode)
{
    int in_wal = 0, moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(store->db.handle, NULL, mode, &in_wal, &moved);
    store->generation_due = true;
    // Otherwise a reader was in the way, or the disk is full. The next commit tries again.
    if (rc != SQLITE_OK || in_wal != moved)
        return;
    store->wal_pages = 0;
    wal_mark_moved(&store->wal_mark);
}

bool settled(const struct sqlite_store *store)
{
    return store->wal_pages == 0 &&
           (store->refusing || (vfs_wal_bytes(store->vfs) <= WAL_KEEP && reserve_settled(store)));
}

void settle(struct sqlite_store *store)
{
    if (store->wal_pages > 0)
        checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    if (store->wal_pages > 0 || store->refusing) // on a full disk the WAL keeps the space that it has
        return;
    if (vfs_wal_bytes(store->vfs) > WAL_KEEP) {
        sqlite3_busy_timeout(store->db.handle, 0); // do not wait for a reader: the next time is early enough
        checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE);
        sqlite3_busy_timeout(store->db.handle, DB_BUSY_MS);
    }
    reserve_settle(store);
}
