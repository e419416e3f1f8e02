// What a server knows of the log while it is followed there, as fanout/logcache.c and fanout/look.c do around
// fanout/heard.h: by its commits, by hints, by a look each second.
#include "fanout/heard.h"
#include "sim.h"

#define LOOK_MS      1000
#define LOOK_SOON_MS 50

struct store_change change_of(const struct state *state)
{
    return (struct store_change){
        .row = ROW,
        .account = 1,
        .next = state->head.next,
        .front = state->first,
        .status = state->head.status,
        .sealed = state->head.sealed,
        .has_exit_code = state->has_exit_code,
        .exit_code = state->exit_code,
        .started_ms = state->started_ms,
        .completed_ms = state->completed_ms,
        .sealed_ms = state->sealed_ms,
    };
}

static struct execution execution_of(const struct state *state)
{
    return (struct execution){
        .row = ROW,
        .next_sequence = state->head.next,
        .first_sequence = state->first,
        .status = state->head.status,
        .sealed = state->head.sealed,
        .has_exit_code = state->has_exit_code,
        .exit_code = state->exit_code,
        .started_ms = state->started_ms,
        .completed_ms = state->completed_ms,
        .sealed_ms = state->sealed_ms,
    };
}

static void refresh(struct server *server);

// What followers are shown.
static void show(struct server *server)
{
    const struct execution *known = &server->peer.known;
    if (known->next_sequence < server->known.head.next || (server->known.head.sealed && !known->sealed))
        violate(server->world, "server %u: what is known of the log goes back from %llu to %llu", server->number,
                (unsigned long long)server->known.head.next, (unsigned long long)known->next_sequence);
    server->known.exists = true;
    server->known.head.next = known->next_sequence;
    server->known.first = known->first_sequence;
    server->known.head.status = known->status;
    server->known.head.sealed = known->sealed;
    subscribers_wake(server);
}

static void take(struct server *server, unsigned heard)
{
    if (heard & HEARD_CHANGED)
        server->peer.changes++;
    if (heard & HEARD_READ)
        refresh(server);
    show(server);
}

// --- Reads

static void refreshed(struct world *world, struct op *op)
{
    struct peer *peer = &op->server->peer;
    (void)world;
    peer->refreshing = false;
    if (op->err == 0 && peer->topic) {
        const struct execution now = execution_of(&op->ret_state);
        heard_read(&peer->known, &now, peer->changes == peer->refresh_changes);
        peer->known.first_sequence = MAX(peer->known.first_sequence, now.first_sequence);
        show(op->server);
    }
    bool again = peer->refresh_again && peer->topic;
    peer->refresh_again = false;
    if (again)
        refresh(op->server);
}

static void refresh(struct server *server)
{
    struct peer *peer = &server->peer;
    if (peer->refreshing) {
        peer->refresh_again = true;
        return;
    }
    peer->refreshing = true;
    peer->refresh_changes = peer->changes;
    store_ask(server->world, server_op(server, OP_GET, NULL, refreshed));
}

// --- What is heard

void topic_open_model(struct server *server, const struct state *read)
{
    struct peer *peer = &server->peer;
    const struct store_change change = change_of(read);
    if (peer->topic) {
        take(server, heard_elsewhere(&peer->known, &change));
        return;
    }
    peer->topic = true;
    peer->topic_ms = server->world->now_ms;
    peer->known = execution_of(read);
    server->known = (struct state){.restored_from = UINT64_MAX};
    refresh(server); // a commit may have come between the look-up and now
    show(server);
}

void topic_commit(struct server *server, const struct state *state)
{
    struct peer *peer = &server->peer;
    const struct store_change change = change_of(state);
    if (!peer->topic)
        return;
    unsigned heard = heard_commit(&peer->known, &change, true);
    peer->known.first_sequence = MAX(peer->known.first_sequence, state->first);
    take(server, heard);
}

void topic_hear_model(struct server *server, const struct store_change *change)
{
    if (server->peer.topic && subscribers_any(server))
        take(server, heard_elsewhere(&server->peer.known, change));
}

// --- Looks

struct look {
    struct server *server;
    struct state state;
    uint64_t at_ms;
};

static void look_answered(struct world *world, void *arg, uint64_t life)
{
    const struct look *look = arg;
    struct peer *peer = &look->server->peer;
    if (server_misses(look->server, look_answered, arg, life))
        return;
    peer->looking = false;
    if (!peer->topic)
        return;
    const struct store_change change = change_of(&look->state);
    peer->looked_ms = look->at_ms;
    take(look->server, heard_elsewhere(&peer->known, &change));
    if (peer->known.next_sequence < look->state.head.next)
        violate(world, "server %u: a look has found %llu, and %llu are known", look->server->number,
                (unsigned long long)look->state.head.next, (unsigned long long)peer->known.next_sequence);
}

static void look_once(struct server *server)
{
    struct world *world = server->world;
    struct peer *peer = &server->peer;
    peer->topic = peer->topic && subscribers_any(server);
    if (!peer->topic || peer->looking || !database_reached(server))
        return;
    struct look *look = make(world, sizeof(*look));
    *look = (struct look){server, world->store.disk, world->now_ms};
    look->state.log = NULL;
    peer->looking = true;
    later(world, disk_delay(world), look_answered, look, server->life);
}

static void look_soon(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    (void)world;
    if (server_misses(server, look_soon, arg, life))
        return;
    server->peer.look_soon = false;
    look_once(server);
}

static void look(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    if (server_misses(server, look, arg, life))
        return;
    later(world, LOOK_MS, look, server, life);
    look_once(server);
}

void topic_missed(struct server *server)
{
    if (!server->peer.look_soon)
        later(server->world, LOOK_SOON_MS, look_soon, server, server->life);
    server->peer.look_soon = true;
}

void topic_start(struct server *server)
{
    later(server->world, LOOK_MS, look, server, server->life);
}
