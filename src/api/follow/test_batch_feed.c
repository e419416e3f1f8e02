// The status of a batch, for those who follow it, from a store that answers when the test says so.
#include "api/follow/batch_feed.h"
#include "api/routes.h"
#include "api/test_api.h"

#define BATCH_ROW 9

struct watcher {
    struct batch_listener listener;
    unsigned told, failed;
};

static bool room(struct batch_listener *listener)
{
    (void)listener;
    return true;
}

static void tell(struct batch_listener *listener, const struct batch_news *news)
{
    struct watcher *watcher = CONTAINER_OF(listener, struct watcher, listener);
    assert_string_equal(news->batch_id, "b");
    watcher->told++;
}

static void failed(struct batch_listener *listener, int err)
{
    struct watcher *watcher = CONTAINER_OF(listener, struct watcher, listener);
    assert_int_equal(err, ERR_NOT_FOUND);
    watcher->failed++;
    batch_listener_leave(listener);
}

static void join(struct fixture *it, struct watcher *watcher)
{
    *watcher = (struct watcher){.listener = {.room = room, .tell = tell, .failed = failed}};
    batch_listener_join(&watcher->listener, it->house.api, BATCH_ROW, 0);
}

static void change(struct fixture *it)
{
    const struct store_change changes[] = {{.batch = BATCH_ROW}};
    api_publish(&it->house.api, 1, changes, ARRAY_LEN(changes));
}

static void answer_look(struct fixture *it, int err)
{
    while (it->store.count == 0) { // a change soon after a look waits a moment
        loop_stop(it->loop);
        assert_int_equal(loop_run(it->loop), 0);
    }
    struct store_batch_get *get = TAKE(it, STORE_BATCH_GET, store_batch_get);
    if (err == 0)
        get->ret_batch = (struct batch){.row = BATCH_ROW, .account = ACCOUNT, .batch_id = xstrdup("b")};
    stub_answer(&get->op, err);
    if (err == 0)
        stub_answer(take(it, STORE_BATCH_FAILURES), 0);
}

static void who_follows_waits_while_the_store_is_away(void **state)
{
    struct fixture *it = *state;
    struct watcher watcher;
    join(it, &watcher);
    answer_look(it, ERR_UNAVAILABLE);
    assert_int_equal(watcher.failed + watcher.told, 0);
    change(it);
    answer_look(it, 0);
    assert_int_equal(watcher.told, 1);
    change(it);
    answer_look(it, ERR_NOT_FOUND);
    assert_int_equal(watcher.failed, 1);
}

static int set_up(void **state)
{
    return fixture_new(state, api_routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_follows_waits_while_the_store_is_away, set_up, fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
