// Nodes and leases on every engine: two connections to one store, each a node of its own, with one clock.
#include "store/catalogue/catalogue.h"
#include "store/schema/schema.h"
#include "store/sql_fixture.h"
#include "util/clock.h"

#include <pthread.h>

#define START   1763200000000
#define SUBJECT 7

static struct sql_fixture *engine_under_test;

struct world { // node A works by the one connection, node B by the other
    struct sql *a, *b;
    int64_t now_ms, node_a, node_b;
};

static int set_up(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    sql_fixture_reset(engine_under_test);
    world->a = sql_fixture_connect(engine_under_test);
    world->b = sql_fixture_connect(engine_under_test);
    world->now_ms = START;
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    sql_fixture_close(&world->a);
    sql_fixture_close(&world->b);
    free(world);
    return 0;
}

// A transaction of one change. What it refused is rolled back.
#define CHANGE(sql, expression)                                                  \
    ({                                                                           \
        assert_int_equal(sql_begin((sql), SQL_WRITE), 0);                        \
        int outcome_ = (expression);                                             \
        assert_int_equal(outcome_ < 0 ? sql_rollback(sql) : sql_commit(sql), 0); \
        outcome_;                                                                \
    })

static int64_t start_node(struct sql *sql, bool alone, int64_t now_ms)
{
    struct store_node_start start = {.node_kind = NODE_SERVER, .address = STR("127.0.0.1:7117")};
    assert_int_equal(CHANGE(sql, catalogue_node_start(sql, &start, alone, now_ms)), 0);
    assert_true(start.ret_node > 0);
    return start.ret_node;
}

static void start_both(struct world *world)
{
    world->node_a = start_node(world->a, false, world->now_ms);
    world->node_b = start_node(world->b, false, world->now_ms);
    assert_int_not_equal(world->node_a, world->node_b);
}

static int beat(struct sql *sql, int64_t node, int64_t now_ms, uint64_t expected_fenced)
{
    struct store_node_beat beat = {.node = node};
    int err = CHANGE(sql, catalogue_node_beat(sql, &beat, now_ms));
    assert_int_equal(beat.ret_fenced, expected_fenced);
    return err;
}

// B alone is heard of until then.
static void only_b_is_heard_of_until(struct world *world, int64_t until_ms)
{
    while (world->now_ms < until_ms) {
        world->now_ms += NODE_BEAT_MS;
        assert_int_equal(beat(world->b, world->node_b, world->now_ms, 0), 0);
    }
}

static int change(struct sql *sql, struct node_lease_ask ask, int64_t now_ms, struct node_lease *ret)
{
    struct node_lease lease = {0};
    int err = CHANGE(sql, catalogue_lease_change(sql, LEASE_RUNNER, SUBJECT, &ask, now_ms, &lease));
    if (ret && err == 0)
        *ret = lease;
    return err;
}

static void claim_by_a(struct world *world)
{
    const struct node_lease_ask claim = {.cause = NODE_LEASE_CLAIM, .node = world->node_a};
    struct node_lease lease = {0};
    assert_int_equal(change(world->a, claim, world->now_ms, &lease), 0);
    assert_int_equal(lease.epoch, 1);
}

static struct node_lease stands(struct sql *sql)
{
    struct node_lease lease = {0};
    assert_int_equal(catalogue_lease_get(sql, LEASE_RUNNER, SUBJECT, &lease), 0);
    return lease;
}

static size_t adopts(struct sql *sql, int64_t node, unsigned limit, int64_t now_ms, struct adopted_lease *ret_first)
{
    struct store_lease_adopt adopt = {.lease_kind = LEASE_RUNNER, .node = node, .limit = limit};
    assert_int_equal(CHANGE(sql, catalogue_lease_adopt(sql, &adopt, now_ms)), 0);
    if (ret_first && adopt.ret_count > 0)
        *ret_first = adopt.ret_leases[0];
    free(adopt.ret_leases);
    return adopt.ret_count;
}

static int64_t count(struct sql *sql, const char *text)
{
    int64_t number = 0;
    CLEANUP(sql_statement_free) struct sql_statement *statement = sql_prepare(sql, text);
    assert_int_equal(sql_number(statement, &number), 0);
    return number;
}

