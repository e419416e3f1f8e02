// The log of the store that is copied may be ahead of its rows: of fresh appends, packs alone know what they led to. So
// views that have the names of the tables put the newest state in front of them, and chunks are looked for in both
// places.
#include "store/sqlite/copy/side.h"

#include "store/copy/mark.h"
#include "store/copy/meta.h"
#include "store/copy/rows.h"
#include "store/schema/schema.h"
#include "store/sqlite/file/wal_check.h"
#include "store/sqlite/log/chunks.h"
#include "store/sqlite/log/pack.h"
#include "store/sqlite/merge/load.h"
#include "store/sqlite/schema/open.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_SIZE        4096
#define PACKS_BYTES_MOST ((size_t)128 * 1024 * 1024) // unpacked ones that are kept: nearly all that there are, mostly

struct kept_pack {
    struct map_node node;
    int64_t id; // key of the map
    struct buf body;
};

struct sqlite_side {
    struct copy_side base;
    int lock_fd;
    struct db db;
    struct hot hot;    // of fresh appends; empty in the store that is copied to
    struct map packs;  // of struct kept_pack
    size_t pack_bytes; // of them
};

static struct sqlite_side *side_of(struct copy_side *base)
{
    return CONTAINER_OF(base, struct sqlite_side, base);
}

// --- Writing

static void bind_cell(sqlite3_stmt *statement, int index, enum sql_type type, struct str cell)
{
    if (type == SQL_BYTES)
        db_bind_blob(statement, index, cell);
    else if (type == SQL_TEXT || !cell.data)
        db_bind_text(statement, index, cell);
    else
        db_bind_i64(statement, index, copy_cell_number(cell));
}

static int insert(struct copy_side *base, const struct copy_table *table, const char *names, struct str rows)
{
    struct sqlite_side *side = side_of(base);
    CLEANUP(buf_release) struct buf text = {0};
    CLEANUP(db_finalize) sqlite3_stmt *add = NULL;
    CLEANUP(free_ptr) struct str *cells = xcalloc(table->column_count, sizeof(*cells));
    buf_printf(&text, "INSERT INTO %s(%s) VALUES(", table->name, names);
    for (size_t i = 0; i < table->column_count; i++)
        buf_append_text(&text, i > 0 ? ", ?" : "?");
    buf_append_byte(&text, ')');
    int err = db_error_of(side->db.handle, sqlite3_prepare_v2(side->db.handle, buf_cstr(&text), -1, &add, NULL));
    while (err == 0 && rows.len > 0) {
        copy_row_cells(copy_row_next(&rows), cells);
        for (size_t i = 0; i < table->column_count; i++)
            bind_cell(add, (int)i + 1, table->columns[i].type, cells[i]);
        err = db_run(add);
    }
    return err;
}

static int set_number(struct copy_side *base, struct str table, int64_t last)
{
    static const char *const texts[] = {"DELETE FROM sqlite_sequence WHERE name = ?1 AND ?2 > 0",
                                        "INSERT INTO sqlite_sequence(name, seq) VALUES(?1, ?2)"};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts) && err == 0; i++) {
        CLEANUP(sql_statement_free) struct sql_statement *set = sql_prepare(base->sql, texts[i]);
        sql_bind_text(set, 1, table);
        sql_bind_i64(set, 2, last);
        err = sql_run(set, NULL);
    }
    return err;
}

static int add(struct copy_side *base, int64_t row, uint64_t first, const struct chunk *chunk, bool refined)
{
    (void)refined;
    return chunk_insert(&side_of(base)->db, row, first, chunk);
}

static int nothing(struct copy_side *base)
{
    (void)base;
    return 0;
}

static int is_idle(struct copy_side *base, struct buf *ret_error) // its lock is ours
{
    (void)base;
    (void)ret_error;
    return 0;
}

// --- Chunks

static void forget_pack(struct map_node *node, void *arg)
{
    struct sqlite_side *side = arg;
    struct kept_pack *pack = CONTAINER_OF(node, struct kept_pack, node);
    map_remove(&side->packs, node);
    buf_release(&pack->body);
    free(pack);
}

static void forget_packs(struct sqlite_side *side)
{
    map_each(&side->packs, forget_pack, side);
    side->pack_bytes = 0;
}

