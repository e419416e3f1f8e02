#include "store/postgres/appends.h"

#include "store/engine/write/transaction.h"
#include "store/postgres/arrays.h"
#include "store/postgres/copy_rows.h"
#include "store/postgres/days.h"
#include "store/postgres/event_rows.h"
#include "store/postgres/postgres_private.h"

#define LISTED_MAX     65536
#define COPY_FROM      33   // chunks: fewer are inserted by the statement that is sent with the commit, without a wait
#define MERGE_FIRST_MS 5000 // from the first append until somebody looks whether there is something to merge

struct listed_log {
    struct map_node node;
    int64_t row; // key of the map
};

void appends_init(struct appends *appends)
{
    ends_init(&appends->rows);
    ends_init(&appends->entries);
    map_init(&appends->listed);
}

static void release_arrays(struct buf *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_release(&arrays[i]);
}

void appends_release(struct appends *appends)
{
    appends_reset(appends, false);
    ends_release(&appends->rows);
    ends_release(&appends->entries);
    map_release(&appends->listed);
    buf_release(&appends->chunks);
    buf_release(&appends->events);
    release_arrays(appends->places, ARRAY_LEN(appends->places));
    release_arrays(appends->heads, ARRAY_LEN(appends->heads));
    release_arrays(appends->states, ARRAY_LEN(appends->states));
    release_arrays(appends->unmerged, ARRAY_LEN(appends->unmerged));
    buf_release(&appends->homeless);
    buf_release(&appends->journal);
}

static void forget_listed(struct map_node *node, void *arg)
{
    struct appends *appends = arg;
    map_remove(&appends->listed, node);
    free(CONTAINER_OF(node, struct listed_log, node));
}

void appends_reset(struct appends *appends, bool committed)
{
    if (!committed)
        map_each(&appends->listed, forget_listed, appends);
    ends_clear(&appends->rows);
    ends_clear(&appends->entries);
    buf_reset(&appends->journal);
    buf_reset(&appends->chunks);
    buf_reset(&appends->events);
    appends->chunk_count = 0;
    for (size_t i = 0; i < ARRAY_LEN(appends->places); i++)
        buf_reset(&appends->places[i]);
}

// --- Gathering

void chunk_row_add(struct buf *out, int64_t row, uint64_t first, const struct chunk *chunk, bool merged)
{
    char is_merged = (char)merged;
    copy_row(out, 8);
    copy_int8(out, (uint64_t)row);
    copy_int8(out, first);
    copy_int4(out, chunk_count(chunk));
    copy_int8(out, (uint64_t)chunk_time_min(chunk));
    copy_int8(out, (uint64_t)chunk_time_max(chunk));
    copy_int8(out, chunk_raw(chunk));
    copy_bytes(out, str_n(&is_merged, 1));
    copy_bytes(out, chunk_encoded(chunk));
}

static void note_place(struct appends *appends, int64_t row, const struct log_append *append)
{
    const struct chunk *chunk = append->chunk;
    size_t len = chunk_encoded(chunk).len;
    const int64_t values[APPENDS_PLACES] = {
        row,
        (int64_t)append->first,
        chunk_count(chunk),
        chunk_time_min(chunk),
        chunk_time_max(chunk),
        (int64_t)chunk_raw(chunk),
        (int64_t)(appends->chunks.len - len) + 1, // SQL counts from 1
        (int64_t)len,
    };
    for (size_t i = 0; i < APPENDS_PLACES; i++)
        array_add_i64(&appends->places[i], values[i]);
}

int appends_add(struct transaction *tx, const struct log_append *append)
{
    struct appends *appends = &postgres_store_of(&tx->session.engine->base)->appends;
    int64_t row = append->head->row;
    chunk_row_add(&appends->chunks, row, append->first, append->chunk, false);
    if (++appends->chunk_count < COPY_FROM)
        note_place(appends, row, append);
    if (appends->event_rows)
        event_rows_add(&appends->events, row, append->first, append->chunk);
    struct ends *into = head_is_trusted(&tx->heads, append->head) ? &appends->entries : &appends->rows;
    struct ends_log *log = ends_set(into, row, &append->state);
    if (append->producer.len > 0)
        ends_set_producer(into, log, append->producer, &append->producer_state);
    return 0;
}

