// Logs fetched from where they are kept, over a real store and a keeper that does as it is told.
#include "ingest/fetches.h"
#include "store/store_fixture.h"

#include <pthread.h>

#define HOUR_MS 3600000

struct scene {
    struct fixture *fixture;
    struct metrics *metrics;
    struct late *late;
    struct fetches *fetches;
    int64_t row, account;
    unsigned wanted; // answers with which the loop stops
    // The keeper: one letter for each request. Lower case: a page with that event, and one after it; upper case: the
    // last one; `-`: the last one, without any; `!`: it is busy; `?`: it refuses. The last letter is for all others.
    const char *script;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool closed; // requests wait until it is open
    unsigned requests, at_once, most;
};

static int keep_page(void *arg, const struct fetch_page *page)
{
    struct scene *scene = arg;
    pthread_mutex_lock(&scene->lock);
    char answer = scene->script[MIN(scene->requests, strlen(scene->script) - 1)];
    scene->requests++;
    scene->at_once++;
    scene->most = MAX(scene->most, scene->at_once);
    while (scene->closed)
        pthread_cond_wait(&scene->opened, &scene->lock);
    scene->at_once--;
    pthread_mutex_unlock(&scene->lock);
    if (answer == '!' || answer == '?') {
        buf_append_text(page->ret_error, "said by the keeper");
        return answer == '!' ? ERR_UNAVAILABLE : ERR_FORBIDDEN;
    }
    char event = ascii_lower(answer);
    const struct record record = {.time_ms = event, .message = str_n(&event, 1)};
    if (answer != '-')
        assert_int_equal(late_delivery_add(page->into, str_n(&event, 1), &record), 0);
    buf_reset(page->token);
    if (answer == event && answer != '-')
        buf_append_text(page->token, "more");
    return 0;
}

static bool keeps(void *arg, int64_t account)
{
    return account == ((struct scene *)arg)->account;
}

static void open_keeper(struct scene *scene)
{
    pthread_mutex_lock(&scene->lock);
    scene->closed = false;
    pthread_cond_broadcast(&scene->opened);
    pthread_mutex_unlock(&scene->lock);
}

static int64_t make(struct scene *scene, const char *name)
{
    struct store_create create = {.op.kind = STORE_CREATE,
                                  .execution = {.account = scene->account,
                                                .execution_id = xstrdup(name),
                                                .status = STATUS_RUNNING,
                                                .late = true,
                                                .to_fetch = true}};
    assert_int_equal(fixture_run(scene->fixture, &create.op), 0);
    int64_t row = create.execution.row;
    store_op_release(&create.op);
    return row;
}

static void scene_begin(struct scene *scene, void **state, const char *script, struct fetches_options options)
{
    struct fixture *fixture = *state;
    *scene = (struct scene){.fixture = fixture, .metrics = metrics_new(1, NULL), .script = script};
    pthread_mutex_init(&scene->lock, NULL);
    pthread_cond_init(&scene->opened, NULL);
    scene->late =
        late_new(&(struct late_options){.loop = fixture->loop, .store = fixture->store, .metrics = scene->metrics});
    late_set(scene->late, HOUR_MS, 1000); // what is fetched does not wait for the window
    scene->account = fixture_account(fixture, "a");
    scene->row = make(scene, "run");
    options.loop = fixture->loop;
    options.store = fixture->store;
    options.late = scene->late;
    options.metrics = scene->metrics;
    options.port = (struct fetch_port){keep_page, keeps, scene};
    assert_int_equal(fetches_new(&options, &scene->fetches), 0);
}

static const struct fetches_options usual = {.total_ms = HOUR_MS, .wait_ms = HOUR_MS, .rest_ms = HOUR_MS};

static void scene_end(struct scene *scene)
{
    fetches_stop(scene->fetches);
    late_stop(scene->late);
    open_keeper(scene);
    fetches_join(scene->fetches);
    loop_deliver(scene->fixture->loop);
    fetches_free(&scene->fetches);
    late_free(&scene->late);
    metrics_free(&scene->metrics);
    pthread_cond_destroy(&scene->opened);
    pthread_mutex_destroy(&scene->lock);
}

struct waiting {
    struct fetch_wait wait;
    struct scene *scene;
    bool answered;
};

static void answered(struct fetch_wait *wait)
{
    struct waiting *it = CONTAINER_OF(wait, struct waiting, wait);
    it->answered = true;
    if (--it->scene->wanted == 0)
        loop_stop(it->scene->fixture->loop);
}

