// The server's process: start, crash, and what the hub does with leases.
#include "sim.h"

#define TICK_MS 1000

struct server *server_any(struct world *world)
{
    return &world->servers[world->server_count > 1 ? draw(world, 0, world->server_count - 1) : 0];
}

bool server_misses(struct server *server, event_fn *fire, void *arg, uint64_t life)
{
    struct world *world = server->world;
    if (!server->up || life != server->life)
        return true;
    if (world->now_ms >= server->peer.paused_until_ms)
        return false;
    later(world, server->peer.paused_until_ms - world->now_ms, fire, arg, life);
    return true;
}

bool server_answers(const struct server *server)
{
    return server->up && !server->peer.leaving && server->world->now_ms >= server->peer.alone_until_ms;
}

void server_cancel(struct server *server)
{
    struct lease *lease = lease_find(&server->leases, ROW);
    if (!lease)
        return;
    lease->cancel_asked = true;
    if (lease->holder)
        socket_cancel(server, lease->holder);
}

struct op *server_op(struct server *server, enum op_kind kind, void *owner, void (*done)(struct world *, struct op *))
{
    struct op *op = make(server->world, sizeof(*op));
    *op = (struct op){
        .kind = kind, .owner = owner, .done = done, .server = server, .life = server->life, .producer = ANONYMOUS};
    return op;
}

// --- Status changes that leases bring about

static void change_done(struct world *world, struct op *op)
{
    bool seals = op->outcome.cause == OUTCOME_GIVEN_UP;
    if ((op->err == 0 && seals) || op->err == ERR_SEALED || op->err == ERR_EXPIRED)
        lease_end(&op->server->leases, ROW);
    else if (op->err == ERR_FENCED)
        server_look(op->server, op->epoch, op->outcome.cause);
    if (op->err == 0 && op->outcome.cause == OUTCOME_BACK && op->ret_state.cancel_asked)
        server_cancel(op->server); // asked for while it was lost
    if (!seals && (op->err == ERR_UNAVAILABLE || op->err == ERR_STORE_FULL))
        lease_change_failed(&op->server->leases, ROW, op->epoch, op->outcome.cause == OUTCOME_SILENT, world->now_ms);
    trace(world, "server %u: runner %s: %s", op->server->number,
          seals                                 ? "given up"
          : op->outcome.cause == OUTCOME_SILENT ? "silent"
                                                : "back",
          op->err ? error_word(op->err) : "ok");
}

// Whose it is that is not this server's by this epoch.
static void looked(struct world *world, struct op *op)
{
    const struct node_lease *now = &op->ret_state.lease;
    struct server *server = op->server;
    bool others = op->err == ERR_HELD || op->err == ERR_FENCED || op->err == ERR_NODE_FENCED;
    trace(world, "server %u: looked whose it is: %s", server->number, op->err ? error_word(op->err) : "ours");
    if (others || op->err == 0) {
        bool same = !others && now->epoch == op->epoch;
        bool forgotten = !same && lease_forget(&server->leases, ROW, op->epoch, op->holder);
        if (!others)
            server_restore(server, now);
        if (forgotten && op->holder)
            socket_replaced(server, op->holder);
    } else if (op->outcome.cause != OUTCOME_GIVEN_UP) {
        lease_change_failed(&server->leases, ROW, op->epoch, op->outcome.cause == OUTCOME_SILENT, world->now_ms);
    }
}

void server_look(struct server *server, uint64_t epoch, enum outcome_cause cause)
{
    const struct lease *lease = lease_find(&server->leases, ROW);
    struct op *op = server_op(server, OP_LEASE, NULL, looked);
    op->ask = (struct node_lease_ask){.cause = NODE_LEASE_ADOPT, .node = server->node};
    op->epoch = epoch;
    op->outcome.cause = cause;
    op->holder = lease ? lease->holder : 0;
    store_submit_op(server->world, op);
}

