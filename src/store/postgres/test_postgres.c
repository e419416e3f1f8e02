// What only this adapter does: transactions whose connection is lost, several servers on one database. The conformance
// suite has the rest.
#include "store/postgres/postgres_fixture.h"
#include "store/postgres/postgres_private.h"
#include "store/sql/postgres.h"

#include <pthread.h>

#define TRIES 200

// The server ends every connection to the test's database, as it does when it restarts or fails over.
static void end_connections(struct fixture *fixture)
{
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    fixture_number(sql, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                        "current_database() AND pid <> pg_backend_pid()");
}

// Appends one line; tries again as a runner does while the store is away.
static void append_line(struct fixture *fixture, int64_t row, uint64_t counter)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(counter, 1, 40, 1763200000000);
    int err = ERR_UNAVAILABLE;
    for (int i = 0; i < TRIES && err == ERR_UNAVAILABLE; i++) {
        struct store_append append = {
            .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = counter, .chunk = chunk};
        err = fixture_run(fixture, &append.op);
    }
    assert_int_equal(err, 0);
}

static void a_lost_connection_costs_nothing_and_doubles_nothing(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    for (uint64_t i = 0; i < 200; i++) {
        if (i % 10 == 5)
            end_connections(fixture);
        append_line(fixture, row, i);
    }
    int err = ERR_UNAVAILABLE;
    end_connections(fixture);
    for (int i = 0; i < TRIES && err == ERR_UNAVAILABLE; i++)
        err = fixture_complete_err(fixture, row, "p", 199);
    assert_int_equal(err, 0);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 200);
}

static void a_query_after_a_lost_connection_is_answered(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    append_line(fixture, row, 0);
    for (int i = 0; i < 5; i++) {
        end_connections(fixture);
        struct execution got = fixture_get(fixture, account, "e"); // asserts that it is there
        execution_release(&got);
        assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 1);
    }
}

static struct sql *connect_with(const char *where, const char *more)
{
    CLEANUP(free_ptr) char *conninfo = xasprintf("%s%s", where, more);
    return sql_fixture_connect_to(conninfo);
}

static int run(struct sql *sql, const char *text, bool *ret_again)
{
    struct sql_statement *statement = sql_prepare(sql, text);
    int err = sql_run(statement, NULL);
    *ret_again = sql_again(sql);
    sql_statement_free(&statement);
    return err;
}

static void who_stands_still_in_a_transaction_holds_nobody_up_for_long(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    CLEANUP(free_ptr) char *where = postgres_fixture_conninfo(fixture);
    static const char setting[] =
        "SELECT setting::bigint FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'";
    CLEANUP(sql_fixture_close) struct sql *usual = connect_with(where, "");
    assert_int_equal(fixture_number(usual, setting), 10000);
    CLEANUP(sql_fixture_close)
    struct sql *still = connect_with(where, " options='-c idle_in_transaction_session_timeout=200'");
    assert_int_equal(fixture_number(still, setting), 200);
    assert_int_equal(sql_begin(still, SQL_WRITE), 0);
    bool again = false;
    assert_int_equal(run(still, "SELECT id FROM executions FOR UPDATE", &again), 0);
    append_line(fixture, row, 0); // the first one locks, and waits until the other one is given up
    assert_int_equal(run(still, "UPDATE executions SET exit_code = 7", &again), ERR_UNAVAILABLE);
    assert_true(again); // nothing of it is there
    sql_rollback(still);
    assert_int_equal(sql_begin(still, SQL_WRITE), 0);
    sql_rollback(still);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 1);
}

static int64_t restored_from(struct fixture *fixture, int64_t account, const char *id)
{
    struct execution got = fixture_get(fixture, account, id);
    int64_t from = (int64_t)got.restored_from;
    execution_release(&got);
    return from;
}

