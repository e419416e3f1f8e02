#include "sim.h"

#include <stdarg.h>

// SplitMix64 (Steele, Lea and Flood, 2014).
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t draw(struct world *world, uint64_t from, uint64_t to)
{
    return from + random_next(&world->random) % (to - from + 1);
}

bool chance(struct world *world, unsigned per_mille)
{
    return draw(world, 0, 999) < per_mille;
}

void *make(struct world *world, size_t size)
{
    return arena_alloc(&world->arena, size);
}

void trace(struct world *world, const char *fmt, ...)
{
    va_list args;
    if (!world->tracing)
        return;
    printf("%9llu.%03llu  ", (unsigned long long)(world->now_ms / 1000), (unsigned long long)(world->now_ms % 1000));
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

void violate(struct world *world, const char *fmt, ...)
{
    va_list args;
    if (world->failed)
        return;
    world->failed = true;
    printf("seed %llu: at %llu ms, step %llu: ", (unsigned long long)world->seed, (unsigned long long)world->now_ms,
           (unsigned long long)world->steps);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

// --- Events: a heap by time, then by the order in which they were made

static bool event_before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
    struct event kept = *a;
    *a = *b;
    *b = kept;
}

void later(struct world *world, uint64_t delay_ms, event_fn *fire, void *arg, uint64_t life)
{
    if (world->event_count == world->event_capacity) {
        world->event_capacity = MAX((size_t)256, world->event_capacity * 2);
        world->events = xrealloc(world->events, world->event_capacity * sizeof(*world->events));
    }
    size_t i = world->event_count++;
    world->events[i] = (struct event){world->now_ms + delay_ms, world->order++, fire, arg, life};
    for (; i > 0 && event_before(&world->events[i], &world->events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&world->events[i], &world->events[(i - 1) / 2]);
}

static struct event next_event(struct world *world)
{
    struct event *events = world->events;
    struct event first = events[0];
    size_t count = --world->event_count;
    events[0] = events[count];
    for (size_t i = 0, child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && event_before(&events[child + 1], &events[child]))
            child++;
        if (!event_before(&events[child], &events[i]))
            break;
        swap(&events[i], &events[child]);
    }
    return first;
}

void world_step(struct world *world)
{
    struct event event = next_event(world);
    world->now_ms = event.at_ms;
    world->steps++;
    event.fire(world, event.arg, event.life);
}

// --- The whole

static void servers_make(struct world *world)
{
    if (!world->shared)
        world->server_count = 1;
    for (unsigned i = 0; i < world->server_count; i++) {
        struct server *server = &world->servers[i];
        server->world = world;
        server->number = i;
        lease_table_init(&server->leases, LEASE_MS, world->profile.lost_seal_ms);
        writer_init(&server->writer);
    }
}

static void set_up(struct world *world)
{
    struct profile *profile = &world->profile;
    profile->faults_for_ms = draw(world, 5000, chance(world, 300) ? 400000 : 60000);
    profile->lost_seal_ms = draw(world, 35000, 200000);
    // Each world has its own mix of faults: where all occur together, they hide each other.
    unsigned *const rates[] = {&profile->cut,          &profile->stall,         &profile->server_crash,
                               &profile->runner_crash, &profile->machine_crash, &profile->pause,
                               &profile->commit_fails, &profile->store_full,    &profile->store_slow,
                               &profile->restore,      &profile->expire};
    static const unsigned highest[] = {200, 100, 80, 60, 60, 100, 200, 60, 100, 80, 40};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        *rates[i] = chance(world, 500) ? (unsigned)draw(world, 1, highest[i]) : 0;

    profile->duel = chance(world, 150);
    if (profile->duel) {
        profile->faults_for_ms = draw(world, 60000, 200000);
        profile->pause = 60;
    }

    // Not drawn, so that the other worlds stay as they are.
    profile->lies = world->seed % 10 == 7 ? (unsigned)(world->seed / 10 % 100) + 1 : 0;

    store_init(world);
    if (world->shared)
        nodes_profile(world);
    servers_make(world);
    world->runner_count = profile->duel || chance(world, 400) ? 2 : 1;
    world->reader_count = (unsigned)draw(world, 1, READERS);
    world->poster_count = chance(world, 500) ? (unsigned)draw(world, 1, POSTERS) : 0;
    world->changer_count = chance(world, 300) ? (unsigned)draw(world, 1, CHANGERS) : 0;
    for (unsigned i = 0; i < world->server_count; i++)
        server_start(&world->servers[i]);
    world->has_plain = !profile->duel && chance(world, 250);
    if (world->has_plain)
        plain_start(world, &world->plain);
    for (unsigned i = 0; i < world->runner_count; i++) {
        world->runners[i].number = i;
        if (i > 0 || !world->has_plain)
            runner_start(world, &world->runners[i]);
        else
            world->runners[i].phase = RUNNER_GONE;
    }
    for (unsigned i = 0; i < world->reader_count; i++) {
        world->readers[i].number = i;
        reader_start(world, &world->readers[i]);
    }
    for (unsigned i = 0; i < world->poster_count; i++) {
        world->posters[i].number = i;
        poster_start(world, &world->posters[i]);
    }
    for (unsigned i = 0; i < world->changer_count; i++) {
        world->changers[i].number = i;
        changer_start(world, &world->changers[i]);
    }
    faults_start(world);
    if (world->shared)
        nodes_start(world);
}

static void tear_down(struct world *world)
{
    for (unsigned i = 0; i < world->server_count; i++) {
        node_stop(&world->servers[i]);
        lease_table_release(&world->servers[i].leases);
    }
    database_free(world);
    for (unsigned i = 0; i < world->reader_count; i++)
        free(world->readers[i].seen);
    free(world->store.disk.log);
    free(world->store.backup.log);
    free(world->events);
    free(world->links);
    arena_release(&world->arena);
}

static bool run(uint64_t seed, bool tracing, bool shared)
{
    struct world world = {.seed = seed, .random = seed, .now_ms = 1000, .tracing = tracing, .shared = shared};
    set_up(&world);
    while (!world.failed && world.event_count > 0) {
        world_step(&world);
        if (world.quiet && world_settled(&world))
            break;
    }
    if (!world.failed)
        check_end(&world);
    trace(&world, "%llu steps", (unsigned long long)world.steps);
    tear_down(&world);
    return !world.failed;
}

bool world_run(uint64_t seed, bool tracing)
{
    return run(seed, tracing, false);
}

bool nodes_run(uint64_t seed, bool tracing)
{
    return run(seed, tracing, true);
}
