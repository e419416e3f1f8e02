// Accounts, and keys across them, as every adapter of the store's port does them.
#include "store/store_fixture.h"

static struct account make_account(struct fixture *fixture, const char *name)
{
    struct store_account_create create = {.op.kind = STORE_ACCOUNT_CREATE, .name = str_of(name)};
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    return create.ret_account;
}

static int create_err(struct fixture *fixture, const char *name)
{
    struct store_account_create create = {.op.kind = STORE_ACCOUNT_CREATE, .name = str_of(name)};
    return fixture_run(fixture, &create.op);
}

static int change_err(struct fixture *fixture, const char *name, enum account_state state, bool purge)
{
    struct store_account_change change = {
        .op.kind = STORE_ACCOUNT_CHANGE, .name = str_of(name), .state = state, .purge = purge};
    return fixture_run(fixture, &change.op);
}

struct new_key {
    const char *account_name, *key_id;
    enum role role;
    int64_t expires_ms;
};

static int make_key(struct fixture *fixture, struct new_key made)
{
    struct store_key_create create = {
        .op.kind = STORE_KEY_CREATE,
        .account_name = str_of(made.account_name),
        .key = {.key_id = xstrdup(made.key_id),
                .name = xstrdup(""),
                .role = made.role,
                .created_ms = 5,
                .expires_ms = made.expires_ms},
    };
    snprintf((char *)create.key.hash, sizeof(create.key.hash), "%s", made.key_id);
    int err = fixture_run(fixture, &create.op);
    store_op_release(&create.op);
    return err;
}

static int revoke_err(struct fixture *fixture, const char *account_name, const char *key_id, enum role by)
{
    struct store_key_revoke revoke = {
        .op.kind = STORE_KEY_REVOKE, .account_name = str_of(account_name), .key_id = str_of(key_id), .role = by};
    return fixture_run(fixture, &revoke.op);
}

static int rename_err(struct fixture *fixture, const char *account_name, const char *key_id, const char *name,
                      enum role by)
{
    struct store_key_rename rename = {.op.kind = STORE_KEY_RENAME,
                                      .account_name = str_of(account_name),
                                      .key_id = str_of(key_id),
                                      .name = str_of(name),
                                      .role = by};
    return fixture_run(fixture, &rename.op);
}

static void assert_key_name(struct fixture *fixture, const char *account_name, const char *key_id, const char *name)
{
    struct store_key_list list = {.op.kind = STORE_KEY_LIST, .account_name = str_of(account_name)};
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    size_t i = 0;
    while (i < list.ret_count && strcmp(list.ret_keys[i].key_id, key_id) != 0)
        i++;
    assert_true(i < list.ret_count);
    assert_string_equal(list.ret_keys[i].name, name);
    store_op_release(&list.op);
}

static struct api_key find_key(struct fixture *fixture, const char *key_id)
{
    struct store_key_find find = {.op.kind = STORE_KEY_FIND};
    snprintf((char *)find.hash, sizeof(find.hash), "%s", key_id);
    assert_int_equal(fixture_run(fixture, &find.op), 0);
    struct api_key key = find.ret_key;
    key.key_id = key.name = NULL;
    store_op_release(&find.op);
    return key;
}

// --- Names and lists

static void the_name_of_an_account_is_taken_for_ever(void **state)
{
    struct fixture *fixture = *state;
    struct account a = make_account(fixture, "a");
    assert_string_equal(a.name, "a");
    assert_int_equal(a.created_ms, atomic_load(&fixture->now_ms));
    assert_int_equal(create_err(fixture, "a"), ERR_CONFLICT);
    assert_int_equal(change_err(fixture, "a", ACCOUNT_DELETED, false), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(create_err(fixture, "a"), ERR_EXPIRED);
        assert_int_equal(change_err(fixture, "a", ACCOUNT_ACTIVE, false), ERR_EXPIRED);
        assert_int_equal(change_err(fixture, "a", ACCOUNT_DELETED, true), ERR_EXPIRED);
        assert_int_equal(make_key(fixture, (struct new_key){"a", "key_1", ROLE_VIEWER, 0}), ERR_EXPIRED);
        fixture_reopen(fixture);
    }
    assert_int_equal(change_err(fixture, "b", ACCOUNT_SUSPENDED, false), ERR_NOT_FOUND);
    assert_int_equal(make_key(fixture, (struct new_key){"b", "key_1", ROLE_VIEWER, 0}), ERR_NOT_FOUND);
}

