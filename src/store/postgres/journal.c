#include "store/postgres/journal.h"

#include "store/postgres/arrays.h"
#include "store/postgres/statements.h"

#define LEFT_MS (2 * JOURNAL_HOME_MS) // a server that goes on has written by then

void journal_init(struct journal *journal, _Atomic uint64_t *home_ms)
{
    pthread_mutex_init(&journal->mutex, NULL);
    ends_init(&journal->ends);
    journal->home_ms = home_ms;
}

void journal_release(struct journal *journal)
{
    ends_release(&journal->ends);
    pthread_mutex_destroy(&journal->mutex);
    free(journal->entries);
    free(journal->wanted);
}

bool journal_end(struct journal *journal, int64_t row, struct log_state *ret)
{
    pthread_mutex_lock(&journal->mutex);
    const struct ends_log *log = ends_find(&journal->ends, row);
    if (log)
        *ret = log->state;
    pthread_mutex_unlock(&journal->mutex);
    return log != NULL;
}

void journal_producer(struct journal *journal, int64_t row, struct str name, struct producer_state *state)
{
    pthread_mutex_lock(&journal->mutex);
    const struct producer_state *later = ends_find_producer(&journal->ends, row, name);
    if (later && (state->sequence.next == 0 || later->last_sequence > state->last_sequence))
        *state = *later;
    pthread_mutex_unlock(&journal->mutex);
}

// --- What is to be brought home

static const struct ends_log *oldest(const struct journal *journal)
{
    const struct list_node *order = &journal->ends.order;
    return list_empty(order) ? NULL : CONTAINER_OF(order->next, struct ends_log, order);
}

static uint64_t log_due_ms(const struct journal *journal, const struct ends_log *log)
{
    return log->since_ms + (journal->home_ms ? atomic_load(journal->home_ms) : JOURNAL_HOME_MS);
}

uint64_t journal_due_ms(const struct journal *journal)
{
    const struct ends_log *log = oldest(journal);
    return !log ? UINT64_MAX : journal->ends_now || journal->bytes > JOURNAL_BYTES_MAX ? 0 : log_due_ms(journal, log);
}

bool journal_due(const struct journal *journal, uint64_t now_ms)
{
    return now_ms >= journal_due_ms(journal);
}

void journal_bring_home(const struct journal *journal, struct ends *rows, struct ends *entered, size_t max,
                        uint64_t now_ms)
{
    size_t count = 0;
    bool all = journal->ends_now || journal->bytes > JOURNAL_BYTES_MAX;
    LIST_FOR_EACH_SAFE(it, next, &journal->ends.order) {
        const struct ends_log *log = CONTAINER_OF(it, struct ends_log, order);
        if (count++ == max || (!all && now_ms < log_due_ms(journal, log)))
            break;
        const struct ends_log *later = ends_find(entered, log->row);
        ends_merge(rows, log);
        if (later)
            ends_merge(rows, later);
        ends_drop(entered, log->row);
    }
}

uint64_t journal_needed_from(const struct journal *journal, const struct ends *rows, uint64_t number)
{
    LIST_FOR_EACH_SAFE(it, next, &journal->ends.order) {
        const struct ends_log *log = CONTAINER_OF(it, struct ends_log, order);
        if (!ends_find(rows, log->row))
            return log->since;
    }
    return number;
}

// --- What has been committed

static void add_entry(struct journal *journal, const struct journal_entry *entry)
{
    if (journal->count == journal->cap) {
        size_t cap = journal->cap ? journal->cap * 2 : 64;
        struct journal_entry *entries = xmalloc(cap * sizeof(*entries));
        for (size_t i = 0; i < journal->count; i++)
            entries[i] = journal->entries[(journal->first + i) % journal->cap];
        free(journal->entries);
        journal->entries = entries;
        journal->first = 0;
        journal->cap = cap;
    }
    journal->entries[(journal->first + journal->count++) % journal->cap] = *entry;
    journal->bytes += entry->bytes;
}

