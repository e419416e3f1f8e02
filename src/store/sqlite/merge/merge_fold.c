#include "store/sqlite/merge/merge_fold.h"

#include "store/catalogue/catalogue.h"

#define WORTH_RAW    (CHUNK_MERGE_RAW / 8)
#define CATCH_UP_RAW ((size_t)8 * 1024 * 1024) // payload, in one job
// A row is stored when so much was counted since the last one, and this many times its own size. What the header tells
// weighs little, because readers count it as fast.
#define DUE_BYTES     CHUNK_MERGE_RAW
#define DUE_FACTOR    16
#define WEIGHT_CLOSED 16

bool merge_fold_worth(const struct merge_fold *fold, int64_t row, size_t raw)
{
    return raw >= WORTH_RAW || fold->row == row;
}

void merge_fold_release(struct merge_fold *fold)
{
    summary_release(&fold->summary);
    *fold = (struct merge_fold){0};
}

static int load(struct merge_fold *fold, struct db *db)
{
    CLEANUP(buf_release) struct buf bytes = {0};
    summary_init(&fold->summary, 0);
    int err = catalogue_summary_get(db->sql, fold->row, &bytes);
    fold->stored = bytes.len;
    if (err < 0 || bytes.len == 0)
        return err;
    err = summary_decode(buf_str(&bytes), &fold->summary);
    return err == ERR_CORRUPT ? 0 : err; // then it is counted anew
}

static void weigh(struct merge_fold *fold, const struct chunk *chunk, bool opened)
{
    fold->since += opened ? chunk_raw(chunk) : chunk_raw(chunk) / WEIGHT_CLOSED;
}

// Returns the chunk that covers the next record; or NULL.
static struct chunk *next_chunk(const struct merge_fold *fold, struct db *db, uint64_t *ret_first)
{
    sqlite3_stmt *find = db_statement(db, STATEMENT_CHUNK_AT);
    db_bind_i64(find, 1, fold->row);
    db_bind_u64(find, 2, fold->summary.next);
    bool covers = db_row(find) == 1 && fold->summary.next < db_column_u64(find, 1) + db_column_u64(find, 2);
    int64_t id = covers ? db_column_i64(find, 0) : 0;
    *ret_first = covers ? db_column_u64(find, 1) : 0;
    db_reset(&find);
    if (!covers)
        return NULL;
    struct chunk *chunk = NULL;
    CLEANUP(db_reset) sqlite3_stmt *body = db_statement(db, STATEMENT_CHUNK_BODY);
    db_bind_i64(body, 1, id);
    if (db_row(body) == 1) {
        struct str bytes = db_column_blob(body, 0);
        if (chunk_decode_closed(bytes.data, bytes.len, &chunk) < 0)
            return NULL;
    }
    return chunk;
}

// Returns false if it does not go on from here. What cannot be read is left to who asks, and is told then.
static bool catch_up_one(struct merge_fold *fold, struct db *db, size_t *raw)
{
    uint64_t first;
    CLEANUP(chunk_unref) struct chunk *chunk = next_chunk(fold, db, &first);
    if (!chunk)
        return false;
    bool open = summary_wants_open(&fold->summary, chunk, first);
    if ((open && chunk_open(&chunk) < 0) || summary_add(&fold->summary, chunk, first) < 0)
        return false;
    weigh(fold, chunk, open);
    *raw += open ? chunk_raw(chunk) : chunk_raw(chunk) / WEIGHT_CLOSED;
    return true;
}

static void catch_up(struct merge_fold *fold, struct db *db, uint64_t first)
{
    uint64_t next, kept_from;
    if (fold->summary.next >= first || catalogue_execution_extent(db->sql, fold->row, &next, &kept_from, NULL) < 0)
        return;
    summary_skip(&fold->summary, kept_from);
    size_t raw = 0;
    while (fold->summary.next < first && raw < CATCH_UP_RAW && catch_up_one(fold, db, &raw))
        ;
}

void merge_fold_begin(struct merge_fold *fold, struct db *db, int64_t row, uint64_t first)
{
    if (fold->row != row) {
        merge_fold_release(fold);
        fold->row = row;
        if (load(fold, db) < 0)
            summary_skip(&fold->summary, UINT64_MAX); // a newer program's, or the disk's fault: let it be
    }
    catch_up(fold, db, first);
}

void merge_fold_add(struct merge_fold *fold, const struct chunk *chunk, uint64_t first)
{
    bool open = summary_wants_open(&fold->summary, chunk, first);
    if (first + chunk_count(chunk) > fold->summary.next && summary_add(&fold->summary, chunk, first) == 0)
        weigh(fold, chunk, open);
}

void merge_fold_end(struct merge_fold *fold, struct buf *out, uint64_t *ret_next)
{
    if (fold->since < MAX((uint64_t)DUE_BYTES, (uint64_t)fold->stored * DUE_FACTOR))
        return;
    summary_encode(&fold->summary, out);
    *ret_next = fold->summary.next;
    fold->stored = out->len;
    fold->since = 0;
}
