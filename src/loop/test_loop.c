#include "loop/loop.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *new_loop(void)
{
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    return loop;
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

// --- Mail

#define SENDERS 4
#define MAILS   2000

struct post_office {
    struct loop *loop;
    unsigned last[SENDERS];
    unsigned delivered;
    bool in_order;
};

struct letter {
    struct mail mail;
    struct post_office *office;
    unsigned sender, number;
};

struct sender {
    struct post_office *office;
    unsigned id;
    struct letter letters[MAILS];
};

static void letter_deliver(struct mail *mail)
{
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    struct post_office *office = letter->office;
    if (letter->number != office->last[letter->sender] + 1)
        office->in_order = false;
    office->last[letter->sender] = letter->number;
    if (++office->delivered == SENDERS * MAILS)
        loop_stop(office->loop);
}

static void *send_letters(void *arg)
{
    struct sender *sender = arg;
    for (unsigned i = 0; i < MAILS; i++) {
        struct letter *letter = &sender->letters[i];
        *letter = (struct letter){
            .mail.deliver = letter_deliver, .office = sender->office, .sender = sender->id, .number = i + 1};
        loop_post(sender->office->loop, &letter->mail);
    }
    return NULL;
}

static void mail_of_many_threads_arrives_once_and_in_order_per_sender(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct post_office office = {.loop = loop, .in_order = true};
    struct sender *senders = xcalloc(SENDERS, sizeof(*senders));
    pthread_t threads[SENDERS];
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].office = &office;
        senders[i].id = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    loop_run(loop);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(office.delivered, SENDERS * MAILS);
    assert_true(office.in_order);
    free(senders);
    loop_free(&loop);
}

static void mail_under_way_is_delivered_by_loop_free(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct post_office office = {.loop = loop, .in_order = true};
    struct letter letter = {.mail.deliver = letter_deliver, .office = &office, .number = 1};
    loop_post(loop, &letter.mail);
    loop_free(&loop);
    assert_int_equal(office.delivered, 1);
}

static void stop_before_run_is_not_lost(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    loop_stop(loop);
    assert_int_equal(loop_run(loop), 0);
    loop_free(&loop);
}

// --- Deferred calls

struct chain {
    struct deferred deferred;
    struct loop *loop;
    struct chain *next;
    unsigned runs, repeat;
};

static void chain_run(struct deferred *deferred)
{
    struct chain *chain = CONTAINER_OF(deferred, struct chain, deferred);
    chain->runs++;
    if (chain->repeat) {
        chain->repeat--;
        loop_defer(chain->loop, deferred);
    } else if (chain->next) {
        loop_defer(chain->loop, &chain->next->deferred);
    } else {
        loop_stop(chain->loop);
    }
}

static void deferred_calls_run_once_and_may_schedule_others(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct chain last = {.loop = loop}, first = {.loop = loop, .next = &last}, canceled = {.loop = loop};
    deferred_init(&first.deferred, chain_run);
    deferred_init(&last.deferred, chain_run);
    deferred_init(&canceled.deferred, chain_run);
    loop_defer(loop, &first.deferred);
    loop_defer(loop, &first.deferred);
    loop_defer(loop, &canceled.deferred);
    deferred_cancel(&canceled.deferred);
    loop_run(loop);
    assert_int_equal(first.runs, 1);
    assert_int_equal(last.runs, 1);
    assert_int_equal(canceled.runs, 0);
    loop_free(&loop);
}

static void deferred_call_that_reschedules_itself_does_not_make_the_loop_wait(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct chain chain = {.loop = loop, .repeat = 1000};
    deferred_init(&chain.deferred, chain_run);
    loop_defer(loop, &chain.deferred);
    loop_run(loop);
    assert_int_equal(chain.runs, 1001);
    loop_free(&loop);
}

// --- Timers

struct clock_test {
    struct loop *loop;
    struct timer *timer;
    unsigned fired;
};

static void fire_three_times(void *arg)
{
    struct clock_test *test = arg;
    if (++test->fired < 3) {
        timer_start(test->timer, 1);
        return;
    }
    timer_free(&test->timer);
    loop_stop(test->loop);
}

static void timer_fires_not_too_early_repeats_and_may_free_itself(void **state)
{
    (void)state;
    struct clock_test test = {.loop = new_loop()};
    test.timer = timer_new(test.loop, fire_three_times, &test);
    assert_false(timer_active(test.timer));
    uint64_t start = clock_mono_ms();
    timer_start(test.timer, 5000);
    timer_start(test.timer, 20);
    assert_true(timer_active(test.timer));
    loop_run(test.loop);
    assert_int_equal(test.fired, 3);
    assert_true(clock_mono_ms() - start >= 20);
    assert_true(clock_mono_ms() - start < 4000);
    assert_null(test.timer);
    loop_free(&test.loop);
}

static void fire_again_at_once(void *arg)
{
    struct clock_test *test = arg;
    test->fired++;
    timer_start(test->timer, 0);
}