// --- Whose it is

static void what_a_node_holds_that_is_heard_of_no_other_takes(void **state)
{
    struct world *world = *state;
    start_both(world);
    claim_by_a(world);
    for (int i = 0; i < 20; i++) { // longer than any silence
        world->now_ms += NODE_BEAT_MS;
        assert_int_equal(beat(world->a, world->node_a, world->now_ms, 0), 0);
        assert_int_equal(beat(world->b, world->node_b, world->now_ms, 0), 0);
        assert_int_equal(adopts(world->b, world->node_b, 0, world->now_ms, NULL), 0);
    }
    const struct node_lease_ask claim = {.cause = NODE_LEASE_CLAIM, .node = world->node_b};
    assert_int_equal(change(world->b, claim, world->now_ms, NULL), ERR_HELD);
    assert_int_equal(stands(world->b).node, world->node_a);
    assert_int_equal(stands(world->b).epoch, 1);
}

static void what_a_silent_node_held_is_another_ones_by_the_same_epoch(void **state)
{
    struct world *world = *state;
    struct adopted_lease adopted = {0};
    start_both(world);
    claim_by_a(world);
    only_b_is_heard_of_until(world, START + NODE_SILENT_MS); // just not yet
    assert_int_equal(adopts(world->b, world->node_b, 0, world->now_ms, NULL), 0);
    assert_int_equal(beat(world->b, world->node_b, ++world->now_ms, 1), 0);
    assert_int_equal(adopts(world->b, world->node_b, 0, world->now_ms, &adopted), 1);
    assert_int_equal(adopted.subject, SUBJECT);
    assert_int_equal(adopted.lease.node, world->node_b);
    assert_int_equal(adopted.lease.epoch, 1);
    assert_false(adopted.ran_out);
    assert_int_equal(adopts(world->b, world->node_b, 0, world->now_ms, NULL), 0); // once
    assert_int_equal(stands(world->a).node, world->node_b);
}

static void a_node_finds_out_what_it_holds_and_nothing_else(void **state)
{
    struct world *world = *state;
    start_both(world);
    claim_by_a(world);
    struct store_lease_adopt look = {.lease_kind = LEASE_RUNNER, .node = world->node_a, .own = true};
    assert_int_equal(CHANGE(world->a, catalogue_lease_adopt(world->a, &look, world->now_ms)), 0);
    assert_int_equal(look.ret_count, 1);
    assert_int_equal(look.ret_leases[0].subject, SUBJECT);
    assert_int_equal(look.ret_leases[0].lease.epoch, 1);
    look.after = SUBJECT;
    assert_int_equal(CHANGE(world->a, catalogue_lease_adopt(world->a, &look, world->now_ms)), 0);
    assert_int_equal(look.ret_count, 0);
    free(look.ret_leases);
    struct store_lease_adopt other = {.lease_kind = LEASE_RUNNER, .node = world->node_b, .own = true};
    assert_int_equal(CHANGE(world->b, catalogue_lease_adopt(world->b, &other, world->now_ms)), 0);
    assert_int_equal(other.ret_count, 0);
    free(other.ret_leases);
    assert_int_equal(stands(world->b).node, world->node_a);
}

