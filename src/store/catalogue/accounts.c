// Accounts: makes, suspends, resumes and deletes them.
#include "store/catalogue/catalogue.h"

#define LIST_MAX 1000

static void account_from_row(const struct sql_statement *row, struct account *ret)
{
    *ret = (struct account){
        .row = sql_i64(row, 0),
        .created_ms = sql_i64(row, 1),
        .suspended_ms = sql_i64(row, 2),
        .file_bytes = sql_u64(row, 6),
    };
    snprintf(ret->name, sizeof(ret->name), "%.*s", STR_ARGS(sql_text(row, 3)));
    snprintf(ret->retention, sizeof(ret->retention), "%.*s", STR_ARGS(sql_text(row, 5)));
}

// Returns ERR_NOT_FOUND, or ERR_EXPIRED if the account was deleted.
static int account_find(struct sql *sql, struct str name, struct account *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_ACCOUNT_FIND);
    sql_bind_text(find, 1, name);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    account_from_row(find, ret);
    return sql_i64(find, 4) > 0 ? ERR_EXPIRED : 0;
}

struct account_times { // 0: never
    int64_t suspended_ms, resumed_ms, deleted_ms;
};

// An account without a row in this table is one that was never changed.
static int account_times(struct sql *sql, enum catalogue_statement how, int64_t account, struct account_times *ret)
{
    *ret = (struct account_times){0};
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, how);
    sql_bind_i64(find, 1, account);
    int rc = sql_row(find);
    if (rc == 1)
        *ret = (struct account_times){sql_i64(find, 0), sql_i64(find, 1), sql_i64(find, 2)};
    return rc < 0 ? rc : 0;
}

static int account_is_open(struct sql *sql, enum catalogue_statement how, int64_t account)
{
    struct account_times times;
    int err = account_times(sql, how, account, &times);
    return err < 0 ? err : times.deleted_ms > 0 ? ERR_EXPIRED : 0;
}

int catalogue_account_resolve(struct sql *sql, struct str name, int64_t *account)
{
    struct account found;
    if (name.len == 0)
        return account_is_open(sql, CATALOGUE_ACCOUNT_STATE, *account);
    int err = account_find(sql, name, &found);
    if (err == 0)
        *account = found.row;
    return err;
}

int catalogue_account_open(struct sql *sql, int64_t account)
{
    return account_is_open(sql, CATALOGUE_ACCOUNT_STATE_HELD, account);
}

int catalogue_account_may_give_up(struct sql *sql, int64_t account, uint64_t grace_ms, int64_t now_ms)
{
    struct account_times times;
    int err = account_times(sql, CATALOGUE_ACCOUNT_STATE_HELD, account, &times);
    if (err < 0)
        return err;
    bool waits = times.resumed_ms > 0 && now_ms - times.resumed_ms < (int64_t)grace_ms;
    return times.suspended_ms > 0 || waits ? ERR_SUSPENDED : 0;
}

// --- Making

// Returns ERR_CONFLICT if it exists.
static int account_insert(struct sql *sql, struct str name, int64_t now_ms, int64_t *ret_row)
{
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_ACCOUNT_INSERT);
    sql_bind_text(insert, 1, name);
    sql_bind_i64(insert, 2, now_ms);
    int err = sql_insert(insert, ret_row);
    return err == ERR_NOT_FOUND ? ERR_CONFLICT : err;
}

int catalogue_account_ensure(struct sql *sql, struct store_account_ensure *ensure, int64_t now_ms)
{
    struct account found = {0};
    ensure->ret_created = false;
    int err = account_find(sql, ensure->name, &found);
    if (err == ERR_NOT_FOUND) {
        err = account_insert(sql, ensure->name, now_ms, &found.row);
        ensure->ret_created = err == 0;
    }
    if (err == ERR_CONFLICT) // another connection has made it meanwhile
        err = account_find(sql, ensure->name, &found);
    ensure->ret_account = found.row;
    return err;
}

int catalogue_account_create(struct sql *sql, struct store_account_create *create, int64_t now_ms)
{
    int64_t row;
    int err = account_find(sql, create->name, &create->ret_account);
    if (err != ERR_NOT_FOUND)
        return err < 0 ? err : ERR_CONFLICT;
    err = account_insert(sql, create->name, now_ms, &row);
    return err < 0 ? err : account_find(sql, create->name, &create->ret_account);
}

// --- Changing