static void want_row(struct waiting *it, struct scene *scene, int64_t row)
{
    it->scene = scene;
    it->wait.account = scene->account;
    it->wait.row = row;
    snprintf(it->wait.execution_id, sizeof(it->wait.execution_id), "run");
    it->wait.reply_to = scene->fixture->loop;
    it->wait.done = answered;
    scene->wanted++;
    fetches_want(scene->fetches, &it->wait);
}

static int want_as(struct scene *scene, struct waiting like, struct waiting *ret)
{
    *ret = like;
    want_row(ret, scene, scene->row);
    loop_run(scene->fixture->loop);
    return ret->wait.err;
}

static int want(struct scene *scene)
{
    struct waiting it;
    return want_as(scene, (struct waiting){0}, &it);
}

static void add_message(void *arg, uint64_t sequence, const struct record *record)
{
    (void)sequence;
    buf_append_str(arg, record->message);
}

static void assert_log(struct scene *scene, const char *messages, bool to_fetch)
{
    CLEANUP(buf_release) struct buf text = {0};
    fixture_read(scene->fixture, scene->row, 0, 1 << 20, add_message, &text);
    assert_string_equal(buf_cstr(&text), messages);
    struct execution execution = fixture_get(scene->fixture, scene->account, "run");
    assert_int_equal(execution.to_fetch, to_fetch);
    execution_release(&execution);
}

static void all_pages_are_stored_as_one_in_the_order_of_their_times_and_marked(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, "cabcD", usual);
    assert_int_equal(want(&scene), 0);
    assert_log(&scene, "abcd", false);
    assert_int_equal(want(&scene), 0); // of one who still sees it without the mark
    assert_int_equal(scene.requests, 5);
    scene_end(&scene);
}

static void what_is_busy_is_asked_again_for_the_same_page(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, "!a!B", usual);
    assert_int_equal(want(&scene), 0);
    assert_log(&scene, "ab", false);
    assert_int_equal(scene.requests, 4);
    scene_end(&scene);
}

static void a_refusal_is_told_and_remembered_and_nothing_is_marked(void **state)
{
    struct scene scene;
    struct waiting it;
    scene_begin(&scene, state, "a?", usual);
    assert_int_equal(want_as(&scene, (struct waiting){0}, &it), ERR_UNAVAILABLE);
    assert_non_null(strstr(it.wait.ret_reason, "said by the keeper"));
    assert_int_equal(want(&scene), ERR_UNAVAILABLE);
    assert_int_equal(scene.requests, 2);
    assert_log(&scene, "", true);
    scene_end(&scene);
}

static void a_fetch_takes_no_longer_than_it_may(void **state)
{
    struct scene scene;
    struct waiting it;
    struct fetches_options short_one = usual;
    short_one.total_ms = 300;
    scene_begin(&scene, state, "!", short_one);
    assert_int_equal(want_as(&scene, (struct waiting){0}, &it), ERR_UNAVAILABLE);
    assert_non_null(strstr(it.wait.ret_reason, "takes longer"));
    scene_end(&scene);
}

static void what_has_not_begun_is_asked_for_again_when_it_has_ended(void **state)
{
    struct scene scene;
    struct waiting it;
    scene_begin(&scene, state, "--", usual);
    assert_int_equal(want(&scene), 0);
    assert_log(&scene, "", true);
    assert_int_equal(want(&scene), 0);
    assert_int_equal(scene.requests, 1); // it is remembered
    assert_int_equal(want_as(&scene, (struct waiting){.wait.ended = true}, &it), 0);
    assert_int_equal(scene.requests, 2);
    assert_log(&scene, "", false);
    scene_end(&scene);
}

static void what_ends_while_it_is_asked_for_is_asked_for_again(void **state)
{
    struct scene scene;
    struct waiting early = {0}, late = {.wait.ended = true};
    scene_begin(&scene, state, "-A", usual);
    scene.closed = true;
    want_row(&early, &scene, scene.row);
    want_row(&late, &scene, scene.row);
    loop_deliver(scene.fixture->loop); // the first page is asked for before
    open_keeper(&scene);
    loop_run(scene.fixture->loop);
    assert_int_equal(early.wait.err, 0);
    assert_int_equal(late.wait.err, 0);
    assert_int_equal(scene.requests, 2);
    assert_log(&scene, "a", false);
    scene_end(&scene);
}

