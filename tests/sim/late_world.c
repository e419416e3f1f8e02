// Logs that come late from elsewhere: one log, a source that delivers its events in any order and more than once, one
// or two servers that gather what comes within a window, and a store. It drives the rules of model/late.h,
// model/quiet.h and model/outcome.h; what is around them repeats ingest/late.c, ingest/quiet.c and the store in its
// shortest form.
#include "late.h"
#include "model/late.h"
#include "model/quiet.h"
#include "sim.h"

#define EVENTS     48
#define DELIVERIES 96
#define SERVERS    2
#define LOOK_MS    1000
#define LONGEST_MS 100000000

struct late_world;

struct line { // an event of the source
    int64_t time_ms;
    char id[16], message[2];
    unsigned numbered; // how often
    bool acked, refused;
};

struct parcel { // what is sent together, until it is answered
    struct late_world *all;
    unsigned lines[EVENTS];
    unsigned count;
    bool answered;
};

struct gathering { // what a server numbers together
    struct late_world *all;
    struct gatherer *server;
    unsigned life;
    struct parcel *parcels[DELIVERIES];
    unsigned parcel_count;
    struct late_event events[4 * EVENTS];
    size_t count;
};

struct gatherer { // a server
    struct late_world *all;
    bool up;
    unsigned life;
    struct gathering *window;
    struct quiet_seen seen;
};

struct late_world {
    struct world world;
    struct line lines[EVENTS];
    unsigned line_count, parcel_count, server_count, faults;
    struct parcel parcels[DELIVERIES];
    struct gatherer servers[SERVERS];
    uint64_t window_ms, quiet_ms, calm_ms; // calm_ms: since when nothing goes wrong any more
    // The store.
    struct outcome outcome;
    struct late_key known[EVENTS];
    unsigned known_count;
    uint64_t changed_ms;
};

static struct late_world *late_of(struct world *world)
{
    return CONTAINER_OF(world, struct late_world, world);
}

static bool faulty(struct late_world *all)
{
    return all->world.now_ms < all->calm_ms && chance(&all->world, all->faults);
}

// --- The store

static bool is_known(const struct late_world *all, const struct late_key *key)
{
    for (unsigned i = 0; i < all->known_count; i++)
        if (late_key_equal(&all->known[i], key))
            return true;
    return false;
}

// Its message is that of the line itself.
static struct line *line_of(const struct late_event *event)
{
    return (struct line *)(uintptr_t)(event->record.message.data - offsetof(struct line, message));
}

static bool in_order(const struct late_event *before, const struct late_event *after)
{
    if (before->record.time_ms != after->record.time_ms)
        return before->record.time_ms < after->record.time_ms;
    uint64_t a, b;
    return !str_to_u64(before->id, &a) || !str_to_u64(after->id, &b) || a < b;
}

static int append(struct late_world *all, struct gathering *it)
{
    if (all->outcome.sealed)
        return ERR_SEALED;
    for (size_t i = 0; i < it->count; i++)
        if (is_known(all, &it->events[i].key))
            return ERR_CONFLICT;
    for (size_t i = 0; i < it->count; i++) {
        struct line *line = line_of(&it->events[i]);
        if (line->numbered++ > 0)
            violate(&all->world, "an event is numbered twice");
        if (i > 0 && !in_order(&it->events[i - 1], &it->events[i]))
            violate(&all->world, "what comes within the window is not in the order of time");
        if (all->known_count < EVENTS)
            all->known[all->known_count++] = it->events[i].key;
    }
    all->changed_ms = all->world.now_ms;
    return 0;
}

static int change(struct late_world *all, enum outcome_cause cause, enum execution_status status)
{
    struct outcome next;
    const struct outcome_ask ask = {.cause = cause, .status = status};
    int err = outcome_next(&all->outcome, &ask, (int64_t)all->world.now_ms, &next);
    if (err)
        return err;
    if (next.sealed && cause != OUTCOME_QUIET)
        violate(&all->world, "the end that was told has sealed a late log");
    if (next.sealed && all->world.now_ms < all->changed_ms + all->quiet_ms)
        violate(&all->world, "a log is sealed that was not quiet for its whole period");
    if (next.status != all->outcome.status && !next.sealed)
        all->changed_ms = all->world.now_ms;
    all->outcome = next;
    return 0;
}

// --- Servers

static void send_parcel(struct world *world, void *arg, uint64_t life);

static void answer(struct gathering *it, struct parcel *parcel, int err)
{
    struct late_world *all = it->all;
    if (faulty(all)) { // it is lost, and sent again
        later(&all->world, draw(&all->world, 1000, 30000), send_parcel, parcel, 0);
        return;
    }
    if (err && err != ERR_SEALED) {
        later(&all->world, draw(&all->world, 100, 5000), send_parcel, parcel, 0);
        return;
    }
    parcel->answered = true;
    for (unsigned i = 0; i < parcel->count; i++) {
        struct line *line = &all->lines[parcel->lines[i]];
        line->acked |= err == 0;
        line->refused |= err == ERR_SEALED;
        if (err == 0 && line->numbered != 1)
            violate(&all->world, "an event is acknowledged that is not in the log");
    }
}

