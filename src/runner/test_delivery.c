#include "runner/delivery.h"
#include "runner/test_server.h"

struct fixture {
    struct test_server server;
    struct client_options client;
    char *root;
    struct loop *loop;
    struct pool *pool;
    struct spool *spool;
    struct run_file run;
    struct delivery *delivery;
    struct timer *guard;
    unsigned acked, changed, cancelled, delivered, troubles, ended;
    uint64_t grace_ms;
    int err;
};

static void on_acked(void *arg)
{
    struct fixture *fixture = arg;
    fixture->acked++;
    loop_stop(fixture->loop);
}

static void on_changed(void *arg)
{
    ((struct fixture *)arg)->changed++;
}

static void on_cancel(void *arg, const char *reason, uint64_t grace_ms)
{
    assert_string_equal(reason, "asked");
    struct fixture *fixture = arg;
    fixture->cancelled++;
    fixture->grace_ms = grace_ms;
    loop_stop(fixture->loop);
}

static void on_delivered(void *arg)
{
    struct fixture *fixture = arg;
    fixture->delivered++;
    loop_stop(fixture->loop);
}

static void on_trouble(void *arg, int err, const char *text)
{
    struct fixture *fixture = arg;
    assert_true(err < 0);
    assert_true(text[0] != 0);
    fixture->troubles++;
    loop_stop(fixture->loop);
}

static void on_ended(void *arg, int err, const char *text)
{
    struct fixture *fixture = arg;
    (void)text;
    fixture->ended++;
    fixture->err = err;
    loop_stop(fixture->loop);
}

static const struct delivery_events events = {on_acked, on_changed, on_cancel, on_delivered, on_trouble, on_ended};

static void stop(void *arg)
{
    loop_stop(((struct fixture *)arg)->loop);
}

static bool server_has_records(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->server.lock);
    bool has = fixture->server.log.len > 0;
    pthread_mutex_unlock(&fixture->server.lock);
    return has;
}

static void too_late(void *arg)
{
    (void)arg;
    fail_msg("nothing more happened");
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->root = xasprintf("%s/runnel-delivery-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->root));
    test_server_start(&fixture->server);
    fixture->client.url = fixture->server.url;
    fixture->run.execution_id = xstrdup("exec_delivery");
    fixture->run.url = xstrdup(fixture->server.url);
    fixture->run.producer = xstrdup("p");
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(pool_new(2, 8, &fixture->pool), 0);
    CLEANUP(free_ptr) char *dir = xasprintf("%s/spool", fixture->root);
    assert_int_equal(spool_create(&(struct spool_options){.dir = dir, .bytes_max = 1 << 24}, &fixture->spool), 0);
    fixture->guard = timer_new(fixture->loop, too_late, fixture);
    timer_start(fixture->guard, 30000);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    delivery_free(&fixture->delivery);
    timer_free(&fixture->guard);
    pool_free(&fixture->pool);
    loop_free(&fixture->loop);
    spool_free(&fixture->spool);
    run_file_release(&fixture->run);
    test_server_end(&fixture->server);
    CLEANUP(free_ptr) char *command = xasprintf("rm -rf '%s'", fixture->root);
    assert_int_equal(system(command), 0);
    free(fixture->root);
    free(fixture);
    return 0;
}

static void begin(struct fixture *fixture)
{
    struct delivery_options options = {.loop = fixture->loop,
                                       .pool = fixture->pool,
                                       .server = &fixture->client,
                                       .run = &fixture->run,
                                       .spool = fixture->spool,
                                       .events = &events,
                                       .arg = fixture};
    fixture->delivery = delivery_new(&options);
}

static void spool_line(struct fixture *fixture, const char *message)
{
    struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.time_ms = 1763202615123, .stream = STREAM_STDOUT, .message = str_of(message)};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    chunk_builder_free(&builder);
    assert_int_equal(spool_append(fixture->spool, chunk), 0);
    if (fixture->delivery)
        delivery_spooled(fixture->delivery);
}

// Runs until the counter of events has got so far.
static void await(struct fixture *fixture, const unsigned *count, unsigned wanted)
{
    while (*count < wanted)
        loop_run(fixture->loop);
}