static void a_node_that_comes_back_finds_itself_fenced_whatever_it_asks(void **state)
{
    struct world *world = *state;
    start_both(world);
    claim_by_a(world);
    only_b_is_heard_of_until(world, START + NODE_SILENT_MS);
    assert_int_equal(beat(world->b, world->node_b, ++world->now_ms, 1), 0);
    const struct node_lease_ask asks[] = {
        {.cause = NODE_LEASE_CLAIM, .node = world->node_a},
        {.cause = NODE_LEASE_RETURN, .node = world->node_a, .epoch = 1},
        {.cause = NODE_LEASE_RENEW, .node = world->node_a, .epoch = 1, .deadline_ms = 1},
    };
    for (int round = 0; round < 2; round++) { // before somebody has taken it, and after that, when A is forgotten
        assert_int_equal(beat(world->a, world->node_a, world->now_ms, 0), ERR_NODE_FENCED);
        for (size_t i = 0; i < ARRAY_LEN(asks); i++)
            assert_int_equal(change(world->a, asks[i], world->now_ms, NULL), ERR_NODE_FENCED);
        struct store_lease_adopt adopt = {.lease_kind = LEASE_RUNNER, .node = world->node_a};
        assert_int_equal(CHANGE(world->a, catalogue_lease_adopt(world->a, &adopt, world->now_ms)), ERR_NODE_FENCED);
        assert_int_equal(adopt.ret_count, 0);
        free(adopt.ret_leases);
        assert_int_equal(adopts(world->b, world->node_b, 0, world->now_ms, NULL), round == 0 ? 1 : 0);
    }
    int64_t again = start_node(world->a, false, world->now_ms); // it starts anew, as another node
    assert_true(again > world->node_b);
    assert_int_equal(adopts(world->a, again, 0, world->now_ms, NULL), 0);
    assert_int_equal(stands(world->a).node, world->node_b);
}

static void a_runner_goes_on_by_its_epoch_on_whatever_node_it_comes(void **state)
{
    struct world *world = *state;
    struct node_lease lease = {0};
    start_both(world);
    claim_by_a(world);
    const struct node_lease_ask older = {.cause = NODE_LEASE_RETURN, .node = world->node_b, .epoch = 2},
                                own = {.cause = NODE_LEASE_RETURN, .node = world->node_b, .epoch = 1};
    assert_int_equal(change(world->b, older, world->now_ms, NULL), ERR_FENCED);
    assert_int_equal(change(world->b, own, world->now_ms, &lease), 0); // while A is heard of, too
    assert_int_equal(lease.node, world->node_b);
    assert_int_equal(lease.epoch, 1);
    const struct node_lease_ask renew = {.cause = NODE_LEASE_RENEW, .node = world->node_a, .epoch = 1};
    assert_int_equal(change(world->a, renew, world->now_ms, NULL), ERR_FENCED); // A has nothing to say of it any more
}

// It was connected to A, then to B; A asks for it only now.
static void what_was_overtaken_is_refused_and_what_is_asked_anew_is_not(void **state)
{
    struct world *world = *state;
    start_both(world);
    claim_by_a(world);
    struct node_lease_ask by_a = {.cause = NODE_LEASE_RETURN, .node = world->node_a, .epoch = 1, .asked_ms = 7000},
                          by_b = {.cause = NODE_LEASE_RETURN, .node = world->node_b, .epoch = 1, .asked_ms = 7001};
    assert_int_equal(change(world->b, by_b, world->now_ms, NULL), 0);
    assert_int_equal(change(world->a, by_a, world->now_ms, NULL), ERR_HELD);
    assert_int_equal(stands(world->a).node, world->node_b);
    by_a.asked_ms = 7002;
    assert_int_equal(change(world->a, by_a, world->now_ms, NULL), 0);
    assert_int_equal(stands(world->a).node, world->node_a);
}

static void what_has_run_out_anybody_may_claim_and_stays_its_nodes_until_then(void **state)
{
    struct world *world = *state;
    struct adopted_lease adopted = {0};
    struct node_lease lease = {0};
    start_both(world);
    claim_by_a(world);
    assert_int_equal(CHANGE(world->a, catalogue_lease_deadline(world->a, LEASE_RUNNER, SUBJECT, world->now_ms)), 0);
    only_b_is_heard_of_until(world, START + NODE_SILENT_MS);
    assert_int_equal(beat(world->b, world->node_b, ++world->now_ms, 1), 0);
    assert_int_equal(adopts(world->b, world->node_b, 0, world->now_ms, &adopted), 1);
    assert_true(adopted.ran_out);
    int64_t other = start_node(world->a, false, world->now_ms);
    const struct node_lease_ask claim = {.cause = NODE_LEASE_CLAIM, .node = other};
    assert_int_equal(change(world->a, claim, world->now_ms, &lease), 0);
    assert_int_equal(lease.epoch, 2);
    assert_int_equal(lease.deadline_ms, 0);
}