static void a_database_that_is_marked_as_a_copy_is_another_incarnation_from_its_next_start_on(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    append_line(fixture, row, 0);
    append_line(fixture, row, 1);
    CLEANUP(free_ptr) char *former = xstrdup(store_incarnation(fixture->store));
    assert_int_equal(restored_from(fixture, account, "e"), -1);
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    assert_int_equal(sql_exec(sql, "INSERT INTO meta(name, value) VALUES ('backup', '')"), 0); // as the docs say
    fixture_reopen(fixture);
    CLEANUP(free_ptr) char *present = xstrdup(store_incarnation(fixture->store));
    assert_string_not_equal(present, former);
    assert_int_equal(restored_from(fixture, account, "e"), 2);
    fixture_create(fixture, account, "later", STATUS_RUNNING);
    assert_int_equal(restored_from(fixture, account, "later"), 0);
    fixture_reopen(fixture);
    assert_string_equal(store_incarnation(fixture->store), present);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 2);
}

// --- Two servers

// What one of them hears of the other.
struct heard {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct store_change change; // the last one of `row`
    int64_t row;
    int64_t revoked;
    unsigned news;
};

static void note_changes(void *arg, const struct store_change *changes, size_t count)
{
    struct heard *heard = arg;
    pthread_mutex_lock(&heard->mutex);
    for (size_t i = 0; i < count; i++)
        if (changes[i].row == heard->row)
            heard->change = changes[i];
    pthread_cond_signal(&heard->more);
    pthread_mutex_unlock(&heard->mutex);
}

static void note_news(void *arg, const struct store_news *news)
{
    struct heard *heard = arg;
    pthread_mutex_lock(&heard->mutex);
    heard->news++;
    if (news->kind == NEWS_KEY_REVOKED)
        heard->revoked = news->subject;
    pthread_cond_signal(&heard->more);
    pthread_mutex_unlock(&heard->mutex);
}

static struct store *second_server(struct fixture *fixture, struct heard *heard)
{
    struct store *store = NULL;
    assert_int_equal(postgres_fixture_open(fixture->folder, &fixture->now_ms, &store), 0);
    assert_string_equal(store_incarnation(store), store_incarnation(fixture->store));
    assert_int_equal(store_watch(store, note_changes, heard), 0);
    store_hear(store, note_news, heard);
    return store;
}

// Within the limits of one open execution and one queued job, as they come to it. Returns the row.
static int64_t create_limited(struct fixture *fixture, int64_t account, const char *id, bool queued)
{
    const struct job_new job = {.demand = STR("process"), .queued_max = 1};
    struct store_create create = {.op.kind = STORE_CREATE,
                                  .execution = {.account = account,
                                                .execution_id = xstrdup(id),
                                                .status = queued ? STATUS_QUEUED : STATUS_RUNNING,
                                                .spec_json = queued ? xstrdup("{\"command\":[\"true\"]}") : NULL},
                                  .job = queued ? &job : NULL,
                                  .open_max = queued ? 0 : 1};
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    int64_t row = create.execution.row;
    store_op_release(&create.op);
    return row;
}

static void claim(struct fixture *fixture, int64_t row)
{
    struct store_job_claim claim = {.op.kind = STORE_JOB_CLAIM, .row = row, .worker_id = STR("w")};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    store_op_release(&claim.op);
}

// Of what another server makes there is no count here, but its end is counted.
static void what_another_server_made_and_this_one_ended_is_in_nobodys_way(void **state)
{
    struct fixture *fixture = *state, other = *fixture;
    int64_t account = fixture_account(fixture, "a");
    struct heard heard = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
    other.store = second_server(fixture, &heard);
    int64_t here = create_limited(fixture, account, "here", false); // and counted
    int64_t there = create_limited(&other, account, "there", true);
    assert_int_equal(fixture_complete_err(fixture, here, "", -1), 0);
    claim(fixture, there);
    assert_int_equal(fixture_complete_err(fixture, there, "", -1), 0);
    create_limited(fixture, account, "one more", false);
    create_limited(fixture, account, "another job", true);
    store_free(&other.store);
}

