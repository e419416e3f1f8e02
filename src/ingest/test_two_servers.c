// Servers on one store, each with a hub and a loop of its own. The store is a real one, told that others may use it
// too; its clock is the test's.
#include "ingest/hub.h"
#include "store/adapter.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"
#include "util/log.h"

#define BEAT_MS  5     // of the loops' clocks
#define LEASE_MS 60000 // of the loops' clocks: none runs out here unless a test says so

struct server {
    struct loop *loop;
    struct metrics *metrics;
    struct hub *hub;
    unsigned replaced;
    uint64_t replaced_holder;
    bool started;
};

struct world {
    struct fixture *fixture;
    struct logger logger;
    struct server servers[3];
    int64_t account, row;
};

static int open_sqlite(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    const struct sqlite_tuning tuning = {.now_ms = fixture_clock, .now_arg = now_ms};
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    CLEANUP(buf_release) struct buf error = {0};
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 1, .tuning = &tuning}, &error, ret);
}

static const struct fixture_adapter sqlite = {"sqlite", open_sqlite};

static void told(void *arg, const struct hub_news *news)
{
    struct server *server = arg;
    if (news->kind != HUB_REPLACED)
        return;
    server->replaced++;
    server->replaced_holder = news->holder;
}

static void started(void *arg, int err)
{
    struct server *server = arg;
    assert_int_equal(err, 0);
    server->started = true;
    loop_stop(server->loop);
}

static void server_start(struct world *world, struct server *server, uint64_t lease_ms)
{
    assert_int_equal(loop_new(&server->loop), 0);
    server->metrics = metrics_new(1, NULL);
    server->hub = hub_new(&(struct hub_options){.lease_ms = lease_ms,
                                                .lost_seal_ms = LEASE_MS,
                                                .store = world->fixture->store,
                                                .metrics = server->metrics,
                                                .logger = &world->logger,
                                                .beat_ms = BEAT_MS,
                                                .tell = told,
                                                .tell_arg = server});
    hub_start(server->hub, server->loop, started, server);
    loop_run(server->loop);
    assert_true(server->started);
}

static void server_end(struct server *server)
{
    if (!server->hub)
        return;
    hub_stop(server->hub);
    loop_deliver(server->loop);
    hub_free(&server->hub);
    loop_free(&server->loop);
    metrics_free(&server->metrics);
}

static int set_up(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    world->fixture = fixture_new(&sqlite);
    world->fixture->store->one_writer = world->fixture->store->alone = false;
    world->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    world->account = fixture_account(world->fixture, "a");
    world->row = fixture_create(world->fixture, world->account, "e", STATUS_QUEUED);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_LEN(world->servers); i++)
        if (world->servers[i].hub)
            hub_stop(world->servers[i].hub);
    store_stop(world->fixture->store);
    for (size_t i = 0; i < ARRAY_LEN(world->servers); i++)
        server_end(&world->servers[i]);
    fixture_free(&world->fixture);
    free(world);
    return 0;
}

static void stop(void *arg)
{
    loop_stop(arg);
}

// One turn or more; what a server does by itself happens while its loop runs, and at no other time.
static void run(struct server *server)
{
    struct timer *timer = timer_new(server->loop, stop, server->loop);
    timer_start(timer, BEAT_MS);
    loop_run(server->loop);
    timer_free(&timer);
}

static bool knows(const struct server *server, int64_t row)
{
    struct execution_live live;
    hub_live(server->hub, row, &live);
    return live.known;
}

static enum execution_status status_of(struct world *world)
{
    struct execution got = fixture_get(world->fixture, world->account, "e");
    enum execution_status status = got.status;
    execution_release(&got);
    return status;
}

static uint64_t claims(struct world *world, struct server *server)
{
    struct execution execution = fixture_get(world->fixture, world->account, "e");
    uint64_t holder = hub_new_holder(server->hub);
    assert_int_equal(hub_connect(server->hub, server->loop, &execution, 0, holder), LEASE_NEW);
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = world->row, .node = hub_node(server->hub)};
    assert_int_equal(fixture_run(world->fixture, &claim.op), 0);
    hub_granted(server->hub, world->row, claim.node, claim.ret_execution.epoch, holder);
    store_op_release(&claim.op);
    execution_release(&execution);
    return holder;
}

