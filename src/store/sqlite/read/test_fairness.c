// Which query a reader takes next: short ones before scans, and accounts in turn.
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"

#include <semaphore.h>
#include <stdatomic.h>

#define SCANS 6

static int open_with(const char *folder, unsigned readers, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = readers}, &error, ret);
}

static int open_one(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    (void)now_ms;
    return open_with(folder, 1, ret);
}

static int open_two(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    (void)now_ms;
    return open_with(folder, 2, ret);
}

static const struct fixture_adapter one = {"sqlite, one reader", open_one}, two = {"sqlite, two readers", open_two};

static int set_up_one(void **state)
{
    *state = fixture_new(&one);
    return 0;
}

static int set_up_two(void **state)
{
    *state = fixture_new(&two);
    return 0;
}

static int tear_down(void **state)
{
    fixture_free((struct fixture **)state);
    return 0;
}

struct trace {
    sem_t began, go_on;
    int64_t order[SCANS];
    _Atomic unsigned count;
    unsigned done;
    struct loop *loop;
};

struct scan {
    struct store_count_open query;
    struct trace *trace;
};

static void process(struct store_op *op)
{
    struct scan *scan = CONTAINER_OF(op, struct scan, query.op);
    scan->trace->order[atomic_fetch_add(&scan->trace->count, 1)] = op->account;
    sem_post(&scan->trace->began);
    sem_wait(&scan->trace->go_on);
}

static void done(struct store_op *op)
{
    struct scan *scan = CONTAINER_OF(op, struct scan, query.op);
    if (++scan->trace->done == SCANS)
        loop_stop(scan->trace->loop);
}

static void begin(struct trace *trace, struct fixture *fixture)
{
    *trace = (struct trace){.loop = fixture->loop};
    sem_init(&trace->began, 0, 0);
    sem_init(&trace->go_on, 0, 0);
}

static void submit(struct trace *trace, struct fixture *fixture, struct scan *scan, int64_t account)
{
    *scan = (struct scan){.trace = trace,
                          .query.op = {.kind = STORE_COUNT_OPEN,
                                       .reply_to = fixture->loop,
                                       .done = done,
                                       .process = process,
                                       .account = account,
                                       .scan = true}};
    store_submit(fixture->store, &scan->query.op);
}

static void finish(struct trace *trace)
{
    for (int i = 0; i < SCANS; i++)
        sem_post(&trace->go_on);
    loop_run(trace->loop);
    assert_int_equal(trace->done, SCANS);
    sem_destroy(&trace->began);
    sem_destroy(&trace->go_on);
}

static void scans_leave_a_reader_to_short_queries(void **state)
{
    struct fixture *fixture = *state;
    struct trace trace;
    struct scan scans[SCANS];
    begin(&trace, fixture);
    for (int i = 0; i < SCANS; i++)
        submit(&trace, fixture, &scans[i], 1);
    sem_wait(&trace.began);
    // The scan that has begun goes on only after this one was answered.
    struct store_count_open query = {.op.kind = STORE_COUNT_OPEN};
    assert_int_equal(fixture_run(fixture, &query.op), 0);
    assert_int_equal(trace.count, 1);
    finish(&trace);
}

static void accounts_take_turns(void **state)
{
    struct fixture *fixture = *state;
    struct trace trace;
    struct scan scans[SCANS];
    begin(&trace, fixture);
    submit(&trace, fixture, &scans[0], 1);
    sem_wait(&trace.began); // the one reader is busy with it
    for (int i = 1; i < SCANS - 1; i++)
        submit(&trace, fixture, &scans[i], 1);
    submit(&trace, fixture, &scans[SCANS - 1], 2);
    finish(&trace);
    static const int64_t order[SCANS] = {1, 1, 2, 1, 1, 1};
    assert_memory_equal(trace.order, order, sizeof(order));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scans_leave_a_reader_to_short_queries, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(accounts_take_turns, set_up_one, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
