// Secrets, as they are sealed.
#include "store/catalogue/catalogue.h"

static void secret_from_row(const struct sql_statement *row, struct secret *ret)
{
    *ret = (struct secret){
        .version = (uint64_t)sql_i64(row, 1),
        .created_ms = sql_i64(row, 2),
        .changed_ms = sql_i64(row, 3),
        .used_ms = sql_i64(row, 4),
    };
    snprintf(ret->name, sizeof(ret->name), "%.*s", STR_ARGS(sql_text(row, 0)));
}

static struct sql_statement *statement_for(struct sql *sql, enum catalogue_statement id, int64_t account,
                                           struct str name)
{
    struct sql_statement *statement = sql_statement(sql, id);
    sql_bind_i64(statement, 1, account);
    sql_bind_text(statement, 2, name);
    return statement;
}

static int secret_find(struct sql *sql, enum catalogue_statement how, int64_t account, struct str name,
                       struct secret *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = statement_for(sql, how, account, name);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    secret_from_row(find, ret);
    return 0;
}

// --- Changing

static int sealed_of(struct sql *sql, int64_t account, struct str name, struct buf *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = statement_for(sql, CATALOGUE_SECRET_SEALED, account, name);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    buf_reset(ret);
    buf_append_str(ret, sql_bytes(find, 0));
    return 0;
}

static int secret_reseal(struct sql *sql, struct store_secret_set *set)
{
    CLEANUP(buf_release) struct buf now = {0};
    int err = secret_find(sql, CATALOGUE_SECRET_LOCKED, set->account, set->name, &set->ret_secret);
    if (err == 0)
        err = sealed_of(sql, set->account, set->name, &now);
    if (err < 0)
        return err;
    if (!str_eq(buf_str(&now), set->former))
        return ERR_CONFLICT;
    struct sql_statement *save = statement_for(sql, CATALOGUE_SECRET_RESEAL, set->account, set->name);
    sql_bind_bytes(save, 3, set->sealed);
    return sql_run(save, NULL);
}

static int check_room(struct sql *sql, const struct store_secret_set *set)
{
    int64_t count = 0;
    struct sql_statement *counted = sql_statement(sql, CATALOGUE_SECRETS_COUNT);
    sql_bind_i64(counted, 1, set->account);
    int err = set->max > 0 ? sql_number(counted, &count) : 0;
    return err < 0 ? err : set->max > 0 && (uint64_t)count >= set->max ? ERR_RATE : 0;
}

int catalogue_secret_set(struct sql *sql, struct store_secret_set *set, int64_t now_ms)
{
    struct secret *secret = &set->ret_secret;
    if (set->former.len > 0)
        return secret_reseal(sql, set);
    int err = catalogue_account_open(sql, set->account);
    if (err == 0)
        err = secret_find(sql, CATALOGUE_SECRET_LOCKED, set->account, set->name, secret);
    set->ret_created = err == ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND)
        err = check_room(sql, set);
    if (err < 0)
        return err;
    struct sql_statement *save = statement_for(sql, CATALOGUE_SECRET_SET, set->account, set->name);
    sql_bind_bytes(save, 3, set->sealed);
    sql_bind_i64(save, 4, now_ms);
    err = sql_run(save, NULL);
    return err < 0 ? err : secret_find(sql, CATALOGUE_SECRET_GET, set->account, set->name, secret);
}

int catalogue_secret_delete(struct sql *sql, const struct store_secret_delete *gone)
{
    uint64_t changes = 0;
    int err = sql_run(statement_for(sql, CATALOGUE_SECRET_DELETE, gone->account, gone->name), &changes);
    return err < 0 ? err : changes == 0 ? ERR_NOT_FOUND : 0;
}

// --- Using

int catalogue_secret_exists(struct sql *sql, int64_t account, struct str name)
{
    struct secret secret;
    return secret_find(sql, CATALOGUE_SECRET_GET, account, name, &secret);
}

// All is read before anything is written.
int catalogue_secret_take(struct sql *sql, struct store_secret_take *take, int64_t now_ms)
{
    int err = 0;
    for (size_t i = 0; i < take->count && err == 0; i++) {
        take->ret_missing = i;
        err = sealed_of(sql, take->account, take->names[i], &take->ret_sealed[i]);
    }
    for (size_t i = 0; i < take->count && err == 0 && !take->looks; i++) {
        struct sql_statement *used = statement_for(sql, CATALOGUE_SECRET_USED, take->account, take->names[i]);
        sql_bind_i64(used, 3, now_ms);
        err = sql_run(used, NULL);
    }
    return err;
}

// --- Listing

int catalogue_secret_list(struct sql *sql, struct store_secret_list *list)
{
    unsigned limit = list->limit > 0 ? MIN(list->limit, (unsigned)SECRETS_LIST_MAX) : SECRETS_LIST_MAX;
    list->ret_secrets = xcalloc((size_t)limit + 1, sizeof(*list->ret_secrets));
    list->ret_count = 0;
    if (list->name.len > 0) {
        int err = secret_find(sql, CATALOGUE_SECRET_GET, list->account, list->name, list->ret_secrets);
        list->ret_count = err == 0;
        return err;
    }
    struct str after = list->after.data ? list->after : STR("");
    CLEANUP(sql_reset) struct sql_statement *rows = statement_for(sql, CATALOGUE_SECRET_LIST, list->account, after);
    sql_bind_i64(rows, 3, limit);
    int rc;
    while ((rc = sql_row(rows)) == 1)
        secret_from_row(rows, &list->ret_secrets[list->ret_count++]);
    return rc;
}
