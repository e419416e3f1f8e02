// What goes wrong where servers share a store.
#include "sim.h"

void nodes_profile(struct world *world)
{
    struct profile *profile = &world->profile;
    unsigned *const rates[] = {&profile->node_pause, &profile->node_leave, &profile->store_away,   &profile->bus_away,
                               &profile->alone,      &profile->fail_over,  &profile->hint_doubled, &profile->hint_late};
    static const unsigned highest[] = {60, 40, 60, 60, 40, 40, 500, 500};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        *rates[i] = chance(world, 500) ? (unsigned)draw(world, 1, highest[i]) : 0;
    profile->hint_lost = chance(world, 300) ? 1000 : chance(world, 500) ? (unsigned)draw(world, 1, 700) : 0;
    profile->tells = chance(world, 700) ? (unsigned)draw(world, 50, 600) : 0;
    profile->restore = 0;
    profile->server_crash = MIN(profile->server_crash, 30u);
    world->server_count = (unsigned)draw(world, 2, SERVERS_MAX);
    database_init(world);
}

static uint64_t until(struct world *world, uint64_t most_ms)
{
    return world->now_ms + (chance(world, 300) ? draw(world, 1000, most_ms) : draw(world, 100, 6000));
}

static void again(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    (void)world;
    if (!server->up && life == server->life)
        server_start(server);
}

void server_returns(struct world *world, struct server *server)
{
    uint64_t delay = chance(world, 300) ? draw(world, 1, 90000) : draw(world, 1, 3000);
    later(world, delay, again, server, server->life);
}

static void stall_links(struct server *server)
{
    struct world *world = server->world;
    for (size_t i = 0; i < world->link_count; i++)
        if (world->links[i]->server == server)
            world->links[i]->stalled_until_ms = server->peer.alone_until_ms;
}

static void strike(struct server *server)
{
    struct world *world = server->world;
    const struct profile *profile = &world->profile;
    struct peer *peer = &server->peer;
    if (chance(world, profile->store_away))
        peer->away_until_ms = MAX(peer->away_until_ms, until(world, 100000));
    if (chance(world, profile->bus_away))
        peer->mute_until_ms = MAX(peer->mute_until_ms, until(world, 60000));
    if (chance(world, profile->alone)) {
        peer->alone_until_ms = until(world, 60000);
        stall_links(server);
    }
    if (!server->up || peer->leaving)
        return;
    if (chance(world, profile->server_crash)) {
        server_crash(server);
        server_returns(world, server);
    } else if (world->now_ms >= peer->paused_until_ms && chance(world, profile->node_pause)) {
        node_pause(server, until(world, 100000) - world->now_ms);
    } else if (world->now_ms >= peer->paused_until_ms && chance(world, profile->node_leave)) {
        node_leave(server);
    }
}

static void told(struct world *world, struct op *op)
{
    (void)world;
    (void)op;
}

// Somebody revokes keys.
static void tell_news(struct world *world)
{
    struct server *server = server_any(world);
    if (!server->up || server->node == 0 || server->peer.leaving || world->store.database->last_news > NEWS_MAX - 100)
        return;
    struct op *op = server_op(server, OP_TELL, NULL, told);
    op->count = (unsigned)draw(world, 1, chance(world, 200) ? 30 : 3);
    store_submit_op(world, op);
}

void nodes_strike(struct world *world)
{
    const struct profile *profile = &world->profile;
    for (unsigned i = 0; i < world->server_count; i++)
        strike(&world->servers[i]);
    if (chance(world, profile->fail_over))
        database_fail_over(world);
    if (chance(world, profile->tells))
        tell_news(world);
}

void nodes_peace(struct world *world)
{
    world->store.database->down_until_ms = 0;
    for (unsigned i = 0; i < world->server_count; i++) {
        struct peer *peer = &world->servers[i].peer;
        peer->away_until_ms = peer->mute_until_ms = peer->alone_until_ms = 0;
    }
}

static void sample(struct world *world, void *arg, uint64_t life)
{
    (void)arg;
    (void)life;
    later(world, 1000, sample, NULL, 0);
    world->nexts[world->now_ms / 1000 % ARRAY_LEN(world->nexts)] = world->store.disk.head.next;
    for (unsigned i = 0; i < world->server_count && !world->failed; i++)
        check_peer(&world->servers[i]);
}

void nodes_start(struct world *world)
{
    later(world, 0, sample, NULL, 0);
}
