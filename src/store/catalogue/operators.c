// All keys of an account, and the rule that one operator's key must be left.
#include "store/catalogue/catalogue.h"

int catalogue_operators_left(struct sql *sql, int64_t key_row, int64_t account, int64_t now_ms)
{
    int err = sql_run(sql_statement(sql, CATALOGUE_OPERATORS_ALONE), NULL);
    if (err < 0)
        return err;
    int64_t expires_ms, other;
    struct sql_statement *lasts = sql_statement(sql, CATALOGUE_OPERATOR_LASTS);
    sql_bind_i64(lasts, 1, key_row);
    sql_bind_i64(lasts, 2, account);
    sql_bind_i64(lasts, 3, now_ms);
    err = sql_number(lasts, &expires_ms);
    if (err < 0) // no operator's key is removed, or nobody could use it any more
        return err == ERR_NOT_FOUND ? 0 : err;
    struct sql_statement *others = sql_statement(sql, CATALOGUE_OPERATOR_OUTLASTS);
    sql_bind_i64(others, 1, key_row);
    sql_bind_i64(others, 2, account);
    sql_bind_i64(others, 3, expires_ms);
    err = sql_number(others, &other);
    return err == ERR_NOT_FOUND ? ERR_LAST_OPERATOR : err;
}

int catalogue_keys_revoke(struct sql *sql, int64_t account, int64_t now_ms)
{
    struct sql_statement *update = sql_statement(sql, CATALOGUE_KEYS_REVOKE);
    sql_bind_i64(update, 1, account);
    sql_bind_i64(update, 2, now_ms);
    return sql_run(update, NULL);
}
