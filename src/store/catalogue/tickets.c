// Tickets of streams, where servers share the store. All times are by the store's clock.
#include "store/catalogue/catalogue.h"
#include "store/ops/ticket.h"

static int expire(struct sql *sql, int64_t now_ms)
{
    struct sql_statement *expire = sql_statement(sql, CATALOGUE_TICKETS_EXPIRE);
    sql_bind_i64(expire, 1, now_ms);
    return sql_run(expire, NULL);
}

int catalogue_ticket_add(struct sql *sql, const struct store_ticket_add *add, int64_t now_ms)
{
    int64_t count = 0;
    int err = expire(sql, now_ms);
    struct sql_statement *counted = sql_statement(sql, CATALOGUE_TICKETS_COUNT);
    sql_bind_i64(counted, 1, add->account);
    sql_bind_i64(counted, 2, now_ms);
    if (err == 0)
        err = sql_number(counted, &count);
    if (err < 0 || (uint64_t)count >= add->max)
        return err < 0 ? err : ERR_RATE;
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_TICKET_INSERT);
    sql_bind_text(insert, 1, str_of(add->id));
    sql_bind_i64(insert, 2, add->account);
    sql_bind_i64(insert, 3, add->key_row);
    sql_bind_text(insert, 4, add->principal);
    sql_bind_i64(insert, 5, now_ms + (int64_t)add->lasts_ms);
    return sql_run(insert, NULL);
}

static int is_suspended(struct sql *sql, int64_t account, bool *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_ACCOUNT_STATE);
    sql_bind_i64(find, 1, account);
    int rc = sql_row(find);
    *ret = rc == 1 && sql_i64(find, 0) > 0;
    return rc < 0 ? rc : rc == 1 ? 0 : ERR_NOT_FOUND;
}

int catalogue_ticket_use(struct sql *sql, struct store_ticket_use *use, int64_t now_ms)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_TICKET_LOCKED);
    sql_bind_text(find, 1, str_of(use->id));
    sql_bind_i64(find, 2, now_ms);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    unsigned kind = (unsigned)sql_i64(find, 1);
    if (kind != 0 && (kind != use->kind || !str_eq(sql_text(find, 2), use->execution_id)))
        return ERR_UNAUTHORIZED;
    int err = is_suspended(sql, sql_i64(find, 3), &use->ret_suspended);
    if (err < 0)
        return err;
    use->ret_principal = sql_dup(find, 0);
    struct sql_statement *bind = sql_statement(sql, CATALOGUE_TICKET_USE);
    sql_bind_text(bind, 1, str_of(use->id));
    sql_bind_i64(bind, 2, use->kind);
    sql_bind_text(bind, 3, use->execution_id.data ? use->execution_id : STR(""));
    sql_bind_i64(bind, 4, now_ms + (int64_t)use->lasts_ms);
    return sql_run(bind, NULL);
}

int catalogue_tickets_keep(struct sql *sql, const struct store_tickets_keep *keep, int64_t now_ms)
{
    struct sql_statement *update = sql_statement(sql, CATALOGUE_TICKETS_KEEP);
    sql_bind_text(update, 1, keep->ids_json);
    sql_bind_i64(update, 2, now_ms + (int64_t)keep->lasts_ms);
    return sql_run(update, NULL);
}

int catalogue_tickets_end(struct sql *sql, int64_t account, int64_t key_row)
{
    struct sql_statement *end = sql_statement(sql, key_row ? CATALOGUE_TICKETS_END_KEY : CATALOGUE_TICKETS_END_ACCOUNT);
    sql_bind_i64(end, 1, key_row ? key_row : account);
    return sql_run(end, NULL);
}