void hub_change_outcome(struct server *server, uint64_t epoch, enum outcome_cause cause)
{
    struct op *op = server_op(server, OP_UPDATE, NULL, change_done);
    op->epoch = epoch;
    op->node = server->node;
    op->outcome.cause = cause;
    op->heard_ms = server->heard_ms;
    op->asked_ms = server->world->now_ms;
    op->cut_off_ms = server->peer.cut_off_ms;
    store_submit_op(server->world, op);
}

static void expired(void *arg, struct lease *lease, enum lease_expiry what)
{
    const struct server *server = arg;
    if (what == LEASE_TO_BE_SEALED && !server->world->shared)
        check_grace(arg);
    hub_change_outcome(arg, lease->epoch, what == LEASE_TO_BE_SEALED ? OUTCOME_GIVEN_UP : OUTCOME_SILENT);
}

static void tick(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    if (server_misses(server, tick, arg, life))
        return;
    bool stood_still = !node_may_judge(MAX(server->ticked_ms, server->started_ms), world->now_ms);
    bool reaches = server->node != 0 && node_may_judge(server->peer.taken_ms, world->now_ms);
    bool may_judge = !world->shared || (reaches && !stood_still);
    server->ticked_ms = world->now_ms;
    if (!may_judge)
        server->unsure_ms = world->now_ms;
    lease_expire(&server->leases, world->now_ms, may_judge, expired, server);
    check_leases(server);
    later(world, TICK_MS, tick, server, life);
}

// --- The node

void server_restore(struct server *server, const struct node_lease *lease)
{
    server->heard_ms = server->world->now_ms;
    lease_restore(&server->leases, ROW, lease->epoch, lease->deadline_ms > 0, server->world->now_ms);
}

static void adopt(struct world *world, void *arg, uint64_t life);

static void adopted(struct world *world, struct op *op)
{
    if (op->err == 0)
        server_restore(op->server, &op->ret_state.lease);
    else if (op->err != ERR_FENCED && op->err != ERR_NOT_FOUND) // there is nothing
        later(world, NODE_BEAT_MS, adopt, op->server, op->life);
}

static void adopt(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    if (server_misses(server, adopt, arg, life))
        return;
    struct op *op = server_op(server, OP_LEASE, NULL, adopted);
    op->ask = (struct node_lease_ask){.cause = NODE_LEASE_ADOPT, .node = server->node};
    store_submit_op(world, op);
}

static void joined(struct world *world, struct op *op)
{
    if (op->err) {
        store_submit_op(world, server_op(op->server, OP_JOIN, NULL, joined));
        return;
    }
    op->server->node = op->node;
    adopt(world, op->server, op->life);
}

// --- Life

void server_changed(struct server *server, const struct state *state)
{
    struct state *known = &server->known;
    if (server->world->shared) {
        topic_commit(server, state);
        return;
    }
    known->exists = state->exists;
    known->head.next = MAX(known->head.next, state->head.next);
    known->first = MAX(known->first, state->first);
    known->head.status = state->head.status;
    known->head.sealed |= state->head.sealed;
    known->restored_from = state->restored_from;
    subscribers_wake(server);
}

void server_start(struct server *server)
{
    struct world *world = server->world;
    trace(world, "server %u: started", server->number);
    lease_table_release(&server->leases);
    lease_table_init(&server->leases, LEASE_MS, world->profile.lost_seal_ms);
    server->leases.shared = world->shared;
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
    later(world, TICK_MS, tick, server, server->life);
    if (world->shared)
        node_start(server);
    else
        store_submit_op(world, server_op(server, OP_JOIN, NULL, joined));
}

void server_crash(struct server *server)
{
    trace(server->world, "server %u: crashed", server->number);
    server_gone(server);
}

void server_gone(struct server *server)
{
    struct world *world = server->world;
    size_t kept = 0;
    server->up = false;
    server->life++;
    writer_crash(world, server);
    if (world->shared)
        node_stop(server);
    for (size_t i = 0; i < world->link_count; i++) {
        struct link *link = world->links[i];
        if (link->server != server) {
            world->links[kept++] = link;
            continue;
        }
        link->ends[END_SERVER].owner = NULL;
        link_cut(world, link);
    }
    world->link_count = kept;
}
