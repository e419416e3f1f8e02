#include "store/sqlite/merge/load.h"

#include "store/sqlite/merge/merge.h"

static int pack_load_index(struct hot *hot, const struct merge_marker *marker, int64_t id, struct str meta)
{
    struct pack_reader reader;
    int err = pack_reader_init(&reader, id, meta);
    if (err < 0)
        return err;
    struct pack_entry entry;
    int rc;
    while ((rc = pack_reader_next(&reader, &entry)) == 1) {
        if (merge_marker_covers(marker, entry.row, &entry.piece))
            continue;
        hot_add(hot, entry.row, &entry.piece);
        hot_confirm(hot, entry.row, &entry.state, entry.producer, &entry.producer_state);
    }
    pack_reader_release(&reader);
    return rc;
}

int store_hot_load(struct db *db, struct hot *hot, int64_t *ret_last)
{
    struct merge_marker marker;
    int err = merge_marker_load(db, &marker);
    if (err < 0)
        return err;
    *ret_last = marker.last_id;
    CLEANUP(db_reset) sqlite3_stmt *scan = db_statement(db, STATEMENT_HOT_SCAN);
    int rc;
    while ((rc = db_row(scan)) == 1) {
        int64_t id = db_column_i64(scan, 0);
        *ret_last = MAX(*ret_last, id);
        err = pack_load_index(hot, &marker, id, db_column_blob(scan, 1));
        if (err < 0)
            return err;
    }
    return rc;
}
