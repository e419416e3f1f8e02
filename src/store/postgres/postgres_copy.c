#include "store/postgres/postgres_copy.h"

#include "model/node.h"
#include "store/catalogue/parts.h"
#include "store/copy/mark.h"
#include "store/copy/tables.h"
#include "store/postgres/appends.h"
#include "store/postgres/days.h"
#include "store/postgres/journal.h"
#include "store/postgres/statements.h"
#include "store/schema/schema.h"
#include "store/sql/postgres.h"
#include "util/error.h"

#include <libpq-fe.h>

#define CHUNKS_AT_ONCE "8"
#define LOCK_WAIT      "10s" // the process that had it before may have been killed, which its server finds out

struct postgres_side {
    struct copy_side base;
    struct buf chunks; // rows that are not written yet
    int64_t part;      // that the last of them goes to
    // Chunks that are being read, one behind the other.
    struct sql_statement *scan;
    int64_t scan_row; // 0: none
    uint64_t scan_at; // what comes next
};

static struct postgres_side *side_of(struct copy_side *base)
{
    return CONTAINER_OF(base, struct postgres_side, base);
}

// --- Writing

static int insert(struct copy_side *base, const struct copy_table *table, const char *names, struct str rows)
{
    CLEANUP(free_ptr) char *text = xasprintf("COPY %s(%s) FROM STDIN (FORMAT binary)", table->name, names);
    return sql_postgres_copy(base->sql, text, rows);
}

static int set_number(struct copy_side *base, struct str table, int64_t last)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *set = sql_prepare(base->sql, "SELECT setval(pg_get_serial_sequence(?1, 'id'), ?2)");
    sql_bind_text(set, 1, table);
    sql_bind_i64(set, 2, last);
    return sql_run(set, NULL);
}

static int add(struct copy_side *base, int64_t row, uint64_t first, const struct chunk *chunk, bool refined)
{
    struct postgres_side *side = side_of(base);
    int err = side->part != log_part(row) ? days_make(base->sql, log_part(row)) : 0;
    side->part = log_part(row);
    chunk_row_add(&side->chunks, row, first, chunk, refined);
    return err;
}

static int flush(struct copy_side *base)
{
    struct postgres_side *side = side_of(base);
    int err = side->chunks.len > 0 ? sql_postgres_copy(base->sql, CHUNK_ROWS_COPY, buf_str(&side->chunks)) : 0;
    buf_reset(&side->chunks);
    return err;
}

// Without figures about its tables, the first queries would be planned as for empty ones.
static int finish(struct copy_side *base)
{
    return sql_exec(base->sql, "ANALYZE");
}

// --- Reading

static int scan_from(struct postgres_side *side, int64_t row, uint64_t at)
{
    sql_statement_free(&side->scan);
    side->scan = sql_prepare(side->base.sql, "SELECT first, body FROM chunks WHERE execution = ?1 AND first >= ?2 "
                                             "ORDER BY first LIMIT " CHUNKS_AT_ONCE);
    sql_bind_i64(side->scan, 1, row);
    sql_bind_u64(side->scan, 2, at);
    side->scan_row = row;
    side->scan_at = at;
    return sql_row(side->scan);
}

static int chunk_at(struct copy_side *base, int64_t row, uint64_t at, struct chunk **ret)
{
    struct postgres_side *side = side_of(base);
    bool goes_on = side->scan_row == row && side->scan_at == at;
    int rc = goes_on ? sql_row(side->scan) : 0;
    if (rc == 0)
        rc = scan_from(side, row, at);
    side->scan_row = 0;
    if (rc <= 0 || sql_u64(side->scan, 0) != at)
        return MIN(rc, 0);
    struct str body = sql_bytes(side->scan, 1);
    if (body.len == 0)
        return ERR_COLD;
    int err = chunk_decode_stored(body.data, body.len, ret);
    if (err < 0)
        return err;
    side->scan_row = row;
    side->scan_at = at + chunk_count(*ret);
    return 1;
}

static int check_idle(struct copy_side *base, struct buf *ret_error)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *count = sql_prepare(
        base->sql, "SELECT count(*) FROM nodes WHERE id > 0 AND fenced_ms = 0 AND heartbeat_ms >= {now_ms} - ?1");
    int64_t servers = 0;
    sql_bind_i64(count, 1, NODE_SILENT_MS);
    int err = sql_number(count, &servers);
    if (err < 0 || servers == 0)
        return err;
    buf_printf(
        ret_error, "%s is in use by %lld server%s: stop %s first. One that was killed counts for %d seconds more",
        base->name, (long long)servers, servers == 1 ? "" : "s", servers == 1 ? "it" : "them", NODE_SILENT_MS / 1000);
    return ERR_CONFLICT;
}

// --- Opening

static void side_free(struct copy_side *base)
{
    struct postgres_side *side = side_of(base);
    sql_statement_free(&side->scan);
    buf_release(&side->chunks);
    if (base->sql)
        sql_free(&base->sql);
    free(side);
}

