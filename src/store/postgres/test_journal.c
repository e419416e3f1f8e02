// Appends to logs that a server has kept: they are entered in its journal, and nothing is read or locked for them, as
// long as nobody else has brought the journal home. Here others do.
#include "store/ops/quiet.h"
#include "store/postgres/postgres_fixture.h"
#include "util/clock.h"

#include <unistd.h>

#define SERVERS 2
#define LOGS    4
#define ROUNDS  150

static uint64_t journaled(const struct fixture *fixture)
{
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    return stats.journaled;
}

static uint64_t lost(const struct fixture *fixture)
{
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    return stats.journals_lost;
}

static int64_t number(const struct fixture *fixture, const char *text)
{
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    return fixture_number(sql, text);
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

static void what_a_server_keeps_is_entered_in_its_journal(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t row = known_log(fixture, "p");
    uint64_t before = journaled(fixture);
    for (uint64_t i = 3; i < 20; i++)
        append(fixture, row, "p", i);
    assert_int_equal(journaled(fixture), before + 17);
    assert_int_equal(lost(fixture), 0);
    // The row is behind, and nobody who reads sees that.
    assert_int_equal(number(fixture, "SELECT next_sequence FROM executions"), 1);
    assert_int_equal(number(fixture, "SELECT next FROM producers"), 1);
    assert_int_equal(number(fixture, "SELECT log_end(id) FROM executions"), 20);
    for (size_t i = 0; i < SERVERS; i++) {
        struct execution found = fixture_get(servers[i], fixture_account(servers[i], "a"), "e");
        assert_int_equal(found.next_sequence, 20);
        assert_int_equal(found.digest_unknown, i > 0);
        execution_release(&found);
        assert_int_equal(fixture_read(servers[i], row, 0, 1 << 20, NULL, NULL), 20);
    }
    struct store_quiet_look look = {.op.kind = STORE_QUIET_LOOK};
    assert_int_equal(
        number(fixture, "WITH x AS (UPDATE executions SET quiet_ms = 5000 RETURNING 1) SELECT count(*) FROM x"), 1);
    assert_int_equal(fixture_run(other, &look.op), 0);
    assert_int_equal(look.ret_count, 1);
    assert_int_equal(look.ret_found[0].next, 20);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 19), 0); // compares the producer's digest
    assert_int_equal(number(fixture, "SELECT next_sequence FROM executions"), 20);
    assert_int_equal(number(fixture, "SELECT journal FROM executions"), 0);
}

static void a_log_of_several_producers_is_kept_for_all_of_them(void **state)
{
    struct fixture *fixture = *(struct fixture **)*state;
    int64_t row = known_log(fixture, "p");
    append(fixture, row, "q", 0); // which is new, so it is looked for
    uint64_t before = journaled(fixture);
    for (uint64_t i = 0; i < 5; i++) {
        append(fixture, row, "p", 3 + i);
        append(fixture, row, "q", 1 + i);
    }
    assert_int_equal(journaled(fixture), before + 10);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 14);
}

static void a_server_that_ends_brings_its_journal_home(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t row = known_log(other, "p");
    assert_int_equal(number(fixture, "SELECT count(*) FROM journals"), 2);
    store_free(&other->store);
    assert_int_equal(number(fixture, "SELECT count(*) FROM journals"), 0);
    assert_int_equal(number(fixture, "SELECT next_sequence FROM executions"), 3);
    append(fixture, row, "p", 3);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 3), 0);
}

// Its process is gone, and with it what it remembered: that is as if its connection and its memory were another's.
static void the_journal_of_a_server_that_was_killed_is_brought_home(void **state)
{
    struct fixture *fixture = *(struct fixture **)*state;
    int64_t row = known_log(fixture, "p");
    assert_int_equal(number(fixture,
                            "WITH s AS (UPDATE journals SET sender = 7 RETURNING 1), w AS (UPDATE writers SET "
                            "sender = 7, touched_ms = 0 WHERE sender = (SELECT sender FROM journals LIMIT 1) "
                            "RETURNING 1), e AS (UPDATE executions SET journal = 7 RETURNING 1) SELECT count(*) "
                            "FROM s"),
                     2);
    for (uint64_t until_ms = clock_mono_ms() + 20000; number(fixture, "SELECT count(*) FROM journals") > 0;) {
        assert_true(clock_mono_ms() < until_ms);
        usleep(10000);
    }
    assert_int_equal(number(fixture, "SELECT next_sequence FROM executions"), 3);
    assert_int_equal(number(fixture, "SELECT journal FROM executions"), 0);
    append(fixture, row, "p", 3);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 3), 0);
}

static void records_of_another_server_come_in_between(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t row = known_log(fixture, "p");
    for (uint64_t i = 0; i < 60; i++) {
        uint64_t mine, its;
        assert_int_equal(append_at(other, row, "q", i, &its), 0);
        assert_int_equal(append_at(fixture, row, "p", 3 + i, &mine), 0);
        assert_int_equal(its, 3 + 2 * i);
        assert_int_equal(mine, 4 + 2 * i);
    }
    // One that others write too is kept by nobody for a while, and then by one of them again.
    assert_in_range(lost(fixture) + lost(other), 1, 6);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 123);
}

