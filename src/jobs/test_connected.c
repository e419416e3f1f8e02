// What the dispatcher learns of a worker that has come, with a store that does what the test says.
#include "jobs/dispatch.h"
#include "store/store_stub.h"

#define ACCOUNT 3

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct metrics *metrics;
    struct logger logger;
    struct hub *hub;
    struct dispatch *dispatch;
    struct worker_session *session;
};

static void ignore_news(void *arg, const struct hub_news *news)
{
    (void)arg;
    (void)news;
}

static void no_frames(void *socket, struct str text)
{
    (void)socket;
    fail_msg("a frame: %.*s", STR_ARGS(text));
}

static void no_refusal(void *socket)
{
    (void)socket;
    fail_msg("it is refused");
}

static const struct worker_socket_calls calls = {no_frames, no_refusal};

static int set_up(void **state)
{
    struct fixture *it = xcalloc(1, sizeof(*it));
    stub_init(&it->store);
    assert_int_equal(loop_new(&it->loop), 0);
    it->metrics = metrics_new(1, NULL);
    it->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    it->hub = hub_new(&(struct hub_options){.lease_ms = 30000,
                                            .lost_seal_ms = 30000,
                                            .store = &it->store.base,
                                            .metrics = it->metrics,
                                            .logger = &it->logger,
                                            .tell = ignore_news});
    it->dispatch = dispatch_new(&(struct dispatch_options){
        .loop = it->loop, .store = &it->store.base, .hub = it->hub, .metrics = it->metrics, .logger = &it->logger});
    struct worker_offer offer = {.id = "w1", .slots = 4};
    it->session = worker_session_new(it->loop, &offer, ACCOUNT, 1, &calls, it);
    dispatch_listener.joined(it->dispatch, it->session);
    loop_deliver(it->loop);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *it = *state;
    dispatch_stop(it->dispatch);
    assert_int_equal(it->store.count, 0);
    dispatch_free(&it->dispatch);
    worker_session_unref(&it->session);
    loop_free(&it->loop);
    hub_free(&it->hub);
    metrics_free(&it->metrics);
    free(it);
    return 0;
}

// The store tells of so many jobs, by the rows that follow `after`, which the dispatcher must have named.
static void tell(struct fixture *it, int64_t after, size_t count, int err)
{
    struct store_jobs_claimed *query = STUB_TAKE(&it->store, STORE_JOBS_CLAIMED, store_jobs_claimed);
    assert_true(str_eq(query->worker_id, STR("w1")));
    assert_int_equal(query->account, ACCOUNT);
    assert_int_equal(query->after, after);
    query->ret_jobs = xcalloc(count + 1, sizeof(*query->ret_jobs));
    query->ret_count = count;
    for (size_t i = 0; i < count; i++)
        query->ret_jobs[i] = (struct job_claimed){.row = after + 1 + (int64_t)i,
                                                  .account = ACCOUNT,
                                                  .epoch = 1,
                                                  .has_records = true,
                                                  .execution_id = xstrdup("e"),
                                                  .demand = xstrdup("process")};
    stub_answer(&query->op, err);
}

static void no_lines(struct fixture *it)
{
    stub_answer(stub_take(&it->store, STORE_JOB_LINES), 0);
}

static void count_jobs(void *arg, const struct dispatch_seen *seen)
{
    int64_t *jobs = arg;
    assert_int_equal(*jobs, -1);
    *jobs = (int64_t)seen->jobs;
}

// How many jobs the worker has; -1: it gets none yet.
static int64_t jobs(struct fixture *it)
{
    int64_t found = -1;
    dispatch_workers(it->dispatch, ACCOUNT, count_jobs, &found);
    return found;
}

static void a_worker_gets_jobs_when_all_pages_of_what_it_has_have_come(void **state)
{
    struct fixture *it = *state;
    tell(it, 0, JOBS_CLAIMED_MAX, 0);
    assert_int_equal(jobs(it), -1);
    tell(it, JOBS_CLAIMED_MAX, 2, 0);
    assert_int_equal(jobs(it), JOBS_CLAIMED_MAX + 2);
    no_lines(it);
    no_lines(it); // it was looked for while that was under way
}

static void what_the_store_cannot_tell_is_asked_again(void **state)
{
    struct fixture *it = *state;
    tell(it, 0, 0, ERR_UNAVAILABLE);
    no_lines(it);
    assert_int_equal(jobs(it), -1);
    dispatch_start(it->dispatch); // which is a tick
    tell(it, 0, 1, 0);
    assert_int_equal(jobs(it), 1);
    no_lines(it);
    stub_answer(stub_take(&it->store, STORE_JOB_SETTLE), 0);
    no_lines(it);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_worker_gets_jobs_when_all_pages_of_what_it_has_have_come),
        TEST(what_the_store_cannot_tell_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
