// Chunks whose bodies lie elsewhere: what may go there, where it has gone, and what is still wanted of it.
#include "store/cold.h"

#include "store/catalogue/jobs.h"
#include "store/catalogue/parts.h"
#include "store/copy/meta.h"

#define SCHEMA         24 // from this one on programs can read what was moved
#define BODIES_AT_ONCE 64
#define SLICE          1024         // places that are forgotten at once
#define BACKLOG_MAX    10000        // that are counted
#define OWNER          "cold_owner" // of meta: FOUND NEXT

// --- Looking for what may go

struct gathering {
    struct sql *sql;
    struct store_cold_look *look;
    size_t cap;
    bool full;
};

static struct cold_found *found_new(struct cold_found **items, size_t *count, size_t *cap)
{
    if (*count == *cap) {
        *cap = MAX((size_t)64, *cap * 2);
        *items = xrealloc(*items, *cap * sizeof(**items));
    }
    struct cold_found *found = &(*items)[(*count)++];
    *found = (struct cold_found){0};
    return found;
}

static void take_body(struct gathering *it, int64_t row, const char *execution_id, const struct sql_statement *chunk)
{
    struct store_cold_look *look = it->look;
    struct str body = sql_bytes(chunk, 3);
    look->cursor.first = sql_u64(chunk, 0) + sql_u64(chunk, 1);
    if (body.len == 0)
        return; // it has gone already
    struct cold_found *found = found_new(&look->ret_found, &look->ret_count, &it->cap);
    *found = (struct cold_found){
        .row = row,
        .first = sql_u64(chunk, 0),
        .count = (uint32_t)sql_u64(chunk, 1),
        .raw = (size_t)sql_u64(chunk, 2),
        .place = {.at = look->ret_bodies.len, .len = (uint32_t)body.len},
    };
    snprintf(found->execution_id, sizeof(found->execution_id), "%s", execution_id);
    buf_append_str(&look->ret_bodies, body);
    it->full = look->ret_bodies.len >= COLD_PACK_BYTES || look->ret_count == COLD_CHUNKS_MAX;
}

// Takes a slice of the chunks of one execution. Returns 1 if there may be more, 0 at their end.
static int take_slice(struct gathering *it, int64_t row, const char *execution_id)
{
    CLEANUP(sql_reset) struct sql_statement *bodies = sql_statement_of(it->sql, CATALOGUE_COLD_BODIES, log_part(row));
    sql_bind_i64(bodies, 1, row);
    sql_bind_u64(bodies, 2, it->look->cursor.first);
    sql_bind_i64(bodies, 3, BODIES_AT_ONCE);
    int rc = 1;
    for (unsigned n = 0; n < BODIES_AT_ONCE && !it->full && (rc = sql_row(bodies)) == 1; n++)
        take_body(it, row, execution_id, bodies);
    return rc;
}

int catalogue_cold_take(struct sql *sql, struct store_cold_look *look, int64_t row, const char *execution_id,
                        bool *ret_full)
{
    struct gathering it = {.sql = sql, .look = look, .cap = look->ret_count};
    int rc = 1;
    while (rc == 1 && !it.full)
        rc = take_slice(&it, row, execution_id);
    *ret_full = it.full;
    if (rc == 0 && !it.full)
        look->ret_rows[look->ret_row_count++] = row;
    return MIN(rc, 0);
}

int catalogue_cold_warm(struct sql *sql, const struct store_cold_look *look, struct cold_warm *ret, size_t max,
                        size_t *ret_count)
{
    CLEANUP(sql_reset) struct sql_statement *warm = sql_statement(sql, CATALOGUE_COLD_WARM);
    sql_bind_i64(warm, 1, look->sealed_by_ms);
    sql_bind_i64(warm, 2, look->cursor.sealed_ms);
    sql_bind_i64(warm, 3, look->cursor.row);
    sql_bind_i64(warm, 4, (int64_t)max);
    int rc = 0;
    for (*ret_count = 0; *ret_count < max && (rc = sql_row(warm)) == 1; ++*ret_count) {
        struct cold_warm *it = &ret[*ret_count];
        struct str id = sql_text(warm, 2);
        *it = (struct cold_warm){.row = sql_i64(warm, 0), .sealed_ms = sql_i64(warm, 1)};
        snprintf(it->execution_id, sizeof(it->execution_id), "%.*s", STR_ARGS(id));
    }
    return MIN(rc, 0);
}