static void accounts_are_listed_in_pages_without_the_deleted_ones(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        make_account(fixture, names[i]);
    assert_int_equal(change_err(fixture, "b", ACCOUNT_DELETED, false), 0);
    assert_int_equal(change_err(fixture, "c", ACCOUNT_SUSPENDED, false), 0);
    struct store_account_list list = {.op.kind = STORE_ACCOUNT_LIST, .limit = 2};
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    assert_int_equal(list.ret_count, 2);
    assert_string_equal(list.ret_accounts[0].name, "a");
    assert_string_equal(list.ret_accounts[1].name, "c");
    assert_int_equal(list.ret_accounts[0].suspended_ms, 0);
    assert_int_equal(list.ret_accounts[1].suspended_ms, atomic_load(&fixture->now_ms));
    struct store_account_list rest = {.op.kind = STORE_ACCOUNT_LIST, .limit = 2, .after_row = list.ret_next_row};
    store_op_release(&list.op);
    assert_int_equal(fixture_run(fixture, &rest.op), 0);
    assert_int_equal(rest.ret_count, 2);
    assert_string_equal(rest.ret_accounts[1].name, "e");
    assert_int_equal(rest.ret_next_row, 0);
    store_op_release(&rest.op);
    struct store_account_list one = {.op.kind = STORE_ACCOUNT_LIST, .name = STR("d")};
    assert_int_equal(fixture_run(fixture, &one.op), 0);
    assert_int_equal(one.ret_count, 1);
    assert_string_equal(one.ret_accounts[0].name, "d");
    store_op_release(&one.op);
}

// --- Keys

static void keys_are_kept_apart_by_account_and_untouched_from_below(void **state)
{
    struct fixture *fixture = *state;
    make_account(fixture, "a");
    make_account(fixture, "b");
    assert_int_equal(make_key(fixture, (struct new_key){"a", "key_o", ROLE_OPERATOR, 0}), 0);
    assert_int_equal(make_key(fixture, (struct new_key){"a", "key_o2", ROLE_OPERATOR, 0}), 0);
    assert_int_equal(make_key(fixture, (struct new_key){"b", "key_v", ROLE_VIEWER, 0}), 0);
    assert_int_equal(revoke_err(fixture, "a", "key_v", ROLE_OPERATOR), ERR_NOT_FOUND);
    assert_int_equal(revoke_err(fixture, "a", "key_o2", ROLE_ADMIN), ERR_FORBIDDEN);
    assert_int_equal(find_key(fixture, "key_o2").revoked_ms, 0);
    assert_int_equal(revoke_err(fixture, "a", "key_o2", ROLE_OPERATOR), 0);
    assert_int_equal(revoke_err(fixture, "b", "key_v", ROLE_ADMIN), 0);
    struct store_key_list list = {.op.kind = STORE_KEY_LIST, .account_name = STR("b")};
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    assert_int_equal(list.ret_count, 1);
    assert_string_equal(list.ret_keys[0].key_id, "key_v");
    store_op_release(&list.op);
}

// Each row: the operator keys of account a, then what becomes of revoking the first of them. Times are from now on; 0:
// never.
static void a_key_gets_another_name_from_those_above_it_in_its_account(void **state)
{
    struct fixture *fixture = *state;
    make_account(fixture, "a");
    make_account(fixture, "b");
    assert_int_equal(make_key(fixture, (struct new_key){"a", "key_1", ROLE_ADMIN, 0}), 0);
    assert_int_equal(make_key(fixture, (struct new_key){"a", "key_2", ROLE_VIEWER, 0}), 0);
    assert_int_equal(make_key(fixture, (struct new_key){"b", "key_3", ROLE_ADMIN, 0}), 0);
    assert_int_equal(rename_err(fixture, "a", "key_1", "größer", ROLE_ADMIN), 0);
    assert_key_name(fixture, "a", "key_1", "größer");
    assert_key_name(fixture, "a", "key_2", "");
    assert_key_name(fixture, "b", "key_3", "");
    assert_int_equal(rename_err(fixture, "a", "key_1", "x", ROLE_SERVICE), ERR_FORBIDDEN);
    assert_int_equal(rename_err(fixture, "a", "key_9", "x", ROLE_OPERATOR), ERR_NOT_FOUND);
    assert_int_equal(rename_err(fixture, "b", "key_1", "x", ROLE_OPERATOR), ERR_NOT_FOUND);
    assert_int_equal(rename_err(fixture, "nobody", "key_1", "x", ROLE_OPERATOR), ERR_NOT_FOUND);
    assert_key_name(fixture, "a", "key_1", "größer");
    assert_int_equal(revoke_err(fixture, "a", "key_2", ROLE_ADMIN), 0);
    assert_int_equal(rename_err(fixture, "a", "key_2", "was the dashboard's", ROLE_ADMIN), 0);
    fixture_reopen(fixture);
    assert_key_name(fixture, "a", "key_2", "was the dashboard's");
    assert_true(find_key(fixture, "key_2").revoked_ms > 0);
}

