#include "store/schema/schema.h"

#include "model/node.h"
#include "util/error.h"

#include <unistd.h>

#define STEP_TRIES    30
#define STEP_PAUSE_US 100000

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

// One that is silent may stand still, and go on: it finds itself fenced, and cannot start anew.
static int fence_silent(struct sql *sql, int works_with)
{
    char text[160];
    snprintf(text, sizeof(text),
             "UPDATE nodes SET fenced_ms = {now_ms} WHERE kind = %d AND fenced_ms = 0 AND knows < %d", NODE_SERVER,
             works_with);
    return sql_exec(sql, text);
}

// Says, in its transaction, which programs can work on the schema after this step; and looks whether others are at
// work. A server that starts waits at the same row until this transaction has ended.
static int fence_readers(struct sql *sql, const struct schema_migration *migration, bool back, struct buf *ret_reason)
{
    char text[256];
    int64_t older = 0;
    int works_with = back ? migration->number - 1 : migration->works_with;
    // What the store holds may ask for more than its schema, such as logs that were moved elsewhere: so what is asked
    // for rises, and falls only to what one goes back to.
    snprintf(text, sizeof(text), "UPDATE schema_reader SET minimum = CASE WHEN minimum %s %d THEN %d ELSE minimum END",
             back ? ">" : "<", works_with, works_with);
    int err = sql_exec(sql, text);
    snprintf(text, sizeof(text),
             "SELECT count(*) FROM nodes WHERE kind = %d AND fenced_ms = 0 AND heartbeat_ms >= {now_ms} - %d "
             "AND knows < %d",
             NODE_SERVER, NODE_SILENT_MS, works_with);
    if (err == 0)
        err = number_of(sql, text, &older);
    if (err < 0 || older == 0)
        return err < 0 ? err : fence_silent(sql, works_with);
    buf_printf(
        ret_reason,
        "%lld of the servers that use it now cannot work on the schema that it would become. Stop all servers of "
        "versions that do not know the schema %d (one that was killed counts for %d s), and start this one again",
        (long long)older, works_with, NODE_SILENT_MS / 1000);
    return ERR_HELD;
}

static int run_step(struct sql *sql, const struct schema_migration *migration, bool back, struct buf *ret_reason)
{
    char version[64];
    snprintf(version, sizeof(version), back ? "{version_back} %d" : "{version_set} %d", migration->number - back);
    bool says = migration->works_with > 0 && migration[-1].works_with > 0;
    int err = back ? check_lossless(sql, migration, ret_reason) : 0;
    if (err == 0 && says)
        err = fence_readers(sql, migration, back, ret_reason);
    if (err == 0)
        err = sql_exec(sql, back ? migration->back : migration->forward);
    return err < 0 ? err : sql_exec(sql, version);
}

static int run_before(struct sql *sql, const struct schema_migration *migration)
{
    int err = 0;
    for (const char *const *text = migration->before; text && *text && err == 0; text++)
        err = sql_exec(sql, *text);
    return err;
}

// Goes from `from` to `to` within a transaction: forward by any number of steps, or back by one.
static int run_steps(struct sql *sql, const struct schema_migration *table, int from, int to, struct buf *ret_reason)
{
    if (to < from)
        return run_step(sql, &table[to], true, ret_reason);
    int err = 0;
    for (int at = from; at < to && err == 0; at++) {
        err = from == 0 ? run_before(sql, &table[at]) : 0; // of a new store there was nothing before
        if (err == 0)
            err = run_step(sql, &table[at], false, ret_reason);
    }
    return err;
}

// Does so in one transaction, if the schema still is at `from`.
static int move(struct sql *sql, const struct schema_migration *table, int from, int to, struct buf *ret_reason)
{
    int64_t now = 0;
    int err = sql_begin(sql, SQL_WRITE);
    struct sql_statement *alone = err == 0 ? sql_prepare(sql, "SELECT {alone}") : NULL;
    if (err == 0)
        err = sql_run(alone, NULL);
    sql_statement_free(&alone);
    if (err == 0)
        err = sql_exec(sql, "{impatient}");
    if (err == 0)
        err = number_of(sql, "{version_get}", &now);
    if (err == 0 && now == from)
        err = run_steps(sql, table, from, to, ret_reason);
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

// What can be done of a step before it; it may be done again.
static int move_prepared(struct sql *sql, const struct schema_migration *table, int from, int to,
                         struct buf *ret_reason)
{
    int err = 0;
    for (int at = from; at < to && from > 0 && err == 0; at++)
        err = run_before(sql, &table[at]);
    if (err == 0)
        return move(sql, table, from, to, ret_reason);
    CLEANUP(free_ptr) char *reason = sql_reason(sql);
    buf_append_text(ret_reason, reason);
    return err;
}

// What meets a transaction in its way gives way, and tries again.
static int move_on(struct sql *sql, const struct schema_migration *table, int from, int to, struct buf *ret_reason)
{
    int err = move_prepared(sql, table, from, to, ret_reason);
    for (int tries = 1; err == ERR_UNAVAILABLE && tries < STEP_TRIES; tries++) {
        usleep(STEP_PAUSE_US);
        buf_reset(ret_reason);
        err = move_prepared(sql, table, from, to, ret_reason);
    }
    return err;
}

// Of a schema that is newer than the program: whether it works with it all the same.
static int check_newer(struct sql *sql, const struct schema_migration *newest, int version, struct buf *ret_reason)
{
    int64_t minimum = INT64_MAX;
    int err = newest->works_with > 0 ? number_of(sql, "SELECT minimum FROM schema_reader", &minimum) : 0;
    if (err < 0 || minimum <= newest->number)
        return err;
    buf_printf(ret_reason, "it has the schema %d; this program knows schemas up to %d", version, newest->number);
    return ERR_TOO_NEW;
}

static int check_wanted(int newest, int version, int to, struct buf *ret_reason)
{
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

static int read_version(struct sql *sql, int *ret, struct buf *ret_reason)
{
    int err = schema_version(sql, ret);
    if (err < 0) {
        CLEANUP(free_ptr) char *reason = sql_reason(sql);
        buf_append_text(ret_reason, reason);
    }
    return err;
}

int schema_migrate_by(const struct schema_migration *table, struct sql *sql, int to, struct buf *ret_reason)
{
    int version = 0;
    int err = read_version(sql, &version, ret_reason);
    if (err < 0)
        return err;
    int newest = newest_of(table);
    if (version > newest)
        return check_newer(sql, &table[newest - 1], version, ret_reason);
    err = check_wanted(newest, version, to, ret_reason);
    if (err == 0 && to < version)
        return move_on(sql, table, version, to, ret_reason);
    // Another program may be first to make a new store, and of an older schema: the rest is then gone by steps.
    while (err == 0 && version < to) {
        err = move_on(sql, table, version, version == 0 ? to : version + 1, ret_reason);
        if (err == 0)
            err = read_version(sql, &version, ret_reason);
    }
    return err;
}

int schema_migrate(struct sql *sql, int to, struct buf *ret_reason)
{
    return schema_migrate_by(schema_migrations[sql_engine(sql)], sql, to, ret_reason);
}