static void answer_all(struct gathering *it, int err)
{
    for (unsigned i = 0; i < it->parcel_count; i++)
        answer(it, it->parcels[i], err);
    it->parcel_count = 0;
}

static bool gone(const struct gathering *it)
{
    return !it->server->up || it->server->life != it->life;
}

static void ask_known(struct world *world, void *arg, uint64_t life);

static void commit(struct world *world, void *arg, uint64_t life)
{
    struct gathering *it = arg;
    struct late_world *all = late_of(world);
    (void)life;
    bool lost = gone(it); // it was handed in; nobody hears what becomes of it
    int err = it->count == 0 ? 0 : faulty(all) ? ERR_UNAVAILABLE : append(all, it);
    if (lost)
        answer_all(it, ERR_UNAVAILABLE);
    else if (err == ERR_CONFLICT)
        later(world, draw(world, 0, 20), ask_known, it, 0);
    else
        answer_all(it, err);
}

static void ask_known(struct world *world, void *arg, uint64_t life)
{
    struct gathering *it = arg;
    bool known[4 * EVENTS];
    (void)life;
    if (gone(it)) {
        answer_all(it, ERR_UNAVAILABLE);
        return;
    }
    for (size_t i = 0; i < it->count; i++)
        known[i] = is_known(it->all, &it->events[i].key);
    it->count = late_unknown(it->events, it->count, known);
    later(world, draw(world, 0, 50), commit, it, 0);
}

static void window_end(struct world *world, void *arg, uint64_t life)
{
    struct gathering *it = arg;
    (void)life;
    if (it->server->window == it)
        it->server->window = NULL;
    if (gone(it)) {
        answer_all(it, ERR_UNAVAILABLE);
        return;
    }
    it->count = late_unique(it->events, it->count);
    late_sort(it->events, it->count);
    later(world, draw(world, 0, 20), ask_known, it, 0);
}

// As ingest/late_delivery.c: of those without an id, which of the same ones it is.
static uint32_t count_same(const struct late_world *all, const struct parcel *parcel, unsigned at)
{
    const struct line *line = &all->lines[parcel->lines[at]];
    uint32_t nth = 0;
    for (unsigned i = 0; i < at; i++) {
        const struct line *other = &all->lines[parcel->lines[i]];
        nth += other->time_ms == line->time_ms && other->message[0] == line->message[0];
    }
    return nth;
}

static void take(struct gathering *it, struct parcel *parcel)
{
    it->parcels[it->parcel_count++] = parcel;
    for (unsigned i = 0; i < parcel->count; i++) {
        const struct line *line = &it->all->lines[parcel->lines[i]];
        struct late_event *event = &it->events[it->count];
        *event = (struct late_event){
            .record = {.time_ms = line->time_ms, .message = str_of(line->message)},
            .id = str_of(line->id),
            .order = it->count,
        };
        event->key = late_key_of(event->id, &event->record, line->id[0] ? 0 : count_same(it->all, parcel, i));
        it->count++;
    }
}

static void send_parcel(struct world *world, void *arg, uint64_t life)
{
    struct late_world *all = late_of(world);
    struct parcel *parcel = arg;
    struct gatherer *server = &all->servers[draw(world, 0, all->server_count - 1)];
    (void)life;
    if (!server->up || (server->window && server->window->count + parcel->count > ARRAY_LEN(server->window->events))) {
        later(world, draw(world, 100, 5000), send_parcel, parcel, 0);
        return;
    }
    if (!server->window) {
        server->window = make(world, sizeof(*server->window));
        *server->window = (struct gathering){.all = all, .server = server, .life = server->life};
        later(world, all->window_ms, window_end, server->window, 0);
    }
    take(server->window, parcel);
    // The same again, as its sender has not heard of it.
    if (faulty(all) && all->parcel_count < DELIVERIES) {
        struct parcel *again = &all->parcels[all->parcel_count++];
        *again = *parcel;
        later(world, draw(world, 0, 20000), send_parcel, again, 0);
    }
}

struct sealing { // under way
    struct gatherer *server;
    struct quiet_seen seen;
};

static void seal(struct world *world, void *arg, uint64_t life)
{
    struct late_world *all = late_of(world);
    struct sealing *it = arg;
    (void)life;
    if (quiet_judge(&it->seen, all->known_count, all->outcome.status) < 0 ||
        change(all, OUTCOME_QUIET, STATUS_LOST) < 0)
        it->server->seen = (struct quiet_seen){0};
}

static void look(struct world *world, void *arg, uint64_t life)
{
    struct late_world *all = late_of(world);
    struct gatherer *server = arg;
    (void)life;
    later(world, LOOK_MS, look, server, 0);
    if (!server->up || !quiet_applies(&all->outcome))
        return;
    if (!quiet_look(&server->seen, all->known_count, all->outcome.status, all->quiet_ms, world->now_ms))
        return;
    struct sealing *sealing = make(world, sizeof(*sealing));
    *sealing = (struct sealing){server, {.next = all->known_count, .status = all->outcome.status}};
    later(world, draw(world, 0, 500), seal, sealing, 0);
}

