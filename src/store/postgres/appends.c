#include "store/postgres/appends.h"

#include "store/engine/write/transaction.h"
#include "store/postgres/arrays.h"
#include "store/postgres/copy_rows.h"
#include "store/postgres/days.h"
#include "store/postgres/event_rows.h"
#include "store/postgres/postgres_private.h"

#define LISTED_MAX     65536
#define MERGE_FIRST_MS 5000 // from the first append until somebody looks whether there is something to merge

struct appended_log {
    struct map_node node;
    int64_t row;      // key of the map
    uint32_t version; // that the row had
    bool guessed;     // rightly
    struct log_state state;
};

struct listed_log {
    struct map_node node;
    int64_t row; // key of the map
};

struct appended_producer {
    struct map_node node;
    struct buf key; // the execution's bytes, and the name
    struct producer_state state;
};

void appends_init(struct appends *appends)
{
    map_init(&appends->logs);
    map_init(&appends->producers);
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
    map_release(&appends->logs);
    map_release(&appends->producers);
    map_release(&appends->listed);
    buf_release(&appends->chunks);
    buf_release(&appends->events);
    release_arrays(appends->heads, ARRAY_LEN(appends->heads));
    release_arrays(appends->states, ARRAY_LEN(appends->states));
    release_arrays(appends->unmerged, ARRAY_LEN(appends->unmerged));
    buf_release(&appends->homeless);
    free(appends->in_order);
}

static void forget_log(struct map_node *node, void *arg)
{
    struct appends *appends = arg;
    map_remove(&appends->logs, node);
    free(CONTAINER_OF(node, struct appended_log, node));
}