// Every pack has something of many logs, and the logs are read one after the other.
static int pack_of(struct sqlite_side *side, int64_t id, struct kept_pack **ret)
{
    struct map_node *known = map_find(&side->packs, str_n((const char *)&id, sizeof(id)));
    if (known) {
        *ret = CONTAINER_OF(known, struct kept_pack, node);
        return 0;
    }
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(&side->db, STATEMENT_HOT_BODY);
    CLEANUP(buf_release) struct buf body = {0};
    db_bind_i64(find, 1, id);
    int rc = db_row(find);
    int err = rc == 1 ? pack_body_unpack(db_column_blob(find, 0), &body) : rc < 0 ? rc : ERR_CORRUPT;
    if (err < 0)
        return err;
    if (side->pack_bytes + body.len > PACKS_BYTES_MOST)
        forget_packs(side);
    struct kept_pack *pack = xcalloc(1, sizeof(*pack));
    pack->id = id;
    pack->body = body;
    body = (struct buf){0};
    side->pack_bytes += pack->body.len;
    map_insert(&side->packs, &pack->node, str_n((const char *)&pack->id, sizeof(pack->id)));
    *ret = pack;
    return 0;
}

static int fresh_chunk(struct sqlite_side *side, const struct hot_piece *piece, struct chunk **ret)
{
    struct kept_pack *pack = NULL;
    int err = pack_of(side, piece->id, &pack);
    if (err == 0)
        err = pack_chunk(&pack->body, piece, ret);
    return err < 0 ? err : 1;
}

static int merged_chunk(struct sqlite_side *side, int64_t id, struct chunk **ret)
{
    CLEANUP(db_reset) sqlite3_stmt *body = db_statement(&side->db, STATEMENT_CHUNK_BODY);
    db_bind_i64(body, 1, id);
    int rc = db_row(body);
    if (rc <= 0)
        return rc;
    struct str bytes = db_column_blob(body, 0);
    if (bytes.len == 0)
        return ERR_COLD;
    int err = chunk_decode_stored(bytes.data, bytes.len, ret);
    return err < 0 ? err : 1;
}

static int chunk_at(struct copy_side *base, int64_t row, uint64_t at, struct chunk **ret)
{
    struct sqlite_side *side = side_of(base);
    struct hot_piece piece;
    if (hot_pieces(&side->hot, row, at, false, &piece, 1) == 1 && piece.first == at)
        return fresh_chunk(side, &piece, ret);
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(&side->db, STATEMENT_CHUNKS_FROM);
    db_bind_i64(find, 1, row);
    db_bind_u64(find, 2, at);
    db_bind_i64(find, 3, 1);
    int rc = db_row(find);
    return rc == 1 && db_column_u64(find, 1) == at ? merged_chunk(side, db_column_i64(find, 0), ret) : MIN(rc, 0);
}

// --- What the log is ahead

static int keep_log(struct sqlite_side *side, const struct hot_entry *entry)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *keep = sql_prepare(side->base.sql, "INSERT INTO temp.ahead VALUES(?1, ?2, ?3, ?4)");
    sql_bind_i64(keep, 1, entry->row);
    sql_bind_u64(keep, 2, entry->state.next);
    sql_bind_u64(keep, 3, entry->state.digest);
    sql_bind_u64(keep, 4, entry->state.message_bytes);
    return sql_run(keep, NULL);
}

struct keeping {
    struct sqlite_side *side;
    int64_t row;
    int err;
};

static void keep_producer(struct map_node *node, void *arg)
{
    struct keeping *keeping = arg;
    const struct hot_producer *producer = &CONTAINER_OF(node, struct hot_known, node)->producer;
    const struct producer_state *state = &producer->state;
    if (keeping->err < 0)
        return;
    CLEANUP(sql_statement_free)
    struct sql_statement *keep =
        sql_prepare(keeping->side->base.sql, "INSERT INTO temp.ahead_producers VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    sql_bind_i64(keep, 1, keeping->row);
    sql_bind_text(keep, 2, str_of(producer->name));
    sql_bind_u64(keep, 3, state->sequence.next);
    sql_bind_u64(keep, 4, state->sequence.last_hash);
    sql_bind_u64(keep, 5, state->last_counter);
    sql_bind_u64(keep, 6, state->last_sequence);
    if (state->sequence.digest_unknown)
        sql_bind_null(keep, 7, SQL_INTEGER);
    else
        sql_bind_u64(keep, 7, state->sequence.digest);
    keeping->err = sql_run(keep, NULL);
}

static int keep_ahead(struct sqlite_side *side)
{
    CLEANUP(free_ptr) int64_t *rows = NULL;
    size_t count = hot_executions(&side->hot, INT64_MAX, &rows);
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        const struct hot_entry *entry = hot_peek(&side->hot, rows[i]);
        struct keeping keeping = {.side = side, .row = rows[i]};
        err = keep_log(side, entry);
        map_each((struct map *)(uintptr_t)&entry->producers, keep_producer, &keeping); // which changes nothing there
        err = err < 0 ? err : keeping.err;
    }
    return err;
}