static void timer_without_delay_does_not_starve_the_loop(void **state)
{
    (void)state;
    struct clock_test test = {.loop = new_loop()};
    test.timer = timer_new(test.loop, fire_again_at_once, &test);
    timer_start(test.timer, 0);
    struct timer *end = timer_new(test.loop, stop_loop, test.loop);
    timer_start(end, 10);
    loop_run(test.loop);
    assert_true(test.fired >= 1);
    timer_free(&end);
    timer_free(&test.timer);
    loop_free(&test.loop);
}

// --- Descriptors

struct reader {
    struct loop *loop;
    struct watch *watch;
    int fd;
    unsigned events;
    char got[16];
    size_t len;
    bool end;
};

static void read_to_the_end(void *arg, unsigned events)
{
    struct reader *reader = arg;
    reader->events |= events;
    ssize_t n = read(reader->fd, reader->got + reader->len, sizeof(reader->got) - reader->len);
    if (n > 0) {
        reader->len += (size_t)n;
        return;
    }
    reader->end = n == 0;
    watch_free(&reader->watch);
    loop_stop(reader->loop);
}

static void reader_finds_data_and_end_of_a_pipe(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct reader reader = {.loop = new_loop(), .fd = ends[0]};
    assert_int_equal(watch_new(reader.loop, ends[0], read_to_the_end, &reader, &reader.watch), 0);
    watch_set(reader.watch, WATCH_READ);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    close(ends[1]);
    loop_run(reader.loop);
    assert_int_equal(reader.len, 3);
    assert_true(reader.end);
    close(ends[0]);
    loop_free(&reader.loop);
}

static void note_events(void *arg, unsigned events)
{
    struct reader *reader = arg;
    reader->events |= events;
    watch_set(reader->watch, 0);
    loop_stop(reader->loop);
}

static void half_close_is_a_hangup_and_a_full_close_an_error(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    struct reader reader = {.loop = new_loop(), .fd = ends[0]};
    assert_int_equal(watch_new(reader.loop, ends[0], note_events, &reader, &reader.watch), 0);
    watch_set(reader.watch, WATCH_HANGUP);
    shutdown(ends[1], SHUT_WR);
    loop_run(reader.loop);
    assert_int_equal(reader.events, WATCH_HANGUP);
    reader.events = 0;
    watch_set(reader.watch, WATCH_ERROR);
    close(ends[1]);
    loop_run(reader.loop);
    assert_int_equal(reader.events, WATCH_ERROR);
    watch_free(&reader.watch);
    close(ends[0]);
    loop_free(&reader.loop);
}

static void regular_file_cannot_be_watched(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct watch *watch = NULL;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(watch_new(loop, fd, note_events, NULL, &watch), -EPERM);
    assert_null(watch);
    close(fd);
    loop_free(&loop);
}

// --- Signals

struct signal_test {
    struct loop *loop;
    int caught;
};

static void note_signal(void *arg, int signum)
{
    struct signal_test *test = arg;
    test->caught = signum;
    loop_stop(test->loop);
}

static void signal_is_caught_on_the_loop(void **state)
{
    (void)state;
    struct signal_test test = {.loop = new_loop()};
    struct signal_watch *watch = signal_watch_new(test.loop, SIGUSR1, note_signal, &test);
    raise(SIGUSR1);
    loop_run(test.loop);
    assert_int_equal(test.caught, SIGUSR1);
    signal_watch_free(&watch);
    loop_free(&test.loop);
}

// --- Lingerers

struct guest {
    struct lingerer lingerer;
    struct timer *timer;
};

static void guest_end(struct lingerer *lingerer)
{
    struct guest *guest = CONTAINER_OF(lingerer, struct guest, lingerer);
    timer_free(&guest->timer);
}

static void what_lingers_is_ended_by_loop_free(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct guest guest = {.lingerer.end = guest_end};
    guest.timer = timer_new(loop, stop_loop, loop);
    timer_start(guest.timer, 60000);
    loop_linger(loop, &guest.lingerer);
    loop_free(&loop);
    assert_null(guest.timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_of_many_threads_arrives_once_and_in_order_per_sender),
        cmocka_unit_test(mail_under_way_is_delivered_by_loop_free),
        cmocka_unit_test(stop_before_run_is_not_lost),
        cmocka_unit_test(deferred_calls_run_once_and_may_schedule_others),
        cmocka_unit_test(deferred_call_that_reschedules_itself_does_not_make_the_loop_wait),
        cmocka_unit_test(timer_fires_not_too_early_repeats_and_may_free_itself),
        cmocka_unit_test(timer_without_delay_does_not_starve_the_loop),
        cmocka_unit_test(reader_finds_data_and_end_of_a_pipe),
        cmocka_unit_test(half_close_is_a_hangup_and_a_full_close_an_error),
        cmocka_unit_test(regular_file_cannot_be_watched),
        cmocka_unit_test(signal_is_caught_on_the_loop),
        cmocka_unit_test(what_lingers_is_ended_by_loop_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