static void what_there_is_nothing_of_any_more_nobody_holds(void **state)
{
    struct world *world = *state;
    start_both(world);
    claim_by_a(world);
    assert_int_equal(CHANGE(world->a, catalogue_lease_end(world->a, LEASE_RUNNER, SUBJECT)), 0);
    assert_int_equal(stands(world->b).node, 0);
    assert_int_equal(count(world->b, "SELECT count(*) FROM leases"), 0);
}

// --- Nodes

static void after_the_store_was_away_from_all_nobody_is_fenced(void **state)
{
    struct world *world = *state;
    start_both(world);
    claim_by_a(world);
    world->now_ms += 10 * NODE_SILENT_MS; // B comes back first
    assert_int_equal(beat(world->b, world->node_b, world->now_ms, 0), 0);
    assert_int_equal(beat(world->a, world->node_a, world->now_ms + 1, 0), 0);
    assert_int_equal(beat(world->b, world->node_b, world->now_ms + NODE_BEAT_MS, 0), 0);
    assert_int_equal(stands(world->b).node, world->node_a);
}

static void one_that_has_the_store_alone_fences_all_before_it(void **state)
{
    struct world *world = *state;
    start_both(world);
    claim_by_a(world);
    int64_t node = start_node(world->b, true, world->now_ms);
    assert_int_equal(beat(world->a, world->node_a, world->now_ms, 0), ERR_NODE_FENCED);
    assert_int_equal(beat(world->b, node, world->now_ms, 0), 0);
    assert_int_equal(adopts(world->b, node, 0, world->now_ms, NULL), 1);
    assert_int_equal(count(world->b, "SELECT count(*) FROM nodes WHERE id > 0"), 1); // the others are forgotten
}

static void adopting_comes_in_parts(void **state)
{
    struct world *world = *state;
    start_both(world);
    assert_int_equal(sql_begin(world->a, SQL_WRITE), 0);
    for (int64_t subject = 1; subject <= 25; subject++) {
        struct node_lease lease;
        const struct node_lease_ask claim = {.cause = NODE_LEASE_CLAIM, .node = world->node_a};
        assert_int_equal(catalogue_lease_change(world->a, LEASE_RUNNER, subject, &claim, START, &lease), 0);
    }
    assert_int_equal(sql_commit(world->a), 0);
    int64_t node = start_node(world->b, true, START);
    assert_int_equal(adopts(world->b, node, 10, START, NULL), 10);
    assert_int_equal(adopts(world->b, node, 10, START, NULL), 10);
    assert_int_equal(adopts(world->b, node, 10, START, NULL), 5);
    assert_int_equal(adopts(world->b, node, 10, START, NULL), 0);
}

static void a_node_that_left_something_is_remembered_until_that_is_taken(void **state)
{
    struct world *world = *state;
    start_both(world);
    claim_by_a(world);
    int64_t node = start_node(world->b, true, START);
    struct store_lease_adopt other = {.lease_kind = LEASE_RUNNER + 100, .node = node}; // of another kind there is none
    assert_int_equal(CHANGE(world->b, catalogue_lease_adopt(world->b, &other, START)), 0);
    assert_int_equal(other.ret_count, 0);
    free(other.ret_leases);
    assert_int_equal(adopts(world->b, node, 0, START, NULL), 1);
}

static void the_stores_clock_is_that_of_the_day(void **state)
{
    struct world *world = *state;
    int64_t now_ms = 0, by_us = clock_real_ms();
    assert_int_equal(catalogue_now(world->a, &now_ms), 0);
    assert_true(now_ms >= by_us - 5 && now_ms <= by_us + 60000);
}

// --- A store from before there were leases