int catalogue_cold_backlog(struct sql *sql, struct store_cold_backlog *query)
{
    struct sql_statement *count = sql_statement(sql, CATALOGUE_COLD_BACKLOG);
    int64_t waiting = 0;
    sql_bind_i64(count, 1, query->sealed_by_ms);
    sql_bind_i64(count, 2, BACKLOG_MAX);
    int err = sql_number(count, &waiting);
    struct store_cold_look first = {.sealed_by_ms = query->sealed_by_ms};
    struct cold_warm oldest;
    size_t found = 0;
    if (err == 0)
        err = catalogue_cold_warm(sql, &first, &oldest, 1, &found);
    query->ret_waiting = (uint64_t)waiting;
    query->ret_oldest_ms = err == 0 && found > 0 ? oldest.sealed_ms : 0;
    return err;
}

// --- Changing places

static int add_place(struct sql *sql, const struct cold_found *it, int64_t pack, uint64_t *ret_changes)
{
    struct sql_statement *add = sql_statement(sql, CATALOGUE_COLD_ADD);
    sql_bind_i64(add, 1, it->row);
    sql_bind_u64(add, 2, it->first);
    sql_bind_i64(add, 3, it->count);
    sql_bind_u64(add, 4, it->raw);
    sql_bind_i64(add, 5, pack);
    sql_bind_u64(add, 6, it->place.at);
    sql_bind_i64(add, 7, it->place.len);
    sql_bind_u64(add, 8, it->place.checksum);
    return sql_run(add, ret_changes);
}

static int empty_body(struct sql *sql, const struct cold_found *it, uint64_t *ret_changes)
{
    struct sql_statement *chill = sql_statement_of(sql, CATALOGUE_COLD_CHILL, log_part(it->row));
    sql_bind_i64(chill, 1, it->row);
    sql_bind_u64(chill, 2, it->first);
    sql_bind_i64(chill, 3, it->count);
    sql_bind_bytes(chill, 4, STR(""));
    return sql_run(chill, ret_changes);
}

int catalogue_cold_chill(struct sql *sql, const struct cold_found *it, int64_t pack, bool *ret_done)
{
    uint64_t added = 0, emptied = 0;
    int err = add_place(sql, it, pack, &added);
    if (err == 0 && added > 0)
        err = empty_body(sql, it, &emptied);
    if (err == 0 && added > emptied) {
        struct sql_statement *remove = sql_statement(sql, CATALOGUE_COLD_REMOVE);
        sql_bind_i64(remove, 1, it->row);
        sql_bind_u64(remove, 2, it->first);
        err = sql_run(remove, NULL);
    }
    *ret_done = emptied > 0;
    return err;
}

static int pack_lose(struct sql *sql, int64_t pack, uint64_t bytes, uint64_t chunks)
{
    struct sql_statement *lose = sql_statement(sql, CATALOGUE_COLD_PACK_LOSE);
    sql_bind_i64(lose, 1, pack);
    sql_bind_u64(lose, 2, bytes);
    sql_bind_u64(lose, 3, chunks);
    return chunks > 0 ? sql_run(lose, NULL) : 0;
}

int catalogue_cold_move(struct sql *sql, const struct cold_found *it, int64_t from, int64_t pack, bool *ret_done)
{
    uint64_t moved = 0;
    struct sql_statement *move = sql_statement(sql, CATALOGUE_COLD_MOVE);
    sql_bind_i64(move, 1, it->row);
    sql_bind_u64(move, 2, it->first);
    sql_bind_i64(move, 3, from);
    sql_bind_i64(move, 4, pack);
    sql_bind_u64(move, 5, it->place.at);
    int err = sql_run(move, &moved);
    *ret_done = moved > 0;
    return err == 0 && moved > 0 ? pack_lose(sql, from, it->place.len, 1) : err;
}

