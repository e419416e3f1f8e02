// Nodes: starts them, notes when they are heard of, fences them.
#include "store/catalogue/catalogue.h"
#include "store/schema/schema.h"

int catalogue_now(struct sql *sql, int64_t *ret_ms)
{
    return sql_number(sql_statement(sql, CATALOGUE_NOW), ret_ms);
}

// A node that does not exist any more counts as fenced.
static int node_sign(struct sql *sql, enum catalogue_statement how, int64_t node, struct node_sign *ret)
{
    *ret = (struct node_sign){.fenced = true};
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, how);
    sql_bind_i64(find, 1, node);
    int rc = sql_row(find);
    if (rc == 1)
        *ret = (struct node_sign){.heartbeat_ms = sql_i64(find, 0), .fenced = sql_i64(find, 1) > 0};
    return MIN(rc, 0);
}

static int fence(struct sql *sql, enum catalogue_statement how, int64_t now_ms, int64_t which, uint64_t *ret_count)
{
    struct sql_statement *fence = sql_statement(sql, how);
    sql_bind_i64(fence, 1, now_ms);
    sql_bind_i64(fence, 2, which);
    return sql_run(fence, ret_count);
}

// What another home has called so, before it was restored, has ended.
static int node_place(struct sql *sql, const struct store_node_start *start, int64_t now_ms)
{
    struct sql_statement *leave = sql_statement(sql, CATALOGUE_LEASES_LEAVE);
    sql_bind_i64(leave, 1, start->number);
    int err = sql_run(leave, NULL);
    struct sql_statement *place = sql_statement(sql, CATALOGUE_NODE_PLACE);
    sql_bind_i64(place, 1, start->node_kind);
    sql_bind_text(place, 2, start->address.len > 0 ? start->address : (struct str){0});
    sql_bind_i64(place, 3, now_ms);
    sql_bind_i64(place, 4, schema_newest());
    sql_bind_i64(place, 5, start->number);
    return err < 0 ? err : sql_run(place, NULL);
}

int catalogue_node_start(struct sql *sql, struct store_node_start *start, bool alone, int64_t now_ms)
{
    int err = alone && start->node_kind == NODE_SERVER
                  ? fence(sql, CATALOGUE_NODES_FENCE_OTHERS, now_ms, NODE_SERVER, NULL)
                  : 0;
    if (err == 0 && start->former != 0)
        err = fence(sql, CATALOGUE_NODE_FENCE, now_ms, start->former, NULL);
    int64_t minimum = 0;
    if (err == 0)
        err = sql_number(sql_statement(sql, CATALOGUE_SCHEMA_MINIMUM), &minimum);
    if (err < 0 || minimum > schema_newest())
        return err < 0 ? err : ERR_TOO_NEW; // it was migrated since this program looked
    start->ret_node = start->number;
    if (start->number != 0)
        return node_place(sql, start, now_ms);
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_NODE_INSERT);
    sql_bind_i64(insert, 1, start->node_kind);
    sql_bind_text(insert, 2, start->address.len > 0 ? start->address : (struct str){0});
    sql_bind_i64(insert, 3, now_ms);
    sql_bind_i64(insert, 4, schema_newest());
    return sql_insert(insert, &start->ret_node);
}

int catalogue_node_beat(struct sql *sql, struct store_node_beat *beat, int64_t now_ms)
{
    struct node_sign own;
    beat->ret_fenced = 0;
    int err = node_sign(sql, CATALOGUE_NODE_LOCKED, beat->node, &own);
    if (err < 0 || own.fenced)
        return err < 0 ? err : ERR_NODE_FENCED;
    struct sql_statement *renew = sql_statement(sql, CATALOGUE_NODE_BEAT);
    sql_bind_i64(renew, 1, beat->node);
    sql_bind_i64(renew, 2, now_ms);
    err = sql_run(renew, NULL);
    if (err == 0 && beat->leaves)
        return fence(sql, CATALOGUE_NODE_FENCE, now_ms, beat->node, NULL);
    if (err < 0 || !node_may_fence(own.heartbeat_ms, now_ms))
        return err;
    return fence(sql, CATALOGUE_NODES_FENCE_SILENT, now_ms, node_silent_before(now_ms), &beat->ret_fenced);
}

int catalogue_node_sign(struct sql *sql, int64_t node, struct node_sign *ret)
{
    return node_sign(sql, CATALOGUE_NODE_HELD, node, ret);
}

int catalogue_node_stands(struct sql *sql, int64_t node)
{
    struct node_sign sign;
    int err = node == 0 ? 0 : catalogue_node_sign(sql, node, &sign);
    return err < 0 || node == 0 ? err : sign.fenced ? ERR_NODE_FENCED : 0;
}