static void drop_entries(struct journal *journal, uint64_t needed_from)
{
    while (journal->count > 0 && journal->entries[journal->first].number < needed_from) {
        journal->bytes -= journal->entries[journal->first].bytes;
        journal->first = (journal->first + 1) % journal->cap;
        journal->count--;
    }
}

void journal_committed(struct journal *journal, const struct ends *entered, const struct journal_entry *entry,
                       const struct ends *rows, uint64_t needed_from, uint64_t now_ms)
{
    pthread_mutex_lock(&journal->mutex);
    LIST_FOR_EACH_SAFE(it, next, &rows->order)
        ends_drop(&journal->ends, CONTAINER_OF(it, struct ends_log, order)->row);
    LIST_FOR_EACH_SAFE(it, next, &entered->order) {
        const struct ends_log *log = CONTAINER_OF(it, struct ends_log, order);
        if (ends_find(rows, log->row))
            continue;
        struct ends_log *known = ends_merge(&journal->ends, log);
        if (known->since == 0) {
            known->since = entry->number;
            known->since_ms = now_ms;
        }
    }
    pthread_mutex_unlock(&journal->mutex);
    if (entry->bytes > 0)
        add_entry(journal, entry);
    drop_entries(journal, needed_from);
}

void journal_clear(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    ends_clear(&journal->ends);
    pthread_mutex_unlock(&journal->mutex);
    journal->bytes = journal->count = 0;
}

void journal_want(struct journal *journal, uint64_t sender, int64_t row)
{
    if (journal->wanted_count == journal->wanted_cap) {
        journal->wanted_cap = journal->wanted_cap ? journal->wanted_cap * 2 : 8;
        journal->wanted = xrealloc(journal->wanted, journal->wanted_cap * sizeof(*journal->wanted));
    }
    journal->wanted[journal->wanted_count++] = (struct journal_wanted){sender, row};
}

// --- Settling

// Holds the server's row of `writers` from now on, as each of its transactions does.
static int hold(struct sql *sql, uint64_t sender, uint64_t *ret_settled)
{
    CLEANUP(sql_reset) struct sql_statement *take = sql_statement(sql, POSTGRES_JOURNAL_HOLD);
    sql_bind_u64(take, 1, sender);
    int rc = sql_row(take);
    if (rc == 1)
        *ret_settled = sql_u64(take, 0);
    return MIN(rc, 0);
}

static int load(struct sql *sql, uint64_t sender, struct ends *ret)
{
    CLEANUP(sql_reset) struct sql_statement *list = sql_statement(sql, POSTGRES_JOURNAL_LIST);
    sql_bind_u64(list, 1, sender);
    int rc, err = 0;
    while ((rc = sql_row(list)) == 1 && err == 0)
        err = ends_decode(ret, sql_bytes(list, 0));
    return err < 0 ? err : MIN(rc, 0);
}

static int run(struct sql *sql, enum postgres_statement number, struct buf *arrays, size_t count, uint64_t sender)
{
    struct sql_statement *statement = sql_statement(sql, number);
    for (size_t i = 0; i < count; i++) {
        array_end(&arrays[i]);
        sql_bind_text(statement, (int)i + 1, buf_str(&arrays[i]));
    }
    sql_bind_u64(statement, (int)count + 1, sender);
    return sql_run(statement, NULL);
}

static int lock_rows(struct sql *sql, struct str rows)
{
    CLEANUP(sql_reset) struct sql_statement *lock = sql_statement(sql, POSTGRES_JOURNAL_LOCK);
    sql_bind_text(lock, 1, rows);
    int rc;
    while ((rc = sql_row(lock)) == 1)
        ;
    return rc;
}

static int bring_home(struct sql *sql, uint64_t sender, struct ends_log *const *logs, size_t count)
{
    struct buf heads[ENDS_HEADS] = {0}, states[ENDS_STATES] = {0};
    ends_list_heads(logs, count, heads);
    ends_list_states(logs, count, states);
    // The producers first: what they have is written as long as the row says that the journal may be ahead of it.
    int err = states[0].len > 0 ? run(sql, POSTGRES_JOURNAL_STATES, states, ENDS_STATES, sender) : 0;
    if (err == 0)
        err = run(sql, POSTGRES_JOURNAL_HEADS, heads, ENDS_HEADS, sender);
    for (size_t i = 0; i < ENDS_HEADS; i++)
        buf_release(&heads[i]);
    for (size_t i = 0; i < ENDS_STATES; i++)
        buf_release(&states[i]);
    return err;
}