static int older_servers(struct sql *sql)
{
    int64_t older = 0;
    struct sql_statement *count = sql_statement(sql, CATALOGUE_COLD_OLDER);
    sql_bind_i64(count, 1, NODE_SERVER);
    sql_bind_i64(count, 2, NODE_SILENT_MS);
    sql_bind_i64(count, 3, SCHEMA);
    int err = sql_number(count, &older);
    return err < 0 ? err : older > 0 ? ERR_HELD : 0;
}

// A server that starts holds the row of schema_reader until it is a node, so the second look finds it.
int catalogue_cold_readers(struct sql *sql)
{
    int err = older_servers(sql);
    if (err < 0)
        return err;
    struct sql_statement *raise = sql_statement(sql, CATALOGUE_COLD_READERS);
    sql_bind_i64(raise, 1, SCHEMA);
    err = sql_run(raise, NULL);
    if (err == 0)
        err = older_servers(sql);
    return err == ERR_HELD ? sql_outrun(sql) : err;
}

int catalogue_cold_pack_add(struct sql *sql, const char *object, int64_t made_ms, int64_t *ret_pack)
{
    struct sql_statement *add = sql_statement(sql, CATALOGUE_COLD_PACK_ADD);
    sql_bind_text(add, 1, str_of(object));
    sql_bind_i64(add, 2, made_ms);
    return sql_insert(add, ret_pack);
}

int catalogue_cold_pack_fill(struct sql *sql, int64_t pack, uint64_t bytes, uint64_t chunks)
{
    if (chunks == 0)
        return run_of(sql, CATALOGUE_COLD_PACK_DELETE, pack);
    struct sql_statement *fill = sql_statement(sql, CATALOGUE_COLD_PACK_FILL);
    sql_bind_i64(fill, 1, pack);
    sql_bind_u64(fill, 2, bytes);
    sql_bind_u64(fill, 3, chunks);
    return sql_run(fill, NULL);
}

int catalogue_cold_set(struct sql *sql, int64_t row)
{
    return run_of(sql, CATALOGUE_COLD_SET, row);
}

// --- What is not wanted any more

struct losing { // bytes of one pack
    int64_t pack;
    uint64_t bytes, chunks;
};

static int lose_slice(struct sql *sql, int64_t row, uint64_t end, uint64_t *ret_last, size_t *ret_count)
{
    struct losing lost[SLICE];
    size_t packs = 0;
    CLEANUP(sql_reset) struct sql_statement *slice = sql_statement(sql, CATALOGUE_COLD_SLICE);
    sql_bind_i64(slice, 1, row);
    sql_bind_i64(slice, 2, end > INT64_MAX ? INT64_MAX : (int64_t)end);
    sql_bind_i64(slice, 3, SLICE);
    int rc = 0;
    for (*ret_count = 0; *ret_count < SLICE && (rc = sql_row(slice)) == 1; ++*ret_count) {
        int64_t pack = sql_i64(slice, 1);
        if (packs == 0 || lost[packs - 1].pack != pack)
            lost[packs++] = (struct losing){.pack = pack};
        lost[packs - 1].bytes += sql_u64(slice, 2);
        lost[packs - 1].chunks++;
        *ret_last = sql_u64(slice, 0);
    }
    sql_reset(&slice);
    int err = MIN(rc, 0);
    for (size_t i = 0; i < packs && err == 0; i++)
        err = pack_lose(sql, lost[i].pack, lost[i].bytes, lost[i].chunks);
    return err;
}

int catalogue_cold_forget(struct sql *sql, int64_t row, uint64_t end, bool *ret_more)
{
    uint64_t last = 0;
    size_t count = 0;
    int err = lose_slice(sql, row, end, &last, &count);
    *ret_more = count == SLICE;
    if (err < 0 || count == 0)
        return err;
    struct sql_statement *remove = sql_statement(sql, CATALOGUE_COLD_REMOVE_TO);
    sql_bind_i64(remove, 1, row);
    sql_bind_u64(remove, 2, last);
    return sql_run(remove, NULL);
}

int catalogue_cold_drop(struct sql *sql, int64_t pack)
{
    int64_t found = 0;
    int err = number_of(sql, CATALOGUE_COLD_PACK_EMPTY, pack, &found);
    if (err < 0)
        return err == ERR_NOT_FOUND ? ERR_CONFLICT : err;
    return run_of(sql, CATALOGUE_COLD_PACK_DELETE, pack);
}