static void an_operator_key_goes_only_while_another_lasts_as_long(void **state)
{
    const struct {
        int64_t first_ms, second_ms; // -1: there is none
        bool elsewhere, suspended;   // the second is another account's, which is suspended
        int err;
    } cases[] = {
        {0, -1, false, false, ERR_LAST_OPERATOR},
        {0, 0, false, false, 0},
        {0, 1000, false, false, ERR_LAST_OPERATOR},
        {1000, 0, false, false, 0},
        {1000, -1, false, false, ERR_LAST_OPERATOR},
        {1000, 500, false, false, ERR_LAST_OPERATOR},
        {1000, 1000, false, false, 0},
        {-500, -1, false, false, 0}, // it has run out already
        {0, 0, true, false, 0},
        {0, 0, true, true, ERR_LAST_OPERATOR},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *fixture = fixture_new(((struct fixture *)*state)->adapter);
        int64_t now = atomic_load(&fixture->now_ms), first = cases[i].first_ms, second = cases[i].second_ms;
        make_account(fixture, "a");
        make_account(fixture, "b");
        assert_int_equal(make_key(fixture, (struct new_key){"a", "key_1", ROLE_OPERATOR, first ? now + first : 0}), 0);
        if (second >= 0)
            assert_int_equal(make_key(fixture, (struct new_key){cases[i].elsewhere ? "b" : "a", "key_2", ROLE_OPERATOR,
                                                                second ? now + second : 0}),
                             0);
        if (cases[i].suspended)
            assert_int_equal(change_err(fixture, "b", ACCOUNT_SUSPENDED, false), 0);
        assert_int_equal(revoke_err(fixture, "a", "key_1", ROLE_OPERATOR), cases[i].err);
        assert_int_equal(find_key(fixture, "key_1").revoked_ms > 0, cases[i].err == 0);
        assert_int_equal(revoke_err(fixture, "a", "key_1", ROLE_OPERATOR), cases[i].err); // again: the same
        fixture_free(&fixture);
    }
}

static void the_account_of_the_last_operator_is_neither_suspended_nor_deleted(void **state)
{
    struct fixture *fixture = *state;
    make_account(fixture, "a");
    make_account(fixture, "b");
    make_key(fixture, (struct new_key){"a", "key_o", ROLE_OPERATOR, 0});
    make_key(fixture, (struct new_key){"a", "key_o2", ROLE_OPERATOR, 0});
    assert_int_equal(change_err(fixture, "a", ACCOUNT_SUSPENDED, false), ERR_LAST_OPERATOR);
    assert_int_equal(change_err(fixture, "a", ACCOUNT_DELETED, true), ERR_LAST_OPERATOR);
    make_key(fixture, (struct new_key){"b", "key_p", ROLE_OPERATOR, 0});
    assert_int_equal(change_err(fixture, "a", ACCOUNT_SUSPENDED, false), 0);
    assert_true(find_key(fixture, "key_o").account_suspended);
    assert_false(find_key(fixture, "key_p").account_suspended);
    assert_int_equal(change_err(fixture, "b", ACCOUNT_SUSPENDED, false), ERR_LAST_OPERATOR);
    assert_int_equal(revoke_err(fixture, "b", "key_p", ROLE_OPERATOR), ERR_LAST_OPERATOR);
    assert_int_equal(change_err(fixture, "a", ACCOUNT_ACTIVE, false), 0);
    assert_false(find_key(fixture, "key_o").account_suspended);
    assert_int_equal(change_err(fixture, "b", ACCOUNT_SUSPENDED, false), 0);
}

