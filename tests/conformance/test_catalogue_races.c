// What two connections do to the catalogue at once, on every engine.
#include "store/catalogue/test_catalogue.h"

#include <pthread.h>

// --- Two connections at once

#define CONNECTIONS 2
#define ROUNDS      20

struct racer {
    void (*step)(struct racer *racer, int round);
    struct sql *sql;
    int number;
    int64_t account, row;
    pthread_barrier_t *line; // all begin a round together
    int won, lost;
};

static void *race_main(void *arg)
{
    struct racer *racer = arg;
    racer->sql = sql_fixture_connect(engine_under_test);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(racer->line);
        racer->step(racer, round);
    }
    sql_fixture_close(&racer->sql);
    return NULL;
}

// How often a step was won.
static int race(void (*step)(struct racer *, int), int64_t account, int64_t row)
{
    pthread_barrier_t line;
    pthread_barrier_init(&line, NULL, CONNECTIONS);
    struct racer racers[CONNECTIONS];
    pthread_t threads[CONNECTIONS];
    int won = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        racers[i] = (struct racer){.step = step, .number = i, .account = account, .row = row, .line = &line};
        assert_int_equal(pthread_create(&threads[i], NULL, race_main, &racers[i]), 0);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        pthread_join(threads[i], NULL);
        won += racers[i].won;
        assert_int_equal(racers[i].won + racers[i].lost, ROUNDS);
    }
    pthread_barrier_destroy(&line);
    return won;
}

static void race_create(struct racer *racer, int round)
{
    char name[16];
    snprintf(name, sizeof(name), "r%d", round);
    int err = create(racer->sql, described(racer->account, name, "{\"a\":1}"), NULL);
    assert_true(err == 0 || err == ERR_CONFLICT);
    *(err == 0 ? &racer->won : &racer->lost) += 1;
}

static void an_identifier_that_two_want_at_once_is_one_connections(void **state)
{
    struct sql *sql = *state;
    assert_int_equal(race(race_create, make_account(sql, "a"), 0), ROUNDS);
    assert_int_equal(ask(sql, "SELECT count(*) FROM executions"), ROUNDS);
    assert_int_equal(ask(sql, "SELECT count(*) FROM labels"), ROUNDS);
}

static void race_account(struct racer *racer, int round)
{
    char name[16];
    snprintf(name, sizeof(name), "r%d", round);
    struct store_account_ensure ensure = {.name = str_of(name)};
    assert_int_equal(CHANGE(racer->sql, catalogue_account_ensure(racer->sql, &ensure, NOW)), 0);
    assert_true(ensure.ret_account > 0);
    *(ensure.ret_created ? &racer->won : &racer->lost) += 1;
}

static void an_account_that_two_make_at_once_is_one(void **state)
{
    struct sql *sql = *state;
    assert_int_equal(race(race_account, 0, 0), ROUNDS);
    assert_int_equal(ask(sql, "SELECT count(*) FROM accounts"), ROUNDS);
}

static int patch_as_read(struct racer *racer, const char *text)
{
    struct catalogue_head head;
    int err = catalogue_execution_head(racer->sql, racer->row, &head);
    return err < 0 ? err : patch(racer->sql, racer->account, racer->row, text);
}

static void race_patch(struct racer *racer, int round)
{
    char text[32];
    snprintf(text, sizeof(text), "{\"%c%d\":1}", 'a' + racer->number, round);
    assert_int_equal(CHANGE(racer->sql, patch_as_read(racer, text)), 0);
    racer->won++;
}

static void no_patch_is_lost(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), row = make_execution(sql, account, "one", NULL);
    assert_int_equal(race(race_patch, account, row), CONNECTIONS * ROUNDS);
    assert_int_equal(ask(sql, "SELECT count(*) FROM labels"), CONNECTIONS * ROUNDS);
}

static void race_revoke(struct racer *racer, int round)
{
    char name[16];
    snprintf(name, sizeof(name), "key_%d", racer->number);
    int err = revoke_key(racer->sql, racer->account, name);
    assert_true(err == 0 || err == ERR_LAST_OPERATOR);
    *(err == 0 ? &racer->won : &racer->lost) += 1;
    // Whoever lost makes the keys anew for the next round, in which the other one waits for it.
    pthread_barrier_wait(racer->line);
    if (err != 0)
        assert_int_equal(sql_exec(racer->sql, "UPDATE api_keys SET revoked_ms = 0"), 0);
    (void)round;
}

static void two_operators_cannot_revoke_each_other(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a");
    assert_int_equal(make_key(sql, account, "key_0", ROLE_OPERATOR), 0);
    assert_int_equal(make_key(sql, account, "key_1", ROLE_OPERATOR), 0);
    assert_int_equal(race(race_revoke, account, 0), ROUNDS);
}

// *ret_row is that of an earlier one; 0: it was made.
static int create_once(struct sql *sql, struct store_create *create, int64_t *ret_row)
{
    int err = catalogue_create_repeated(sql, create, NOW, ret_row);
    return err < 0 || *ret_row > 0 ? err : catalogue_create(sql, create, NOW);
}

static void race_idempotent(struct racer *racer, int round)
{
    struct sql *sql = racer->sql;
    char key[16];
    snprintf(key, sizeof(key), "k%d", round);
    struct store_create made = {.execution = {.account = racer->account, .status = STATUS_QUEUED},
                                .idempotency_key = str_of(key),
                                .request_hash = 1};
    int64_t row = 0;
    bool again;
    do {
        int err = CHANGE(sql, create_once(sql, &made, &row));
        again = err < 0;
        if (again)
            assert_true(sql_again(sql));
    } while (again);
    execution_release(&made.execution);
    *(row == 0 ? &racer->won : &racer->lost) += 1;
}

static void one_idempotency_key_makes_one_execution(void **state)
{
    struct sql *sql = *state;
    assert_int_equal(race(race_idempotent, make_account(sql, "a"), 0), ROUNDS);
    assert_int_equal(ask(sql, "SELECT count(*) FROM executions"), ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_identifier_that_two_want_at_once_is_one_connections),
        TEST(an_account_that_two_make_at_once_is_one),
        TEST(no_patch_is_lost),
        TEST(two_operators_cannot_revoke_each_other),
        TEST(one_idempotency_key_makes_one_execution),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
