// Copies between both engines: killed, refused, and of what is damaged.
#include "store/copy/copy.h"
#include "store/copy/side.h"
#include "store/copy/tables.h"
#include "store/postgres/postgres_copy.h"
#include "store/postgres/postgres_store.h"
#include "store/schema/schema.h"
#include "store/sql_fixture.h"
#include "store/sqlite/copy/side.h"
#include "store/sqlite/sqlite_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS_MOST 50
#define FURTHER    9 // each attempt comes so many transactions further before it is killed

static struct sql_fixture *postgres; // NULL: not here

// --- Stores

static char *database_of(const char *folder)
{
    char *name = xstrdup(strrchr(folder, '/') + 1);
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    return name;
}

static char *address_of(const char *folder)
{
    CLEANUP(free_ptr) char *name = database_of(folder);
    return sql_fixture_database(postgres, name);
}

static int open_postgres(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(free_ptr) char *where = address_of(folder);
    CLEANUP(buf_release) struct buf error = {0};
    return postgres_store_open(
        &(struct postgres_options){.conninfo = where, .readers = 2, .now_ms = fixture_clock, .now_arg = now_ms}, &error,
        ret);
}

static int open_nothing(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    (void)folder;
    (void)now_ms;
    *ret = NULL;
    return 0;
}

static const struct fixture_adapter in_postgres = {"postgres", open_postgres}, nowhere = {"nothing", open_nothing};

static struct fixture *empty_place(void)
{
    return fixture_new(&nowhere);
}

static struct sql *connect_to(const struct fixture *place)
{
    CLEANUP(free_ptr) char *where = address_of(place->folder);
    return sql_fixture_connect_to(where);
}

// --- Copying

struct attempt {
    struct fixture *from, *to;
    const struct fixture_adapter *from_kind, *to_kind;
    int kill_at; // after so many transactions; 0: never
    int told;
};

static int open_end(const struct fixture *place, const struct fixture_adapter *kind, bool is_target,
                    struct copy_side **ret, struct buf *error)
{
    if (kind == &in_postgres) {
        CLEANUP(free_ptr) char *where = address_of(place->folder);
        return is_target ? postgres_copy_to(where, ret, error) : postgres_copy_from(where, ret, error);
    }
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", place->folder);
    return is_target ? sqlite_copy_to(path, ret, error) : sqlite_copy_from(path, ret, error);
}

static void die_in_time(void *arg, const struct copy_progress *progress)
{
    struct attempt *attempt = arg;
    (void)progress;
    if (++attempt->told == attempt->kill_at)
        raise(SIGKILL);
}

static int copy(struct attempt *attempt, struct store_copied *ret, struct buf *error)
{
    struct store_copying copying = {
        .command = "runnel store copy HERE THERE", .progress = die_in_time, .arg = attempt, .commit_bytes = 1};
    *ret = (struct store_copied){0};
    int err = open_end(attempt->from, attempt->from_kind, false, &copying.from, error);
    if (err == 0)
        err = open_end(attempt->to, attempt->to_kind, true, &copying.to, error);
    if (err == 0)
        err = copy_store(&copying, ret, error);
    copy_side_free(&copying.to);
    copy_side_free(&copying.from);
    return err;
}

static void copied(struct attempt *attempt)
{
    CLEANUP(store_copied_release) struct store_copied done;
    CLEANUP(buf_release) struct buf error = {0};
    if (copy(attempt, &done, &error) < 0)
        fail_msg("%s", buf_cstr(&error));
}

static void refused(struct attempt *attempt, int expected, const char *says)
{
    CLEANUP(store_copied_release) struct store_copied done;
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(copy(attempt, &done, &error), expected);
    if (!strstr(buf_cstr(&error), says))
        fail_msg("\"%s\" is not in: %s", says, buf_cstr(&error));
}

