// What two servers do to one queue at once, on every engine.
#include "store/queue_fixture.h"
#include "store/sql_fixture.h"

#include <pthread.h>

enum { JOBS = 60, ROUNDS = 30 };

static struct sql_fixture *engine_under_test;

static const struct queue_job plain = {0};

struct server {
    struct queue queue;
    pthread_barrier_t *line;
    void (*work)(struct server *server);
    const int64_t *parents; // ROUNDS of them, which are claimed
    unsigned claimed;
};

static void *server_main(void *arg)
{
    struct server *server = arg;
    pthread_barrier_wait(server->line);
    server->work(server);
    return NULL;
}

// Each on a connection of its own; what they claimed together comes back.
static unsigned both(void (*first)(struct server *), void (*second)(struct server *), const int64_t *parents)
{
    struct server servers[2];
    pthread_t threads[2];
    pthread_barrier_t line;
    pthread_barrier_init(&line, NULL, 2);
    for (int i = 0; i < 2; i++)
        servers[i] = (struct server){.queue = queue_of(sql_fixture_connect(engine_under_test)),
                                     .line = &line,
                                     .work = i ? second : first,
                                     .parents = parents};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, server_main, &servers[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        sql_fixture_close(&servers[i].queue.sql);
    }
    pthread_barrier_destroy(&line);
    return servers[0].claimed + servers[1].claimed;
}

static void claim_all(struct server *server)
{
    int64_t rows[8];
    size_t count;
    while ((count = queue_line(&server->queue, "process", rows, 8)) > 0)
        for (size_t i = 0; i < count; i++)
            server->claimed += queue_claim(&server->queue, rows[i]) == 0;
}

static void a_job_that_two_want_is_claimed_by_one(void **state)
{
    struct queue *queue = *state;
    int64_t batch = queue_batch(queue, &(struct batch){.expected = JOBS});
    for (uint32_t i = 0; i < JOBS; i++)
        assert_int_equal(queue_add(queue, batch, i, &plain, NULL), 0);
    assert_int_equal(both(claim_all, claim_all, NULL), JOBS);
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
    assert_int_equal(got.counts.of[STATUS_RUNNING], JOBS);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM executions WHERE epoch <> 1"), 0);
    assert_int_equal(queue_ask_number(queue, "SELECT active FROM batches"), JOBS);
}

// A transaction that two others are in the way of is begun again.
static void end_and_settle(struct server *server)
{
    for (int i = 0; i < ROUNDS; i++) {
        while (queue_finish(&server->queue, server->parents[i], STATUS_COMPLETED, 0) == ERR_UNAVAILABLE)
            ;
        queue_settle(&server->queue);
    }
}

static void submit_children(struct server *server)
{
    for (int i = 0; i < ROUNDS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        const struct queue_job child = {.parents = {{.id = str_of(name), .wish = DEPENDENCY_OK}}, .parent_count = 1};
        while (queue_submit(&server->queue, &child, NULL) == ERR_UNAVAILABLE)
            ;
    }
}

static void what_is_submitted_while_its_parent_is_settled_is_not_forgotten(void **state)
{
    struct queue *queue = *state;
    int64_t parents[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        parents[i] = queue_must_submit(queue, &(struct queue_job){.id = name});
        assert_int_equal(queue_claim(queue, parents[i]), 0);
    }
    both(end_and_settle, submit_children, parents);
    queue_settle(queue);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs WHERE state = 2"), ROUNDS);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM dependencies"), 0);
}

static void end_one(struct server *server)
{
    while (queue_finish(&server->queue, server->parents[0], STATUS_COMPLETED, 0) == ERR_UNAVAILABLE)
        ;
    queue_settle(&server->queue);
}

#define WAIT_NS 300000000 // in which an end that need not wait for the other transaction is settled

static void an_end_waits_for_who_has_looked_at_the_job_to_wait_for_it(void **state)
{
    struct queue *queue = *state;
    int64_t parent = queue_must_submit(queue, &(struct queue_job){.id = "p"});
    pthread_barrier_t line;
    pthread_t thread;
    struct timespec until;
    assert_int_equal(queue_claim(queue, parent), 0);
    pthread_barrier_init(&line, NULL, 1);
    struct server other = {
        .queue = queue_of(sql_fixture_connect(engine_under_test)), .line = &line, .work = end_one, .parents = &parent};
    queue_begin_submit(
        queue, &(struct queue_job){.id = "c", .parents = {{.id = STR("p"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    assert_int_equal(pthread_create(&thread, NULL, server_main, &other), 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    bool waited = pthread_timedjoin_np(thread, NULL, &until) != 0;
    assert_int_equal(sql_commit(queue->sql), 0);
    if (waited)
        pthread_join(thread, NULL);
    sql_fixture_close(&other.queue.sql);
    pthread_barrier_destroy(&line);
    queue_settle(queue);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs WHERE state = 2"), 1);
}

static void settle_all(struct server *server)
{
    queue_settle(&server->queue);
}

static void what_two_settle_at_once_is_settled_once(void **state)
{
    struct queue *queue = *state;
    for (int i = 0; i < ROUNDS; i++) {
        char names[2][16];
        int64_t rows[2];
        for (int j = 0; j < 2; j++) {
            snprintf(names[j], sizeof(names[j]), "p%d-%d", i, j);
            rows[j] = queue_must_submit(queue, &(struct queue_job){.id = names[j], .retries = 1});
            assert_int_equal(queue_claim(queue, rows[j]), 0);
        }
        queue_must_submit(queue, &(struct queue_job){.demand = "container",
                                                     .parents = {{.id = str_of(names[0]), .wish = DEPENDENCY_OK},
                                                                 {.id = str_of(names[1]), .wish = DEPENDENCY_OK}},
                                                     .parent_count = 2});
        assert_int_equal(queue_finish(queue, rows[0], STATUS_COMPLETED, 0), 0);
        assert_int_equal(queue_finish(queue, rows[1], i % 2 ? STATUS_COMPLETED : STATUS_FAILED, 0), 0);
    }
    both(settle_all, settle_all, NULL);
    queue_settle(queue);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs WHERE demand = 'container' AND state = 2"),
                     ROUNDS / 2);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs WHERE attempt = 2"), ROUNDS / 2);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM endings"), 0);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs j WHERE waits_for <> "
                                             "(SELECT count(*) FROM dependencies d WHERE d.child = j.execution)"),
                     0);
}

static int set_up(void **state)
{
    *state = queue_new(engine_under_test);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, queue_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_job_that_two_want_is_claimed_by_one),
        TEST(what_is_submitted_while_its_parent_is_settled_is_not_forgotten),
        TEST(an_end_waits_for_who_has_looked_at_the_job_to_wait_for_it),
        TEST(what_two_settle_at_once_is_settled_once),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