// The same runner's stream at another server, which was there first: repetition is recognised, not doubled.
static void what_another_server_has_already_is_not_doubled(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t row = known_log(fixture, "p");
    uint64_t first;
    append(other, row, "p", 3);
    assert_int_equal(append_at(fixture, row, "p", 3, &first), 0);
    assert_int_equal(first, 3);
    append(fixture, row, "p", 4);
    assert_int_equal(append_at(other, row, "p", 6, NULL), ERR_GAP);
    append(other, row, "p", 5);
    assert_int_equal(fixture_read(other, row, 0, 1 << 20, NULL, NULL), 6);
}

static void a_seal_of_another_server_is_heeded(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t row = known_log(fixture, "p");
    assert_int_equal(fixture_complete_err(other, row, "p", 2), 0);
    assert_int_equal(append_at(fixture, row, "p", 3, NULL), ERR_SEALED);
    assert_int_equal(append_at(fixture, row, "", 0, NULL), ERR_SEALED);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 3);
}

// Only appends rely on what is kept. Whatever else is asked for a log that is known sees what others have left.
static void what_is_no_append_sees_what_others_left(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t row = known_log(fixture, "p");
    append(other, row, "p", 3);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 3), 0);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 4);
}

// A refusal is never by what was known from before: the other server has filled the gap.
static void what_would_be_refused_is_looked_up(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t row = known_log(fixture, "p");
    append(other, row, "p", 3);
    append(fixture, row, "p", 4);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 5);
}

// A process that was stopped for a day: its row of `writers` is gone with those of the dead, and there is another one
// once somebody has brought home what it kept.
static void a_server_that_was_forgotten_begins_again(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t row = known_log(fixture, "p");
    uint64_t next = 3, before = journaled(fixture);
    append(other, row, "q", 0);
    while (journaled(fixture) == before) // it has won it back
        append(fixture, row, "p", next++);
    append(fixture, row, "p", next++);
    assert_int_equal(number(fixture, "WITH g AS (DELETE FROM writers RETURNING 1) SELECT count(*) FROM g"), 2);
    assert_int_equal(fixture_complete_err(other, row, "p", (int64_t)next - 1), 0);
    assert_int_equal(append_at(fixture, row, "p", next, NULL), ERR_SEALED);
}

// In a group one log that is not kept any more makes all of it be begun again.
static void a_group_that_was_applied_to_a_lost_journal_is_written_once(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
    int64_t account = fixture_account(fixture, "a"), rows[LOGS];
    const char *const names[LOGS] = {"e0", "e1", "e2", "e3"};
    for (size_t i = 0; i < LOGS; i++) {
        rows[i] = fixture_create(fixture, account, names[i], STATUS_RUNNING);
        append(fixture, rows[i], "p", 0);
    }
    append(other, rows[2], "q", 0);
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
}

static void end_connections(const struct fixture *fixture)
{
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    fixture_number(sql, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                        "current_database() AND pid <> pg_backend_pid()");
}

// What is remembered holds on one connection: behind another one there may be a server that has taken over, and lacks
// the last of it.
static void a_new_connection_begins_with_what_the_database_has(void **state)
{
    struct fixture *fixture = *(struct fixture **)*state;
    int64_t row = known_log(fixture, "p");
    end_connections(fixture);
    append(fixture, row, "p", 3);
    assert_int_equal(number(fixture, "SELECT next_sequence FROM executions"), 4);
    uint64_t before = journaled(fixture);
    append(fixture, row, "p", 4);
    append(fixture, row, "p", 5);
    assert_int_equal(journaled(fixture), before + 2);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 6);
}

// Two servers take turns with the same producers, as if each runner changed servers all the time, and connections end.
static void nothing_is_lost_or_doubled_between_servers(void **state)
{
    struct fixture **servers = *state, *fixture = servers[0], *other = servers[1];
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
    assert_true(journaled(fixture) > 0 && lost(fixture) > 0);
    for (size_t i = 0; i < LOGS; i++) {
        assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, NULL, NULL), next[i]);
        assert_int_equal(fixture_complete_err(other, rows[i], "p", (int64_t)next[i] - 1), 0);
    }
}

int main(void)
{
#define WITH_STORES(test) \
    cmocka_unit_test_setup_teardown(test, postgres_fixture_set_up_pair, postgres_fixture_tear_down_pair)
    const struct CMUnitTest tests[] = {
        WITH_STORES(what_a_server_keeps_is_entered_in_its_journal),
        WITH_STORES(a_log_of_several_producers_is_kept_for_all_of_them),
        WITH_STORES(a_server_that_ends_brings_its_journal_home),
        WITH_STORES(the_journal_of_a_server_that_was_killed_is_brought_home),
        WITH_STORES(records_of_another_server_come_in_between),
        WITH_STORES(what_another_server_has_already_is_not_doubled),
        WITH_STORES(a_seal_of_another_server_is_heeded),
        WITH_STORES(what_is_no_append_sees_what_others_left),
        WITH_STORES(what_would_be_refused_is_looked_up),
        WITH_STORES(a_server_that_was_forgotten_begins_again),
        WITH_STORES(a_group_that_was_applied_to_a_lost_journal_is_written_once),
        WITH_STORES(a_new_connection_begins_with_what_the_database_has),
        WITH_STORES(nothing_is_lost_or_doubled_between_servers),
    };
    return POSTGRES_FIXTURE_RUN(tests);
}