static void the_end_of_a_log_is_told_to_other_servers(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    struct heard heard = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .row = row};
    struct store *other = second_server(fixture, &heard);
    // A hint may be lost while the other one joins, so lines are appended until one is heard of.
    uint64_t counter = 0, next = 0;
    while (next == 0) {
        append_line(fixture, row, counter++);
        pthread_mutex_lock(&heard.mutex);
        next = heard.change.next;
        pthread_mutex_unlock(&heard.mutex);
    }
    assert_int_equal(fixture_complete_err(fixture, row, "p", (int64_t)counter - 1), 0);
    pthread_mutex_lock(&heard.mutex);
    while (!heard.change.sealed)
        pthread_cond_wait(&heard.more, &heard.mutex);
    pthread_mutex_unlock(&heard.mutex);
    assert_true(heard.change.elsewhere);
    assert_null(heard.change.chunk);
    assert_int_equal(heard.change.next, counter);
    assert_int_equal(heard.change.status, STATUS_COMPLETED);
    store_free(&other);
}

// Whatever becomes of hints: each connection of the other server is ended at the moment of the news.
static void news_reach_a_server_that_was_cut_off(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct heard heard = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
    struct store *other = second_server(fixture, &heard);
    struct store_key_create key = {.op.kind = STORE_KEY_CREATE,
                                   .key = {.account = account, .role = ROLE_VIEWER, .name = xstrdup("n")},
                                   .key.key_id = xstrdup("key_1")};
    assert_int_equal(fixture_run(fixture, &key.op), 0);
    end_connections(fixture);
    struct store_key_revoke revoke = {
        .op.kind = STORE_KEY_REVOKE, .account = account, .key_id = STR("key_1"), .role = ROLE_OPERATOR};
    int err = ERR_UNAVAILABLE;
    for (int i = 0; i < TRIES && err == ERR_UNAVAILABLE; i++)
        err = fixture_run(fixture, &revoke.op);
    assert_int_equal(err, 0);
    pthread_mutex_lock(&heard.mutex);
    while (heard.revoked == 0)
        pthread_cond_wait(&heard.more, &heard.mutex);
    pthread_mutex_unlock(&heard.mutex);
    assert_int_equal(heard.revoked, revoke.ret_row);
    store_op_release(&key.op);
    store_free(&other);
}

// The operation was refused, and nobody here knows that it was committed all the same.
static void a_server_hears_what_it_has_told_without_knowing(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct heard heard = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
    struct store *store = second_server(fixture, &heard);
    struct store_key_create key = {.op.kind = STORE_KEY_CREATE,
                                   .key = {.account = account, .role = ROLE_VIEWER, .name = xstrdup("n")},
                                   .key.key_id = xstrdup("key_1")};
    assert_int_equal(fixture_run(fixture, &key.op), 0);
    struct store_key_revoke revoke = {
        .op.kind = STORE_KEY_REVOKE, .account = account, .key_id = STR("key_1"), .role = ROLE_OPERATOR};
    struct store *other = fixture->store;
    fixture->store = store;
    assert_int_equal(fixture_run(fixture, &revoke.op), 0);
    fixture->store = other;
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    int64_t transaction = fixture_number(sql, "SELECT transaction_id FROM news");
    peers_unsure(postgres_store_of(store)->peers, (uint64_t)transaction + 1000000); // not over yet
    peers_unsure(postgres_store_of(store)->peers, (uint64_t)transaction);
    pthread_mutex_lock(&heard.mutex);
    while (heard.revoked == 0)
        pthread_cond_wait(&heard.more, &heard.mutex);
    pthread_mutex_unlock(&heard.mutex);
    assert_int_equal(heard.revoked, revoke.ret_row);
    store_op_release(&key.op);
    store_free(&store);
}

