// Several servers of one database, of which each keeps logs and is cut off, killed, taken for dead or told nothing of
// its commits at random, while the same executions are written, sealed and cut at all of them. After each step
// everybody must have been told what a model (journal_model.h) says, and in the end the rows have all of it.
//
// RUNNEL_FAULT_SEED repeats a run as far as the threads of the stores allow. RUNNEL_FAULT_ROUNDS says how many
// hundredths of all worlds are tried, as for other random tests.
#include "store/postgres/random/faults.h"
#include "store/postgres/random/work.h"

#include <unistd.h>

#define STEPS       200 // of a world
#define WORLDS      30
#define WORLDS_MAX  1000
#define PATIENCE_MS 30000

static const struct world_step others[] = {
    {8, world_append_together}, {2, world_purge},         {8, world_make_another},   {6, world_come_home},
    {3, world_cut_connections}, {6, world_lose_commit},   {3, world_cut_off},        {6, world_let_in},
    {2, world_replace},         {4, world_take_for_dead}, {2, world_forget_writers}, {1, world_doubt},
    {1, world_crash_database},
};

// --- The end: all journals come home, and the rows have what the model has.

static void await_home(struct world *world)
{
    world_take_for_dead(world);
    for (uint64_t until_ms = clock_mono_ms() + PATIENCE_MS; world_number(world, "SELECT count(*) FROM journals");) {
        assert_true(clock_mono_ms() < until_ms);
        usleep(5000);
    }
}

static void check_rows(const struct world *world, const struct model_log *log)
{
    assert_int_equal(world_row_number(world, "next_sequence", log), log->next);
    assert_int_equal(world_row_number(world, "digest", log), log->digest);
    assert_int_equal(world_row_number(world, "message_bytes", log), log->message_bytes);
}

static void settle_and_compare(struct world *world)
{
    struct world_server *last = &world->servers[0];
    for (size_t i = 0; i < SERVERS; i++)
        world_shut(&world->servers[i], false);
    world_work(world, 20);
    for (size_t i = 0; i < SERVERS; i++)
        world_close_store(world, &world->servers[i]);
    world_open_store(world, last);
    await_home(world);
    world->servers[1].shut = world->servers[2].shut = true;
    for (struct model_log *log = world->logs; log < world->logs + LOGS; log++) {
        world_check_status(world, last, log);
        check_rows(world, log);
        for (int producer = 0; producer < MODEL_PRODUCERS; producer++)
            world_check_producer(world, last, log, producer);
        if (log->purged)
            continue;
        world_read_from(last, log, log->front);
        struct store_complete end = world_right_end(log, 0);
        world_complete(world, last, log, &end, 0);
    }
    assert_int_equal(world_number(world, "SELECT count(*) FROM journals"), 0);
}

static void what_was_acknowledged_is_there_once_whatever_fails(void **state)
{
    struct world *world = *state;
    for (struct model_log *log = world->logs; log < world->logs + LOGS; log++)
        world_make(world, log);
    for (size_t i = 0; i < STEPS; i++)
        if (world_one_in(world, 4))
            world_take_one(world, others, ARRAY_LEN(others));
        else
            world_work(world, 1);
    settle_and_compare(world);
    assert_true(world->journaled > 0 && world->journals_lost > 0); // it was about something
    world->over = true;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t value = text ? strtoull(text, NULL, 10) : 0;
    return value ? value : otherwise;
}

int main(void)
{
    struct CMUnitTest tests[WORLDS_MAX];
    uint64_t seeds[WORLDS_MAX], seed = setting("RUNNEL_FAULT_SEED", clock_mono_ns() % (1 << 30));
    size_t count = (size_t)MIN(MAX(setting("RUNNEL_FAULT_ROUNDS", 10) * WORLDS / 100, 1), WORLDS_MAX);
    print_message("RUNNEL_FAULT_SEED=%llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < count; i++) {
        seeds[i] = seed + i;
        tests[i] = (struct CMUnitTest){.name = "what_was_acknowledged_is_there_once_whatever_fails",
                                       .test_func = what_was_acknowledged_is_there_once_whatever_fails,
                                       .setup_func = world_set_up,
                                       .teardown_func = world_tear_down,
                                       .initial_state = &seeds[i]};
    }
    return postgres_fixture_run(tests, count);
}
