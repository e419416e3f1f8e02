#include "store/schema/schema.h"

#include "util/error.h"

int schema_newest(void)
{
    int newest = 0;
    for (const struct schema_migration *at = schema_migrations[SQL_SQLITE]; at->number > 0; at++)
        newest = at->number;
    return newest;
}

int schema_version(struct sql *sql, int *ret)
{
    int64_t version = 0;
    int err = sql_exec(sql, "{version_make}");
    struct sql_statement *get = err == 0 ? sql_prepare(sql, "{version_get}") : NULL;
    if (err == 0)
        err = sql_number(get, &version);
    sql_statement_free(&get);
    if (err == 0)
        *ret = (int)version;
    return err;
}

static int apply(struct sql *sql, const struct schema_migration *migration)
{
    char version[48];
    snprintf(version, sizeof(version), "{version_set} %d", migration->number);
    int err = sql_begin(sql, SQL_WRITE);
    if (err == 0)
        err = sql_exec(sql, migration->sql);
    if (err == 0)
        err = sql_exec(sql, version);
    return err < 0 ? err : sql_commit(sql);
}

int schema_migrate(struct sql *sql, int from)
{
    int err = 0;
    for (const struct schema_migration *at = schema_migrations[sql_engine(sql)]; at->number > 0 && err == 0; at++)
        if (at->number > from)
            err = apply(sql, at);
    return err;
}