// Then PostgreSQL writes the row's new version beside the old one, and touches no index.
static void no_index_holds_what_an_append_changes(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_beside(fixture);
    static const char indexes[] =
        "SELECT count(*) FROM pg_depend d JOIN pg_class i ON i.oid = d.objid AND i.relkind = 'i' JOIN pg_attribute a "
        "ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid WHERE d.refclassid = 'pg_class'::regclass AND ";
    CLEANUP(free_ptr)
    char *changed = xasprintf(
        "%s(d.refobjid = 'executions'::regclass AND a.attname IN ('next_sequence', 'digest', 'message_bytes') OR "
        "d.refobjid = 'producers'::regclass AND a.attname NOT IN ('execution', 'producer'))",
        indexes);
    CLEANUP(free_ptr) char *any = xasprintf("%sd.refobjid = 'executions'::regclass AND a.attname = 'is_long'", indexes);
    assert_int_equal(fixture_number(sql, changed), 0);
    assert_true(fixture_number(sql, any) > 0); // so the question finds what a condition names
}

static void a_group_whose_statement_fails_is_rolled_back_whole(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *where = postgres_fixture_conninfo(fixture);
    CLEANUP(buf_release) struct buf reason = {0};
    static const char *const items[] = {"CREATE TABLE IF NOT EXISTS planted(id BIGINT PRIMARY KEY)",
                                        "INSERT INTO planted(id) VALUES(?1)", "SELECT count(*) FROM planted"};
    const struct sql_texts texts = {.items = items, .count = ARRAY_LEN(items)};
    CLEANUP(sql_fixture_close) struct sql *sql = NULL;
    assert_int_equal(sql_postgres_open(where, texts, &sql, &reason), 0);
    assert_int_equal(sql_run(sql_statement(sql, 0), NULL), 0);
    struct sql_statement *insert = sql_statement(sql, 1), *count = sql_statement(sql, 2);
    sql_bind_i64(insert, 1, 1);
    assert_int_equal(sql_postgres_together(sql, SQL_POSTGRES_BEGIN, (struct sql_statement *[]){insert, count}, 2), 0);
    assert_int_equal(sql_run(insert, NULL), 0);
    assert_int_equal(sql_row(count), 1);
    assert_int_equal(sql_i64(count, 0), 1); // each sees what those before it did
    assert_int_equal(sql_commit(sql), 0);

    insert = sql_statement(sql, 1);
    count = sql_statement(sql, 2);
    sql_bind_i64(insert, 1, 1);
    assert_int_equal(
        sql_postgres_together(sql, SQL_POSTGRES_BEGIN, (struct sql_statement *[]){count, insert, count}, 3),
        ERR_CONFLICT);
    assert_true(sql_postgres_failed(sql));
    assert_int_equal(sql_rollback(sql), 0);

    insert = sql_statement(sql, 1);
    sql_bind_i64(insert, 1, 2);
    end_connections(fixture); // before a transaction has begun that costs nothing
    assert_int_equal(sql_postgres_together(sql, SQL_POSTGRES_BEGIN, &insert, 1), 0);
    assert_int_equal(sql_run(insert, NULL), 0);
    assert_int_equal(sql_commit(sql), 0);
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM planted"), 2);
}

// --- Commits whose answer was lost

static struct sql *writers_connect(void)
{
    struct sql *sql = NULL;
    CLEANUP(free_ptr) char *where = sql_fixture_database(postgres_fixture_engine(), "writers");
    CLEANUP(buf_release) struct buf reason = {0};
    assert_int_equal(sql_postgres_open(where, postgres_texts, &sql, &reason), 0);
    return sql;
}

// Of servers 1 and 2; the numbers are theirs.
static void write_number(struct sql *sql, uint64_t sender, uint64_t number)
{
    struct sql_statement *begins = sql_statement(sql, POSTGRES_WRITER_BEGINS);
    sql_bind_u64(begins, 1, sender);
    sql_bind_u64(begins, 2, number);
    sql_bind_u64(begins, 3, 0);
    assert_int_equal(sql_run(begins, NULL), 0);
}