// What is there is the mark that was found last, if the one behind it did not arrive, or that one.
int catalogue_cold_own(struct sql *sql, const struct store_cold_own *own)
{
    CLEANUP(buf_release) struct buf known = {0}, marks = {0};
    int rc = copy_meta_get(sql, OWNER, &known);
    if (rc < 0)
        return rc;
    struct str next = buf_str(&known), found = str_split(&next, ' ');
    if (own->found.len > 0 && !str_eq(own->found, next) && !str_eq(own->found, found))
        return ERR_CONFLICT;
    buf_append_str(&marks, own->found);
    buf_append_byte(&marks, ' ');
    buf_append_str(&marks, own->next);
    return copy_meta_set(sql, OWNER, buf_str(&marks));
}

static void found_of(const struct sql_statement *row, int64_t pack, struct cold_found *ret)
{
    struct str id = sql_text(row, 7);
    *ret = (struct cold_found){
        .row = sql_i64(row, 0),
        .pack = pack,
        .first = sql_u64(row, 1),
        .count = (uint32_t)sql_u64(row, 2),
        .raw = (size_t)sql_u64(row, 3),
        .place = {sql_u64(row, 4), (uint32_t)sql_u64(row, 5), sql_u64(row, 6)},
    };
    snprintf(ret->execution_id, sizeof(ret->execution_id), "%.*s", STR_ARGS(id));
}

int catalogue_cold_sparse(struct sql *sql, struct store_cold_sparse *query)
{
    size_t cap = 0;
    struct sql_statement *sparse = sql_statement(sql, CATALOGUE_COLD_PACK_SPARSE);
    sql_bind_i64(sparse, 1, query->after);
    int rc = sql_row(sparse);
    query->ret_pack = rc == 1 ? sql_i64(sparse, 0) : 0;
    snprintf(query->ret_object, sizeof(query->ret_object), "%.*s", STR_ARGS(rc == 1 ? sql_text(sparse, 1) : STR("")));
    sql_reset(&sparse);
    if (rc <= 0)
        return rc;
    CLEANUP(sql_reset) struct sql_statement *chunks = sql_statement(sql, CATALOGUE_COLD_PACK_CHUNKS);
    sql_bind_i64(chunks, 1, query->ret_pack);
    sql_bind_i64(chunks, 2, COLD_CHUNKS_MAX);
    while ((rc = sql_row(chunks)) == 1)
        found_of(chunks, query->ret_pack, found_new(&query->ret_found, &query->ret_count, &cap));
    return rc;
}

int catalogue_cold_known(struct sql *sql, const struct store_cold_known *query)
{
    int err = 0;
    for (size_t i = 0; i < query->count && err == 0; i++) {
        int64_t id;
        struct sql_statement *find = sql_statement(sql, CATALOGUE_COLD_PACK_FIND);
        sql_bind_text(find, 1, str_of(query->names[i]));
        err = sql_number(find, &id);
        query->ret_known[i] = err == 0;
        err = err == ERR_NOT_FOUND ? 0 : err;
    }
    return err;
}

// --- Where bodies are

int catalogue_cold_places(struct sql *sql, int64_t row, uint64_t first, bool backward, struct cold_body *ret,
                          size_t max, size_t *ret_count)
{
    CLEANUP(sql_reset)
    struct sql_statement *places = sql_statement(sql, backward ? CATALOGUE_COLD_BEFORE : CATALOGUE_COLD_FROM);
    sql_bind_i64(places, 1, row);
    sql_bind_u64(places, 2, first);
    sql_bind_i64(places, 3, (int64_t)max);
    int rc = 0;
    for (*ret_count = 0; *ret_count < max && (rc = sql_row(places)) == 1; ++*ret_count) {
        struct str object = sql_text(places, 5);
        struct cold_body *body = &ret[*ret_count];
        *body = (struct cold_body){
            .row = row,
            .first = sql_u64(places, 0),
            .raw = (size_t)sql_u64(places, 1),
            .place = {sql_u64(places, 2), (uint32_t)sql_u64(places, 3), sql_u64(places, 4)},
        };
        snprintf(body->object, sizeof(body->object), "%.*s", STR_ARGS(object));
    }
    return MIN(rc, 0);
}
