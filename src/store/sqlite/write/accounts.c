// Accounts: made, suspended, resumed, deleted; and what goes with a deleted one.
#include "store/sqlite/sqlite_private.h"

#define LIST_MAX  1000
#define PURGE_MAX 64

static void account_from_row(sqlite3_stmt *row, struct account *ret)
{
    *ret = (struct account){
        .row = db_column_i64(row, 0),
        .created_ms = db_column_i64(row, 1),
        .suspended_ms = db_column_i64(row, 2),
    };
    snprintf(ret->name, sizeof(ret->name), "%.*s", STR_ARGS(db_column_text(row, 3)));
}

// ERR_NOT_FOUND; ERR_EXPIRED if it was deleted.
static int account_find(struct db *db, struct str name, struct account *ret)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_ACCOUNT_FIND);
    db_bind_text(find, 1, name);
    int rc = db_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    account_from_row(find, ret);
    return db_column_i64(find, 4) > 0 ? ERR_EXPIRED : 0;
}

struct account_times { // 0: never
    int64_t suspended_ms, resumed_ms, deleted_ms;
};

// An account without a row is one that nothing was done to.
static int account_times(struct db *db, int64_t account, struct account_times *ret)
{
    *ret = (struct account_times){0};
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_ACCOUNT_STATE);
    db_bind_i64(find, 1, account);
    int rc = db_row(find);
    if (rc == 1)
        *ret = (struct account_times){db_column_i64(find, 0), db_column_i64(find, 1), db_column_i64(find, 2)};
    return rc < 0 ? rc : 0;
}

int account_resolve(struct db *db, struct str name, int64_t *account)
{
    struct account found;
    if (name.len == 0)
        return account_open(db, *account);
    int err = account_find(db, name, &found);
    if (err == 0)
        *account = found.row;
    return err;
}

int account_open(struct db *db, int64_t account)
{
    struct account_times times;
    int err = account_times(db, account, &times);
    return err < 0 ? err : times.deleted_ms > 0 ? ERR_EXPIRED : 0;
}

int account_may_give_up(struct sqlite_store *store, int64_t account, uint64_t grace_ms)
{
    struct account_times times;
    int err = account_times(&store->db, account, &times);
    if (err < 0)
        return err;
    bool waits = times.resumed_ms > 0 && store_now_ms(store) - times.resumed_ms < (int64_t)grace_ms;
    return times.suspended_ms > 0 || waits ? ERR_SUSPENDED : 0;
}

int operators_left(struct sqlite_store *store, int64_t key_row, int64_t account)
{
    sqlite3_stmt *lasts = db_statement(&store->db, STATEMENT_OPERATOR_LASTS);
    db_bind_i64(lasts, 1, key_row);
    db_bind_i64(lasts, 2, account);
    db_bind_i64(lasts, 3, store_now_ms(store));
    int rc = db_row(lasts);
    if (rc <= 0)
        return rc; // what goes is no operator's, or nobody could use it any more
    int64_t expires_ms = db_column_i64(lasts, 0);
    db_reset(&lasts);
    CLEANUP(db_reset) sqlite3_stmt *others = db_statement(&store->db, STATEMENT_OPERATOR_OUTLASTS);
    db_bind_i64(others, 1, key_row);
    db_bind_i64(others, 2, account);
    db_bind_i64(others, 3, expires_ms);
    rc = db_row(others);
    return rc < 0 ? rc : rc == 0 ? ERR_LAST_OPERATOR : 0;
}

// --- Making

static int account_insert(struct sqlite_store *store, struct str name, int64_t *ret_row)
{
    sqlite3_stmt *insert = db_statement(&store->db, STATEMENT_ACCOUNT_INSERT);
    db_bind_text(insert, 1, name);
    db_bind_i64(insert, 2, store_now_ms(store));
    int err = db_run(insert);
    *ret_row = sqlite3_last_insert_rowid(store->db.handle);
    return err;
}

int commit_account_ensure(struct sqlite_store *store, struct store_op *op)
{
    struct store_account_ensure *ensure = CONTAINER_OF(op, struct store_account_ensure, op);
    struct account found;
    int err = account_find(&store->db, ensure->name, &found);
    ensure->ret_created = err == ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND)
        return account_insert(store, ensure->name, &ensure->ret_account);
    if (err < 0)
        return commit_refuse(op, err);
    ensure->ret_account = found.row;
    return 0;
}

int commit_account_create(struct sqlite_store *store, struct store_op *op)
{
    struct store_account_create *create = CONTAINER_OF(op, struct store_account_create, op);
    int64_t row;
    int err = account_find(&store->db, create->name, &create->ret_account);
    if (err != ERR_NOT_FOUND)
        return commit_refuse(op, err < 0 ? err : ERR_CONFLICT);
    err = account_insert(store, create->name, &row);
    return err < 0 ? err : account_find(&store->db, create->name, &create->ret_account);
}

// --- Changing

