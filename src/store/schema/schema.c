#include "store/schema/schema.h"

#include "util/error.h"

static int newest_of(const struct schema_migration *table)
{
    int newest = 0;
    for (const struct schema_migration *at = table; at->number > 0; at++)
        newest = at->number;
    return newest;
}

int schema_newest(void)
{
    return newest_of(schema_migrations[SQL_SQLITE]);
}

static int number_of(struct sql *sql, const char *text, int64_t *ret)
{
    struct sql_statement *get = sql_prepare(sql, text);
    int err = sql_number(get, ret);
    sql_statement_free(&get);
    return err;
}

int schema_version(struct sql *sql, int *ret)
{
    int64_t version = 0;
    int err = sql_exec(sql, "{version_make}");
    if (err == 0)
        err = number_of(sql, "{version_get}", &version);
    if (err == 0)
        *ret = (int)version;
    return err;
}

// Checks, in its transaction, what a step back would lose.
static int check_lossless(struct sql *sql, const struct schema_migration *migration, struct buf *ret_reason)
{
    int64_t lost = 0;
    int err = migration->back && migration->counted_by ? number_of(sql, migration->counted_by, &lost) : 0;
    if (err < 0 || (migration->back && lost == 0))
        return err;
    buf_printf(ret_reason, "the schema %d (%s) has no way back without loss: ", migration->number, migration->name);
    if (lost > 0)
        buf_printf(ret_reason, "%lld of ", (long long)lost);
    buf_printf(ret_reason, "%s would be lost. What one goes back to is a backup that was made before: `runnel restore`",
               migration->loses ? migration->loses : "what it brought");
    return ERR_CONFLICT;
}

static int run_step(struct sql *sql, const struct schema_migration *migration, bool back, struct buf *ret_reason)
{
    char version[64];
    snprintf(version, sizeof(version), back ? "{version_back} %d" : "{version_set} %d", migration->number - back);
    int err = back ? check_lossless(sql, migration, ret_reason) : 0;
    if (err == 0)
        err = sql_exec(sql, back ? migration->back : migration->forward);
    return err < 0 ? err : sql_exec(sql, version);
}

// Makes one migration in one transaction: from `from`, if the schema still is at that number.
static int step(struct sql *sql, const struct schema_migration *migration, int from, struct buf *ret_reason)
{
    int64_t now = 0;
    bool back = migration->number == from;
    int err = sql_begin(sql, SQL_WRITE);
    struct sql_statement *alone = err == 0 ? sql_prepare(sql, "SELECT {alone}") : NULL;
    if (err == 0)
        err = sql_run(alone, NULL);
    sql_statement_free(&alone);
    if (err == 0)
        err = number_of(sql, "{version_get}", &now);
    if (err == 0 && now == from)
        err = run_step(sql, migration, back, ret_reason);
    if (err == 0)
        err = sql_commit(sql);
    if (err == 0)
        return 0;
    if (ret_reason->len == 0) {
        CLEANUP(free_ptr) char *reason = sql_reason(sql);
        buf_append_text(ret_reason, reason);
    }
    sql_rollback(sql);
    return err;
}

static int check_wanted(int newest, int version, int to, struct buf *ret_reason)
{
    if (version > newest) {
        buf_printf(ret_reason, "it has the schema %d; this program knows schemas up to %d", version, newest);
        return ERR_TOO_NEW;
    }
    if (to < 1 || to > newest) {
        buf_printf(ret_reason, "there is no schema %d; this program knows 1 to %d", to, newest);
        return ERR_INVALID;
    }
    if (to < version - 1) {
        buf_printf(ret_reason, "it has the schema %d, and goes back one step at a time: to %d first", version,
                   version - 1);
        return ERR_INVALID;
    }
    return 0;
}

int schema_migrate_by(const struct schema_migration *table, struct sql *sql, int to, struct buf *ret_reason)
{
    int version = 0;
    int err = schema_version(sql, &version);
    if (err < 0) {
        CLEANUP(free_ptr) char *reason = sql_reason(sql);
        buf_append_text(ret_reason, reason);
        return err;
    }
    err = check_wanted(newest_of(table), version, to, ret_reason);
    if (err == 0 && to < version)
        return step(sql, &table[version - 1], version, ret_reason);
    for (; version < to && err == 0; version++)
        err = step(sql, &table[version], version, ret_reason);
    return err;
}

int schema_migrate(struct sql *sql, int to, struct buf *ret_reason)
{
    return schema_migrate_by(schema_migrations[sql_engine(sql)], sql, to, ret_reason);
}