// --- Writing

static void arrays_begin(struct buf *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_reset(&arrays[i]);
}

// Binds them as the first parameters.
static struct sql_statement *arrays_bind(struct buf *arrays, size_t count, struct sql *sql,
                                         enum postgres_statement number)
{
    struct sql_statement *statement = sql_statement(sql, number);
    for (size_t i = 0; i < count; i++) {
        array_end(&arrays[i]);
        sql_bind_text(statement, (int)i + 1, buf_str(&arrays[i]));
    }
    return statement;
}

static void list_unmerged(struct map_node *node, void *arg)
{
    struct appends *appends = arg;
    int64_t row = CONTAINER_OF(node, struct ends_log, node)->row;
    if (map_find(&appends->listed, str_n((const char *)&row, sizeof(row))))
        return;
    struct listed_log *listed = xcalloc(1, sizeof(*listed));
    listed->row = row;
    map_insert(&appends->listed, &listed->node, str_n((const char *)&listed->row, sizeof(listed->row)));
    array_add_i64(appends->unmerged, row);
}

static struct sql_statement *flush_chunks(struct appends *appends, struct sql *sql)
{
    if (appends->chunk_count == 0 || appends->chunk_count >= COPY_FROM)
        return NULL;
    struct sql_statement *add = sql_statement(sql, POSTGRES_CHUNKS_ADD);
    sql_bind_bytes(add, 1, buf_str(&appends->chunks));
    for (size_t i = 0; i < ARRAY_LEN(appends->places); i++) {
        array_end(&appends->places[i]);
        sql_bind_text(add, (int)i + 2, buf_str(&appends->places[i]));
    }
    return add;
}

// NULL: all of them are listed.
static struct sql_statement *flush_unmerged(struct appends *appends, struct sql *sql, int64_t now_ms)
{
    if (now_ms - appends->listed_ms > APPENDS_LISTED_MS || appends->listed.count > LISTED_MAX) {
        map_each(&appends->listed, forget_listed, appends);
        appends->listed_ms = now_ms;
    }
    arrays_begin(appends->unmerged, ARRAY_LEN(appends->unmerged));
    map_each(&appends->rows.logs, list_unmerged, appends);
    map_each(&appends->entries.logs, list_unmerged, appends);
    if (appends->unmerged[0].len == 0)
        return NULL;
    struct sql_statement *add =
        arrays_bind(appends->unmerged, ARRAY_LEN(appends->unmerged), sql, POSTGRES_UNMERGED_ADD);
    sql_bind_i64(add, 2, now_ms + MERGE_FIRST_MS);
    return add;
}

// Whose ends are this server's to remember from now on is said with them.
static struct sql_statement *flush_heads(struct appends *appends, struct ends_log *const *logs, struct heads *heads,
                                         struct sql *sql)
{
    size_t count = appends->rows.logs.count;
    arrays_begin(appends->heads, ARRAY_LEN(appends->heads));
    ends_list_heads(logs, count, appends->heads);
    for (size_t i = 0; i < count; i++) {
        logs[i]->keeps = heads_may_keep(heads, logs[i]->row);
        array_add_u64(&appends->heads[ENDS_HEADS], logs[i]->keeps ? appends->sender : 0);
    }
    return arrays_bind(appends->heads, ARRAY_LEN(appends->heads), sql, POSTGRES_EXECUTIONS_APPENDED);
}

static struct sql_statement *flush_producers(struct appends *appends, struct ends_log *const *logs, struct sql *sql)
{
    arrays_begin(appends->states, ARRAY_LEN(appends->states));
    ends_list_states(logs, appends->rows.logs.count, appends->states);
    return appends->rows.producers.count == 0
               ? NULL
               : arrays_bind(appends->states, ARRAY_LEN(appends->states), sql, POSTGRES_PRODUCERS_SET);
}

