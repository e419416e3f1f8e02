// What goes wrong, second by second, until the world is left in peace.
#include "sim.h"

static void restart(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    (void)world;
    if (!server->up && life == server->life)
        server_start(server);
}

static void crash_server(struct world *world, struct server *server, bool restore)
{
    if (!server->up)
        return;
    server_crash(server);
    if (restore)
        store_restore(world);
    uint64_t delay = chance(world, 200) ? draw(world, 1, 60000) : draw(world, 1, 2000);
    later(world, delay, restart, server, server->life);
}

static void cut_links(struct world *world, const struct profile *profile)
{
    size_t kept = 0;
    for (size_t i = 0; i < world->link_count; i++) {
        struct link *link = world->links[i];
        if (link->cut || (!link->ends[0].owner && !link->ends[1].owner))
            continue;
        world->links[kept++] = link;
        if (chance(world, profile->cut)) {
            trace(world, "network: a connection is cut");
            link_cut(world, link);
        } else if (chance(world, profile->stall)) {
            link->stalled_until_ms = world->now_ms + draw(world, 100, chance(world, 300) ? 60000 : 3000);
            trace(world, "network: a connection is stalled");
        }
    }
    world->link_count = kept;
}

static void crash_machine(struct world *world, struct runner *runner)
{
    runner_crash(world, runner, true);
    // What it had sent is at times still under way when it is back.
    if (chance(world, 600))
        world->store.slow_until_ms = MAX(world->store.slow_until_ms, world->now_ms + 8000);
}

static uint64_t pause_of(struct world *world)
{
    if (world->profile.duel)
        return draw(world, LEASE_MS - 3000, LEASE_MS + 15000);
    return draw(world, 1000, chance(world, 500) ? 100000 : 5000);
}

static void strike_runners(struct world *world, const struct profile *profile)
{
    for (unsigned i = 0; i < world->runner_count; i++) {
        struct runner *runner = &world->runners[i];
        bool running = runner->phase >= RUNNER_LIVE && runner->phase <= RUNNER_PROOF;
        if (!running)
            continue;
        if (chance(world, profile->runner_crash))
            runner_crash(world, runner, false);
        else if (chance(world, profile->machine_crash))
            crash_machine(world, runner);
        else if (runner->paused_until_ms <= world->now_ms && chance(world, profile->pause))
            runner_pause(world, runner, pause_of(world));
    }
}

static void strike_store(struct world *world, const struct profile *profile)
{
    struct store *store = &world->store;
    if (chance(world, profile->commit_fails))
        store->failing_until_ms = world->now_ms + draw(world, 10, 3000);
    if (chance(world, profile->store_full))
        store->full_until_ms = world->now_ms + draw(world, 100, 20000);
    if (chance(world, profile->store_slow))
        store->slow_until_ms = world->now_ms + draw(world, 100, 10000);
    if (chance(world, profile->expire))
        store_expire(world);
    if (profile->restore && world->servers[0].up && chance(world, 50))
        store_backup_now(world);
}

static void second(struct world *world, void *arg, uint64_t life)
{
    const struct profile *profile = &world->profile;
    (void)arg;
    (void)life;
    if (world->now_ms >= 1000 + profile->faults_for_ms) {
        trace(world, "peace");
        world->quiet = true;
        world->quiet_ms = world->now_ms;
        world->store.failing_until_ms = world->store.full_until_ms = world->store.slow_until_ms = 0;
        if (world->shared)
            nodes_peace(world);
        return;
    }
    later(world, 1000, second, NULL, 0);
    cut_links(world, profile);
    strike_runners(world, profile);
    strike_store(world, profile);
    if (world->shared) {
        nodes_strike(world);
        return;
    }
    if (chance(world, profile->server_crash))
        crash_server(world, &world->servers[0], false);
    if (chance(world, profile->restore))
        crash_server(world, &world->servers[0], true);
}

void faults_start(struct world *world)
{
    later(world, draw(world, 1, 1000), second, NULL, 0);
}
