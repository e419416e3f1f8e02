// Leases: who holds what only one may hold. model/node.h has the rules.
#include "store/catalogue/catalogue.h"

int catalogue_lease_get(struct sql *sql, enum lease_kind kind, int64_t subject, struct node_lease *ret)
{
    *ret = (struct node_lease){0};
    CLEANUP(sql_reset) struct sql_statement *get = sql_statement(sql, CATALOGUE_LEASE_GET);
    sql_bind_i64(get, 1, kind);
    sql_bind_i64(get, 2, subject);
    int rc = sql_row(get);
    if (rc == 1)
        *ret = (struct node_lease){sql_i64(get, 0), sql_u64(get, 1), sql_i64(get, 2), sql_i64(get, 3)};
    return MIN(rc, 0);
}

int catalogue_lease_stands(struct sql *sql, enum lease_kind kind, int64_t subject, int64_t node, uint64_t epoch)
{
    struct node_lease now;
    int err = catalogue_lease_get(sql, kind, subject, &now);
    bool stands = now.node == node && (epoch == 0 || now.epoch == epoch);
    return err < 0 || stands ? err : ERR_FENCED;
}

static int lease_set(struct sql *sql, enum lease_kind kind, int64_t subject, const struct node_lease *now,
                     const struct node_lease *next)
{
    uint64_t changes = 0;
    struct sql_statement *set = sql_statement(sql, CATALOGUE_LEASE_SET);
    sql_bind_i64(set, 1, kind);
    sql_bind_i64(set, 2, subject);
    sql_bind_i64(set, 3, next->node);
    sql_bind_u64(set, 4, next->epoch);
    sql_bind_i64(set, 5, next->deadline_ms);
    sql_bind_i64(set, 6, now->node);
    sql_bind_u64(set, 7, now->epoch);
    sql_bind_i64(set, 8, next->asked_ms);
    int err = sql_run(set, &changes);
    return err < 0 || changes > 0 ? err : sql_outrun(sql); // another connection has made it meanwhile
}

// Nodes are locked before leases: everyone who locks both must use this order.
int catalogue_lease_change(struct sql *sql, enum lease_kind kind, int64_t subject, const struct node_lease_ask *ask,
                           int64_t now_ms, struct node_lease *ret)
{
    struct node_lease now = {0};
    struct node_sign holder = {.fenced = true};
    int err = catalogue_node_stands(sql, ask->node);
    if (err == 0)
        err = catalogue_lease_get(sql, kind, subject, &now);
    if (err == 0 && now.node != 0 && now.node != ask->node)
        err = catalogue_node_sign(sql, now.node, &holder);
    if (err == 0)
        err = node_lease_next(&now, &holder, ask, now_ms, ret);
    return err < 0 ? err : lease_set(sql, kind, subject, &now, ret);
}

static int left_find(struct sql *sql, struct store_lease_adopt *adopt, unsigned limit)
{
    CLEANUP(sql_reset)
    struct sql_statement *left = sql_statement(sql, adopt->own ? CATALOGUE_LEASES_OWN : CATALOGUE_LEASES_LEFT);
    sql_bind_i64(left, 1, adopt->lease_kind);
    sql_bind_i64(left, 2, limit);
    if (adopt->own) {
        sql_bind_i64(left, 3, adopt->node);
        sql_bind_i64(left, 4, adopt->after);
    }
    int rc;
    while ((rc = sql_row(left)) == 1 && adopt->ret_count < limit)
        adopt->ret_leases[adopt->ret_count++] = (struct adopted_lease){
            .subject = sql_i64(left, 0),
            .lease = {sql_i64(left, 1), sql_u64(left, 2), sql_i64(left, 3), sql_i64(left, 4)},
        };
    return MIN(rc, 0);
}

static int adopt_one(struct sql *sql, const struct store_lease_adopt *adopt, struct adopted_lease *lease,
                     int64_t now_ms)
{
    const struct node_sign left = {.fenced = true};
    const struct node_lease_ask ask = {.cause = NODE_LEASE_ADOPT, .node = adopt->node};
    struct node_lease now = lease->lease;
    int err = node_lease_next(&now, &left, &ask, now_ms, &lease->lease);
    lease->ran_out = now.deadline_ms > 0 && now.deadline_ms <= now_ms;
    if (adopt->own)
        return err;
    return err < 0 ? err : lease_set(sql, adopt->lease_kind, lease->subject, &now, &lease->lease);
}

int catalogue_lease_adopt(struct sql *sql, struct store_lease_adopt *adopt, int64_t now_ms)
{
    unsigned limit = adopt->limit > 0 ? MIN(adopt->limit, STORE_ADOPT_MAX) : STORE_ADOPT_MAX;
    free(adopt->ret_leases); // left from a transaction that was begun again
    adopt->ret_leases = xcalloc(limit, sizeof(*adopt->ret_leases));
    adopt->ret_count = 0;
    int err = catalogue_node_stands(sql, adopt->node);
    if (err == 0)
        err = left_find(sql, adopt, limit);
    for (size_t i = 0; i < adopt->ret_count && err == 0; i++)
        err = adopt_one(sql, adopt, &adopt->ret_leases[i], now_ms);
    if (err == 0 && adopt->ret_count < limit && !adopt->own)
        err = sql_run(sql_statement(sql, CATALOGUE_NODES_FORGET), NULL);
    if (err < 0)
        adopt->ret_count = 0;
    return err;
}

int catalogue_lease_deadline(struct sql *sql, enum lease_kind kind, int64_t subject, int64_t deadline_ms)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_LEASE_DEADLINE);
    sql_bind_i64(set, 1, kind);
    sql_bind_i64(set, 2, subject);
    sql_bind_i64(set, 3, deadline_ms);
    return sql_run(set, NULL);
}

int catalogue_lease_end(struct sql *sql, enum lease_kind kind, int64_t subject)
{
    struct sql_statement *end = sql_statement(sql, CATALOGUE_LEASE_END);
    sql_bind_i64(end, 1, kind);
    sql_bind_i64(end, 2, subject);
    return sql_run(end, NULL);
}
