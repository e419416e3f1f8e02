// Which events of sources are in a log.
#include "store/catalogue/catalogue.h"

#define FORGET_AT_ONCE 4096

static struct str bytes_of(const struct late_key *key)
{
    return str_n((const char *)key->bytes, sizeof(key->bytes));
}

static int is_known(struct sql *sql, int64_t row, const struct late_key *key, bool *ret)
{
    int64_t found;
    struct sql_statement *find = sql_statement(sql, CATALOGUE_SOURCE_EVENT_FIND);
    sql_bind_i64(find, 1, row);
    sql_bind_bytes(find, 2, bytes_of(key));
    int err = sql_number(find, &found);
    *ret = err == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

int catalogue_events_known(struct sql *sql, const struct store_events_known *query)
{
    int err = 0;
    for (size_t i = 0; i < query->count && err == 0; i++)
        err = is_known(sql, query->row, &query->events[i].key, &query->ret_known[i]);
    return err;
}

int catalogue_events_add(struct sql *sql, int64_t row, const struct late_key *keys, size_t count)
{
    bool known = false;
    int err = 0;
    for (size_t i = 0; i < count && err == 0 && !known; i++)
        err = is_known(sql, row, &keys[i], &known);
    if (err < 0 || known)
        return err < 0 ? err : ERR_CONFLICT;
    for (size_t i = 0; i < count && err == 0; i++) {
        uint64_t changes = 0;
        struct sql_statement *add = sql_statement(sql, CATALOGUE_SOURCE_EVENT_ADD);
        sql_bind_i64(add, 1, row);
        sql_bind_bytes(add, 2, bytes_of(&keys[i]));
        err = sql_run(add, &changes);
        if (err == 0 && changes == 0)
            err = sql_outrun(sql); // another connection has added it meanwhile
    }
    return err;
}

int catalogue_events_forget(struct sql *sql, int64_t row, bool *ret_more)
{
    uint64_t changes = 0;
    struct sql_statement *forget = sql_statement(sql, CATALOGUE_SOURCE_EVENTS_FORGET);
    sql_bind_i64(forget, 1, row);
    sql_bind_i64(forget, 2, FORGET_AT_ONCE);
    int err = sql_run(forget, &changes);
    *ret_more = changes > 0;
    return err;
}
