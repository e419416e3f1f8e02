#include "sim.h"

struct arrival {
    struct link *link;
    int to;
    bool close;
    struct message message;
};

struct link *link_open(struct world *world, struct server *server, void *owner, uint64_t life)
{
    struct link *link = make(world, sizeof(*link));
    link->server = server;
    link->ends[END_CLIENT] = (struct link_end){.owner = owner, .life = life};
    if (world->link_count == world->link_capacity) {
        world->link_capacity = MAX((size_t)64, world->link_capacity * 2);
        world->links = xrealloc(world->links, world->link_capacity * sizeof(struct link *));
    }
    world->links[world->link_count++] = link;
    return link;
}

static void hear_of_end(struct world *world, struct link *link, int end)
{
    void *owner = link->ends[end].owner;
    link->ends[end].owner = NULL;
    if (owner && link->ends[end].closed)
        link->ends[end].closed(world, owner);
}

static void arrive(struct world *world, void *arg, uint64_t life)
{
    struct arrival *arrival = arg;
    struct link *link = arrival->link;
    struct link_end *end = &link->ends[arrival->to];
    (void)life;
    uint64_t paused_until_ms = link->server->peer.paused_until_ms;
    if (arrival->to == END_SERVER && link->server->up && world->now_ms < paused_until_ms) {
        later(world, paused_until_ms - world->now_ms, arrive, arrival, life);
        return;
    }
    link->in_flight[arrival->to]--;
    if (link->cut)
        return;
    if (arrival->close) {
        hear_of_end(world, link, arrival->to);
        return;
    }
    // The first message makes the server's end.
    if (arrival->to == END_SERVER && arrival->message.type == MESSAGE_CONNECT)
        socket_connect(link, &arrival->message);
    else if (arrival->to == END_SERVER && arrival->message.type == MESSAGE_FOLLOW)
        subscriber_follow(link, &arrival->message);
    else if (end->owner)
        end->receive(world, end->owner, &arrival->message);
    struct link_end *sender = &link->ends[!arrival->to];
    if (sender->owner && sender->drained && link->in_flight[arrival->to] <= 4)
        sender->drained(world, sender->owner);
}

static void deliver(struct world *world, struct arrival *arrival)
{
    struct link *link = arrival->link;
    uint64_t at = world->now_ms + draw(world, 0, 20);
    at = MAX(at, link->stalled_until_ms);
    at = MAX(at, link->last_arrival_ms[arrival->to]);
    link->last_arrival_ms[arrival->to] = at;
    link->in_flight[arrival->to]++;
    later(world, at - world->now_ms, arrive, arrival, 0);
}

void link_send(struct world *world, struct link *link, int from, const struct message *message)
{
    if (link->cut || !link->ends[from].owner)
        return;
    struct arrival *arrival = make(world, sizeof(*arrival));
    *arrival = (struct arrival){.link = link, .to = !from, .message = *message};
    deliver(world, arrival);
}

void link_close(struct world *world, struct link *link, int from)
{
    if (!link->ends[from].owner)
        return;
    link->ends[from].owner = NULL;
    if (link->cut)
        return;
    struct arrival *arrival = make(world, sizeof(*arrival));
    *arrival = (struct arrival){.link = link, .to = !from, .close = true};
    deliver(world, arrival);
}

static void client_hears(struct world *world, void *arg, uint64_t life)
{
    (void)life;
    hear_of_end(world, arg, END_CLIENT);
}

static void server_hears(struct world *world, void *arg, uint64_t life)
{
    struct link *link = arg;
    struct link_end *end = &link->ends[END_SERVER];
    uint64_t paused_until_ms = link->server->peer.paused_until_ms;
    if (link->server->up && world->now_ms < paused_until_ms) {
        later(world, paused_until_ms - world->now_ms, server_hears, link, life);
        return;
    }
    if (end->life != link->server->life)
        end->owner = NULL; // it went with the server that had it
    hear_of_end(world, link, END_SERVER);
}

void link_cut(struct world *world, struct link *link)
{
    if (link->cut)
        return;
    link->cut = true;
    // A reset comes at once; where it does not, silence tells, after a minute at the latest.
    later(world, chance(world, 700) ? draw(world, 0, 50) : draw(world, 0, 60000), client_hears, link, 0);
    later(world, chance(world, 700) ? draw(world, 0, 50) : draw(world, 0, 60000), server_hears, link, 0);
}