static int forget(struct sql *sql, uint64_t sender)
{
    struct sql_statement *forget = sql_statement(sql, POSTGRES_JOURNAL_FORGET);
    sql_bind_u64(forget, 1, sender);
    sql_bind_u64(forget, 2, INT64_MAX);
    return sql_run(forget, NULL);
}

// The rows are locked in the order that all keep to: those of the journal and those that are wanted.
static int settle(struct sql *sql, uint64_t sender, const struct ends *ends, struct str rows, bool all)
{
    CLEANUP(free_ptr) struct ends_log **logs = ends_in_order(ends);
    size_t count = ends->logs.count;
    CLEANUP(buf_release) struct buf locks = {0};
    CLEANUP(buf_release) struct buf left = {0};
    if (rows.len > 1)
        buf_append(&left, rows.data, rows.len - 1);
    buf_append_str(&locks, buf_str(&left));
    for (size_t i = 0; i < count; i++) {
        array_add_i64(&locks, logs[i]->row);
        if (all)
            array_add_i64(&left, logs[i]->row);
    }
    bool leaves = left.len > 0;
    array_end(&locks);
    int err = lock_rows(sql, buf_str(&locks));
    if (err == 0 && count > 0)
        err = bring_home(sql, sender, logs, count);
    if (err == 0 && leaves)
        err = run(sql, POSTGRES_JOURNAL_LEAVE, &left, 1, sender);
    return err < 0 ? err : forget(sql, sender);
}

static int settle_within(struct sql *sql, uint64_t sender, struct str rows, bool all, uint64_t *ret_settled)
{
    CLEANUP(ends_release) struct ends ends;
    ends_init(&ends);
    int err = hold(sql, sender, ret_settled);
    if (err == 0)
        err = load(sql, sender, &ends);
    if (err == 0 && (ends.logs.count > 0 || rows.len > 0))
        err = settle(sql, sender, &ends, rows, all);
    return err;
}

int journal_settle(struct sql *sql, uint64_t sender, struct str rows, bool all, uint64_t *ret_settled)
{
    int err = sql_begin(sql, SQL_WRITE);
    if (err == 0)
        err = settle_within(sql, sender, rows, all, ret_settled);
    if (err == 0)
        err = sql_commit(sql);
    if (err < 0)
        sql_rollback(sql);
    return err;
}

int journal_look(struct sql *sql, uint64_t sender, uint64_t *ret_settled)
{
    CLEANUP(sql_reset) struct sql_statement *look = sql_statement(sql, POSTGRES_JOURNAL_LOOK);
    sql_bind_u64(look, 1, sender);
    int rc = sql_row(look);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_INTERNAL;
    *ret_settled = sql_u64(look, 0);
    return sql_i64(look, 1) != 0;
}

// Of which nobody has written for so long: 1 with its sender, 0 if there is none.
static int find_left(struct sql *sql, int64_t ms, uint64_t *ret_sender)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, POSTGRES_JOURNAL_LEFT);
    sql_bind_i64(find, 1, ms);
    int rc = sql_row(find);
    *ret_sender = rc == 1 ? sql_u64(find, 0) : 0;
    return rc;
}

int journal_settle_left(struct sql *sql)
{
    uint64_t sender, settled;
    int rc = find_left(sql, LEFT_MS, &sender);
    return rc == 1 ? journal_settle(sql, sender, (struct str){0}, true, &settled) : rc;
}

int journal_settle_all(struct sql *sql)
{
    uint64_t sender, settled;
    int rc;
    while ((rc = find_left(sql, 0, &sender)) == 1)
        if ((rc = settle_within(sql, sender, (struct str){0}, true, &settled)) < 0)
            return rc;
    return rc;
}