static int ask_number(struct sql *sql, uint64_t sender, int64_t *ret)
{
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    assert_int_equal(sql_exec(sql, "SET LOCAL lock_timeout = '50ms'"), 0);
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, POSTGRES_WRITER_NUMBER);
    sql_bind_u64(find, 1, sender);
    int rc = sql_row(find);
    *ret = rc == 1 ? sql_i64(find, 0) : -1;
    assert_int_equal(sql_rollback(sql), 0);
    return rc;
}

static void the_last_transaction_of_a_server_is_known_once_it_is_over(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *sql = writers_connect();
    CLEANUP(sql_fixture_close) struct sql *other = writers_connect();
    int64_t number;
    for (uint64_t sender = 1; sender <= 2; sender++) { // one whose row is new to others, and one whose row is there
        if (sender == 2)
            write_number(other, 2, 4);
        assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
        write_number(sql, sender, 5);
        assert_int_equal(ask_number(other, sender, &number), ERR_UNAVAILABLE);
        assert_true(sql_again(other));
        assert_int_equal(sql_rollback(sql), 0);
        assert_int_equal(ask_number(other, sender, &number), 1);
        assert_int_equal(number, sender == 1 ? 0 : 4);
        assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
        write_number(sql, sender, 6);
        assert_int_equal(sql_commit(sql), 0);
        assert_int_equal(ask_number(other, sender, &number), 1);
        assert_int_equal(number, 6);
    }
}

static void what_is_sent_with_its_commit_is_there_or_nothing_of_it(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *sql = writers_connect();
    struct sql_statement *parts[2] = {sql_statement(sql, POSTGRES_WRITER_BEGINS),
                                      sql_statement(sql, POSTGRES_META_MAKE)};
    for (int round = 0; round < 2; round++) {
        sql_bind_u64(parts[0], 1, 3);
        sql_bind_u64(parts[0], 2, 7 + (uint64_t)round);
        sql_bind_u64(parts[0], 3, 0);
        sql_bind_text(parts[1], 1, round == 0 ? STR("one") : STR("two"));
        sql_bind_text(parts[1], 2, round == 0 ? STR("value") : (struct str){0});
        int err = sql_postgres_together(sql, SQL_POSTGRES_BEGIN | SQL_POSTGRES_COMMIT, parts, 2);
        assert_int_equal(err == 0, round == 0);
        assert_int_equal(sql_postgres_failed(sql), round == 1);
        sql_reset(&parts[0]);
        sql_reset(&parts[1]);
        assert_int_equal(sql_rollback(sql), 0);
        assert_int_equal(fixture_number(sql, "SELECT number FROM writers WHERE sender = 3"), 7);
    }
    assert_int_equal(fixture_number(sql, "SELECT count(*) FROM meta WHERE name IN ('one', 'two')"), 1);
}

static int64_t backend_of(struct sql *sql)
{
    return fixture_number(sql, "SELECT pg_backend_pid()");
}

static void a_connection_that_has_ended_meanwhile_costs_no_transaction(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *sql = sql_fixture_connect(postgres_fixture_engine());
    CLEANUP(sql_fixture_close) struct sql *other = sql_fixture_connect(postgres_fixture_engine());
    int64_t backend = backend_of(sql);
    CLEANUP(free_ptr) char *end = xasprintf("SELECT pg_terminate_backend(%lld, 10000)::int", (long long)backend);
    assert_int_equal(fixture_number(other, end), 1);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    assert_int_equal(fixture_number(sql, "SELECT 7"), 7);
    assert_true(backend_of(sql) != backend);
    assert_int_equal(sql_commit(sql), 0);
}