// --- Suspended and deleted

static int give_up(struct fixture *fixture, int64_t row, uint64_t grace_ms)
{
    struct store_update update = {.op.kind = STORE_UPDATE,
                                  .row = row,
                                  .has_outcome = true,
                                  .outcome = {.cause = OUTCOME_GIVEN_UP},
                                  .grace_ms = grace_ms};
    int err = fixture_run(fixture, &update.op);
    store_op_release(&update.op);
    return err;
}

static void nothing_of_a_suspended_account_is_given_up_nor_soon_after(void **state)
{
    struct fixture *fixture = *state;
    struct account a = make_account(fixture, "a");
    int64_t row = fixture_create(fixture, a.row, "e", STATUS_RUNNING);
    assert_int_equal(change_err(fixture, "a", ACCOUNT_SUSPENDED, false), 0);
    atomic_fetch_add(&fixture->now_ms, 1000000);
    assert_int_equal(give_up(fixture, row, 1000), ERR_SUSPENDED);
    assert_int_equal(change_err(fixture, "a", ACCOUNT_ACTIVE, false), 0);
    atomic_fetch_add(&fixture->now_ms, 999);
    assert_int_equal(give_up(fixture, row, 1000), ERR_SUSPENDED);
    atomic_fetch_add(&fixture->now_ms, 1);
    assert_int_equal(give_up(fixture, row, 1000), 0);
}

static struct execution wait_purged(struct fixture *fixture, int64_t account, const char *execution_id)
{
    for (;;) {
        struct execution got = fixture_get(fixture, account, execution_id);
        if (got.purged)
            return got;
        execution_release(&got);
        fixture_account(fixture, "z"); // a commit, which takes a slice of the purge along
    }
}

static void a_deleted_account_takes_all_that_it_holds_with_it_and_nothing_of_others(void **state)
{
    struct fixture *fixture = *state;
    const int many = 100; // more than go at once
    struct account a = make_account(fixture, "a"), b = make_account(fixture, "b");
    char id[16];
    for (int i = 0; i < many; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 10, 40, 1000);
        fixture_append(fixture, fixture_create(fixture, a.row, id, STATUS_RUNNING), "p", 0, chunk);
    }
    int64_t kept = fixture_create(fixture, b.row, "e0", STATUS_RUNNING);
    make_key(fixture, (struct new_key){"a", "key_a", ROLE_ADMIN, 0});
    make_key(fixture, (struct new_key){"b", "key_b", ROLE_ADMIN, 0});
    assert_int_equal(change_err(fixture, "a", ACCOUNT_DELETED, false), ERR_CONFLICT);
    assert_int_equal(find_key(fixture, "key_a").revoked_ms, 0);
    assert_int_equal(change_err(fixture, "a", ACCOUNT_DELETED, true), 0);
    assert_true(find_key(fixture, "key_a").revoked_ms > 0);
    assert_int_equal(find_key(fixture, "key_b").revoked_ms, 0);
    struct store_create late = {.op.kind = STORE_CREATE, .execution = {.account = a.row, .status = STATUS_QUEUED}};
    assert_int_equal(fixture_run(fixture, &late.op), ERR_UNAUTHORIZED);
    store_op_release(&late.op);
    fixture_reopen(fixture); // it goes on after a restart
    for (int i = 0; i < many; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        struct execution got = wait_purged(fixture, a.row, id);
        assert_true(got.sealed);
        assert_int_equal(got.status, STATUS_CANCELLED);
        execution_release(&got);
    }
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 10, 40, 1000);
    struct store_append append = fixture_append(fixture, kept, "p", 0, chunk);
    assert_int_equal(append.op.err, 0);
    assert_int_equal(fixture_read(fixture, kept, 0, 1 << 20, NULL, NULL), 10);
}

static void an_account_whose_executions_are_purged_is_empty(void **state)
{
    struct fixture *fixture = *state;
    struct account a = make_account(fixture, "a");
    int64_t row = fixture_create(fixture, a.row, "e", STATUS_RUNNING);
    assert_int_equal(give_up(fixture, row, 0), 0);
    assert_int_equal(change_err(fixture, "a", ACCOUNT_DELETED, false), ERR_CONFLICT);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_int_equal(change_err(fixture, "a", ACCOUNT_DELETED, false), 0);
}