static void a_log_that_is_about_to_be_closed_is_fetched_for_nobody(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, "-", usual);
    scene.closed = true;
    fetches_close(scene.fetches, scene.account + 1, scene.row, "run"); // of an account that is not kept
    fetches_close(scene.fetches, scene.account, scene.row, "run");
    open_keeper(&scene);
    assert_int_equal(want(&scene), 0);
    assert_int_equal(scene.requests, 1);
    assert_log(&scene, "", false);
    scene_end(&scene);
}

static void who_is_out_of_patience_is_told_that_it_goes_on_and_a_follower_begins(void **state)
{
    struct scene scene;
    struct fetches_options impatient = usual;
    struct waiting page, live;
    impatient.wait_ms = 1;
    scene_begin(&scene, state, "A", impatient);
    scene.closed = true;
    assert_int_equal(want_as(&scene, (struct waiting){0}, &page), ERR_UNAVAILABLE);
    assert_non_null(strstr(page.wait.ret_reason, "is being fetched"));
    assert_int_equal(want_as(&scene, (struct waiting){.wait.live = true}, &live), 0);
    assert_log(&scene, "", true);
    open_keeper(&scene);
    while (want(&scene) != 0)
        ;
    assert_log(&scene, "a", false);
    assert_int_equal(scene.requests, 1);
    scene_end(&scene);
}

static void so_many_are_fetched_at_once_and_so_many_wait_for_a_turn(void **state)
{
    struct scene scene;
    struct waiting *all = xcalloc(FETCHES_MAX + 1, sizeof(*all));
    unsigned refused = 0, done = 0;
    scene_begin(&scene, state, "-", usual);
    scene.closed = true;
    for (int64_t i = 0; i <= FETCHES_MAX; i++)
        want_row(&all[i], &scene, 1000 + i); // these are not in the store
    scene.wanted = 1;
    loop_run(scene.fixture->loop);
    for (size_t i = 0; i <= FETCHES_MAX; i++)
        refused += all[i].answered && all[i].wait.err == ERR_OVERLOADED;
    assert_int_equal(refused, 1);
    scene.wanted = FETCHES_MAX;
    open_keeper(&scene);
    loop_run(scene.fixture->loop);
    for (size_t i = 0; i <= FETCHES_MAX; i++)
        done += all[i].answered && all[i].wait.err == 0;
    assert_int_equal(done, FETCHES_MAX);
    assert_in_range(scene.most, 1, FETCHES_AT_ONCE);
    scene_end(&scene);
    free(all);
}

static void nothing_can_be_had_of_a_log_that_was_sealed_meanwhile(void **state)
{
    struct scene scene;
    scene_begin(&scene, state, "A", usual);
    assert_int_equal(fixture_complete_err(scene.fixture, scene.row, "", -1), 0);
    assert_int_equal(want(&scene), 0);
    assert_log(&scene, "", true);
    scene_end(&scene);
}

static void who_waits_is_answered_when_the_server_stops(void **state)
{
    struct scene scene;
    struct waiting it = {0};
    scene_begin(&scene, state, "A", usual);
    scene.closed = true;
    want_row(&it, &scene, scene.row);
    loop_deliver(scene.fixture->loop);
    scene.wanted = 2; // the loop does not run
    fetches_stop(scene.fetches);
    loop_deliver(scene.fixture->loop);
    assert_true(it.answered);
    assert_int_equal(it.wait.err, ERR_SHUTTING_DOWN);
    assert_log(&scene, "", true);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(all_pages_are_stored_as_one_in_the_order_of_their_times_and_marked),
        ON_EACH(what_is_busy_is_asked_again_for_the_same_page),
        ON_EACH(a_refusal_is_told_and_remembered_and_nothing_is_marked),
        ON_EACH(a_fetch_takes_no_longer_than_it_may),
        ON_EACH(what_has_not_begun_is_asked_for_again_when_it_has_ended),
        ON_EACH(what_ends_while_it_is_asked_for_is_asked_for_again),
        ON_EACH(a_log_that_is_about_to_be_closed_is_fetched_for_nobody),
        ON_EACH(who_is_out_of_patience_is_told_that_it_goes_on_and_a_follower_begins),
        ON_EACH(so_many_are_fetched_at_once_and_so_many_wait_for_a_turn),
        ON_EACH(nothing_can_be_had_of_a_log_that_was_sealed_meanwhile),
        ON_EACH(who_waits_is_answered_when_the_server_stops),
    };
    return FIXTURE_EACH(tests);
}