// A runner comes with its epoch to a server that does not know it.
static uint64_t returns(struct world *world, struct server *server, uint64_t epoch)
{
    struct execution execution = fixture_get(world->fixture, world->account, "e");
    uint64_t holder = hub_new_holder(server->hub);
    assert_int_equal(hub_connect(server->hub, server->loop, &execution, epoch, holder), LEASE_RETURN);
    struct store_lease lease = {
        .op.kind = STORE_LEASE,
        .lease_kind = LEASE_RUNNER,
        .subject = world->row,
        .ask = {.cause = NODE_LEASE_RETURN, .node = hub_node(server->hub), .epoch = epoch},
    };
    assert_int_equal(fixture_run(world->fixture, &lease.op), 0);
    assert_int_equal(hub_returned(server->hub, world->row, &lease, holder), LEASE_RESUME);
    execution_release(&execution);
    return holder;
}

static uint64_t commits_of(const struct world *world)
{
    struct store_stats stats;
    assert_true(store_stats(world->fixture->store, &stats));
    return stats.mutations;
}

// So that each of them is heard of, and looks for what others have left.
static void beats(struct world *world, struct server *const *servers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t before = commits_of(world);
        while (commits_of(world) < before + 4) // two heartbeats, and a look after each
            run(servers[i]);
    }
}

// Those alone are heard of; the store's clock goes on so far.
static void time_passes(struct world *world, struct server *const *servers, size_t count, int64_t for_ms)
{
    for (int64_t passed = 0; passed < for_ms; passed += NODE_BEAT_MS) {
        world->fixture->now_ms += NODE_BEAT_MS;
        beats(world, servers, count);
    }
}

static void what_one_server_holds_the_other_leaves_alone(void **state)
{
    struct world *world = *state;
    struct server *a = &world->servers[0], *b = &world->servers[1];
    server_start(world, a, LEASE_MS);
    claims(world, a);
    server_start(world, b, LEASE_MS);
    assert_int_not_equal(hub_node(a->hub), hub_node(b->hub));
    time_passes(world, (struct server *[]){a, b}, 2, 3 * NODE_SILENT_MS);
    assert_true(knows(a, world->row));
    assert_false(knows(b, world->row));
    assert_int_equal(status_of(world), STATUS_RUNNING);
    // Another runner is refused by B, too.
    struct execution execution = fixture_get(world->fixture, world->account, "e");
    assert_int_equal(hub_connect(b->hub, b->loop, &execution, 0, hub_new_holder(b->hub)), LEASE_TAKEN);
    beats(world, &b, 1);
    assert_false(knows(b, world->row));
    execution_release(&execution);
}

static void of_a_silent_server_one_of_the_others_takes_over_and_its_runner_goes_on_there(void **state)
{
    struct world *world = *state;
    struct server *a = &world->servers[0], *b = &world->servers[1], *c = &world->servers[2];
    server_start(world, a, LEASE_MS);
    uint64_t holder = claims(world, a);
    server_start(world, b, LEASE_MS);
    server_start(world, c, LEASE_MS);
    time_passes(world, (struct server *[]){b, c}, 2, NODE_SILENT_MS); // A's loop stands still
    assert_false(knows(b, world->row) || knows(c, world->row));       // just not yet
    time_passes(world, (struct server *[]){b, c}, 2, NODE_BEAT_MS);
    assert_true(knows(b, world->row) != knows(c, world->row));
    assert_int_equal(status_of(world), STATUS_RUNNING);
    struct server *heir = knows(b, world->row) ? b : c;
    uint64_t back = returns(world, heir, 1);
    assert_true(hub_holds(heir->hub, world->row, back));
    // A goes on, finds itself fenced, and forgets.
    int64_t former = hub_node(a->hub);
    while (hub_node(a->hub) == former || hub_node(a->hub) < 0)
        run(a);
    assert_false(knows(a, world->row));
    assert_int_equal(a->replaced, 1);
    assert_int_equal(a->replaced_holder, holder);
    time_passes(world, (struct server *[]){a, b, c}, 3, 2 * NODE_BEAT_MS);
    assert_false(knows(a, world->row));
    assert_true(hub_holds(heir->hub, world->row, back));
    assert_int_equal(status_of(world), STATUS_RUNNING);
}

