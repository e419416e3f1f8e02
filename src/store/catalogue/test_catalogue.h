// What tests of the catalogue share: changes, each a transaction of its own, on the engine under test.
#pragma once

#include "store/catalogue/catalogue.h"
#include "store/sql_fixture.h"

#define NOW 1763200000000
#define DAY (24 * 3600 * 1000LL)

static struct sql_fixture *engine_under_test;

// --- Transactions of one change each. The expression's outcome; what it refused is rolled back.
#define CHANGE(sql, expression)                                                  \
    ({                                                                           \
        assert_int_equal(sql_begin((sql), SQL_WRITE), 0);                        \
        int outcome_ = (expression);                                             \
        assert_int_equal(outcome_ < 0 ? sql_rollback(sql) : sql_commit(sql), 0); \
        outcome_;                                                                \
    })

UNUSED static int64_t ask(struct sql *sql, const char *text)
{
    int64_t number = 0;
    CLEANUP(sql_statement_free) struct sql_statement *statement = sql_prepare(sql, text);
    assert_int_equal(sql_number(statement, &number), 0);
    return number;
}

UNUSED static int64_t make_account(struct sql *sql, const char *name)
{
    struct store_account_ensure ensure = {.name = str_of(name)};
    assert_int_equal(CHANGE(sql, catalogue_account_ensure(sql, &ensure, NOW)), 0);
    return ensure.ret_account;
}

UNUSED static int change_account(struct sql *sql, const char *name, enum account_state state, bool purge)
{
    struct store_account_change change = {.name = str_of(name), .state = state, .purge = purge};
    return CHANGE(sql, catalogue_account_change(sql, &change, NOW));
}

UNUSED static int make_key(struct sql *sql, int64_t account, const char *key_id, enum role role)
{
    struct store_key_create create = {
        .key = {
            .account = account, .key_id = xstrdup(key_id), .name = xstrdup("Zoë"), .role = role, .created_ms = NOW}};
    memset(create.key.hash, 0xff, sizeof(create.key.hash));
    memcpy(create.key.hash, key_id, MIN(strlen(key_id), sizeof(create.key.hash)));
    int err = CHANGE(sql, catalogue_key_create(sql, &create));
    api_key_release(&create.key);
    return err;
}

UNUSED static int revoke_key(struct sql *sql, int64_t account, const char *key_id)
{
    struct store_key_revoke revoke = {.account = account, .key_id = str_of(key_id), .role = ROLE_OPERATOR};
    return CHANGE(sql, catalogue_key_revoke(sql, &revoke, NOW));
}

// `metadata` may be NULL.
static struct execution described(int64_t account, const char *execution_id, const char *metadata)
{
    return (struct execution){
        .account = account,
        .execution_id = xstrdup(execution_id),
        .status = STATUS_QUEUED,
        .restored_from = UINT64_MAX,
        .metadata_json = metadata ? xstrdup(metadata) : NULL,
    };
}

// What it is made of is released. ret_row may be NULL.
static int create(struct sql *sql, struct execution execution, int64_t *ret_row)
{
    struct store_create made = {.execution = execution};
    int err = CHANGE(sql, ({
                         int checked = catalogue_create_check(sql, &made);
                         checked < 0 ? checked : catalogue_create(sql, &made, NOW);
                     }));
    if (ret_row)
        *ret_row = made.execution.row;
    execution_release(&made.execution);
    return err;
}

UNUSED static int64_t make_execution(struct sql *sql, int64_t account, const char *execution_id, const char *metadata)
{
    int64_t row;
    assert_int_equal(create(sql, described(account, execution_id, metadata), &row), 0);
    return row;
}

UNUSED static size_t list_rows(struct sql *sql, struct store_list list, int64_t rows[static 64])
{
    size_t count = 0;
    assert_int_equal(catalogue_list_rows(sql, &list, 63, rows, &count), 0);
    for (size_t i = 1; i < count; i++)
        assert_true(rows[i] < rows[i - 1]); // newest first
    return count;
}

UNUSED static size_t list_count(struct sql *sql, struct store_list list)
{
    int64_t rows[64];
    return list_rows(sql, list, rows);
}

UNUSED static int patch(struct sql *sql, int64_t account, int64_t row, const char *metadata)
{
    CLEANUP(free_ptr) char *merged = NULL;
    int err = catalogue_metadata_judge(sql, row, str_of(metadata), 0, &merged);
    return err < 0 ? err : catalogue_metadata_set(sql, account, row, str_of(merged));
}

static int set_up(void **state)
{
    sql_fixture_reset(engine_under_test);
    *state = sql_fixture_connect(engine_under_test);
    return 0;
}

static int tear_down(void **state)
{
    sql_fixture_close((struct sql **)state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
