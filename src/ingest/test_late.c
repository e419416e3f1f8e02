// Taking in events that come late, over a real store. What is sorted and left out is tested beside model/late.c.
#include "ingest/late.h"
#include "store/store_fixture.h"

struct scene {
    struct fixture *fixture;
    struct metrics *metrics;
    struct late *late, *other; // as of another server of the store
    int64_t row, account;
    unsigned answers;
};

static void scene_begin(struct scene *scene, void **state, uint64_t window_ms)
{
    struct fixture *fixture = *state;
    *scene = (struct scene){.fixture = fixture, .metrics = metrics_new(1, NULL)};
    struct late_options options = {.loop = fixture->loop, .store = fixture->store, .metrics = scene->metrics};
    scene->late = late_new(&options);
    scene->other = late_new(&options);
    late_set(scene->late, window_ms, 1000);
    late_set(scene->other, window_ms, 1000);
    scene->account = fixture_account(fixture, "a");
    scene->row = fixture_create(fixture, scene->account, "run", STATUS_RUNNING);
}

static void scene_end(struct scene *scene)
{
    late_stop(scene->late);
    late_stop(scene->other);
    late_free(&scene->late);
    late_free(&scene->other);
    metrics_free(&scene->metrics);
}

struct sent {
    struct late_delivery delivery;
    struct scene *scene;
    unsigned wanted; // answers of the scene, with which its loop stops
};

static void answered(struct late_delivery *delivery)
{
    struct sent *sent = CONTAINER_OF(delivery, struct sent, delivery);
    if (++sent->scene->answers >= sent->wanted)
        loop_stop(sent->scene->fixture->loop);
}

// `times`: of each event a letter, which is its time, its id and its message.
static struct sent *send_as(struct scene *scene, struct late *late, const char *times, bool whole)
{
    struct sent *sent = xcalloc(1, sizeof(*sent));
    sent->scene = scene;
    late_delivery_init(&sent->delivery, 1000);
    for (const char *at = times; *at; at++) {
        const struct record record = {.time_ms = *at, .message = str_n(at, 1)};
        assert_int_equal(late_delivery_add(&sent->delivery, str_n(at, 1), &record), 0);
    }
    sent->delivery.account = scene->account;
    sent->delivery.row = scene->row;
    sent->delivery.reply_to = scene->fixture->loop;
    sent->delivery.done = answered;
    sent->delivery.whole = whole;
    late_deliver(late, &sent->delivery);
    return sent;
}

static struct sent *send_events(struct scene *scene, struct late *late, const char *times)
{
    return send_as(scene, late, times, false);
}

static void wait_for(struct scene *scene, struct sent **sent, size_t count)
{
    scene->answers = 0;
    for (size_t i = 0; i < count; i++)
        sent[i]->wanted = (unsigned)count;
    loop_run(scene->fixture->loop);
}

static void expect(struct sent **sent, int err, uint64_t ret_new)
{
    assert_int_equal((*sent)->delivery.err, err);
    if (err == 0)
        assert_int_equal((*sent)->delivery.ret_new, ret_new);
    late_delivery_release(&(*sent)->delivery);
    free(TAKE_PTR(*sent));
}

static void add_message(void *arg, uint64_t sequence, const struct record *record)
{
    (void)sequence;
    buf_append_str(arg, record->message);
}

static void assert_log(struct scene *scene, const char *messages)
{
    CLEANUP(buf_release) struct buf text = {0};
    fixture_read(scene->fixture, scene->row, 0, 1 << 20, add_message, &text);
    assert_string_equal(buf_cstr(&text), messages);
}

static void what_comes_within_the_window_is_numbered_together_and_each_event_once(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, 20);
    struct sent *sent[] = {send_events(&scene, scene.late, "dab"), send_events(&scene, scene.late, "bec"),
                           send_events(&scene, scene.late, "a")};
    wait_for(&scene, sent, 3);
    expect(&sent[0], 0, 3);
    expect(&sent[1], 0, 2);
    expect(&sent[2], 0, 0);
    assert_log(&scene, "abcde");
    struct sent *later[] = {send_events(&scene, scene.late, "Acz")};
    wait_for(&scene, later, 1);
    expect(&later[0], 0, 2);
    assert_log(&scene, "abcdeAz");
    scene_end(&scene);
}

