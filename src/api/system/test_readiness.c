// Whether the store answers, asked of a store that answers when the test says so.
#include "api/system/readiness.h"
#include "store/store_stub.h"

#define LONG_MS 600000

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct readiness *readiness;
};

struct asked {
    struct readiness_ask ask;
    unsigned told;
    int err;
};

static void told(struct readiness_ask *ask, int err)
{
    struct asked *asked = CONTAINER_OF(ask, struct asked, ask);
    asked->told++;
    asked->err = err;
}

static void ask(struct fixture *it, struct asked *asked)
{
    *asked = (struct asked){.ask.told = told};
    readiness_ask(it->readiness, &asked->ask);
}

static void open_with(struct fixture *it, uint64_t patience_ms)
{
    it->readiness = readiness_new(it->loop, &it->store.base, patience_ms);
}

static void wait_until_told(struct fixture *it, const struct asked *asked)
{
    while (!asked->told) {
        loop_stop(it->loop);
        assert_int_equal(loop_run(it->loop), 0);
    }
}

static int set_up(void **state)
{
    struct fixture *it = xcalloc(1, sizeof(*it));
    stub_init(&it->store);
    assert_int_equal(loop_new(&it->loop), 0);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *it = *state;
    assert_int_equal(it->store.count, 0);
    readiness_free(&it->readiness);
    loop_free(&it->loop);
    free(it);
    return 0;
}

static void one_question_is_for_all_who_ask_meanwhile(void **state)
{
    struct fixture *it = *state;
    struct asked first, second, third;
    open_with(it, LONG_MS);
    ask(it, &first);
    ask(it, &second);
    assert_int_equal(it->store.count, 1);
    stub_answer(stub_take(&it->store, STORE_COUNT_OPEN), ERR_CORRUPT);
    assert_true(first.told == 1 && first.err == ERR_CORRUPT);
    assert_true(second.told == 1 && second.err == ERR_CORRUPT);
    ask(it, &third);
    stub_answer(stub_take(&it->store, STORE_COUNT_OPEN), 0);
    assert_true(third.told == 1 && third.err == 0);
}

static void a_store_that_does_not_answer_is_waited_for_once(void **state)
{
    struct fixture *it = *state;
    struct asked first, second, third;
    open_with(it, 1);
    ask(it, &first);
    wait_until_told(it, &first);
    assert_int_equal(first.err, ERR_TIMEOUT);
    ask(it, &second);
    assert_true(second.told == 1 && second.err == ERR_TIMEOUT);
    assert_int_equal(it->store.count, 1);
    stub_answer(stub_take(&it->store, STORE_COUNT_OPEN), 0);
    assert_true(first.told == 1 && second.told == 1);
    ask(it, &third);
    assert_int_equal(third.told, 0);
    stub_answer(stub_take(&it->store, STORE_COUNT_OPEN), 0);
    assert_true(third.told == 1 && third.err == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_question_is_for_all_who_ask_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_does_not_answer_is_waited_for_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