static struct sql_statement *flush_journal(struct appends *appends, struct sql *sql, uint64_t number)
{
    buf_reset(&appends->journal);
    if (appends->entries.logs.count == 0)
        return NULL;
    struct sql_statement *add = sql_statement(sql, POSTGRES_JOURNAL_ADD);
    ends_encode(&appends->entries, &appends->journal);
    sql_bind_u64(add, 1, appends->sender);
    sql_bind_u64(add, 2, number);
    sql_bind_bytes(add, 3, buf_str(&appends->journal));
    return add;
}

// Somebody has dropped a table by hand, or an execution was begun when its day was about to end, and came late: any of
// them can be the one, so those that are there already are left alone.
static void list_part(struct map_node *node, void *arg)
{
    array_add_i64(arg, log_part(CONTAINER_OF(node, struct ends_log, node)->row));
}

static void note_homeless(struct appends *appends)
{
    buf_reset(&appends->homeless);
    map_each(&appends->rows.logs, list_part, &appends->homeless);
    map_each(&appends->entries.logs, list_part, &appends->homeless);
    array_end(&appends->homeless);
}

void appends_house(struct appends *appends, struct sql *sql)
{
    if (appends->homeless.len == 0)
        return;
    days_make_missing(sql, buf_str(&appends->homeless));
    buf_reset(&appends->homeless);
}

int appends_copy(struct appends *appends, struct sql *sql)
{
    bool many = appends->chunk_count >= COPY_FROM;
    int err = many ? sql_postgres_copy(sql, CHUNK_ROWS_COPY, buf_str(&appends->chunks)) : 0;
    if (err < 0 && sql_postgres_no_part(sql))
        note_homeless(appends);
    if (err == 0 && appends->events.len > 0)
        err = sql_postgres_copy(sql, EVENT_ROWS_COPY, buf_str(&appends->events));
    return err;
}

static struct sql_statement *flush_forgotten(struct appends *appends, struct sql *sql)
{
    struct sql_statement *forget = sql_statement(sql, POSTGRES_JOURNAL_FORGET);
    sql_bind_u64(forget, 1, appends->sender);
    sql_bind_u64(forget, 2, appends->needed_from);
    return forget;
}

int appends_commit(struct appends *appends, struct sql *sql, struct heads *heads, uint64_t number, int64_t now_ms)
{
    CLEANUP(free_ptr) struct ends_log **logs = ends_in_order(&appends->rows);
    struct sql_statement *const wanted[] = {
        flush_chunks(appends, sql),
        appends->rows.logs.count > 0 ? flush_heads(appends, logs, heads, sql) : NULL,
        flush_producers(appends, logs, sql),
        flush_journal(appends, sql, number),
        appends->needed_from > appends->needed_before ? flush_forgotten(appends, sql) : NULL,
        flush_unmerged(appends, sql, now_ms),
    };
    struct sql_statement *parts[ARRAY_LEN(wanted)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (wanted[i])
            parts[count++] = wanted[i];
    int err = count > 0 ? sql_postgres_together(sql, SQL_POSTGRES_COMMIT, parts, count) : sql_commit(sql);
    for (size_t i = 0; i < count; i++)
        sql_reset(&parts[i]);
    if (err < 0 && sql_postgres_no_part(sql))
        note_homeless(appends);
    return err;
}

static void note_written(struct map_node *node, void *arg)
{
    const struct ends_log *log = CONTAINER_OF(node, struct ends_log, node);
    heads_written(arg, log->row, log->keeps);
}

void appends_committed(struct appends *appends, struct heads *heads, struct journal *journal, uint64_t number)
{
    const struct journal_entry entry = {.number = number, .bytes = appends->journal.len};
    map_each(&appends->rows.logs, note_written, heads);
    journal_committed(journal, &appends->entries, &entry, &appends->rows, appends->needed_from, clock_mono_ms());
    appends->needed_before = appends->needed_from;
}