static void start(struct world *world, void *arg, uint64_t life)
{
    struct gatherer *server = arg;
    (void)world;
    (void)life;
    server->up = true;
}

static void crash(struct world *world, void *arg, uint64_t life)
{
    struct late_world *all = late_of(world);
    struct gatherer *server = arg;
    (void)life;
    if (server->up && faulty(all)) {
        server->up = false;
        server->life++;
        server->window = NULL; // its end answers those that waited
        server->seen = (struct quiet_seen){0};
        later(world, draw(world, 100, 20000), start, server, 0);
    }
    if (world->now_ms < all->calm_ms)
        later(world, draw(world, 1000, 20000), crash, server, 0);
}

static void tell(struct world *world, void *arg, uint64_t life)
{
    (void)arg;
    (void)life;
    change(late_of(world), OUTCOME_TOLD, STATUS_COMPLETED);
}

// --- The source

// In some worlds its events have no ids; what looks the same stands in one parcel then, and each parcel is always sent
// as it is.
static void draw_lines(struct late_world *all)
{
    struct world *world = &all->world;
    bool has_ids = chance(world, 700);
    int64_t time_ms = 1000;
    all->line_count = (unsigned)draw(world, 1, EVENTS);
    for (unsigned i = 0; i < all->line_count; i++) {
        struct line *line = &all->lines[i];
        time_ms += chance(world, 500) ? 0 : (int64_t)draw(world, 1, 2000);
        line->time_ms = time_ms;
        line->message[0] = (char)('a' + draw(world, 0, 2));
        if (has_ids)
            snprintf(line->id, sizeof(line->id), "%u", 5 + i);
    }
    for (unsigned i = 0; i < all->line_count;) {
        struct parcel *parcel = &all->parcels[all->parcel_count++];
        *parcel = (struct parcel){.all = all};
        unsigned end = i + (unsigned)draw(world, 1, 8);
        int64_t last = 0;
        for (; i < all->line_count && (i < end || (!has_ids && all->lines[i].time_ms == last)); i++) {
            parcel->lines[parcel->count++] = i;
            last = all->lines[i].time_ms;
        }
        for (unsigned j = parcel->count; has_ids && j > 1; j--) { // in any order
            unsigned k = (unsigned)draw(world, 0, j - 1), swapped = parcel->lines[k];
            parcel->lines[k] = parcel->lines[j - 1];
            parcel->lines[j - 1] = swapped;
        }
        if (has_ids && i < all->line_count && chance(world, 300)) // the next one has some of these, too
            i -= (unsigned)draw(world, 0, parcel->count - 1);
        uint64_t delay = chance(world, 100) ? draw(world, 0, 200000) : draw(world, 0, 10000);
        later(world, (uint64_t)last + delay, send_parcel, parcel, 0);
    }
}

static void set_up(struct late_world *all)
{
    struct world *world = &all->world;
    all->outcome = (struct outcome){.status = STATUS_RUNNING, .started_ms = 1, .late = true};
    all->window_ms = chance(world, 200) ? 0 : draw(world, 1, 5000);
    all->quiet_ms = draw(world, 5000, 120000);
    all->faults = chance(world, 200) ? 0 : (unsigned)draw(world, 1, 300);
    all->calm_ms = draw(world, 10000, 300000);
    all->changed_ms = world->now_ms;
    all->server_count = (unsigned)draw(world, 1, SERVERS);
    for (unsigned i = 0; i < all->server_count; i++) {
        all->servers[i] = (struct gatherer){.all = all, .up = true};
        later(world, draw(world, 0, LOOK_MS), look, &all->servers[i], 0);
        later(world, draw(world, 1000, 20000), crash, &all->servers[i], 0);
    }
    draw_lines(all);
    if (chance(world, 500))
        later(world, draw(world, 1, 100000), tell, NULL, 0);
}

static bool settled(const struct late_world *all)
{
    for (unsigned i = 0; i < all->parcel_count; i++)
        if (!all->parcels[i].answered)
            return false;
    return all->outcome.sealed;
}

static void check_late_end(struct late_world *all)
{
    if (!settled(all))
        violate(&all->world, "the log does not come to its end, or a delivery never to its answer");
    for (unsigned i = 0; i < all->line_count; i++) {
        const struct line *line = &all->lines[i];
        if (line->numbered == 0 && !line->refused)
            violate(&all->world, "an event is lost in silence");
        if (line->acked && line->numbered != 1)
            violate(&all->world, "an event is acknowledged that is not in the log");
    }
}

bool late_run(uint64_t seed, bool tracing)
{
    struct late_world *all = xcalloc(1, sizeof(*all));
    struct world *world = &all->world;
    *world = (struct world){.seed = seed, .random = seed, .now_ms = 1000, .tracing = tracing};
    set_up(all);
    while (!world->failed && !settled(all) && world->now_ms < LONGEST_MS)
        world_step(world);
    if (!world->failed)
        check_late_end(all);
    trace(world, "%llu steps, %u events", (unsigned long long)world->steps, all->known_count);
    bool good = !world->failed;
    free(world->events);
    arena_release(&world->arena);
    free(all);
    return good;
}
