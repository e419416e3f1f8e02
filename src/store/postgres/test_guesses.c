// Transactions of appends to logs that are known from before: they are written without being read, under the condition
// that nobody else has changed them. Here others do.
#include "store/postgres/postgres_fixture.h"

#define SERVERS 2
#define LOGS    4
#define ROUNDS  150

static uint64_t guessed(const struct fixture *fixture)
{
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    return stats.guesses;
}

static uint64_t mistaken(const struct fixture *fixture)
{
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    return stats.wrong_guesses;
}

// The same fixture, with another server of its database.
static struct fixture second_server(struct fixture *fixture)
{
    struct fixture other = *fixture;
    assert_int_equal(postgres_fixture_open(fixture->folder, &fixture->now_ms, &other.store), 0);
    return other;
}

static struct store_append append_of(int64_t row, const char *producer, uint64_t counter, struct chunk *chunk)
{
    return (struct store_append){
        .op.kind = STORE_APPEND, .row = row, .producer = str_of(producer), .first = counter, .chunk = chunk};
}

static int append_at(struct fixture *fixture, int64_t row, const char *producer, uint64_t counter, uint64_t *ret_first)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(counter, 1, 40, 1763200000000);
    struct store_append append = append_of(row, producer, counter, chunk);
    int err = fixture_run(fixture, &append.op);
    if (ret_first)
        *ret_first = append.ret_first_sequence;
    return err;
}

static void append(struct fixture *fixture, int64_t row, const char *producer, uint64_t counter)
{
    assert_int_equal(append_at(fixture, row, producer, counter, NULL), 0);
}

static int64_t known_log(struct fixture *fixture, const char *producer)
{
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    for (uint64_t i = 0; i < 3; i++)
        append(fixture, row, producer, i);
    return row;
}

static void what_a_server_has_left_itself_is_guessed(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = known_log(fixture, "p");
    uint64_t before = guessed(fixture);
    for (uint64_t i = 3; i < 20; i++)
        append(fixture, row, "p", i);
    // The merger marks a log that has become long; nothing else was in the way.
    assert_true(guessed(fixture) + mistaken(fixture) >= before + 17);
    assert_true(mistaken(fixture) <= 1);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 20);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 19), 0); // compares the producer's digest
}

static void records_of_another_server_come_in_between(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = second_server(fixture);
    int64_t row = known_log(fixture, "p");
    for (uint64_t i = 0; i < 60; i++) {
        uint64_t mine, its;
        assert_int_equal(append_at(&other, row, "q", i, &its), 0);
        assert_int_equal(append_at(fixture, row, "p", 3 + i, &mine), 0);
        assert_int_equal(its, 3 + 2 * i);
        assert_int_equal(mine, 4 + 2 * i);
    }
    // One that others write too is locked for a while, and guessed again then.
    assert_in_range(mistaken(fixture), 2, 4);
    assert_in_range(mistaken(&other), 1, 4);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 123);
    store_free(&other.store);
}

// The same runner's stream at another server, which was there first: repetition is recognised, not doubled.
static void what_another_server_has_already_is_not_doubled(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = second_server(fixture);
    int64_t row = known_log(fixture, "p");
    uint64_t first;
    append(&other, row, "p", 3);
    assert_int_equal(append_at(fixture, row, "p", 3, &first), 0);
    assert_int_equal(first, 3);
    append(fixture, row, "p", 4);
    assert_int_equal(append_at(&other, row, "p", 6, NULL), ERR_GAP);
    append(&other, row, "p", 5);
    assert_int_equal(fixture_read(&other, row, 0, 1 << 20, NULL, NULL), 6);
    store_free(&other.store);
}

static void a_seal_of_another_server_is_heeded(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = second_server(fixture);
    int64_t row = known_log(fixture, "p");
    assert_int_equal(fixture_complete_err(&other, row, "p", 2), 0);
    assert_int_equal(append_at(fixture, row, "p", 3, NULL), ERR_SEALED);
    assert_int_equal(append_at(fixture, row, "", 0, NULL), ERR_SEALED);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 3);
    store_free(&other.store);
}

// Only appends are guessed. Whatever else is asked for a log that is known sees what others have left.
static void what_is_no_append_sees_what_others_left(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = second_server(fixture);
    int64_t row = known_log(fixture, "p");
    append(&other, row, "p", 3);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 3), 0);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 4);
    store_free(&other.store);
}