static int run_for(struct sql *sql, enum catalogue_statement id, int64_t account)
{
    struct sql_statement *statement = sql_statement(sql, id);
    sql_bind_i64(statement, 1, account);
    return sql_run(statement, NULL);
}

static int run_at(struct sql *sql, enum catalogue_statement id, int64_t account, int64_t time_ms)
{
    struct sql_statement *statement = sql_statement(sql, id);
    sql_bind_i64(statement, 1, account);
    sql_bind_i64(statement, 2, time_ms);
    return sql_run(statement, NULL);
}

int catalogue_account_holds(struct sql *sql, int64_t account, size_t max, int64_t *ret_rows, size_t *ret_count)
{
    CLEANUP(sql_reset) struct sql_statement *holds = sql_statement(sql, CATALOGUE_ACCOUNT_HOLDS);
    sql_bind_i64(holds, 1, account);
    sql_bind_i64(holds, 2, (int64_t)max);
    int rc = 0;
    *ret_count = 0;
    while (*ret_count < max && (rc = sql_row(holds)) == 1)
        ret_rows[(*ret_count)++] = sql_i64(holds, 0);
    return MIN(rc, 0);
}

static int change_check(struct sql *sql, const struct store_account_change *change, int64_t now_ms)
{
    int64_t row = change->ret_account.row, held;
    size_t count = 0;
    if (change->state == ACCOUNT_AS_IT_IS || change->state == ACCOUNT_ACTIVE ||
        (change->state == ACCOUNT_SUSPENDED && change->ret_account.suspended_ms > 0))
        return 0;
    int err = catalogue_operators_left(sql, 0, row, now_ms);
    if (err == 0 && change->state == ACCOUNT_DELETED && !change->purge)
        err = catalogue_account_holds(sql, row, 1, &held, &count);
    return err < 0 ? err : count > 0 ? ERR_CONFLICT : 0;
}

static int account_delete(struct sql *sql, int64_t row, int64_t now_ms)
{
    int err = run_at(sql, CATALOGUE_ACCOUNT_DELETE, row, now_ms);
    if (err == 0)
        err = catalogue_keys_revoke(sql, row, now_ms);
    if (err == 0)
        err = run_for(sql, CATALOGUE_SECRETS_FORGET, row);
    if (err == 0)
        err = run_for(sql, CATALOGUE_BLOBS_UNWANT, row);
    return err < 0 ? err : run_for(sql, CATALOGUE_PURGING_ACCOUNT_INSERT, row);
}

static int account_apply(struct sql *sql, const struct store_account_change *change, int64_t now_ms)
{
    int64_t row = change->ret_account.row;
    bool suspended = change->ret_account.suspended_ms > 0;
    if (change->state == ACCOUNT_DELETED)
        return account_delete(sql, row, now_ms);
    if (change->state == ACCOUNT_SUSPENDED && !suspended)
        return run_at(sql, CATALOGUE_ACCOUNT_SUSPEND, row, now_ms);
    if (change->state == ACCOUNT_ACTIVE && suspended)
        return run_at(sql, CATALOGUE_ACCOUNT_RESUME, row, now_ms);
    return 0;
}

static int account_retention(struct sql *sql, struct store_account_change *change)
{
    struct account *account = &change->ret_account;
    struct sql_statement *set = sql_statement(sql, CATALOGUE_ACCOUNT_RETENTION_SET);
    sql_bind_i64(set, 1, account->row);
    sql_bind_text(set, 2, change->retention.len > 0 ? change->retention : (struct str){0});
    snprintf(account->retention, sizeof(account->retention), "%.*s", STR_ARGS(change->retention));
    return sql_run(set, NULL);
}

// Keeps others from changing it until the transaction ends.
static int account_lock(struct sql *sql, struct str name)
{
    struct sql_statement *lock = sql_statement(sql, CATALOGUE_ACCOUNT_LOCK);
    sql_bind_text(lock, 1, name);
    return sql_run(lock, NULL);
}

int catalogue_account_change(struct sql *sql, struct store_account_change *change, int64_t now_ms)
{
    struct account *account = &change->ret_account;
    int err = account_lock(sql, change->name);
    if (err == 0)
        err = account_find(sql, change->name, account);
    if (err == 0)
        err = change_check(sql, change, now_ms);
    if (err == 0)
        err = account_apply(sql, change, now_ms);
    if (err == 0 && change->has_retention)
        err = account_retention(sql, change);
    if (err < 0 || change->state == ACCOUNT_AS_IT_IS)
        return err;
    if (change->state == ACCOUNT_ACTIVE)
        account->suspended_ms = 0;
    else if (account->suspended_ms == 0)
        account->suspended_ms = now_ms;
    return 0;
}