// In a process of its own. Returns whether it was killed.
static bool copied_until_killed(struct attempt *attempt)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        CLEANUP(buf_release) struct buf error = {0};
        struct store_copied done;
        int err = copy(attempt, &done, &error);
        if (err < 0)
            fprintf(stderr, "%s\n", buf_cstr(&error));
        _exit(err < 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

// --- What is in them

#define LOGS  3
#define LINES 3000

struct filled {
    int64_t account;
    int64_t rows[LOGS];
    uint64_t next[LOGS];
};

// Large and small chunks, merged and fresh ones; the last log is open.
static void fill(struct fixture *fixture, struct filled *ret)
{
    ret->account = fixture_account(fixture, "an account with ümlauts");
    for (size_t i = 0; i < LOGS; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("exec_%zu", i);
        ret->rows[i] = fixture_create(fixture, ret->account, id, STATUS_RUNNING);
        ret->next[i] = 0;
        for (uint32_t count = 1; count <= 40; count += 13)
            fixture_append_next(fixture, ret->rows[i], &ret->next[i], count, 40);
        fixture_append_next(fixture, ret->rows[i], &ret->next[i], LINES, 90);
        fixture_append_next(fixture, ret->rows[i], &ret->next[i], 2, 40);
        if (i + 1 < LOGS)
            fixture_complete_with_digest(fixture, ret->rows[i], ret->next[i]);
    }
}

// The whole of it is read, and it is gone on with: by the producer of the open log, and by another execution, which
// gets a number that none has had.
static void check_and_go_on(struct fixture *place, const struct fixture_adapter *kind, const char *incarnation,
                            struct filled *filled)
{
    place->adapter = kind;
    fixture_reopen(place);
    assert_string_equal(store_incarnation(place->store), incarnation);
    assert_int_equal(fixture_account(place, "an account with ümlauts"), filled->account);
    for (size_t i = 0; i < LOGS; i++)
        assert_int_equal(fixture_read(place, filled->rows[i], 0, 1 << 20, fixture_check_record, NULL), filled->next[i]);
    uint64_t *next = &filled->next[LOGS - 1];
    CLEANUP(chunk_unref) struct chunk *known = fixture_chunk(*next - 1, 1, 40, 1000);
    struct store_append again = fixture_append(place, filled->rows[LOGS - 1], "p", *next - 1, known);
    assert_int_equal(again.op.err, 0);
    assert_int_equal(again.ret_first_sequence, *next - 1);
    fixture_append_next(place, filled->rows[LOGS - 1], next, 3, 40);
    CLEANUP(free_ptr) char *id = xasprintf("exec_later_in_%s", place->folder);
    assert_true(fixture_create(place, filled->account, id, STATUS_RUNNING) > filled->rows[LOGS - 1]);
    store_free(&place->store);
}

// --- Tests

static void check_tables(struct copy_side *side, struct copy_side *other)
{
    CLEANUP(buf_release) struct buf error = {0};
    char **names;
    size_t count;
    assert_int_equal(copy_tables_list(side, COPY_ROWS, &names, &count), 0);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(copy_table_release) struct copy_table table = {0};
        if (copy_table_load(side, other, str_of(names[i]), &table, &error) < 0)
            fail_msg("%s; name it in store/copy/tables.c if it is of one engine alone", buf_cstr(&error));
    }
    copy_tables_free(&names, count);
}

static void every_table_is_copied_or_it_is_said_why_not(void **state)
{
    (void)state;
    if (!postgres)
        skip();
    struct fixture *file = fixture_new(&fixture_plain), *database = fixture_new(&in_postgres);
    CLEANUP(buf_release) struct buf error = {0};
    struct copy_side *one = NULL, *other = NULL;
    store_free(&file->store);
    store_free(&database->store);
    assert_int_equal(open_end(file, &fixture_plain, false, &one, &error), 0);
    assert_int_equal(open_end(database, &in_postgres, false, &other, &error), 0);
    check_tables(one, other);
    check_tables(other, one);
    copy_side_free(&one);
    copy_side_free(&other);
    fixture_free(&file);
    fixture_free(&database);
}

