// The transaction of a group of operations. Appends to logs that are kept need nothing of the database. What the others
// need before they are applied is read by two statements for all of them, however many there are, and one wait: an
// operation alone would ask for its head and its producer.
#include "model/doubt.h"
#include "store/postgres/arrays.h"
#include "store/postgres/postgres_private.h"

#include <unistd.h>

#define SETTLE_TRIES 4
#define OUTCOME_MS   30000 // to learn whether a commit whose answer was lost is there

void producer_row(struct sql_statement *found, struct producer_state *ret)
{
    *ret = (struct producer_state){
        .sequence = {.next = sql_u64(found, 0),
                     .last_hash = sql_u64(found, 1),
                     .digest = sql_u64(found, 4),
                     .digest_unknown = sql_null(found, 4)},
        .last_counter = sql_u64(found, 2),
        .last_sequence = sql_u64(found, 3),
    };
}

int group_take(const struct session *session, int64_t row, uint64_t journal)
{
    struct postgres_store *store = postgres_store_of(&session->engine->base);
    if (journal != store->sender) {
        heads_contested(&store->tx.heads, row);
        journal_want(&store->journal, journal, row);
        return sql_outrun(store->sql);
    }
    // What this transaction has entered is later than what was entered before.
    const struct ends *const known[] = {&store->journal.ends, &store->appends.entries};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const struct ends_log *log = ends_find(known[i], row);
        if (log)
            ends_merge(&store->appends.rows, log);
    }
    return 0;
}

