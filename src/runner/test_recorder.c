#include "loop/loop.h"
#include "runner/recorder.h"
#include "runner/spool.h"
#include "util/testing.h"

#include <pthread.h>
#include <stdatomic.h>

struct fixture {
    char *root;
    struct spool *spool;
    struct loop *loop;
    struct recorder *recorder;
    struct timer *guard;
    unsigned waiting, finished;
    int err;
    atomic_bool all_put; // by the pump's thread
};

static void on_spooled(void *arg)
{
    (void)arg;
}

static void on_added(void *arg)
{
    (void)arg;
}

static void on_waiting(void *arg)
{
    struct fixture *fixture = arg;
    fixture->waiting++;
    loop_stop(fixture->loop);
}

static void on_finished(void *arg, int err)
{
    struct fixture *fixture = arg;
    fixture->finished++;
    fixture->err = err;
    loop_stop(fixture->loop);
}

static const struct recorder_events events = {on_spooled, on_waiting, on_added, on_finished};

static void stop(void *arg)
{
    loop_stop(((struct fixture *)arg)->loop);
}

static void too_late(void *arg)
{
    (void)arg;
    fail_msg("nothing more happened");
}

static void begin(struct fixture *fixture, uint64_t spool_max)
{
    CLEANUP(free_ptr) char *dir = xasprintf("%s/spool", fixture->root);
    assert_int_equal(spool_create(&(struct spool_options){.dir = dir, .bytes_max = spool_max}, &fixture->spool), 0);
    struct recorder_options options = {
        .spool = fixture->spool, .loop = fixture->loop, .message_max = 1000, .events = &events, .arg = fixture};
    assert_int_equal(recorder_new(&options, &fixture->recorder), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->root = xasprintf("%s/runnel-recorder-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->root));
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->guard = timer_new(fixture->loop, too_late, fixture);
    timer_start(fixture->guard, 30000);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fixture->finished, 1);
    recorder_free(&fixture->recorder);
    timer_free(&fixture->guard);
    loop_free(&fixture->loop);
    spool_free(&fixture->spool);
    CLEANUP(free_ptr) char *command = xasprintf("rm -rf '%s'", fixture->root);
    assert_int_equal(system(command), 0);
    free(fixture->root);
    free(fixture);
    return 0;
}

// What a pump does with what it has read; the slot stays its own.
static struct recorder_slot *put(struct fixture *fixture, enum record_stream stream, const char *text, size_t len)
{
    struct recorder_slot *slot = recorder_take(fixture->recorder, stream);
    assert_true(len <= sizeof(slot->data));
    memcpy(slot->data, text, len);
    slot->len = len;
    slot->time_ms = 1763202615123;
    slot->onlcr = false;
    recorder_put(fixture->recorder, slot);
    return slot;
}

static void put_text(struct fixture *fixture, enum record_stream stream, const char *text)
{
    recorder_drop(fixture->recorder, put(fixture, stream, text, strlen(text)));
}

static void finish(struct fixture *fixture)
{
    recorder_end(fixture->recorder, STREAM_STDOUT);
    recorder_end(fixture->recorder, STREAM_STDERR);
    recorder_close(fixture->recorder);
    while (fixture->finished == 0)
        loop_run(fixture->loop);
}

// "out:message\n" for each record of one stream, '~' for the newline of partial ones.
static void assert_spooled(struct fixture *fixture, enum record_stream stream, const char *expected)
{
    CLEANUP(buf_release) struct buf all = {0};
    for (uint64_t at = 0; at < spool_next(fixture->spool);) {
        uint64_t first = 0;
        CLEANUP(chunk_unref) struct chunk *chunk = NULL;
        assert_int_equal(spool_read(fixture->spool, at, &first, &chunk), 0);
        assert_int_equal(first, at);
        for (uint32_t i = 0; i < chunk_count(chunk); i++) {
            struct record record;
            chunk_record(chunk, i, &record);
            if (record.stream != stream)
                continue;
            buf_append_str(&all, record.message);
            buf_append_byte(&all, record.partial ? '~' : '\n');
        }
        at = first + chunk_count(chunk);
    }
    assert_string_equal(buf_cstr(&all), expected);
}

static void lines_cut_anywhere_are_recorded_whole_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 1 << 24);
    put_text(fixture, STREAM_STDOUT, "one\ntw");
    put_text(fixture, STREAM_STDERR, "wrong");
    put_text(fixture, STREAM_STDOUT, "o\nthree\n");
    put_text(fixture, STREAM_STDERR, "ly\n");
    finish(fixture);
    assert_int_equal(fixture->err, 0);
    assert_spooled(fixture, STREAM_STDOUT, "one\ntwo\nthree\n");
    assert_spooled(fixture, STREAM_STDERR, "wrongly\n");
}