static void a_copy_that_is_killed_again_and_again_goes_on(void **state)
{
    (void)state;
    if (!postgres)
        skip();
    struct fixture *file = fixture_new(&fixture_merging), *database = empty_place(), *back = empty_place();
    struct filled filled;
    fill(file, &filled);
    CLEANUP(free_ptr) char *incarnation = xstrdup(store_incarnation(file->store));
    store_free(&file->store);
    struct attempt there = {file, database, &fixture_merging, &in_postgres, 0, 0};
    struct attempt again = {database, back, &in_postgres, &fixture_plain, 0, 0};
    int kills = 0;
    for (there.kill_at = 2; copied_until_killed(&there); there.kill_at += FURTHER)
        assert_true(++kills < KILLS_MOST);
    assert_true(kills >= 3);
    check_and_go_on(database, &in_postgres, incarnation, &filled);
    kills = 0;
    for (again.kill_at = 3; copied_until_killed(&again); again.kill_at += FURTHER)
        assert_true(++kills < KILLS_MOST);
    assert_true(kills >= 3);
    check_and_go_on(back, &fixture_plain, incarnation, &filled);
    fixture_free(&file);
    fixture_free(&database);
    fixture_free(&back);
}

static void begin_only(struct attempt *attempt)
{
    attempt->kill_at = 5;
    assert_true(copied_until_killed(attempt));
    attempt->kill_at = 0;
}

static void a_server_does_not_start_on_an_unfinished_copy(void **state)
{
    (void)state;
    static const struct fixture_adapter *const kinds[] = {&fixture_plain, &in_postgres};
    struct fixture *file = fixture_new(&fixture_plain);
    struct filled filled;
    fill(file, &filled);
    store_free(&file->store);
    for (size_t i = 0; i < ARRAY_LEN(kinds) && (i == 0 || postgres); i++) {
        struct fixture *place = empty_place();
        struct attempt attempt = {file, place, &fixture_plain, kinds[i], 0, 0};
        begin_only(&attempt);
        CLEANUP(buf_release) struct buf error = {0};
        CLEANUP(free_ptr) char *where = postgres ? address_of(place->folder) : NULL;
        struct store *store = NULL;
        int err =
            i == 0 ? fixture_open_tuned(place->folder, (struct sqlite_tuning){0}, &error, &store)
                   : postgres_store_open(&(struct postgres_options){.conninfo = where, .readers = 1}, &error, &store);
        assert_int_equal(err, ERR_CONFLICT);
        assert_non_null(strstr(buf_cstr(&error), "is a copy that is not finished. To go on with it: "
                                                 "runnel store copy HERE THERE. To give it up, remove it"));
        copied(&attempt); // it has taken no harm by that
        fixture_free(&place);
    }
    fixture_free(&file);
}

static void what_cannot_be_a_copy_of_it_is_refused(void **state)
{
    (void)state;
    struct fixture *file = fixture_new(&fixture_plain), *other = fixture_new(&fixture_plain);
    struct fixture *place = empty_place(), *nothing = empty_place();
    struct attempt attempt = {file, place, &fixture_plain, &fixture_plain, 0, 0};
    struct attempt of_other = {other, place, &fixture_plain, &fixture_plain, 0, 0};
    struct attempt onto_other = {file, other, &fixture_plain, &fixture_plain, 0, 0};
    struct attempt of_nothing = {nothing, place, &fixture_plain, &fixture_plain, 0, 0};
    struct attempt of_copy = {place, nothing, &fixture_plain, &fixture_plain, 0, 0};
    struct filled filled;
    fill(file, &filled);
    refused(&attempt, ERR_CONFLICT, "is in use by another process");
    store_free(&file->store);
    refused(&onto_other, ERR_CONFLICT, "is in use by another process");
    store_free(&other->store);
    refused(&onto_other, ERR_CONFLICT, "holds a store already: name an empty one");
    refused(&of_nothing, ERR_NOT_FOUND, "there is no store at");
    begin_only(&attempt);
    refused(&of_other, ERR_CONFLICT, "is a copy that is not finished, of another store (runnel store copy HERE THERE)");
    refused(&of_copy, ERR_CONFLICT, "is a copy that is not finished");
    // Another server has had it since.
    fixture_reopen(file);
    struct store_node_start start = {.op.kind = STORE_NODE_START, .node_kind = NODE_SERVER};
    assert_int_equal(fixture_run(file, &start.op), 0);
    store_free(&file->store);
    refused(&attempt, ERR_CONFLICT, "a server has run on");
    fixture_free(&file);
    fixture_free(&other);
    fixture_free(&place);
    fixture_free(&nothing);
}