static void forget_producer(struct map_node *node, void *arg)
{
    struct appends *appends = arg;
    struct appended_producer *producer = CONTAINER_OF(node, struct appended_producer, node);
    map_remove(&appends->producers, node);
    buf_release(&producer->key);
    free(producer);
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
    map_each(&appends->logs, forget_log, appends);
    map_each(&appends->producers, forget_producer, appends);
    buf_reset(&appends->chunks);
    buf_reset(&appends->events);
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

static void set_log(struct appends *appends, const struct head *head, const struct log_state *state)
{
    int64_t row = head->row;
    struct str key = str_n((const char *)&row, sizeof(row));
    struct map_node *node = map_find(&appends->logs, key);
    struct appended_log *log = node ? CONTAINER_OF(node, struct appended_log, node) : xcalloc(1, sizeof(*log));
    log->state = *state;
    if (node)
        return;
    log->row = row;
    log->version = head->version;
    map_insert(&appends->logs, &log->node, str_n((const char *)&log->row, sizeof(log->row)));
}

static void set_producer(struct appends *appends, int64_t row, struct str name, const struct producer_state *state)
{
    CLEANUP(buf_release) struct buf key = {0};
    buf_append(&key, &row, sizeof(row));
    buf_append_str(&key, name);
    struct map_node *node = map_find(&appends->producers, buf_str(&key));
    struct appended_producer *producer =
        node ? CONTAINER_OF(node, struct appended_producer, node) : xcalloc(1, sizeof(*producer));
    producer->state = *state;
    if (node)
        return;
    buf_append_str(&producer->key, buf_str(&key));
    map_insert(&appends->producers, &producer->node, buf_str(&producer->key));
}

int appends_add(struct transaction *tx, const struct log_append *append)
{
    struct appends *appends = &postgres_store_of(&tx->session.engine->base)->appends;
    int64_t row = append->head->row;
    chunk_row_add(&appends->chunks, row, append->first, append->chunk, false);
    if (appends->event_rows)
        event_rows_add(&appends->events, row, append->first, append->chunk);
    set_log(appends, append->head, &append->state);
    if (append->producer.len > 0)
        set_producer(appends, row, append->producer, &append->producer_state);
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

static void put_in_order(struct map_node *node, void *arg)
{
    struct appended_log ***next = arg;
    *(*next)++ = CONTAINER_OF(node, struct appended_log, node);
}

static int compare_logs(const void *a, const void *b)
{
    const struct appended_log *const *left = a, *const *right = b;
    return ((*left)->row > (*right)->row) - ((*left)->row < (*right)->row);
}

// In the order of their rows, as everybody locks them.
static void list_logs(struct appends *appends)
{
    size_t count = appends->logs.count;
    if (count > appends->in_order_cap) {
        appends->in_order_cap = count * 2;
        appends->in_order = xrealloc(appends->in_order, appends->in_order_cap * sizeof(struct appended_log *));
    }
    struct appended_log **next = appends->in_order;
    map_each(&appends->logs, put_in_order, &next);
    qsort(appends->in_order, count, sizeof(struct appended_log *), compare_logs);
    arrays_begin(appends->heads, ARRAY_LEN(appends->heads));
    for (size_t i = 0; i < count; i++) {
        const struct appended_log *log = appends->in_order[i];
        array_add_i64(&appends->heads[0], log->row);
        array_add_u64(&appends->heads[1], log->state.next);
        array_add_u64(&appends->heads[2], log->state.digest);
        array_add_u64(&appends->heads[3], log->state.message_bytes);
        array_add_u64(&appends->heads[4], log->version);
    }
}

static void list_producer(struct map_node *node, void *arg)
{
    struct buf *arrays = arg;
    const struct appended_producer *producer = CONTAINER_OF(node, struct appended_producer, node);
    const struct sequence_producer *sequence = &producer->state.sequence;
    int64_t row;
    memcpy(&row, producer->key.data, sizeof(row));
    array_add_i64(&arrays[0], row);
    array_add_text(&arrays[1], str_n(producer->key.data + sizeof(row), producer->key.len - sizeof(row)));
    array_add_u64(&arrays[2], sequence->next);
    array_add_u64(&arrays[3], sequence->last_hash);
    array_add_u64(&arrays[4], producer->state.last_counter);
    array_add_u64(&arrays[5], producer->state.last_sequence);
    if (!sequence->digest_unknown) {
        array_add_u64(&arrays[6], sequence->digest);
        return;
    }
    array_add(&arrays[6]);
    buf_append_text(&arrays[6], "NULL");
}

static void list_unmerged(struct map_node *node, void *arg)
{
    struct appends *appends = arg;
    int64_t row = CONTAINER_OF(node, struct appended_log, node)->row;
    if (map_find(&appends->listed, str_n((const char *)&row, sizeof(row))))
        return;
    struct listed_log *listed = xcalloc(1, sizeof(*listed));
    listed->row = row;
    map_insert(&appends->listed, &listed->node, str_n((const char *)&listed->row, sizeof(listed->row)));
    array_add_i64(appends->unmerged, row);
}

// NULL: all of them are listed.
static struct sql_statement *flush_unmerged(struct appends *appends, struct sql *sql, int64_t now_ms)
{
    if (now_ms - appends->listed_ms > APPENDS_LISTED_MS || appends->listed.count > LISTED_MAX) {
        map_each(&appends->listed, forget_listed, appends);
        appends->listed_ms = now_ms;
    }
    arrays_begin(appends->unmerged, ARRAY_LEN(appends->unmerged));
    map_each(&appends->logs, list_unmerged, appends);
    if (appends->unmerged[0].len == 0)
        return NULL;
    struct sql_statement *add =
        arrays_bind(appends->unmerged, ARRAY_LEN(appends->unmerged), sql, POSTGRES_UNMERGED_ADD);
    sql_bind_i64(add, 2, now_ms + MERGE_FIRST_MS);
    return add;
}

static struct sql_statement *flush_heads(struct appends *appends, struct sql *sql)
{
    list_logs(appends);
    return arrays_bind(appends->heads, ARRAY_LEN(appends->heads) - 1, sql, POSTGRES_EXECUTIONS_APPENDED);
}

static struct sql_statement *flush_guessed_heads(struct appends *appends, struct sql *sql)
{
    list_logs(appends);
    return arrays_bind(appends->heads, ARRAY_LEN(appends->heads), sql, POSTGRES_EXECUTIONS_GUESSED);
}

static struct sql_statement *flush_producers(struct appends *appends, struct sql *sql)
{
    arrays_begin(appends->states, ARRAY_LEN(appends->states));
    map_each(&appends->producers, list_producer, appends->states);
    return arrays_bind(appends->states, ARRAY_LEN(appends->states), sql, POSTGRES_PRODUCERS_SET);
}

// Somebody has dropped a table by hand, or an execution was begun when its day was about to end, and came late: any of
// them can be the one, so those that are there already are left alone.
static void list_part(struct map_node *node, void *arg)
{
    array_add_i64(arg, log_part(CONTAINER_OF(node, struct appended_log, node)->row));
}

static void note_homeless(struct appends *appends)
{
    buf_reset(&appends->homeless);
    map_each(&appends->logs, list_part, &appends->homeless);
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
    int err = appends->chunks.len > 0 ? sql_postgres_copy(sql, CHUNK_ROWS_COPY, buf_str(&appends->chunks)) : 0;
    if (err < 0 && sql_postgres_no_part(sql))
        note_homeless(appends);
    if (err == 0 && appends->events.len > 0)
        err = sql_postgres_copy(sql, EVENT_ROWS_COPY, buf_str(&appends->events));
    return err;
}

// `heads`: NULL if they have been written.
static int commit_with(struct appends *appends, struct sql *sql, struct sql_statement *heads, int64_t now_ms)
{
    struct sql_statement *parts[3], *unmerged = flush_unmerged(appends, sql, now_ms);
    size_t count = 0;
    if (heads)
        parts[count++] = heads;
    if (unmerged)
        parts[count++] = unmerged;
    if (appends->producers.count > 0)
        parts[count++] = flush_producers(appends, sql);
    int err = sql_postgres_together(sql, SQL_POSTGRES_COMMIT, parts, count);
    for (size_t i = 0; i < count; i++)
        sql_reset(&parts[i]);
    return err;
}

int appends_commit(struct appends *appends, struct sql *sql, int64_t now_ms)
{
    return appends->logs.count == 0 ? sql_commit(sql) : commit_with(appends, sql, flush_heads(appends, sql), now_ms);
}

// Those that somebody has changed are noted as such.
static int judge_guess(struct appends *appends, struct sql_statement *written, struct heads *heads)
{
    int rc;
    size_t right = 0;
    for (; (rc = sql_row(written)) == 1; right++) {
        int64_t row = sql_i64(written, 0);
        struct map_node *node = map_find(&appends->logs, str_n((const char *)&row, sizeof(row)));
        CONTAINER_OF(node, struct appended_log, node)->guessed = true;
    }
    if (rc < 0 || right == appends->logs.count)
        return rc;
    for (size_t i = 0; i < appends->logs.count; i++)
        if (!appends->in_order[i]->guessed)
            heads_contested(heads, appends->in_order[i]->row);
    return ERR_CONFLICT;
}

int appends_guess(struct appends *appends, struct sql *sql, struct sql_statement *begins, struct heads *heads,
                  int64_t now_ms)
{
    CLEANUP(sql_reset) struct sql_statement *written = flush_guessed_heads(appends, sql);
    int err = sql_postgres_together(sql, SQL_POSTGRES_BEGIN | SQL_POSTGRES_HERE,
                                    (struct sql_statement *[]){begins, written}, 2);
    if (err == 0)
        err = judge_guess(appends, written, heads);
    if (err == 0)
        err = appends_copy(appends, sql);
    return err < 0 ? err : commit_with(appends, sql, NULL, now_ms);
}

struct written {
    struct heads *heads;
    uint32_t version;
};

static void note_written(struct map_node *node, void *arg)
{
    const struct written *written = arg;
    heads_written(written->heads, CONTAINER_OF(node, struct appended_log, node)->row, written->version);
}

void appends_committed(struct appends *appends, struct heads *heads, uint64_t transaction)
{
    struct written written = {.heads = heads, .version = (uint32_t)transaction};
    map_each(&appends->logs, note_written, &written);
}
