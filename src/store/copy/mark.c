#include "store/copy/mark.h"

#include "store/copy/meta.h"
#include "store/schema/schema.h"
#include "util/error.h"

int copy_mark_check(struct sql *sql, const char *name, int version, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf mark = {0};
    int rc = version > 0 ? copy_meta_get(sql, COPY_MARK, &mark) : 0;
    if (rc <= 0)
        return rc;
    struct copy_mark read;
    copy_mark_read(buf_str(&mark), &read);
    buf_printf(ret_error, "%s is a copy that is not finished. To go on with it: %.*s. To give it up, remove it", name,
               STR_ARGS(read.command));
    return ERR_CONFLICT;
}

int copy_source_check(struct sql *sql, const char *name, int version, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf incarnation = {0}, backup = {0};
    if (version > 0 && version != schema_newest()) {
        buf_printf(ret_error,
                   "%s has the schema %d, and this program copies the schema %d: start a server of this version "
                   "on it once",
                   name, version, schema_newest());
        return ERR_CONFLICT;
    }
    int err = copy_mark_check(sql, name, version, ret_error);
    if (err < 0)
        return err;
    int rc = version > 0 ? copy_meta_get(sql, COPY_INCARNATION, &incarnation) : 0;
    if (rc == 0)
        buf_printf(ret_error, "%s is no store: no server has made it", name);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    rc = copy_meta_get(sql, STORE_BACKUP_MARK, &backup);
    if (rc <= 0)
        return rc;
    buf_printf(
        ret_error,
        "%s is a backup: put it in the place of a store (a file by `runnel restore`), start a server on it once, "
        "and copy that",
        name);
    return ERR_CONFLICT;
}

int copy_target_check(struct sql *sql, const char *name, int version, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf mark = {0}, incarnation = {0};
    int begun = version > 0 ? copy_meta_get(sql, COPY_MARK, &mark) : 0;
    int used = version > 0 ? copy_meta_get(sql, COPY_INCARNATION, &incarnation) : 0;
    if (begun < 0 || used < 0)
        return MIN(begun, used);
    if (used == 1) {
        buf_printf(ret_error, "%s holds a store already: name an empty one", name);
        return ERR_CONFLICT;
    }
    if (version > schema_newest() || (begun == 1 && version != schema_newest())) {
        buf_printf(ret_error,
                   "%s is a copy that another version of this program has begun: go on with that one, or empty "
                   "it",
                   name);
        return ERR_CONFLICT;
    }
    return 0;
}

void copy_mark_read(struct str mark, struct copy_mark *ret)
{
    *ret = (struct copy_mark){.incarnation = str_split(&mark, ' ')};
    str_to_i64(str_split(&mark, ' '), &ret->servers);
    ret->command = mark;
}

void copy_mark_write(const struct copy_mark *mark, struct buf *out)
{
    buf_append_str(out, mark->incarnation);
    buf_printf(out, " %lld ", (long long)mark->servers);
    buf_append_str(out, mark->command);
}

int copy_meta_get(struct sql *sql, const char *name, struct buf *ret)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *get = sql_prepare(sql, "SELECT value FROM meta WHERE name = ?1");
    sql_bind_text(get, 1, str_of(name));
    int rc = sql_row(get);
    if (rc == 1)
        buf_append_str(ret, sql_text(get, 0));
    return rc;
}

int copy_meta_set(struct sql *sql, const char *name, struct str value)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *set = sql_prepare(sql, "INSERT INTO meta(name, value) VALUES(?1, ?2) "
                                                 "ON CONFLICT(name) DO UPDATE SET value = excluded.value");
    sql_bind_text(set, 1, str_of(name));
    sql_bind_text(set, 2, value);
    return sql_run(set, NULL);
}

int copy_meta_delete(struct sql *sql, const char *name)
{
    CLEANUP(sql_statement_free) struct sql_statement *remove = sql_prepare(sql, "DELETE FROM meta WHERE name = ?1");
    sql_bind_text(remove, 1, str_of(name));
    return sql_run(remove, NULL);
}