static const struct copy_kind postgres_kind = {
    .tables = "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN "
              "('r', 'p') "
              "AND NOT relispartition ORDER BY relname COLLATE \"C\"",
    .columns = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), "
               "coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1 "
               "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND "
               "a.attgenerated = '' AND a.attname <> 'journal' "
               "LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary "
               "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname = ?1 "
               "ORDER BY coalesce(array_position(i.indkey::int2[], a.attnum), 1000), a.attname COLLATE \"C\"",
    .numbers =
        "SELECT c.relname::text, "
        "coalesce(pg_sequence_last_value(pg_get_serial_sequence(c.relname::text, a.attname::text)::regclass), 0) "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity = 'd' "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' ORDER BY 1",
    .text_without_zero = true,
    .insert = insert,
    .set_number = set_number,
    .chunk = chunk_at,
    .add = add,
    .flush = flush,
    .finish = finish,
    .check_idle = check_idle,
    .free = side_free,
};

// As words, without what is secret.
static char *name_of(const char *conninfo)
{
    CLEANUP(buf_release) struct buf name = {0};
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    for (const PQconninfoOption *at = options; at && at->keyword; at++)
        if (at->val && *at->val && !strstr(at->keyword, "password"))
            buf_printf(&name, "%s%s=%s", name.len > 0 ? " " : "", at->keyword, at->val);
    PQconninfoFree(options);
    return name.len > 0 ? buf_take(&name) : xstrdup("the database");
}

static int connect_to(const char *conninfo, struct copy_side **ret, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf reason = {0};
    struct postgres_side *side = xcalloc(1, sizeof(*side));
    side->base.kind = &postgres_kind;
    side->base.name = name_of(conninfo);
    *ret = &side->base;
    int err = sql_postgres_open(conninfo, postgres_texts, &side->base.sql, &reason);
    if (err < 0)
        buf_printf(ret_error, "%s %s: %s", err == ERR_UNAVAILABLE ? "cannot reach" : "cannot use", side->base.name,
                   buf_cstr(&reason));
    // The other side may take long meanwhile, and nobody waits for this one.
    return err < 0 ? err : sql_exec(side->base.sql, "SET idle_in_transaction_session_timeout = 0");
}

static int done(int err, struct copy_side **side, struct buf *ret_error)
{
    if (err < 0 && ret_error->len == 0) {
        buf_printf(ret_error, "cannot use %s: ", (*side)->name);
        copy_side_reason(*side, ret_error);
    }
    if (err < 0)
        copy_side_free(side);
    return err;
}

// Writes nothing.
static int version_of(struct copy_side *side, int *ret)
{
    int64_t there = 0;
    CLEANUP(sql_statement_free)
    struct sql_statement *find =
        sql_prepare(side->sql, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND "
                               "tablename = 'schema_version'");
    int err = sql_number(find, &there);
    *ret = 0;
    return err < 0 || there == 0 ? err : schema_version(side->sql, ret);
}

// Of servers that were killed.
static int settle(struct sql *sql)
{
    int err = sql_begin(sql, SQL_WRITE);
    if (err == 0)
        err = journal_settle_all(sql);
    if (err == 0)
        err = sql_commit(sql);
    if (err < 0)
        sql_rollback(sql);
    return err;
}

int postgres_copy_from(const char *conninfo, struct copy_side **ret, struct buf *ret_error)
{
    int version = 0;
    int err = connect_to(conninfo, ret, ret_error);
    if (err == 0)
        err = version_of(*ret, &version);
    if (err == 0)
        err = copy_source_check((*ret)->sql, (*ret)->name, version, ret_error);
    if (err == 0 && version > 0)
        err = settle((*ret)->sql);
    return done(err, ret, ret_error);
}

static int lock(struct copy_side *side, struct buf *ret_error)
{
    int err = sql_exec(side->sql, "SET lock_timeout = '" LOCK_WAIT "'");
    if (err == 0)
        err = sql_exec(side->sql, "SELECT pg_advisory_lock(8269515)");
    if (err < 0 && sql_again(side->sql)) {
        buf_printf(ret_error, "another process copies to %s", side->name);
        return ERR_CONFLICT;
    }
    return err < 0 ? err : sql_exec(side->sql, "SET lock_timeout = 0");
}

int postgres_copy_to(const char *conninfo, struct copy_side **ret, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf reason = {0};
    int version = 0;
    int err = connect_to(conninfo, ret, ret_error);
    if (err == 0)
        err = lock(*ret, ret_error);
    if (err == 0)
        err = version_of(*ret, &version);
    if (err == 0)
        err = copy_target_check((*ret)->sql, (*ret)->name, version, ret_error);
    if (err == 0 && (err = schema_migrate((*ret)->sql, schema_newest(), &reason)) < 0)
        buf_printf(ret_error, "cannot make the schema in %s: %s", (*ret)->name, buf_cstr(&reason));
    return done(err, ret, ret_error);
}