static void a_database_that_servers_use_is_refused(void **state)
{
    (void)state;
    if (!postgres)
        skip();
    struct fixture *database = fixture_new(&in_postgres), *place = empty_place();
    struct attempt attempt = {database, place, &in_postgres, &fixture_plain, 0, 0};
    CLEANUP(sql_fixture_close) struct sql *sql = connect_to(database);
    assert_int_equal(sql_exec(sql, "INSERT INTO nodes(kind, started_ms, heartbeat_ms) VALUES(1, 0, {now_ms} - 10000)"),
                     0);
    refused(&attempt, ERR_CONFLICT,
            "is in use by 1 server: stop it first. One that was killed counts for 30 seconds more");
    assert_int_equal(sql_exec(sql, "UPDATE nodes SET heartbeat_ms = {now_ms} - 40000"), 0);
    copied(&attempt);
    fixture_free(&database);
    fixture_free(&place);
}

// `planted` damages the store in the file; the copy says `says`, and is not finished.
static void damaged(const struct fixture_adapter *to, const char *planted, int expected, const char *says)
{
    struct fixture *file = fixture_new(&fixture_merging), *place = empty_place();
    struct attempt attempt = {file, place, &fixture_plain, to, 0, 0};
    struct filled filled;
    fill(file, &filled);
    fixture_await_merged(file);
    store_free(&file->store);
    fixture_execute(file, planted);
    refused(&attempt, expected, says);
    place->adapter = attempt.to_kind;
    assert_int_equal(place->adapter->open(place->folder, &place->now_ms, &place->store), ERR_CONFLICT);
    fixture_free(&file);
    fixture_free(&place);
}

static void a_damaged_chunk_is_found(void **state)
{
    (void)state;
    damaged(&fixture_plain,
            "UPDATE chunks SET body = substr(body, 1, 100) || x'00' || substr(body, 102) "
            "WHERE id = (SELECT max(c.id) FROM chunks c JOIN executions e ON e.id = c.execution "
            "WHERE e.execution_id = 'exec_1')",
            ERR_DIGEST, "exec_1: in ");
}

static void what_lies_elsewhere_needs_to_be_read_there(void **state)
{
    (void)state;
    damaged(&fixture_plain, "INSERT INTO cold_chunks VALUES(1, 0, 1, 1, 1, 0, 1, 0)", ERR_INVALID,
            "lie in S3: give the settings");
}

static void a_missing_chunk_is_found(void **state)
{
    (void)state;
    damaged(&fixture_plain,
            "DELETE FROM chunks WHERE execution = (SELECT id FROM executions WHERE execution_id = 'exec_2')",
            ERR_DIGEST, "none of its records can be read: they are missing");
}

static void records_that_are_not_those_that_were_written_are_found(void **state)
{
    (void)state;
    damaged(&fixture_plain, "UPDATE executions SET digest = digest + 1 WHERE execution_id = 'exec_0'", ERR_DIGEST,
            "and had ");
}