static void a_runner_that_moves_is_not_lost_where_it_was(void **state)
{
    struct world *world = *state;
    struct server *a = &world->servers[0], *b = &world->servers[1];
    server_start(world, a, 1); // leases that run out at the first look
    server_start(world, b, LEASE_MS);
    claims(world, a);
    uint64_t holder = returns(world, b, 1); // before A has looked
    while (knows(a, world->row))            // it is silent there, and the store says whose it is
        run(a);
    assert_int_equal(status_of(world), STATUS_RUNNING);
    assert_int_equal(a->replaced, 1);
    assert_true(hub_holds(b->hub, world->row, holder));
    // And back again, to where it is known no more.
    returns(world, a, 1);
    assert_true(knows(a, world->row));
}

static void a_runner_that_comes_back_to_where_it_is_still_known_is_that_servers_again(void **state)
{
    struct world *world = *state;
    struct server *a = &world->servers[0], *b = &world->servers[1];
    server_start(world, a, LEASE_MS);
    server_start(world, b, 1);
    claims(world, a);
    hub_disconnect(b->hub, world->row, returns(world, b, 1));
    uint64_t holder = returns(world, a, 1); // A has never heard that it went
    while (knows(b, world->row))            // it is silent there, and is not called lost for that
        run(b);
    assert_int_equal(status_of(world), STATUS_RUNNING);
    assert_true(hub_holds(a->hub, world->row, holder));
}

static void a_runner_that_another_server_called_lost_is_running_again_where_it_was_known(void **state)
{
    struct world *world = *state;
    struct server *a = &world->servers[0], *b = &world->servers[1];
    server_start(world, a, LEASE_MS);
    server_start(world, b, 1);
    claims(world, a);
    hub_disconnect(b->hub, world->row, returns(world, b, 1));
    while (status_of(world) != STATUS_LOST)
        run(b);
    uint64_t holder = returns(world, a, 1);
    hub_touch(a->hub, a->loop, world->row, holder);
    while (status_of(world) != STATUS_RUNNING)
        run(a);
}

static void the_newest_runner_is_let_in_where_an_older_one_is_still_known(void **state)
{
    struct world *world = *state;
    struct server *a = &world->servers[0], *b = &world->servers[1];
    server_start(world, a, 1);
    server_start(world, b, LEASE_MS);
    claims(world, a);
    while (status_of(world) != STATUS_LOST)
        run(a);
    claims(world, b);
    assert_true(knows(a, world->row)); // by its first epoch
    returns(world, a, 2);
}

static void a_lost_runner_is_claimed_by_way_of_any_server(void **state)
{
    struct world *world = *state;
    struct server *a = &world->servers[0], *b = &world->servers[1];
    server_start(world, a, 1);
    server_start(world, b, LEASE_MS);
    claims(world, a);
    while (status_of(world) != STATUS_LOST)
        run(a);
    claims(world, b);
    assert_int_equal(status_of(world), STATUS_RUNNING);
    assert_true(knows(b, world->row));
    struct execution got = fixture_get(world->fixture, world->account, "e");
    assert_int_equal(got.epoch, 2);
    execution_release(&got);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_one_server_holds_the_other_leaves_alone),
        TEST(of_a_silent_server_one_of_the_others_takes_over_and_its_runner_goes_on_there),
        TEST(a_runner_that_moves_is_not_lost_where_it_was),
        TEST(a_runner_that_comes_back_to_where_it_is_still_known_is_that_servers_again),
        TEST(a_runner_that_another_server_called_lost_is_running_again_where_it_was_known),
        TEST(the_newest_runner_is_let_in_where_an_older_one_is_still_known),
        TEST(a_lost_runner_is_claimed_by_way_of_any_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
