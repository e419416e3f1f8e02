// The server's process: start, crash, and what the hub does with leases.
#include "sim.h"

#define TICK_MS 1000

struct op *server_op(struct world *world, enum op_kind kind, void *owner, void (*done)(struct world *, struct op *))
{
    struct op *op = make(world, sizeof(*op));
    *op = (struct op){.kind = kind, .owner = owner, .done = done, .life = world->server.life, .producer = ANONYMOUS};
    return op;
}

// --- Status changes that leases bring about

static void change_done(struct world *world, struct op *op)
{
    bool seals = op->outcome.cause == OUTCOME_GIVEN_UP;
    if ((op->err == 0 && seals) || op->err == ERR_SEALED || op->err == ERR_EXPIRED)
        lease_end(&world->server.leases, ROW);
    else if (op->err == ERR_FENCED)
        server_look(world, op->epoch, op->outcome.cause);
    else if (!seals && (op->err == ERR_UNAVAILABLE || op->err == ERR_STORE_FULL))
        lease_change_failed(&world->server.leases, ROW, op->epoch, op->outcome.cause == OUTCOME_SILENT, world->now_ms);
    trace(world, "server: runner %s: %s",
          seals                                 ? "given up"
          : op->outcome.cause == OUTCOME_SILENT ? "silent"
                                                : "back",
          op->err ? error_word(op->err) : "ok");
}

// Whose it is that is not this server's by this epoch.
static void looked(struct world *world, struct op *op)
{
    const struct node_lease *now = &op->ret_state.lease;
    bool others = op->err == ERR_HELD || op->err == ERR_FENCED || op->err == ERR_NODE_FENCED;
    trace(world, "server: looked whose it is: %s", op->err ? error_word(op->err) : "ours");
    if (others || op->err == 0) {
        bool same = !others && now->epoch == op->epoch;
        bool forgotten = !same && lease_forget(&world->server.leases, ROW, op->epoch, op->holder);
        if (!others)
            server_restore(world, now);
        if (forgotten && op->holder)
            socket_replaced(world, op->holder);
    } else if (op->outcome.cause != OUTCOME_GIVEN_UP) {
        lease_change_failed(&world->server.leases, ROW, op->epoch, op->outcome.cause == OUTCOME_SILENT, world->now_ms);
    }
}

void server_look(struct world *world, uint64_t epoch, enum outcome_cause cause)
{
    const struct lease *lease = lease_find(&world->server.leases, ROW);
    struct op *op = server_op(world, OP_LEASE, NULL, looked);
    op->ask = (struct node_lease_ask){.cause = NODE_LEASE_ADOPT, .node = world->server.node};
    op->epoch = epoch;
    op->outcome.cause = cause;
    op->holder = lease ? lease->holder : 0;
    store_submit_op(world, op);
}

void hub_change_outcome(struct world *world, uint64_t epoch, enum outcome_cause cause)
{
    struct op *op = server_op(world, OP_UPDATE, NULL, change_done);
    op->epoch = epoch;
    op->node = world->server.node;
    op->outcome.cause = cause;
    store_submit_op(world, op);
}

static void expired(void *arg, struct lease *lease, enum lease_expiry what)
{
    if (what == LEASE_TO_BE_SEALED)
        check_grace(arg);
    hub_change_outcome(arg, lease->epoch, what == LEASE_TO_BE_SEALED ? OUTCOME_GIVEN_UP : OUTCOME_SILENT);
}

static void tick(struct world *world, void *arg, uint64_t life)
{
    (void)arg;
    if (!world->server.up || life != world->server.life)
        return;
    lease_expire(&world->server.leases, world->now_ms, expired, world);
    check_leases(world);
    later(world, TICK_MS, tick, NULL, life);
}

// --- The node

void server_restore(struct world *world, const struct node_lease *lease)
{
    world->server.heard_ms = world->now_ms;
    lease_restore(&world->server.leases, ROW, lease->epoch, lease->deadline_ms > 0, world->now_ms);
}

static void adopt(struct world *world, void *arg, uint64_t life);

static void adopted(struct world *world, struct op *op)
{
    if (op->err == 0)
        server_restore(world, &op->ret_state.lease);
    else if (op->err != ERR_FENCED && op->err != ERR_NOT_FOUND) // there is nothing
        later(world, NODE_BEAT_MS, adopt, NULL, op->life);
}

static void adopt(struct world *world, void *arg, uint64_t life)
{
    (void)arg;
    if (!world->server.up || life != world->server.life)
        return;
    struct op *op = server_op(world, OP_LEASE, NULL, adopted);
    op->ask = (struct node_lease_ask){.cause = NODE_LEASE_ADOPT, .node = world->server.node};
    store_submit_op(world, op);
}

static void joined(struct world *world, struct op *op)
{
    if (op->err) {
        store_submit_op(world, server_op(world, OP_JOIN, NULL, joined));
        return;
    }
    world->server.node = op->node;
    adopt(world, NULL, op->life);
}

// --- Life

void server_changed(struct world *world, const struct state *state)
{
    struct state *known = &world->server.known;
    known->exists = state->exists;
    known->head.next = MAX(known->head.next, state->head.next);
    known->first = MAX(known->first, state->first);
    known->head.status = state->head.status;
    known->head.sealed |= state->head.sealed;
    known->restored_from = state->restored_from;
    subscribers_wake(world);
}

void server_start(struct world *world)
{
    struct server *server = &world->server;
    trace(world, "server: started");
    lease_table_release(&server->leases);
    lease_table_init(&server->leases, LEASE_MS, world->profile.lost_seal_ms);
    server->up = true;
    server->life++;
    server->started_ms = world->now_ms;
    server->heard_ms = world->now_ms;
    server->lost_since_ms = world->now_ms;
    server->granted_epoch = 0;
    server->node = 0;
    server->abandoned = false;
    server->socket_count = server->subscriber_count = 0;
    server->told = false;
    server->known = (struct state){.restored_from = world->store.disk.restored_from};
    later(world, TICK_MS, tick, NULL, server->life);
    store_submit_op(world, server_op(world, OP_JOIN, NULL, joined));
}

void server_crash(struct world *world)
{
    trace(world, "server: crashed");
    world->server.up = false;
    world->server.life++;
    store_crash(world);
    for (size_t i = 0; i < world->link_count; i++) {
        world->links[i]->ends[END_SERVER].owner = NULL;
        link_cut(world, world->links[i]);
    }
    world->link_count = 0;
}