#define COLUMNS \
    "SELECT name, type, pk FROM pragma_table_info(?1, 'main') ORDER BY CASE pk WHEN 0 THEN 1000 ELSE pk END, name"

static int view_executions(struct sqlite_side *side)
{
    static const struct {
        const char *column, *ahead;
    } newer[] = {{"next_sequence", "next"}, {"digest", "digest"}, {"message_bytes", "bytes"}};
    CLEANUP(buf_release) struct buf text = {0};
    CLEANUP(sql_statement_free) struct sql_statement *columns = sql_prepare(side->base.sql, COLUMNS);
    buf_append_text(&text, "CREATE TEMP VIEW executions AS SELECT ");
    sql_bind_text(columns, 1, STR("executions"));
    int rc;
    for (size_t i = 0; (rc = sql_row(columns)) == 1; i++) {
        struct str name = sql_text(columns, 0);
        const char *ahead = NULL;
        for (size_t n = 0; n < ARRAY_LEN(newer); n++)
            if (str_eq(name, str_of(newer[n].column)))
                ahead = newer[n].ahead;
        buf_append_text(&text, i > 0 ? ", " : "");
        if (ahead)
            buf_printf(&text, "coalesce(a.%s, e.%.*s) AS %.*s", ahead, STR_ARGS(name), STR_ARGS(name));
        else
            buf_printf(&text, "e.%.*s", STR_ARGS(name));
    }
    buf_append_text(&text, " FROM main.executions e LEFT JOIN temp.ahead a ON a.execution = e.id");
    return rc < 0 ? rc : db_exec(&side->db, buf_cstr(&text));
}

static int view_newest(struct sqlite_side *side)
{
    static const char tables[] =
        "CREATE TEMP TABLE ahead(execution INTEGER PRIMARY KEY, next INTEGER, digest INTEGER, bytes INTEGER);"
        "CREATE TEMP TABLE ahead_producers(execution INTEGER, producer TEXT, next INTEGER, last_hash INTEGER,"
        "  last_counter INTEGER, last_sequence INTEGER, digest INTEGER, PRIMARY KEY(execution, producer)) WITHOUT "
        "ROWID;"
        "CREATE TEMP VIEW producers AS"
        "  SELECT execution, producer, next, last_hash, last_counter, last_sequence, digest FROM temp.ahead_producers"
        "  UNION ALL SELECT execution, producer, next, last_hash, last_counter, last_sequence, digest"
        "  FROM main.producers p WHERE NOT EXISTS (SELECT 1 FROM temp.ahead_producers a"
        "    WHERE a.execution = p.execution AND a.producer = p.producer)";
    if (side->hot.pieces == 0)
        return 0;
    int err = db_exec(&side->db, tables);
    if (err == 0)
        err = keep_ahead(side);
    return err < 0 ? err : view_executions(side);
}

// --- Opening

static void side_free(struct copy_side *base)
{
    struct sqlite_side *side = side_of(base);
    forget_packs(side);
    map_release(&side->packs);
    hot_release(&side->hot);
    db_close(&side->db);
    close_fd(&side->lock_fd);
    free(side);
}

static const struct copy_kind sqlite_kind = {
    .tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    .columns = COLUMNS,
    .numbers = "SELECT name, seq FROM sqlite_sequence WHERE name <> 'chunks' ORDER BY name",
    .insert = insert,
    .set_number = set_number,
    .chunk = chunk_at,
    .add = add,
    .flush = nothing,
    .finish = nothing,
    .check_idle = is_idle,
    .free = side_free,
};