static void text_without_its_newline_is_recorded_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 1 << 24);
    put_text(fixture, STREAM_STDOUT, "whole\nno newline");
    finish(fixture);
    assert_int_equal(fixture->err, 0);
    assert_spooled(fixture, STREAM_STDOUT, "whole\nno newline~");
}

static void what_was_waited_for_is_in_the_spool(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 1 << 24);
    for (uint64_t i = 1; i <= 50; i++) {
        struct recorder_slot *slot = put(fixture, STREAM_STDOUT, "line\n", 5);
        recorder_wait_spooled(fixture->recorder, slot);
        assert_int_equal(spool_next(fixture->spool), i);
        recorder_drop(fixture->recorder, slot);
    }
    finish(fixture);
}

static void a_line_of_our_own_stands_behind_what_was_put_before(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 1 << 24);
    put_text(fixture, STREAM_STDERR, "theirs\n");
    recorder_add(fixture->recorder,
                 &(struct record){.stream = STREAM_STDERR, .message = STR("ours"), .time_ms = 1763202615124});
    finish(fixture);
    assert_spooled(fixture, STREAM_STDERR, "theirs\nours\n");
}

// --- A spool that is full

#define FULL_SPOOL (256u * 1024)
#define FULL_SLOTS 8u

// Noise, which does not become smaller by being compressed, in lines; more than the spool takes.
static void *put_much(void *arg)
{
    struct fixture *fixture = arg;
    uint64_t seed = 1;
    static _Thread_local char text[RECORDER_SLOT_SIZE];
    for (unsigned i = 0; i < FULL_SLOTS; i++) {
        for (size_t at = 0; at < sizeof(text); at++)
            text[at] = at % 500 == 499 ? '\n' : (char)('!' + test_random(&seed) % 90);
        text[sizeof(text) - 1] = '\n';
        recorder_drop(fixture->recorder, put(fixture, STREAM_STDOUT, text, sizeof(text)));
    }
    recorder_end(fixture->recorder, STREAM_STDOUT);
    recorder_end(fixture->recorder, STREAM_STDERR);
    fixture->all_put = true;
    return NULL;
}

static pthread_t fill(struct fixture *fixture)
{
    pthread_t pump;
    begin(fixture, FULL_SPOOL);
    assert_int_equal(pthread_create(&pump, NULL, put_much, fixture), 0);
    while (fixture->waiting == 0)
        loop_run(fixture->loop);
    return pump;
}

static uint64_t all_lines(void)
{
    return FULL_SLOTS * (RECORDER_SLOT_SIZE / 500 + 1);
}

static void a_full_spool_is_waited_for_until_the_server_has_taken_some(void **state)
{
    struct fixture *fixture = *state;
    pthread_t pump = fill(fixture);
    struct timer *look = timer_new(fixture->loop, stop, fixture);
    bool closed = false;
    while (fixture->finished == 0) {
        spool_acked(fixture->spool, spool_next(fixture->spool));
        recorder_room(fixture->recorder);
        if (!closed && fixture->all_put) {
            closed = true;
            recorder_close(fixture->recorder);
        }
        timer_start(look, 1);
        loop_run(fixture->loop);
    }
    timer_free(&look);
    pthread_join(pump, NULL);
    assert_int_equal(fixture->err, 0);
    assert_int_equal(fixture->waiting, 1); // it is said once
    assert_int_equal(spool_next(fixture->spool), all_lines());
}

static void a_recording_that_is_abandoned_says_what_it_lost(void **state)
{
    struct fixture *fixture = *state;
    pthread_t pump = fill(fixture);
    recorder_abandon(fixture->recorder);
    pthread_join(pump, NULL);
    recorder_close(fixture->recorder);
    while (fixture->finished == 0)
        loop_run(fixture->loop);
    assert_int_equal(fixture->err, ERR_STORE_FULL);
    assert_true(spool_next(fixture->spool) < all_lines());
}

static void what_is_still_under_way_goes_beyond_the_limit_rather_than_being_lost(void **state)
{
    struct fixture *fixture = *state;
    pthread_t pump = fill(fixture);
    recorder_overrun(fixture->recorder);
    pthread_join(pump, NULL);
    recorder_close(fixture->recorder);
    while (fixture->finished == 0)
        loop_run(fixture->loop);
    assert_int_equal(fixture->err, 0);
    assert_int_equal(spool_next(fixture->spool), all_lines());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_cut_anywhere_are_recorded_whole_and_in_order),
        TEST(text_without_its_newline_is_recorded_at_the_end),
        TEST(what_was_waited_for_is_in_the_spool),
        TEST(a_line_of_our_own_stands_behind_what_was_put_before),
        TEST(a_full_spool_is_waited_for_until_the_server_has_taken_some),
        TEST(a_recording_that_is_abandoned_says_what_it_lost),
        TEST(what_is_still_under_way_goes_beyond_the_limit_rather_than_being_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