static void complete(struct fixture *fixture)
{
    fixture->run.ended = fixture->run.has_exit_code = true;
    fixture->run.records = spool_next(fixture->spool);
    delivery_complete(fixture->delivery);
    await(fixture, &fixture->ended, 1);
}

static void all_is_sent_and_then_sealed(void **state)
{
    struct fixture *fixture = *state;
    spool_line(fixture, "before");
    begin(fixture);
    await(fixture, &fixture->delivered, 1);
    assert_int_equal(delivery_lag(fixture->delivery), 0);
    assert_true(delivery_greeted(fixture->delivery));
    spool_line(fixture, "later");
    complete(fixture);
    assert_int_equal(fixture->err, 0);
    assert_string_equal(buf_cstr(&fixture->server.log), "out:before\nout:later\n");
    assert_int_equal(fixture->server.next[0], 2);
    assert_true(fixture->server.complete.len > 0);
    assert_int_equal(fixture->ended, 1);
}

static void what_the_server_says_of_the_run_is_kept(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    complete(fixture);
    assert_true(fixture->changed > 0);
    assert_true(fixture->run.registered);
    assert_int_equal(fixture->run.epoch, 7);
    assert_string_equal(fixture->run.incarnation, "i");
}

static void a_server_that_is_away_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.away = true;
    spool_line(fixture, "kept");
    begin(fixture);
    await(fixture, &fixture->troubles, 2);
    assert_false(delivery_reached(fixture->delivery));
    assert_int_equal(delivery_lag(fixture->delivery), 1);
    fixture->server.away = false;
    complete(fixture);
    assert_true(delivery_reached(fixture->delivery));
    assert_int_equal(fixture->err, 0);
    assert_string_equal(buf_cstr(&fixture->server.log), "out:kept\n");
}

static void what_was_not_acked_when_the_socket_went_comes_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.cut_after = 1;
    for (int i = 0; i < 5; i++)
        spool_line(fixture, "line");
    begin(fixture);
    complete(fixture);
    assert_int_equal(fixture->err, 0);
    assert_true(fixture->server.connections >= 2);
    assert_string_equal(buf_cstr(&fixture->server.log), "out:line\nout:line\nout:line\nout:line\nout:line\n");
}

static void the_spool_hears_what_the_server_has(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.deaf = true;
    spool_line(fixture, "line");
    begin(fixture);
    struct timer *look = timer_new(fixture->loop, stop, fixture);
    while (!server_has_records(fixture)) {
        timer_start(look, 5);
        loop_run(fixture->loop);
    }
    timer_free(&look);
    unsigned before = fixture->acked; // of what `ready` said
    assert_int_equal(delivery_lag(fixture->delivery), 1);
    loop_post(fixture->server.loop, &fixture->server.ack);
    await(fixture, &fixture->acked, before + 1);
    while (delivery_lag(fixture->delivery) > 0)
        loop_run(fixture->loop);
    complete(fixture);
}

static void a_cancel_is_passed_on_with_its_time(void **state)
{
    struct fixture *fixture = *state;
    spool_line(fixture, "line");
    begin(fixture);
    await(fixture, &fixture->delivered, 1);
    loop_post(fixture->server.loop, &fixture->server.cancel);
    await(fixture, &fixture->cancelled, 1);
    assert_int_equal(fixture->grace_ms, 1000);
    complete(fixture);
}

static void a_seal_that_lacks_records_is_no_proof(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.forgetful = 1;
    spool_line(fixture, "one");
    spool_line(fixture, "two");
    begin(fixture);
    complete(fixture);
    assert_int_equal(fixture->err, ERR_UNPROVEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_sent_and_then_sealed),           TEST(what_the_server_says_of_the_run_is_kept),
        TEST(a_server_that_is_away_is_tried_again),  TEST(what_was_not_acked_when_the_socket_went_comes_once),
        TEST(the_spool_hears_what_the_server_has),   TEST(a_cancel_is_passed_on_with_its_time),
        TEST(a_seal_that_lacks_records_is_no_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