static void the_secret_is_kept_and_is_no_other_stores(void **state)
{
    struct fixture *fixture = *state, *other = fixture_new(fixture->adapter);
    uint8_t secret[STORE_SECRET_LEN];
    memcpy(secret, store_secret(fixture->store), sizeof(secret));
    assert_memory_not_equal(secret, store_secret(other->store), sizeof(secret));
    fixture_reopen(fixture);
    assert_memory_equal(secret, store_secret(fixture->store), sizeof(secret));
    fixture_free(&other);
}

// --- The adapters

// --- Tickets

#define SECOND 1000u

static int add_ticket(struct fixture *fixture, int64_t account, int64_t key_row, const char *id)
{
    struct store_ticket_add add = {.op.kind = STORE_TICKET_ADD,
                                   .account = account,
                                   .key_row = key_row,
                                   .principal = STR("{}"),
                                   .lasts_ms = 30 * SECOND,
                                   .max = 3};
    snprintf(add.id, sizeof(add.id), "%s", id);
    return fixture_run(fixture, &add.op);
}

static int use_ticket(struct fixture *fixture, const char *id, unsigned kind, struct str execution_id)
{
    struct store_ticket_use use = {
        .op.kind = STORE_TICKET_USE, .kind = kind, .execution_id = execution_id, .lasts_ms = 300 * SECOND};
    snprintf(use.id, sizeof(use.id), "%s", id);
    int err = fixture_run(fixture, &use.op);
    if (err == 0)
        assert_string_equal(use.ret_principal, "{}");
    store_op_release(&use.op);
    return err;
}

static void a_ticket_is_bound_by_its_first_use_and_ends_when_it_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), other = fixture_account(fixture, "b");
    assert_int_equal(add_ticket(fixture, account, 0, "one"), 0);
    assert_int_equal(use_ticket(fixture, "none", 1, STR("e")), ERR_NOT_FOUND);
    assert_int_equal(use_ticket(fixture, "one", 1, STR("e")), 0);
    assert_int_equal(use_ticket(fixture, "one", 2, STR("e")), ERR_UNAUTHORIZED);
    assert_int_equal(use_ticket(fixture, "one", 1, STR("f")), ERR_UNAUTHORIZED);
    assert_int_equal(use_ticket(fixture, "one", 1, STR("e")), 0);
    assert_int_equal(add_ticket(fixture, account, 0, "two"), 0);
    assert_int_equal(add_ticket(fixture, account, 7, "three"), 0);
    assert_int_equal(add_ticket(fixture, account, 0, "four"), ERR_RATE);
    assert_int_equal(add_ticket(fixture, other, 0, "other"), 0);
    fixture->now_ms += 31 * SECOND;
    assert_int_equal(use_ticket(fixture, "two", 1, STR("e")), ERR_NOT_FOUND); // its first use came too late
    fixture->now_ms += 200 * SECOND;
    struct store_tickets_keep keep = {
        .op.kind = STORE_TICKETS_KEEP, .ids_json = STR("[\"one\",\"none\"]"), .lasts_ms = 300 * SECOND};
    assert_int_equal(fixture_run(fixture, &keep.op), 0);
    fixture->now_ms += 200 * SECOND;
    assert_int_equal(use_ticket(fixture, "one", 1, STR("e")), 0);
    fixture->now_ms += 301 * SECOND;
    assert_int_equal(use_ticket(fixture, "one", 1, STR("e")), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(a_ticket_is_bound_by_its_first_use_and_ends_when_it_is_not_used),
        ON_EACH(the_name_of_an_account_is_taken_for_ever),
        ON_EACH(accounts_are_listed_in_pages_without_the_deleted_ones),
        ON_EACH(keys_are_kept_apart_by_account_and_untouched_from_below),
        ON_EACH(a_key_gets_another_name_from_those_above_it_in_its_account),
        ON_EACH(an_operator_key_goes_only_while_another_lasts_as_long),
        ON_EACH(the_account_of_the_last_operator_is_neither_suspended_nor_deleted),
        ON_EACH(nothing_of_a_suspended_account_is_given_up_nor_soon_after),
        ON_EACH(a_deleted_account_takes_all_that_it_holds_with_it_and_nothing_of_others),
        ON_EACH(an_account_whose_executions_are_purged_is_empty),
        ON_EACH(the_secret_is_kept_and_is_no_other_stores),
    };
    return FIXTURE_EACH(tests);
}
