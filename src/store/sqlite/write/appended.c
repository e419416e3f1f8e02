#include "store/sqlite/write/appended.h"

#include "store/sqlite/log/chunks.h"
#include "store/sqlite/sqlite_private.h"

int appended_flush(struct sqlite_store *store)
{
    struct appended *appended = &store->appended;
    if (appended->pack.count == 0)
        return 0;
    pack_builder_finish(&appended->pack, &appended->pack_meta, &appended->pack_body);
    pack_builder_reset(&appended->pack);
    sqlite3_stmt *insert = db_statement(&store->db, STATEMENT_HOT_INSERT);
    db_bind_i64(insert, 1, appended->hot_id);
    db_bind_blob(insert, 2, buf_str(&appended->pack_meta));
    db_bind_blob(insert, 3, buf_str(&appended->pack_body));
    return db_run(insert);
}

static int make_room(struct sqlite_store *store, size_t body_len)
{
    const struct pack_builder *pack = &store->appended.pack;
    bool fits = pack->count == 0 || pack_builder_offset(pack) + body_len <= PACK_BODY_BYTES;
    return fits ? 0 : appended_flush(store);
}

static void add_to_pack(struct sqlite_store *store, struct pack_entry *entry, struct str body)
{
    struct pack_builder *pack = &store->appended.pack;
    if (pack->count == 0)
        store->appended.hot_id++;
    entry->piece.id = store->appended.hot_id;
    entry->piece.offset = pack_builder_offset(pack);
    pack_builder_add(pack, entry, body);
    // Before the commit: a reader that sees the execution's new end in the database must find the piece here.
    hot_add(&store->hot, entry->row, &entry->piece);
}

static void remember(struct appended *appended, const struct pack_entry *entry)
{
    if (appended->count == appended->cap) {
        appended->cap = appended->cap ? appended->cap * 2 : 64;
        appended->entries = xrealloc(appended->entries, appended->cap * sizeof(*appended->entries));
    }
    appended->entries[appended->count++] = (struct appended_entry){
        .row = entry->row,
        .state = entry->state,
        .producer = entry->producer.len > 0 ? str_dup(entry->producer) : NULL,
        .producer_state = entry->producer_state,
    };
}

int appended_add(struct transaction *tx, const struct log_append *append)
{
    struct sqlite_store *store = sqlite_store_of(&tx->session.engine->base);
    const struct chunk *chunk = append->chunk;
    int64_t row = append->head->row;
    bool direct = chunk_raw(chunk) >= CHUNK_DIRECT;
    struct str body = direct ? STR("") : chunk_encoded(chunk);
    int err = direct ? chunk_insert(&store->db, row, append->first, chunk) : make_room(store, body.len);
    if (err < 0)
        return err;
    struct pack_entry entry = {
        .row = row,
        .piece = {.first = append->first,
                  .count = chunk_count(chunk),
                  .raw = (uint32_t)chunk_raw(chunk),
                  .stored = (uint32_t)body.len,
                  .time_max = chunk_time_max(chunk)},
        .state = append->state,
        .producer = append->producer,
        .producer_state = append->producer_state,
    };
    remember(&store->appended, &entry);
    add_to_pack(store, &entry, body);
    return 0;
}

static void reset(struct appended *appended)
{
    for (size_t i = 0; i < appended->count; i++)
        free(appended->entries[i].producer);
    appended->count = 0;
    pack_builder_reset(&appended->pack);
}

void appended_committed(struct sqlite_store *store)
{
    struct appended *appended = &store->appended;
    for (size_t i = 0; i < appended->count; i++) {
        const struct appended_entry *entry = &appended->entries[i];
        hot_confirm(&store->hot, entry->row, &entry->state, str_of(entry->producer), &entry->producer_state);
    }
    reset(appended);
}

void appended_rolled_back(struct sqlite_store *store)
{
    struct appended *appended = &store->appended;
    for (size_t i = appended->count; i > 0; i--)
        hot_remove_last(&store->hot, appended->entries[i - 1].row);
    reset(appended);
}

void appended_release(struct appended *appended)
{
    reset(appended);
    free(appended->entries);
    pack_builder_release(&appended->pack);
    buf_release(&appended->pack_meta);
    buf_release(&appended->pack_body);
}
