// What one of several stores (store/shards/) knows of its place among them: one row of `meta`, SET NUMBER STORES
// CLOSED CHANGED-MS INCARNATION.
#include "store/catalogue/catalogue.h"
#include "store/copy/meta.h"

#define MARK "shard"

static bool mark_read(struct str text, struct store_shard_join *ret)
{
    uint64_t number, stores, closed;
    struct str set = str_split(&text, ' ');
    bool good = str_to_u64(str_split(&text, ' '), &number) && number < STORE_SHARDS_MAX &&
                str_to_u64(str_split(&text, ' '), &stores) && stores <= STORE_SHARDS_MAX &&
                str_to_u64(str_split(&text, ' '), &closed) && closed < 1u << STORE_SHARDS_MAX &&
                str_to_i64(str_split(&text, ' '), &ret->ret_changed_ms);
    if (!good)
        return false;
    snprintf(ret->ret_set, sizeof(ret->ret_set), "%.*s", STR_ARGS(set));
    snprintf(ret->ret_incarnation, sizeof(ret->ret_incarnation), "%.*s", STR_ARGS(text));
    ret->ret_number = (unsigned)number;
    ret->ret_stores = (unsigned)stores;
    ret->ret_closed = (unsigned)closed;
    return true;
}

static int mark_write(struct sql *sql, const struct store_shard_join *join)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text, "%s %u %u %u %lld %s", join->ret_set, join->ret_number, join->ret_stores, join->ret_closed,
               (long long)join->ret_changed_ms, join->ret_incarnation);
    return copy_meta_set(sql, MARK, buf_str(&text));
}

// One that has something of its own would mix it with that of the others, under the same numbers of accounts.
static int has_own(struct sql *sql)
{
    static const char *const tables[] = {"executions", "accounts", "batches", "workflows"};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        CLEANUP(free_ptr)
        char *text = xasprintf("SELECT count(*) FROM (SELECT id FROM %s LIMIT 1) AS any_row", tables[i]);
        CLEANUP(sql_statement_free) struct sql_statement *count = sql_prepare(sql, text);
        int64_t found = 0;
        int err = sql_number(count, &found);
        if (err < 0 || found > 0)
            return err < 0 ? err : 1;
    }
    return 0;
}

static int join_first(struct sql *sql, struct store_shard_join *join, struct str incarnation, int64_t now_ms)
{
    int rc = join->number > 0 ? has_own(sql) : 0;
    if (rc != 0)
        return rc < 0 ? rc : ERR_CONFLICT;
    char made[ID_SORTABLE_LEN + 1];
    id_sortable(now_ms, made);
    snprintf(join->ret_set, sizeof(join->ret_set), "%.*s", STR_ARGS(join->set.len > 0 ? join->set : str_of(made)));
    snprintf(join->ret_incarnation, sizeof(join->ret_incarnation), "%.*s", STR_ARGS(incarnation));
    join->ret_number = join->number;
    join->ret_stores = join->stores;
    join->ret_closed = join->closed;
    join->ret_changed_ms = now_ms;
    return mark_write(sql, join);
}

static int highest_account(struct sql *sql, int64_t *ret)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *highest = sql_prepare(sql, "SELECT coalesce(max(id), 0) FROM accounts");
    return sql_number(highest, ret);
}

int catalogue_shard_join(struct sql *sql, struct store_shard_join *join, struct str incarnation, int64_t now_ms)
{
    CLEANUP(buf_release) struct buf text = {0};
    CLEANUP(sql_statement_free) struct sql_statement *alone = sql_prepare(sql, "SELECT {alone}");
    join->ret_set[0] = '\0';
    join->ret_now_ms = now_ms;
    int rc = sql_run(alone, NULL);
    if (rc == 0)
        rc = highest_account(sql, &join->ret_account);
    if (rc == 0)
        rc = copy_meta_get(sql, MARK, &text);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return join->asks ? ERR_NOT_FOUND : join_first(sql, join, incarnation, now_ms);
    if (!mark_read(buf_str(&text), join))
        return ERR_CORRUPT;
    if (join->asks)
        return 0;
    bool same = join->set.len == 0 || str_eq(join->set, str_of(join->ret_set));
    if (!same || join->number != join->ret_number || join->stores < join->ret_stores)
        return ERR_CONFLICT;
    if (join->stores == join->ret_stores && join->closed == join->ret_closed)
        return 0;
    join->ret_stores = join->stores;
    join->ret_closed = join->closed;
    join->ret_changed_ms = now_ms;
    return mark_write(sql, join);
}

int catalogue_created(struct sql *sql, struct store_created *created, int64_t now_ms)
{
    CLEANUP(sql_reset)
    struct sql_statement *find =
        sql_statement(sql, created->batch ? CATALOGUE_BATCH_BY_KEY : CATALOGUE_IDEMPOTENCY_FIND);
    sql_bind_i64(find, 1, created->account);
    sql_bind_text(find, 2, created->key);
    int rc = sql_row(find); // the time is the third column of both
    created->ret_known = rc == 1 && sql_i64(find, 2) >= now_ms - CATALOGUE_IDEMPOTENCY_MS;
    return MIN(rc, 0);
}
