// What a group of operations needs of the database before it is applied: two statements for all of them, however many
// there are, and one wait. An operation alone would ask for its head and its producer.
#include "store/postgres/arrays.h"
#include "store/postgres/postgres_private.h"

static int take_heads(struct postgres_store *store, struct sql_statement *locked, uint64_t *ret_transaction)
{
    int rc;
    while ((rc = sql_row(locked)) == 1) {
        struct catalogue_head found;
        int64_t row;
        int err = catalogue_head_row(locked, &row, &found);
        if (err < 0)
            return err;
        heads_take(&store->tx.heads, row, &found);
        *ret_transaction = sql_u64(locked, HEAD_COLUMN_COUNT);
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

int group_begin(struct postgres_store *store, struct store_op *const *ops, size_t count, uint64_t *ret_transaction)
{
    CLEANUP(group_release) struct group group = {0};
    CLEANUP(sql_reset) struct sql_statement *lock = sql_statement(store->sql, POSTGRES_EXECUTIONS_LOCK);
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(store->sql, POSTGRES_PRODUCERS_FIND);
    *ret_transaction = 0;
    gather(&group, ops, count);
    sql_bind_text(lock, 1, buf_str(&group.locks));
    sql_bind_text(find, 1, buf_str(&group.rows));
    sql_bind_text(find, 2, buf_str(&group.names));
    // What producers have is read by a statement of its own, whose view is younger than the locks.
    int err = sql_postgres_together(store->sql, true, (struct sql_statement *[]){lock, find}, group.count > 0 ? 2 : 1);
    if (err == 0)
        err = take_heads(store, lock, ret_transaction);
    if (err == 0 && group.count > 0)
        err = take_producers(store, group.appends, group.count, find);
    return err;
}