// A refusal is never by what was known from before: the other server has filled the gap.
static void what_would_be_refused_is_looked_up(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = second_server(fixture);
    int64_t row = known_log(fixture, "p");
    append(&other, row, "p", 3);
    append(fixture, row, "p", 4);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 5);
    store_free(&other.store);
}

// In a group one log that has changed makes all of it be begun again.
static void a_group_with_one_wrong_guess_is_written_once(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = second_server(fixture);
    int64_t account = fixture_account(fixture, "a"), rows[LOGS];
    const char *const names[LOGS] = {"e0", "e1", "e2", "e3"};
    for (size_t i = 0; i < LOGS; i++) {
        rows[i] = fixture_create(fixture, account, names[i], STATUS_RUNNING);
        append(fixture, rows[i], "p", 0);
    }
    append(&other, rows[2], "q", 0);
    struct store_append appends[LOGS];
    struct store_op *ops[LOGS];
    struct chunk *chunk = fixture_chunk(1, 1, 40, 1763200000000);
    for (size_t i = 0; i < LOGS; i++) {
        appends[i] = append_of(rows[i], "p", 1, chunk);
        ops[i] = &appends[i].op;
    }
    fixture_run_all(fixture, ops, LOGS);
    for (size_t i = 0; i < LOGS; i++) {
        assert_int_equal(ops[i]->err, 0);
        assert_int_equal(appends[i].ret_first_sequence, i == 2 ? 2 : 1);
        assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, NULL, NULL), i == 2 ? 3 : 2);
    }
    chunk_unref(&chunk);
    store_free(&other.store);
}

static void end_connections(const struct fixture *fixture)
{
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    fixture_number(sql, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                        "current_database() AND pid <> pg_backend_pid()");
}

// After a failover the database may give out again the numbers by which versions are told apart.
static void nothing_is_guessed_on_another_connection(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = known_log(fixture, "p");
    uint64_t before = guessed(fixture);
    end_connections(fixture);
    append(fixture, row, "p", 3);
    assert_int_equal(guessed(fixture), before);
    append(fixture, row, "p", 4);
    append(fixture, row, "p", 5);
    assert_true(guessed(fixture) > before);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 6);
}

// Two servers take turns with the same producers, as if each runner changed servers all the time, and connections end.
static void nothing_is_lost_or_doubled_between_servers(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = second_server(fixture);
    struct fixture *servers[SERVERS] = {fixture, &other};
    int64_t account = fixture_account(fixture, "a"), rows[LOGS];
    const char *const names[LOGS] = {"e0", "e1", "e2", "e3"};
    uint64_t next[LOGS] = {0};
    for (size_t i = 0; i < LOGS; i++)
        rows[i] = fixture_create(fixture, account, names[i], STATUS_RUNNING);
    uint64_t random = 1;
    for (int round = 0; round < ROUNDS; round++) {
        size_t log = test_random(&random) % LOGS;
        bool moves = test_random(&random) % 4 == 0;
        struct fixture *server = servers[(log + moves) % SERVERS];
        if (round % 30 == 29)
            end_connections(fixture);
        int err = ERR_UNAVAILABLE;
        for (int tries = 0; err == ERR_UNAVAILABLE && tries < 100; tries++)
            err = append_at(server, rows[log], "p", next[log], NULL);
        assert_int_equal(err, 0);
        next[log]++;
    }
    assert_true(guessed(fixture) > 0 && mistaken(fixture) > 0);
    for (size_t i = 0; i < LOGS; i++) {
        assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, NULL, NULL), next[i]);
        assert_int_equal(fixture_complete_err(&other, rows[i], "p", (int64_t)next[i] - 1), 0);
    }
    store_free(&other.store);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, postgres_fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_STORE(what_a_server_has_left_itself_is_guessed),
        WITH_STORE(records_of_another_server_come_in_between),
        WITH_STORE(what_another_server_has_already_is_not_doubled),
        WITH_STORE(a_seal_of_another_server_is_heeded),
        WITH_STORE(what_is_no_append_sees_what_others_left),
        WITH_STORE(what_would_be_refused_is_looked_up),
        WITH_STORE(a_group_with_one_wrong_guess_is_written_once),
        WITH_STORE(nothing_is_guessed_on_another_connection),
        WITH_STORE(nothing_is_lost_or_doubled_between_servers),
    };
    return POSTGRES_FIXTURE_RUN(tests);
}