static void a_delivery_that_is_whole_ends_the_window_for_all_that_wait(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, 3600 * 1000);
    struct sent *alone[] = {send_as(&scene, scene.late, "b", true)};
    wait_for(&scene, alone, 1);
    expect(&alone[0], 0, 1);
    struct sent *sent[] = {send_events(&scene, scene.late, "d"), send_as(&scene, scene.late, "ac", true)};
    wait_for(&scene, sent, 2);
    expect(&sent[0], 0, 1);
    expect(&sent[1], 0, 2);
    assert_log(&scene, "bacd");
    scene_end(&scene);
}

static void of_two_servers_each_event_is_taken_once(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, 0);
    for (unsigned round = 0; round < 20; round++) {
        char times[] = {(char)('A' + round), (char)('B' + round), (char)('a' + round), 0};
        struct sent *sent[] = {send_events(&scene, scene.late, times), send_events(&scene, scene.other, times)};
        wait_for(&scene, sent, 2);
        uint64_t taken = sent[0]->delivery.ret_new + sent[1]->delivery.ret_new;
        assert_int_equal(taken, round == 0 ? 3 : 2);
        expect(&sent[0], 0, sent[0]->delivery.ret_new);
        expect(&sent[1], 0, sent[1]->delivery.ret_new);
    }
    scene_end(&scene);
}

static void what_is_new_to_a_sealed_log_is_refused_and_what_it_has_is_known(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, 0);
    struct sent *first[] = {send_events(&scene, scene.late, "ab")};
    wait_for(&scene, first, 1);
    expect(&first[0], 0, 2);
    assert_int_equal(fixture_complete_err(scene.fixture, scene.row, "", -1), 0);
    struct sent *again[] = {send_events(&scene, scene.late, "ba")};
    wait_for(&scene, again, 1);
    expect(&again[0], 0, 0);
    struct sent *new[] = {send_events(&scene, scene.late, "bc")};
    wait_for(&scene, new, 1);
    expect(&new[0], ERR_SEALED, 0);
    assert_log(&scene, "ab");
    scene_end(&scene);
}

static void what_waits_is_answered_when_the_server_stops(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, 3600 * 1000);
    struct sent *sent[] = {send_events(&scene, scene.late, "a")};
    sent[0]->wanted = 2;               // the loop does not run
    loop_deliver(scene.fixture->loop); // it has come, and waits for its window
    late_stop(scene.late);
    loop_deliver(scene.fixture->loop);
    assert_int_equal(scene.answers, 1);
    expect(&sent[0], ERR_SHUTTING_DOWN, 0);
    assert_log(&scene, "");
    scene_end(&scene);
}

static void a_long_message_is_in_one_part_with_its_key(void **state)
{
    struct scene scene;
    CLEANUP(free_ptr) char *large = xmalloc(3 << 20);
    scene_begin(&scene, state, 0);
    memset(large, 'x', 3 << 20);
    struct sent *sent[] = {send_events(&scene, scene.late, "a")};
    const struct record record = {.time_ms = 1, .message = str_n(large, 3 << 20)};
    struct sent *both = xcalloc(1, sizeof(*both));
    both->scene = &scene;
    late_delivery_init(&both->delivery, 1000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(late_delivery_add(&both->delivery, i ? STR("one") : STR("two"), &record), 0);
    struct late_delivery *delivery = &both->delivery;
    struct record widened = record;
    widened.extra = str_n(large, 60000); // each fragment has it
    assert_int_equal(late_delivery_add(delivery, STR("three"), &widened), ERR_TOO_LARGE);
    delivery->account = scene.account;
    delivery->row = scene.row;
    delivery->reply_to = scene.fixture->loop;
    delivery->done = answered;
    late_deliver(scene.late, delivery);
    struct sent *all[] = {sent[0], both};
    wait_for(&scene, all, 2);
    expect(&all[0], 0, 1);
    expect(&all[1], 0, 2);
    struct execution got = fixture_get(scene.fixture, scene.account, "run");
    assert_int_equal(got.message_bytes, 1 + 2 * (3 << 20));
    execution_release(&got);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(what_comes_within_the_window_is_numbered_together_and_each_event_once),
        ON_EACH(a_delivery_that_is_whole_ends_the_window_for_all_that_wait),
        ON_EACH(of_two_servers_each_event_is_taken_once),
        ON_EACH(what_is_new_to_a_sealed_log_is_refused_and_what_it_has_is_known),
        ON_EACH(what_waits_is_answered_when_the_server_stops),
        ON_EACH(a_long_message_is_in_one_part_with_its_key),
    };
    return FIXTURE_EACH(tests);
}
