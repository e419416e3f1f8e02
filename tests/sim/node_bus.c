// Hints between servers: the real messages of store/engine/hints.c, on a bus that loses, doubles and delays them.
#include "sim.h"

struct told {
    struct server *server;
    struct str text;
};

static bool hears(const struct server *server)
{
    return server->world->now_ms >= server->peer.mute_until_ms && server->world->profile.hint_lost < 1000;
}

static void hear(struct server *server, const struct hints_heard *heard)
{
    for (size_t i = 0; i < heard->count; i++) {
        const struct store_change *change = &heard->changes[i];
        const struct lease *lease = lease_find(&server->leases, ROW);
        uint64_t holder = lease ? lease->holder : 0;
        if (change->sealed) // no runner here goes on with it
            lease_end(&server->leases, ROW);
        if (change->sealed && holder)
            socket_replaced(server, holder);
        topic_hear_model(server, change);
    }
    if (heard->missed)
        topic_missed(server);
    if (heard->news)
        news_hint(server);
}

static void arrives(struct world *world, void *arg, uint64_t life)
{
    const struct told *told = arg;
    struct hints_heard heard;
    (void)world;
    if (server_misses(told->server, arrives, arg, life) || !told->server->peer.hints || !hears(told->server))
        return;
    if (!hints_read(told->text, &heard)) {
        violate(world, "a hint is not understood");
        return;
    }
    if (heard.sender != told->server->peer.sender)
        hear(told->server, &heard);
    free(heard.changes);
}

static void deliver(struct world *world, struct server *to, struct str text)
{
    struct told *told = make(world, sizeof(*told));
    *told = (struct told){to, text};
    bool late = chance(world, world->profile.hint_late);
    later(world, late ? draw(world, 100, 20000) : draw(world, 0, 20), arrives, told, to->life);
}

static void send_to_all(struct world *world, struct str text)
{
    const struct profile *profile = &world->profile;
    for (unsigned i = 0; i < world->server_count; i++) {
        struct server *to = &world->servers[i];
        bool lost = !world->quiet || profile->hint_lost == 1000 ? chance(world, profile->hint_lost) : false;
        if (!to->up || lost)
            continue;
        deliver(world, to, text);
        if (chance(world, profile->hint_doubled))
            deliver(world, to, text);
    }
}

static void round_of_messages(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    if (server_misses(server, round_of_messages, arg, life))
        return;
    server->peer.round = false;
    struct buf text = {0};
    while (buf_reset(&text), hints_take(server->peer.hints, &text)) {
        char *copy = make(world, text.len);
        memcpy(copy, text.data, text.len);
        if (hears(server))
            send_to_all(world, str_n(copy, text.len));
    }
    buf_release(&text);
}

void bus_tell(struct server *server, const struct store_change *changes, size_t count, bool news)
{
    struct peer *peer = &server->peer;
    if (!peer->hints)
        return;
    hints_add(peer->hints, changes, count);
    if (news)
        hints_add_news(peer->hints);
    if (!peer->round)
        later(server->world, draw(server->world, 1, 8), round_of_messages, server, server->life);
    peer->round = true;
}

// A bus that has connected has missed what was said before.
static void watch(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    struct peer *peer = &server->peer;
    if (server_misses(server, watch, arg, life))
        return;
    later(world, 1000, watch, server, life);
    bool joins = hears(server) && !peer->joined;
    peer->joined = hears(server);
    if (!joins)
        return;
    topic_missed(server);
    news_hint(server);
}

void bus_start_model(struct server *server)
{
    server->peer.sender = server->life << 8 | server->number;
    server->peer.hints = hints_new(server->peer.sender);
    watch(server->world, server, server->life);
}