// All that are in the way are noted before it is given up.
static int take_heads(struct postgres_store *store, struct sql_statement *locked)
{
    int rc, err = 0;
    while ((rc = sql_row(locked)) == 1) {
        struct catalogue_head found;
        int64_t row;
        int bad = catalogue_head_row(locked, &row, &found);
        if (bad < 0)
            return bad;
        if (found.journal != store->sender && heads_was_kept(&store->tx.heads, row))
            heads_contested(&store->tx.heads, row);
        if (found.journal != 0)
            bad = group_take(&store->tx.session, row, found.journal);
        if (bad == 0)
            heads_take(&store->tx.heads, row, &found);
        else
            catalogue_head_release(&found);
        err = err < 0 ? err : bad;
    }
    return rc < 0 ? rc : err;
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
    struct heads *heads = &store->tx.heads;
    int rc;
    while ((rc = sql_row(find)) == 1) {
        struct producer_state state;
        const struct store_append *append = appends[sql_i64(find, 5) - 1];
        producer_row(find, &state);
        journal_producer(&store->journal, append->row, append->producer, &state);
        heads_take_producer(heads, append->row, append->producer, &state);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct producer_state state = {0};
        journal_producer(&store->journal, appends[i]->row, appends[i]->producer, &state);
        heads_take_producer(heads, appends[i]->row, appends[i]->producer, &state);
    }
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

static bool is_kept(struct heads *heads, const struct store_op *op)
{
    if (op->kind != STORE_APPEND)
        return false;
    const struct store_append *append = CONTAINER_OF(op, struct store_append, op);
    return heads_kept(heads, append->row, append->producer);
}

static void gather(struct group *group, struct heads *heads, struct store_op *const *ops, size_t count)
{
    group->appends = xcalloc(count + 1, sizeof(struct store_append *));
    for (size_t i = 0; i < count; i++) {
        if (is_kept(heads, ops[i]))
            continue;
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

static struct sql_statement *number_it(struct postgres_store *store)
{
    struct sql_statement *statement = sql_statement(store->sql, POSTGRES_WRITER_BEGINS);
    store->begins = statement;
    store->transaction_id = 0;
    sql_bind_u64(statement, 1, store->sender);
    sql_bind_u64(statement, 2, ++store->transaction);
    sql_bind_u64(statement, 3, store->journal.settled);
    return statement;
}

// What this server remembered is right no more. What it has entered is brought home, as it is in the database. What is
// lost with a connection meanwhile was done or not, and nothing is done twice.
static int begin_anew(struct postgres_store *store)
{
    struct journal *journal = &store->journal;
    heads_lost(&store->tx.heads);
    journal->connection = 0;
    int rc = 1;
    for (int tries = 0; (rc == 1 || rc == ERR_UNAVAILABLE) && tries < SETTLE_TRIES; tries++) {
        rc = sql_begin(store->sql, SQL_READ); // connects
        rc = rc < 0 ? rc : journal_look(store->sql, store->sender, &journal->settled);
        sql_rollback(store->sql);
        if (rc == 1) {
            int err = journal_settle(store->sql, store->sender, (struct str){0}, false, &journal->settled);
            rc = err < 0 ? err : 1;
        }
    }
    if (rc != 0)
        return rc < 0 ? rc : ERR_UNAVAILABLE;
    journal_clear(journal);
    journal->connection = sql_postgres_connection(store->sql);
    return 0;
}

static int settle(struct postgres_store *store, uint64_t sender, struct str rows)
{
    uint64_t settled;
    int err = ERR_UNAVAILABLE;
    for (int tries = 0; tries < SETTLE_TRIES && err == ERR_UNAVAILABLE; tries++)
        err = journal_settle(store->sql, sender, rows, false, &settled);
    return err;
}

// Brings home what is in the way of the operations, of one server after the other.
static int settle_wanted(struct postgres_store *store)
{
    struct journal *journal = &store->journal;
    int err = 0;
    while (journal->wanted_count > 0 && err == 0) {
        CLEANUP(buf_release) struct buf rows = {0};
        uint64_t sender = journal->wanted[0].sender;
        size_t others = 0;
        for (size_t i = 0; i < journal->wanted_count; i++) {
            if (journal->wanted[i].sender == sender)
                array_add_i64(&rows, journal->wanted[i].row);
            else
                journal->wanted[others++] = journal->wanted[i];
        }
        journal->wanted_count = others;
        array_end(&rows);
        err = settle(store, sender, buf_str(&rows));
    }
    journal->wanted_count = 0;
    return err;
}

int group_ready(struct postgres_store *store)
{
    uint64_t connection = sql_postgres_connection(store->sql);
    int err = connection == 0 || connection != store->journal.connection ? begin_anew(store) : 0;
    return err < 0 ? err : settle_wanted(store);
}

// What this server remembers is not so any more.
static void lose_journal(struct postgres_store *store)
{
    store->journal.connection = 0;
    engine_count(&store->engine, &store->engine.stats.journals_lost);
}

static void doubt(struct map_node *node, void *arg)
{
    heads_doubt(arg, CONTAINER_OF(node, struct ends_log, node)->row);
}

void group_failed(struct postgres_store *store)
{
    if (!sql_postgres_unmet(store->sql))
        return;
    lose_journal(store);
    map_each(&store->appends.entries.logs, doubt, &store->tx.heads);
}

int group_begun(struct postgres_store *store)
{
    if (!store->begins || !sql_postgres_begun(store->sql))
        return 0;
    CLEANUP(sql_reset) struct sql_statement *number = TAKE_PTR(store->begins);
    int rc = sql_row(number);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_INTERNAL;
    store->transaction_id = sql_i64(number, 0);
    if (sql_postgres_connection(store->sql) == store->journal.connection)
        return 0;
    lose_journal(store);
    return sql_outrun(store->sql);
}

int group_begin(struct postgres_store *store, struct store_op *const *ops, size_t count)
{
    CLEANUP(group_release) struct group group = {0};
    gather(&group, &store->tx.heads, ops, count);
    if (group.locks.len <= 2) { // nothing is needed of the database before its end
        sql_postgres_begin_later(store->sql, number_it(store));
        if (count > 0)
            engine_count(&store->engine, &store->engine.stats.journaled);
        return 0;
    }
    CLEANUP(sql_reset) struct sql_statement *lock = sql_statement(store->sql, POSTGRES_EXECUTIONS_LOCK);
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(store->sql, POSTGRES_PRODUCERS_FIND);
    sql_bind_text(lock, 1, buf_str(&group.locks));
    sql_bind_text(find, 1, buf_str(&group.rows));
    sql_bind_text(find, 2, buf_str(&group.names));
    // What producers have is read by a statement of its own, whose view is younger than the locks.
    struct sql_statement *statements[] = {number_it(store), lock, find};
    int err = sql_postgres_together(store->sql, SQL_POSTGRES_BEGIN, statements, group.count > 0 ? 3 : 2);
    err = err < 0 ? err : group_begun(store);
    err = err < 0 ? err : take_heads(store, lock);
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