// Where nobody knows the digest of what was cut off, both ends are read; where it is known, it counts.
static void a_log_whose_front_was_cut_is_copied_from_there(void **state)
{
    (void)state;
    struct fixture *file = fixture_new(&fixture_merging), *place = empty_place(), *other = empty_place();
    struct attempt attempt = {file, place, &fixture_plain, &fixture_plain, 0, 0};
    struct attempt again = {file, other, &fixture_plain, &fixture_plain, 0, 0};
    CLEANUP(store_copied_release) struct store_copied done;
    CLEANUP(buf_release) struct buf error = {0};
    struct filled filled;
    fill(file, &filled);
    fixture_await_merged(file);
    store_free(&file->store);
    fixture_execute(file, "UPDATE executions SET first_sequence = (SELECT c.count FROM chunks c WHERE "
                          "c.execution = executions.id AND c.first = 0) WHERE execution_id = 'exec_0'; "
                          "DELETE FROM chunks WHERE first = 0 AND execution = "
                          "(SELECT id FROM executions WHERE execution_id = 'exec_0')");
    uint64_t cut = (uint64_t)fixture_query(file, "SELECT first_sequence FROM executions WHERE execution_id = 'exec_0'");
    assert_true(cut > 0 && cut < filled.next[0]);
    if (copy(&attempt, &done, &error) < 0)
        fail_msg("%s", buf_cstr(&error));
    assert_int_equal(done.records, LOGS * filled.next[0] - cut);
    assert_int_equal(done.executions, LOGS);
    fixture_execute(file, "UPDATE executions SET cut_digest = 1 WHERE execution_id = 'exec_0'");
    refused(&again, ERR_DIGEST, "exec_0: in ");
    fixture_free(&file);
    fixture_free(&place);
    fixture_free(&other);
}

static void text_that_postgres_cannot_hold_is_named(void **state)
{
    (void)state;
    if (!postgres)
        skip();
    damaged(&in_postgres, "UPDATE executions SET owner = CAST(x'610062' AS TEXT) WHERE execution_id = 'exec_1'",
            ERR_INVALID, "of the table executions is text that PostgreSQL cannot hold: it has a zero byte");
}

static void a_row_that_was_changed_in_the_copy_is_found(void **state)
{
    (void)state;
    if (!postgres)
        skip();
    struct fixture *file = fixture_new(&fixture_plain), *place = empty_place();
    struct attempt attempt = {file, place, &fixture_plain, &in_postgres, 0, 0};
    struct filled filled;
    fill(file, &filled);
    store_free(&file->store);
    begin_only(&attempt);
    CLEANUP(sql_fixture_close) struct sql *sql = connect_to(place);
    assert_int_equal(sql_exec(sql, "UPDATE accounts SET created_ms = created_ms + 1"), 0);
    refused(&attempt, ERR_DIGEST, "the row (1) of the table accounts is not the same in ");
    fixture_free(&file);
    fixture_free(&place);
}

static void a_chunk_that_went_from_the_copy_is_found(void **state)
{
    (void)state;
    if (!postgres)
        skip();
    struct fixture *file = fixture_new(&fixture_plain), *place = empty_place();
    struct attempt attempt = {file, place, &fixture_plain, &in_postgres, 20, 0}; // when there are some
    struct filled filled;
    fill(file, &filled);
    store_free(&file->store);
    assert_true(copied_until_killed(&attempt));
    attempt.kill_at = 0;
    CLEANUP(sql_fixture_close) struct sql *sql = connect_to(place);
    assert_int_equal(sql_exec(sql, "DELETE FROM chunks WHERE execution = (SELECT min(execution) FROM chunks)"), 0);
    refused(&attempt, ERR_DIGEST, "none of its records can be read: they are missing");
    fixture_free(&file);
    fixture_free(&place);
}

int main(void)
{
    const char *reason;
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_is_copied_or_it_is_said_why_not),
        cmocka_unit_test(a_copy_that_is_killed_again_and_again_goes_on),
        cmocka_unit_test(a_server_does_not_start_on_an_unfinished_copy),
        cmocka_unit_test(what_cannot_be_a_copy_of_it_is_refused),
        cmocka_unit_test(a_database_that_servers_use_is_refused),
        cmocka_unit_test(a_damaged_chunk_is_found),
        cmocka_unit_test(what_lies_elsewhere_needs_to_be_read_there),
        cmocka_unit_test(a_missing_chunk_is_found),
        cmocka_unit_test(records_that_are_not_those_that_were_written_are_found),
        cmocka_unit_test(a_log_whose_front_was_cut_is_copied_from_there),
        cmocka_unit_test(text_that_postgres_cannot_hold_is_named),
        cmocka_unit_test(a_row_that_was_changed_in_the_copy_is_found),
        cmocka_unit_test(a_chunk_that_went_from_the_copy_is_found),
    };
    postgres = sql_fixture_new(SQL_POSTGRES, &reason);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sql_fixture_free(&postgres);
    return failed;
}
