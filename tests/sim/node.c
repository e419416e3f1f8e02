// A server among others: its node, as ingest/node.c and ingest/hub.c have it; how it leaves, stands still and comes
// back.
#include "sim.h"

#define BEGIN_AGAIN_MS 500
#define LEAVE_MS       10000

// --- The node

static void adopt(struct server *server);

static void join_done(struct world *world, struct op *op)
{
    struct server *server = op->server;
    (void)world;
    server->peer.asks = false;
    if (op->err < 0)
        return; // the next beat asks again
    server->node = op->node;
    server->peer.taken_ms = server->peer.own_ms = server->peer.asked_ms;
    server->peer.former_node = op->former;
    server->peer.former = op->node; // the file in its folder
    trace(world, "server %u: is node %lld", server->number, (long long)op->node);
    adopt(server);
}

static void join(struct server *server)
{
    struct op *op = server_op(server, OP_JOIN, NULL, join_done);
    server->peer.asks = true;
    server->peer.asked_ms = server->world->now_ms;
    op->former = server->peer.former;
    store_submit_op(server->world, op);
}

static void forgotten(void *arg, int64_t row, uint64_t holder)
{
    (void)row;
    socket_replaced(arg, holder);
}

// Its runners come back with their epochs, here or elsewhere.
void node_fenced(struct server *server)
{
    trace(server->world, "server %u: was fenced", server->number);
    server->node = 0;
    lease_forget_all(&server->leases, forgotten, server);
    join(server);
}

static void look_done(struct world *world, struct op *op)
{
    struct server *server = op->server;
    server->peer.asks = false;
    if (op->err == ERR_NODE_FENCED)
        node_fenced(server);
    if (op->err < 0 || lease_find(&server->leases, ROW))
        return;
    trace(world, "server %u: finds that epoch %llu is its own", server->number,
          (unsigned long long)op->ret_state.lease.epoch);
    server->heard_ms = world->now_ms;
    lease_restore(&server->leases, ROW, op->ret_state.lease.epoch, op->ret_ran_out, world->now_ms);
}

static void look(struct server *server)
{
    struct op *op = server_op(server, OP_ADOPT, NULL, look_done);
    server->peer.asks = true;
    server->peer.own_ms = server->world->now_ms;
    op->node = server->node;
    op->own = true;
    store_submit_op(server->world, op);
}

static void adopt_done(struct world *world, struct op *op)
{
    struct server *server = op->server;
    server->peer.asks = false;
    if (op->err == ERR_NODE_FENCED)
        node_fenced(server);
    if ((op->err == 0 || op->err == ERR_NOT_FOUND) && world->now_ms - server->peer.own_ms >= NODE_LOOK_MS)
        look(server);
    if (op->err < 0)
        return;
    trace(world, "server %u: takes over epoch %llu", server->number, (unsigned long long)op->ret_state.lease.epoch);
    server->heard_ms = world->now_ms;
    lease_restore(&server->leases, ROW, op->ret_state.lease.epoch, op->ret_ran_out, world->now_ms);
}

static void adopt(struct server *server)
{
    struct op *op = server_op(server, OP_ADOPT, NULL, adopt_done);
    server->peer.asks = true;
    op->node = server->node;
    store_submit_op(server->world, op);
}

static void beat_done(struct world *world, struct op *op)
{
    struct server *server = op->server;
    (void)world;
    server->peer.asks = false;
    if (op->err == ERR_NODE_FENCED)
        node_fenced(server);
    if (op->err < 0)
        return;
    server->peer.taken_ms = server->peer.asked_ms;
    adopt(server);
}

static void beat(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    if (server_misses(server, beat, arg, life) || server->peer.leaving)
        return;
    later(world, NODE_BEAT_MS, beat, server, life);
    if (server->peer.asks)
        return;
    if (server->node == 0) {
        join(server);
        return;
    }
    struct op *op = server_op(server, OP_BEAT, NULL, beat_done);
    server->peer.asks = true;
    server->peer.asked_ms = world->now_ms;
    op->node = server->node;
    store_submit_op(world, op);
}

// --- Life

// It listens when it has read what there is of news.
static void begin(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    if (server_misses(server, begin, arg, life))
        return;
    if (!database_reached(server)) {
        later(world, BEGIN_AGAIN_MS, begin, server, life);
        return;
    }
    news_start(server);
    bus_start_model(server);
    topic_start(server);
    join(server);
    later(world, NODE_BEAT_MS, beat, server, life);
}

void node_start(struct server *server)
{
    struct world *world = server->world;
    struct peer *peer = &server->peer;
    int64_t former = chance(world, 800) ? peer->former : 0; // else its folder is a new one
    *peer = (struct peer){.former = former,
                          .clock_ms = (int64_t)draw(world, 0, 240000) - 120000,
                          .away_until_ms = peer->away_until_ms,
                          .mute_until_ms = peer->mute_until_ms,
                          .alone_until_ms = peer->alone_until_ms,
                          .fine_ms = world->now_ms,
                          .reached_ms = world->now_ms};
    begin(world, server, server->life);
}

void node_stop(struct server *server)
{
    hints_free(&server->peer.hints);
    news_release(&server->peer.place);
    server->peer.topic = false;
    server->peer.paused_until_ms = 0;
}

void node_pause(struct server *server, uint64_t for_ms)
{
    struct world *world = server->world;
    trace(world, "server %u: stands still for %llu ms", server->number, (unsigned long long)for_ms);
    server->peer.paused_until_ms = server->lost_since_ms = world->now_ms + for_ms;
    for (size_t i = 0; i < world->link_count && for_ms > 60000; i++)
        if (world->links[i]->server == server) // it answers no pings
            link_cut(world, world->links[i]);
}

// --- Leaving

static void gone(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    if (server_misses(server, gone, arg, life))
        return;
    trace(world, "server %u: has left", server->number);
    server_gone(server);
    server_returns(world, server);
}

static void left(struct world *world, struct op *op)
{
    later(world, draw(world, 0, 500), gone, op->server, op->life);
}

void node_leave(struct server *server)
{
    struct world *world = server->world;
    trace(world, "server %u: leaves", server->number);
    server->peer.leaving = true;
    for (size_t i = 0; i < server->socket_count; i++)
        socket_end(world, server->sockets[i]);
    for (size_t i = 0; i < server->subscriber_count; i++)
        if (!server->subscribers[i]->closed)
            subscriber_end(world, server->subscribers[i]);
    later(world, LEAVE_MS, gone, server, server->life);
    if (server->node == 0)
        return;
    struct op *op = server_op(server, OP_BEAT, NULL, left);
    op->node = server->node;
    op->leaves = true;
    store_submit_op(world, op);
}