static void runners_from_before_are_taken_over_by_whoever_starts_first(void **state)
{
    struct world *world = *state;
    struct adopted_lease adopted = {0};
    if (sql_engine(world->a) == SQL_POSTGRES)
        assert_int_equal(sql_exec(world->a, "DROP VIEW runnel_sql.workers"), 0);
    assert_int_equal(sql_exec(world->a, "DROP TABLE leases; DROP TABLE nodes"), 0);
    assert_int_equal(
        sql_exec(world->a, "INSERT INTO executions(account, execution_id, status, sealed, purged, epoch, created_ms) "
                           "VALUES(1, 'runs', 'running', 0, 0, 3, 1), (1, 'queued', 'queued', 0, 0, 0, 1), "
                           "(1, 'ended', 'completed', 1, 0, 2, 1), (1, 'lost', 'lost', 0, 0, 5, 1)"),
        0);
    for (const struct schema_migration *at = schema_migrations[sql_engine(world->a)]; at->number > 0; at++)
        if (at->number == 4)
            assert_int_equal(sql_exec(world->a, at->forward), 0);
    assert_int_equal(sql_exec(world->a, "ALTER TABLE nodes ADD COLUMN knows {integer} NOT NULL DEFAULT 21"), 0);
    assert_int_equal(sql_exec(world->a, "ALTER TABLE leases ADD COLUMN asked_ms {integer} NOT NULL DEFAULT 0"), 0);
    assert_int_equal(count(world->a, "SELECT count(*) FROM leases"), 2);
    int64_t node = start_node(world->b, false, START), runs = count(world->a, "SELECT min(id) FROM executions");
    assert_true(node > 0);
    assert_int_equal(adopts(world->b, node, 1, START, &adopted), 1);
    assert_int_equal(adopted.subject, runs);
    assert_int_equal(adopted.lease.epoch, 3);
    assert_false(adopted.ran_out);
    assert_int_equal(adopts(world->b, node, 0, START, &adopted), 1);
    assert_int_equal(adopted.lease.epoch, 5);
    assert_true(adopted.ran_out);
}

// --- Two at once

#define SUBJECTS 200

struct adopter {
    pthread_barrier_t *line;
    int64_t node;
    size_t taken;
};

static void *adopt_main(void *arg)
{
    struct adopter *adopter = arg;
    struct sql *sql = sql_fixture_connect(engine_under_test);
    pthread_barrier_wait(adopter->line);
    size_t taken = 1;
    while (taken > 0) {
        taken = adopts(sql, adopter->node, 7, START, NULL);
        adopter->taken += taken;
    }
    sql_fixture_close(&sql);
    return NULL;
}