static int run_with(struct sqlite_store *store, enum statement id, int64_t account, int64_t time_ms)
{
    sqlite3_stmt *statement = db_statement(&store->db, id);
    db_bind_i64(statement, 1, account);
    if (time_ms > 0)
        db_bind_i64(statement, 2, time_ms);
    return db_run(statement);
}

// Up to `max` rows of executions that are not purged.
static int account_holds(struct sqlite_store *store, int64_t account, size_t max, int64_t *ret_rows, size_t *ret_count)
{
    CLEANUP(db_reset) sqlite3_stmt *holds = db_statement(&store->db, STATEMENT_ACCOUNT_HOLDS);
    db_bind_i64(holds, 1, account);
    db_bind_i64(holds, 2, (int64_t)max);
    int rc;
    *ret_count = 0;
    while (*ret_count < max && (rc = db_row(holds)) == 1)
        ret_rows[(*ret_count)++] = db_column_i64(holds, 0);
    return *ret_count < max && rc < 0 ? rc : 0;
}

static int change_check(struct sqlite_store *store, const struct store_account_change *change)
{
    int64_t row = change->ret_account.row, held;
    size_t count = 0;
    if (change->state == ACCOUNT_ACTIVE || (change->state == ACCOUNT_SUSPENDED && change->ret_account.suspended_ms > 0))
        return 0;
    int err = operators_left(store, 0, row);
    if (err == 0 && change->state == ACCOUNT_DELETED && !change->purge)
        err = account_holds(store, row, 1, &held, &count);
    return err < 0 ? err : count > 0 ? ERR_CONFLICT : 0;
}

static int account_delete(struct sqlite_store *store, int64_t row, int64_t now_ms)
{
    int err = run_with(store, STATEMENT_ACCOUNT_DELETE, row, now_ms);
    if (err == 0)
        err = run_with(store, STATEMENT_KEYS_REVOKE, row, now_ms);
    store->group.purges = true;
    return err < 0 ? err : run_with(store, STATEMENT_PURGING_ACCOUNT_INSERT, row, 0);
}

int commit_account_change(struct sqlite_store *store, struct store_op *op)
{
    struct store_account_change *change = CONTAINER_OF(op, struct store_account_change, op);
    struct account *account = &change->ret_account;
    int64_t now_ms = store_now_ms(store);
    int err = account_find(&store->db, change->name, account);
    if (err == 0)
        err = change_check(store, change);
    if (err < 0)
        return commit_refuse(op, err);
    bool suspended = account->suspended_ms > 0;
    if (change->state == ACCOUNT_DELETED)
        err = account_delete(store, account->row, now_ms);
    else if (change->state == ACCOUNT_SUSPENDED && !suspended)
        err = run_with(store, STATEMENT_ACCOUNT_SUSPEND, account->row, now_ms);
    else if (change->state == ACCOUNT_ACTIVE && suspended)
        err = run_with(store, STATEMENT_ACCOUNT_RESUME, account->row, now_ms);
    if (change->state == ACCOUNT_ACTIVE)
        account->suspended_ms = 0;
    else if (!suspended)
        account->suspended_ms = now_ms;
    change->ret_change = ++store->account_changes;
    return err;
}

int account_purge_slice(struct sqlite_store *store, size_t most, bool *ret_more)
{
    int64_t rows[PURGE_MAX];
    size_t count;
    sqlite3_stmt *next = db_statement(&store->db, STATEMENT_PURGING_ACCOUNT_NEXT);
    int rc = db_row(next);
    *ret_more = rc != 0;
    if (rc <= 0)
        return rc;
    int64_t account = db_column_i64(next, 0);
    db_reset(&next);
    int err = account_holds(store, account, MIN(most, PURGE_MAX), rows, &count);
    if (err < 0)
        return err;
    if (count == 0)
        return run_with(store, STATEMENT_PURGING_ACCOUNT_DELETE, account, 0);
    for (size_t i = 0; i < count && err == 0; i++)
        err = execution_purge(store, rows[i]);
    return err;
}

// --- Looking

void query_account_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    struct store_account_list *query = CONTAINER_OF(op, struct store_account_list, op);
    unsigned limit = query->limit > 0 && query->limit < LIST_MAX ? query->limit : LIST_MAX;
    query->ret_accounts = xcalloc((size_t)limit + 1, sizeof(*query->ret_accounts));
    if (query->name.len > 0) {
        op->err = account_find(db, query->name, query->ret_accounts);
        query->ret_count = op->err == 0;
        return;
    }
    CLEANUP(db_reset) sqlite3_stmt *list = db_statement(db, STATEMENT_ACCOUNT_LIST);
    db_bind_i64(list, 1, query->after_row);
    db_bind_i64(list, 2, (int64_t)limit + 1); // one more says whether there are more
    int rc;
    while ((rc = db_row(list)) == 1)
        account_from_row(list, &query->ret_accounts[query->ret_count++]);
    op->err = rc;
    if (query->ret_count <= limit)
        return;
    query->ret_count = limit;
    query->ret_next_row = query->ret_accounts[limit - 1].row;
}
