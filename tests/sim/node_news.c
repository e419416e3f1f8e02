// News, as store/postgres/postgres_peers.c reads them around model/news.h: once a second, and when a hint says so.
#include "sim.h"

#define LOOK_MS   1000
#define REST_MS   50
#define RECENT_MS 300000 // what is read again when another database has taken over

static bool own(const struct server *server, const struct news_row *row)
{
    return row->sender == server && row->life == server->life;
}

static void hear(struct server *server, const struct news_row *row)
{
    trace(server->world, "server %u: hears news %lld of transaction %lld", server->number, (long long)row->id,
          (long long)row->transaction);
    server->peer.heard[row->id] = true;
    if (row->cancels)
        server_cancel(server);
}

static int64_t first_of_recent(const struct world *world)
{
    const struct database *database = world->store.database;
    for (size_t i = 0; i < database->news_count; i++)
        if (database->news[i].committed_ms + RECENT_MS >= world->now_ms)
            return MIN(database->news[i].transaction, database_oldest(world));
    return database_oldest(world);
}

// All of it by one snapshot.
static void read_news(struct server *server)
{
    struct world *world = server->world;
    const struct database *database = world->store.database;
    struct peer *peer = &server->peer;
    struct news_place *place = &peer->place;
    int64_t transaction = 0, id = 0;
    unsigned count = 0;
    if (peer->news_primary != database->primary)
        news_go_back(place, first_of_recent(world));
    peer->news_primary = database->primary;
    if (!place->within)
        peer->round_ms = world->now_ms;
    news_look(place, database_oldest(world));
    for (size_t i = 0; i < database->news_count && count < database->news_at_once; i++) {
        const struct news_row *row = &database->news[i];
        bool before =
            row->transaction < place->transaction || (row->transaction == place->transaction && row->id <= place->id);
        if (before || own(server, row))
            continue;
        if (!world->quiet && chance(world, 10))
            return; // the connection was lost
        transaction = row->transaction;
        id = row->id;
        count++;
        if (news_found(place, id))
            hear(server, row);
    }
    bool whole = count < database->news_at_once;
    news_read(place, whole, transaction, id);
    if (!whole)
        news_hint(server);
    for (size_t i = 0; i < database->news_count && whole; i++) {
        const struct news_row *row = &database->news[i];
        bool due = row->committed_ms > peer->news_from_ms && row->committed_ms < peer->round_ms;
        if (due && !own(server, row) && !peer->heard[row->id])
            violate(world, "server %u has read all news, and has not heard %lld of transaction %lld", server->number,
                    (long long)row->id, (long long)row->transaction);
    }
}

static void look_once(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    (void)world;
    if (server_misses(server, look_once, arg, life))
        return;
    server->peer.news_due = false;
    if (database_reached(server))
        read_news(server);
}

static void look(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    if (server_misses(server, look, arg, life))
        return;
    later(world, LOOK_MS, look, server, life);
    if (database_reached(server))
        read_news(server);
}

void news_hint(struct server *server)
{
    if (!server->peer.news_due)
        later(server->world, REST_MS, look_once, server, server->life);
    server->peer.news_due = true;
}

void news_start(struct server *server)
{
    struct peer *peer = &server->peer;
    news_begin(&peer->place, database_oldest(server->world));
    peer->news_from_ms = server->world->now_ms;
    peer->news_primary = server->world->store.database->primary;
    later(server->world, LOOK_MS, look, server, server->life);
}