// The server tells of both before it has come to the end of what was sent: that a statement failed, and that it ends.
static void a_connection_that_ends_behind_a_failed_statement_is_made_anew(void **state)
{
    (void)state;
    static const char *const items[] = {"SELECT 1 / (0 * pg_terminate_backend(pg_backend_pid())::integer)"};
    static const unsigned bounds[] = {SQL_POSTGRES_BEGIN, SQL_POSTGRES_BEGIN | SQL_POSTGRES_COMMIT};
    const struct sql_texts texts = {.items = items, .count = ARRAY_LEN(items)};
    CLEANUP(free_ptr) char *where = sql_fixture_database(postgres_fixture_engine(), "writers");
    CLEANUP(buf_release) struct buf reason = {0};
    CLEANUP(sql_fixture_close) struct sql *sql = NULL;
    assert_int_equal(sql_postgres_open(where, texts, &sql, &reason), 0);
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        int64_t backend = backend_of(sql);
        struct sql_statement *fails = sql_statement(sql, 0);
        assert_true(sql_postgres_together(sql, bounds[i], &fails, 1) < 0);
        sql_reset(&fails);
        assert_int_equal(sql_rollback(sql), 0);
        assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
        assert_true(backend_of(sql) != backend);
        assert_int_equal(sql_commit(sql), 0);
    }
}

static void a_commit_is_durable_whatever_the_database_is_set_to(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *where = sql_fixture_database(postgres_fixture_engine(), "hasty");
    CLEANUP(sql_fixture_close) struct sql *before = sql_fixture_connect_to(where);
    assert_int_equal(sql_exec(before, "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', "
                                      "current_database()); END$$"),
                     0);
    CLEANUP(sql_fixture_close) struct sql *sql = sql_fixture_connect_to(where);
    assert_int_equal(fixture_number(sql, "SELECT (current_setting('synchronous_commit') = 'on')::int"), 1);
}

static void a_server_that_takes_no_more_writes_is_left(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *sql = sql_fixture_connect(postgres_fixture_engine());
    int64_t backend = backend_of(sql);
    assert_int_equal(sql_exec(sql, "SET default_transaction_read_only = on"), 0);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    assert_int_equal(sql_exec(sql, "CREATE TABLE nothing(x INT)"), ERR_UNAVAILABLE);
    sql_rollback(sql);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    assert_true(backend_of(sql) != backend);
    assert_int_equal(sql_exec(sql, "CREATE TABLE something(x INT)"), 0);
    assert_int_equal(sql_rollback(sql), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_index_holds_what_an_append_changes, postgres_fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_group_whose_statement_fails_is_rolled_back_whole, postgres_fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_lost_connection_costs_nothing_and_doubles_nothing, postgres_fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_query_after_a_lost_connection_is_answered, postgres_fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(
            a_database_that_is_marked_as_a_copy_is_another_incarnation_from_its_next_start_on, postgres_fixture_set_up,
            fixture_tear_down),
        cmocka_unit_test_setup_teardown(who_stands_still_in_a_transaction_holds_nobody_up_for_long,
                                        postgres_fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_another_server_made_and_this_one_ended_is_in_nobodys_way,
                                        postgres_fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_a_log_is_told_to_other_servers, postgres_fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(news_reach_a_server_that_was_cut_off, postgres_fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_server_hears_what_it_has_told_without_knowing, postgres_fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test(the_last_transaction_of_a_server_is_known_once_it_is_over),
        cmocka_unit_test(what_is_sent_with_its_commit_is_there_or_nothing_of_it),
        cmocka_unit_test(a_connection_that_has_ended_meanwhile_costs_no_transaction),
        cmocka_unit_test(a_connection_that_ends_behind_a_failed_statement_is_made_anew),
        cmocka_unit_test(a_commit_is_durable_whatever_the_database_is_set_to),
        cmocka_unit_test(a_server_that_takes_no_more_writes_is_left),
    };
    return POSTGRES_FIXTURE_RUN(tests);
}