static void two_that_adopt_at_once_take_each_lease_once(void **state)
{
    struct world *world = *state;
    start_both(world);
    assert_int_equal(sql_begin(world->a, SQL_WRITE), 0);
    for (int64_t subject = 1; subject <= SUBJECTS; subject++) {
        struct node_lease lease;
        const struct node_lease_ask claim = {.cause = NODE_LEASE_CLAIM, .node = 0}; // nobody's
        assert_int_equal(catalogue_lease_change(world->a, LEASE_RUNNER, subject, &claim, START, &lease), 0);
    }
    assert_int_equal(sql_commit(world->a), 0);
    pthread_barrier_t line;
    pthread_barrier_init(&line, NULL, 2);
    struct adopter adopters[] = {{.line = &line, .node = world->node_a}, {.line = &line, .node = world->node_b}};
    pthread_t threads[ARRAY_LEN(adopters)];
    for (size_t i = 0; i < ARRAY_LEN(adopters); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, adopt_main, &adopters[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(adopters); i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&line);
    // Whoever found all that is left in the other one's hands may have ended before it; nothing was taken twice.
    size_t left = adopts(world->a, world->node_a, 0, START, NULL);
    assert_int_equal(adopters[0].taken + adopters[1].taken + left, SUBJECTS);
    for (size_t i = 0; i < ARRAY_LEN(adopters); i++) {
        CLEANUP(free_ptr)
        char *held = xasprintf("SELECT count(*) FROM leases WHERE node = %lld", (long long)adopters[i].node);
        assert_int_equal(count(world->a, held), adopters[i].taken + (i == 0 ? left : 0));
    }
}

static int claim_once(struct sql *sql, int64_t node, int64_t subject)
{
    struct node_lease lease;
    const struct node_lease_ask claim = {.cause = NODE_LEASE_CLAIM, .node = node};
    return CHANGE(sql, catalogue_lease_change(sql, LEASE_RUNNER, subject, &claim, START, &lease));
}

static void *claim_main(void *arg)
{
    struct adopter *adopter = arg;
    struct sql *sql = sql_fixture_connect(engine_under_test);
    for (int64_t subject = 1; subject <= 20; subject++) {
        int err;
        pthread_barrier_wait(adopter->line);
        do
            err = claim_once(sql, adopter->node, subject);
        while (err < 0 && err != ERR_HELD && sql_again(sql));
        assert_true(err == 0 || err == ERR_HELD);
        adopter->taken += err == 0;
    }
    sql_fixture_close(&sql);
    return NULL;
}

static void of_two_that_claim_the_same_at_once_one_has_it(void **state)
{
    struct world *world = *state;
    start_both(world);
    pthread_barrier_t line;
    pthread_barrier_init(&line, NULL, 2);
    struct adopter claimers[] = {{.line = &line, .node = world->node_a}, {.line = &line, .node = world->node_b}};
    pthread_t threads[ARRAY_LEN(claimers)];
    for (size_t i = 0; i < ARRAY_LEN(claimers); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, claim_main, &claimers[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(claimers); i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&line);
    assert_int_equal(claimers[0].taken + claimers[1].taken, 20);
    assert_int_equal(count(world->a, "SELECT count(*) FROM leases WHERE epoch = 1"), 20);
}

// What two claims come to when each has looked before the other one is there.
static uint64_t set_by_a_look(struct sql *sql, const struct node_lease *seen, int64_t node)
{
    uint64_t changes = 0;
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    struct sql_statement *set = sql_statement(sql, CATALOGUE_LEASE_SET);
    sql_bind_i64(set, 1, LEASE_RUNNER);
    sql_bind_i64(set, 2, SUBJECT);
    sql_bind_i64(set, 3, node);
    sql_bind_u64(set, 4, seen->epoch + 1);
    sql_bind_i64(set, 5, 0);
    sql_bind_i64(set, 6, seen->node);
    sql_bind_u64(set, 7, seen->epoch);
    sql_bind_i64(set, 8, 0);
    assert_int_equal(sql_run(set, &changes), 0);
    assert_int_equal(sql_commit(sql), 0);
    return changes;
}

static void a_claim_by_a_look_from_before_another_changes_nothing(void **state)
{
    struct world *world = *state;
    const struct node_lease nobody = {0};
    start_both(world);
    assert_int_equal(set_by_a_look(world->a, &nobody, world->node_a), 1);
    assert_int_equal(set_by_a_look(world->b, &nobody, world->node_b), 0);
    struct node_lease first = stands(world->b);
    assert_int_equal(first.node, world->node_a);
    assert_int_equal(set_by_a_look(world->b, &first, world->node_b), 1);
    assert_int_equal(set_by_a_look(world->a, &first, world->node_a), 0);
    assert_int_equal(stands(world->a).node, world->node_b);
    assert_int_equal(stands(world->a).epoch, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_node_holds_that_is_heard_of_no_other_takes),
        TEST(what_a_silent_node_held_is_another_ones_by_the_same_epoch),
        TEST(a_node_finds_out_what_it_holds_and_nothing_else),
        TEST(a_node_that_comes_back_finds_itself_fenced_whatever_it_asks),
        TEST(a_runner_goes_on_by_its_epoch_on_whatever_node_it_comes),
        TEST(what_was_overtaken_is_refused_and_what_is_asked_anew_is_not),
        TEST(what_has_run_out_anybody_may_claim_and_stays_its_nodes_until_then),
        TEST(what_there_is_nothing_of_any_more_nobody_holds),
        TEST(after_the_store_was_away_from_all_nobody_is_fenced),
        TEST(one_that_has_the_store_alone_fences_all_before_it),
        TEST(adopting_comes_in_parts),
        TEST(a_node_that_left_something_is_remembered_until_that_is_taken),
        TEST(the_stores_clock_is_that_of_the_day),
        TEST(runners_from_before_are_taken_over_by_whoever_starts_first),
        TEST(two_that_adopt_at_once_take_each_lease_once),
        TEST(of_two_that_claim_the_same_at_once_one_has_it),
        TEST(a_claim_by_a_look_from_before_another_changes_nothing),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