int catalogue_account_purging(struct sql *sql, int64_t *ret_account)
{
    int err = sql_number(sql_statement(sql, CATALOGUE_PURGING_ACCOUNT_NEXT), ret_account);
    if (err == ERR_NOT_FOUND)
        *ret_account = 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

int catalogue_account_purged(struct sql *sql, int64_t account)
{
    int err = catalogue_batches_forget(sql, account);
    if (err == 0)
        err = catalogue_workflows_forget(sql, account);
    return err < 0 ? err : run_for(sql, CATALOGUE_PURGING_ACCOUNT_DELETE, account);
}

// --- In several stores

int catalogue_account_place(struct sql *sql, const struct account_row *account, bool *ret_deleted, bool *ret_rules)
{
    struct str retention = str_of(account->retention);
    struct sql_statement *placed = sql_statement(sql, CATALOGUE_ACCOUNT_PLACED);
    sql_bind_i64(placed, 1, account->row);
    int rc = sql_row(placed);
    *ret_deleted = account->deleted_ms > 0 && !(rc == 1 && sql_i64(placed, 0) > 0);
    *ret_rules = rc == 1 && !str_eq(sql_text(placed, 1), retention);
    sql_reset(&placed);
    if (rc < 0)
        return rc;
    struct sql_statement *place = sql_statement(sql, CATALOGUE_ACCOUNT_PLACE);
    const int64_t times[] = {account->created_ms, account->suspended_ms, account->resumed_ms, account->deleted_ms};
    sql_bind_i64(place, 1, account->row);
    sql_bind_text(place, 2, str_of(account->name));
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        sql_bind_i64(place, 3 + (int)i, times[i]);
    sql_bind_text(place, 7, retention.len > 0 ? retention : (struct str){0});
    int err = sql_run(place, NULL);
    if (err == 0 && *ret_deleted)
        err = run_for(sql, CATALOGUE_BLOBS_UNWANT, account->row);
    return err < 0 || !*ret_deleted ? err : run_for(sql, CATALOGUE_PURGING_ACCOUNT_INSERT, account->row);
}

int catalogue_account_rows(struct sql *sql, struct store_account_rows *rows)
{
    unsigned limit = MIN(rows->limit, ACCOUNT_ROWS_MAX);
    CLEANUP(sql_reset) struct sql_statement *select = sql_statement(sql, CATALOGUE_ACCOUNT_ROWS);
    sql_bind_i64(select, 1, rows->after_row);
    sql_bind_i64(select, 2, limit);
    rows->ret_rows = xcalloc((size_t)limit + 1, sizeof(*rows->ret_rows));
    rows->ret_count = 0;
    int rc;
    while ((rc = sql_row(select)) == 1) {
        struct account_row *row = &rows->ret_rows[rows->ret_count++];
        *row = (struct account_row){
            .row = sql_i64(select, 0),
            .created_ms = sql_i64(select, 1),
            .suspended_ms = sql_i64(select, 2),
            .resumed_ms = sql_i64(select, 3),
            .deleted_ms = sql_i64(select, 4),
        };
        snprintf(row->name, sizeof(row->name), "%.*s", STR_ARGS(sql_text(select, 5)));
        snprintf(row->retention, sizeof(row->retention), "%.*s", STR_ARGS(sql_text(select, 6)));
    }
    return rc;
}

// --- Listing

int catalogue_account_list(struct sql *sql, struct store_account_list *list)
{
    unsigned limit = list->limit > 0 && list->limit < LIST_MAX ? list->limit : LIST_MAX;
    list->ret_accounts = xcalloc((size_t)limit + 1, sizeof(*list->ret_accounts));
    if (list->name.len > 0) {
        int err = account_find(sql, list->name, list->ret_accounts);
        list->ret_count = err == 0;
        return err;
    }
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(sql, CATALOGUE_ACCOUNT_LIST);
    sql_bind_i64(rows, 1, list->after_row);
    sql_bind_i64(rows, 2, (int64_t)limit + 1); // one more than wanted tells whether there are more
    int rc;
    while ((rc = sql_row(rows)) == 1)
        account_from_row(rows, &list->ret_accounts[list->ret_count++]);
    if (rc < 0 || list->ret_count <= limit)
        return rc;
    list->ret_count = limit;
    list->ret_next_row = list->ret_accounts[limit - 1].row;
    return 0;
}