static struct sqlite_side *side_new(const char *path)
{
    struct sqlite_side *side = xcalloc(1, sizeof(*side));
    side->base.kind = &sqlite_kind;
    side->base.name = xstrdup(path);
    side->lock_fd = -1;
    hot_init(&side->hot);
    map_init(&side->packs);
    return side;
}

static int read_failed(struct sqlite_side *side, int err, struct buf *ret_error)
{
    if (err < 0 && ret_error->len == 0) {
        CLEANUP(free_ptr) char *reason = side->db.handle ? db_reason(&side->db) : xstrdup(error_text(err));
        buf_printf(ret_error, "cannot read %s: %s", side->base.name, reason);
    }
    return err;
}

// What a start would have to put right first, is not read.
static int check_wal(struct sqlite_side *side, struct buf *ret_error)
{
    struct wal_facts facts;
    int err = wal_facts_read(side->base.name, &facts);
    if (err < 0)
        return ERR_UNAVAILABLE;
    struct wal_judgement judgement = wal_judge(&facts);
    if (judgement.lost == 0 && judgement.verdict != WAL_OTHERS && judgement.verdict != WAL_UNKNOWN)
        return 0;
    buf_printf(ret_error, "%s and its write-ahead log do not go together: start a server on it first, which says more",
               side->base.name);
    return ERR_CONFLICT;
}

static int open_source(struct sqlite_side *side, struct buf *ret_error)
{
    const char *path = side->base.name;
    int version = 0;
    int64_t last = 0;
    int err = store_lock(path, ret_error, &side->lock_fd);
    if (err == 0)
        err = check_wal(side, ret_error);
    if (err == 0)
        err = db_open(&side->db, path, NULL, DB_READER);
    side->base.sql = side->db.sql;
    if (err == 0)
        err = store_check_version(&side->db, path, ret_error, &version);
    if (err == 0)
        err = copy_source_check(side->base.sql, path, version, ret_error);
    if (err == 0)
        err = store_hot_load(&side->db, &side->hot, &last);
    return err < 0 ? err : view_newest(side);
}

int sqlite_copy_from(const char *path, struct copy_side **ret, struct buf *ret_error)
{
    if (access(path, F_OK) < 0) {
        buf_printf(ret_error, "there is no store at %s: %s", path, strerror(errno));
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    struct sqlite_side *side = side_new(path);
    int err = read_failed(side, open_source(side, ret_error), ret_error);
    if (err < 0) {
        struct copy_side *base = &side->base;
        copy_side_free(&base);
        return err;
    }
    *ret = &side->base;
    return 0;
}

// What a former store has left there is not of this one: a mark would tell of commits that it never had. A log that
// holds something may be needed.
static int clear_beside(const char *path, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *wal = xasprintf("%s-wal", path), *mark = xasprintf("%s.wal-mark", path);
    struct stat info;
    if (stat(path, &info) == 0 && info.st_size > 0)
        return 0;
    if (stat(wal, &info) == 0 && info.st_size > 0) {
        buf_printf(ret_error, "%s is not there, but its write-ahead log is: move %s away, or name another folder", path,
                   wal);
        return ERR_CONFLICT;
    }
    unlink(wal);
    unlink(mark);
    return 0;
}

// It stays in rollback mode until a server opens it, so that no WAL can be taken for its own.
static int open_target(struct sqlite_side *side, struct buf *ret_error)
{
    const char *path = side->base.name;
    int version = 0;
    int err = store_lock(path, ret_error, &side->lock_fd);
    if (err == 0)
        err = clear_beside(path, ret_error);
    if (err == 0)
        err = db_open(&side->db, path, NULL, DB_WRITER);
    side->base.sql = side->db.sql;
    if (err == 0)
        err = store_check_file(&side->db, path, ret_error, &version);
    if (err == 0)
        err = copy_target_check(side->base.sql, path, version, ret_error);
    return err < 0 ? err : store_prepare(&side->db, path, PAGE_SIZE, version, schema_newest(), false, ret_error);
}

int sqlite_copy_to(const char *path, struct copy_side **ret, struct buf *ret_error)
{
    struct sqlite_side *side = side_new(path);
    int err = read_failed(side, open_target(side, ret_error), ret_error);
    if (err < 0) {
        struct copy_side *base = &side->base;
        copy_side_free(&base);
        return err;
    }
    *ret = &side->base;
    return 0;
}
