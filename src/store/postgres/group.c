// The transaction of a group of operations. What they need of the database before they are applied is read by two
// statements for all of them, however many there are, and one wait: an operation alone would ask for its head and its
// producer.
#include "model/doubt.h"
#include "store/postgres/arrays.h"
#include "store/postgres/postgres_private.h"

#include <unistd.h>

#define HEAD_VERSION 18    // the column behind HEAD_COLUMNS
#define OUTCOME_MS   30000 // to learn whether a commit whose answer was lost is there

static int take_heads(struct postgres_store *store, struct sql_statement *locked)
{
    int rc;
    while ((rc = sql_row(locked)) == 1) {
        struct catalogue_head found;
        int64_t row;
        int err = catalogue_head_row(locked, &row, &found);
        if (err < 0)
            return err;
        heads_take(&store->tx.heads, row, &found, (uint32_t)sql_u64(locked, HEAD_VERSION));
    }
    return rc;
}

static const struct store_append *named_append(const struct store_op *op)
{
    if (op->kind != STORE_APPEND)
        return NULL;
    const struct store_append *append = CONTAINER_OF(op, struct store_append, op);
    return append->producer.len > 0 && append->producer.len <= STORE_PRODUCER_MAX ? append : NULL;
}

// Those that are not found are new.
static int take_producers(struct postgres_store *store, const struct store_append **appends, size_t count,
                          struct sql_statement *find)
{
    const struct producer_state none = {0};
    struct heads *heads = &store->tx.heads;
    int rc;
    while ((rc = sql_row(find)) == 1) {
        struct producer_state state;
        const struct store_append *append = appends[sql_i64(find, 5) - 1];
        producer_row(find, &state);
        heads_take_producer(heads, append->row, append->producer, &state);
    }
    for (size_t i = 0; i < count && rc == 0; i++)
        heads_take_producer(heads, appends[i]->row, appends[i]->producer, &none);
    return rc;
}

struct group {
    struct buf locks;       // the executions that are named
    struct buf rows, names; // of the producers that append
    const struct store_append **appends;
    size_t count;
};

static void group_release(struct group *group)
{
    buf_release(&group->locks);
    buf_release(&group->rows);
    buf_release(&group->names);
    free(group->appends);
}

static void gather(struct group *group, struct store_op *const *ops, size_t count)
{
    group->appends = xcalloc(count + 1, sizeof(struct store_append *));
    for (size_t i = 0; i < count; i++) {
        const struct store_append *append = named_append(ops[i]);
        if (store_op_row(ops[i]) != 0)
            array_add_i64(&group->locks, store_op_row(ops[i]));
        if (!append)
            continue;
        group->appends[group->count++] = append;
        array_add_i64(&group->rows, append->row);
        array_add_text(&group->names, append->producer);
    }
    array_end(&group->locks);
    array_end(&group->rows);
    array_end(&group->names);
}

static struct sql_statement *begins(struct postgres_store *store)
{
    struct sql_statement *statement = sql_statement(store->sql, POSTGRES_WRITER_BEGINS);
    sql_bind_u64(statement, 1, store->sender);
    sql_bind_u64(statement, 2, ++store->transaction);
    return statement;
}

// What this server has left or read last of an append's row is likely to be true still.
static bool can_guess(struct heads *heads, const struct store_op *op)
{
    if (op->kind != STORE_APPEND)
        return false;
    const struct store_append *append = CONTAINER_OF(op, struct store_append, op);
    return append->event_count == 0 && heads_guess(heads, append->row, append->producer) != 0;
}

bool group_guess(struct postgres_store *store, struct store_op *const *ops, size_t count)
{
    struct heads *heads = &store->tx.heads;
    uint64_t connection = sql_postgres_connection(store->sql);
    if (connection == 0 || connection != store->heads_connection) {
        // Another server may give versions out again that were not flushed on this one.
        heads_forget(heads);
        store->heads_connection = connection;
    }
    bool guess = count > 0 && connection != 0;
    for (size_t i = 0; i < count && guess; i++)
        guess = can_guess(heads, ops[i]);
    return guess;
}

int group_commit_guess(struct postgres_store *store)
{
    CLEANUP(sql_reset) struct sql_statement *number = begins(store);
    int err = appends_guess(&store->appends, store->sql, number, &store->tx.heads, transaction_now_ms(&store->tx));
    return err < 0 ? err : sql_number(number, &store->transaction_id);
}

int group_begin(struct postgres_store *store, struct store_op *const *ops, size_t count)
{
    CLEANUP(group_release) struct group group = {0};
    CLEANUP(sql_reset) struct sql_statement *number = begins(store);
    CLEANUP(sql_reset) struct sql_statement *lock = sql_statement(store->sql, POSTGRES_EXECUTIONS_LOCK);
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(store->sql, POSTGRES_PRODUCERS_FIND);
    gather(&group, ops, count);
    sql_bind_text(lock, 1, buf_str(&group.locks));
    sql_bind_text(find, 1, buf_str(&group.rows));
    sql_bind_text(find, 2, buf_str(&group.names));
    // What producers have is read by a statement of its own, whose view is younger than the locks.
    int err = sql_postgres_together(store->sql, SQL_POSTGRES_BEGIN, (struct sql_statement *[]){number, lock, find},
                                    group.count > 0 ? 3 : 2);
    if (err == 0)
        err = sql_number(number, &store->transaction_id);
    if (err == 0)
        err = take_heads(store, lock);
    if (err == 0 && group.count > 0)
        err = take_producers(store, group.appends, group.count, find);
    return err;
}

// The outcome of the last transaction, whose COMMIT was not answered: 1, 0, or an error if it is not known yet. The
// statement waits for who still has the row.
static int outcome(struct postgres_store *store)
{
    struct doubt doubt = {.number = store->transaction};
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(store->sql, POSTGRES_WRITER_NUMBER);
    sql_bind_u64(find, 1, store->sender);
    int err = sql_begin(store->sql, SQL_WRITE);
    if (err == 0)
        err = sql_exec(store->sql, "SET LOCAL lock_timeout = '1s'");
    int rc = err == 0 ? sql_row(find) : err;
    if (rc == 1)
        doubt.stored = sql_u64(find, 0);
    doubt.held = rc == ERR_UNAVAILABLE && sql_again(store->sql);
    sql_rollback(store->sql);
    if (rc < 0 && !doubt.held)
        return rc;
    enum doubt_verdict verdict = doubt_judge(&doubt);
    return verdict == DOUBT_ASK_AGAIN ? ERR_UNAVAILABLE : verdict == DOUBT_COMMITTED;
}

int group_committed(struct postgres_store *store)
{
    uint64_t until_ms = clock_mono_ms() + OUTCOME_MS; // a try may take long, if nobody answers
    sql_rollback(store->sql);
    int rc = outcome(store);
    while (rc < 0 && clock_mono_ms() < until_ms) {
        usleep(POSTGRES_RETRY_MS * 1000);
        rc = outcome(store);
    }
    // What it tells others, this server must hear too, if it is there.
    if (rc < 0)
        peers_unsure(store->peers, (uint64_t)store->transaction_id);
    return rc;
}
