// Checking API keys against a real store.
#include "auth/auth.h"
#include "store/sqlite/sqlite_store.h"
#include "util/clock.h"
#include "util/testing.h"

#include <ftw.h>

struct place {
    char folder[40];
    struct loop *loop;
    struct store *store;
    struct auth *auth;
    int64_t account;
};

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static void stop_loop(struct store_op *op)
{
    loop_stop(op->reply_to);
}

static void submit(struct place *place, struct store_op *op, enum store_op_kind kind)
{
    *op = (struct store_op){.kind = kind, .reply_to = place->loop, .done = stop_loop};
    store_submit(place->store, op);
    loop_run(place->loop);
}

static int make_place(void **state)
{
    struct place *place = xcalloc(1, sizeof(*place));
    CLEANUP(buf_release) struct buf error = {0};
    snprintf(place->folder, sizeof(place->folder), "/tmp/runnel-test-auth-XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", place->folder);
    const struct sqlite_options options = {.path = path, .readers = 1};
    const struct auth_options auth_options = {.failed_logins_max = 3};
    *state = place;
    int err = loop_new(&place->loop);
    if (err == 0)
        err = sqlite_store_open(&options, &error, &place->store);
    if (err == 0)
        err = auth_new(place->store, &auth_options, &place->auth);
    if (err)
        return err;
    struct store_account_ensure account = {.name = STR("default")};
    submit(place, &account.op, STORE_ACCOUNT_ENSURE);
    place->account = account.ret_account;
    store_op_release(&account.op);
    return account.op.err;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    store_free(&place->store);
    loop_free(&place->loop); // delivers what the store still had to say, to the credentials among others
    auth_free(&place->auth);
    int err = nftw(place->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(place);
    return err;
}

static void make_key(struct place *place, const char *key_id, enum role role, int64_t expires_ms,
                     char out_key[API_KEY_LEN + 1])
{
    struct store_key_create create = {.key = {.account = place->account,
                                              .key_id = xstrdup(key_id),
                                              .name = xstrdup("a name"),
                                              .role = role,
                                              .created_ms = clock_real_ms(),
                                              .expires_ms = expires_ms}};
    api_key_make(out_key, create.key.hash);
    submit(place, &create.op, STORE_KEY_CREATE);
    assert_int_equal(create.op.err, 0);
    store_op_release(&create.op);
    api_key_release(&create.key);
}

static int64_t revoke_in_store(struct place *place, const char *key_id)
{
    struct store_key_revoke revoke = {.account = place->account, .key_id = str_of(key_id), .role = ROLE_OPERATOR};
    submit(place, &revoke.op, STORE_KEY_REVOKE);
    assert_int_equal(revoke.op.err, 0);
    return revoke.ret_row;
}

struct answer {
    struct auth_check check;
    struct loop *loop;
    bool done, waited;
};

static void answered(struct auth_check *check)
{
    struct answer *answer = CONTAINER_OF(check, struct answer, check);
    answer->done = true;
    if (answer->waited)
        loop_stop(answer->loop);
}

// *ret_at_once: it was answered without asking the store.
static int ask(struct place *place, const char *key, const char *peer, struct principal *ret, bool *ret_at_once)
{
    struct answer answer = {.loop = place->loop};
    auth_check(place->auth, &answer.check, place->loop, &(struct credential){str_of(key), CREDENTIAL_IN_HEADER, {0}},
               peer, answered);
    bool at_once = answer.done;
    answer.waited = true;
    if (!at_once)
        loop_run(place->loop);
    if (ret)
        *ret = answer.check.principal;
    if (ret_at_once)
        *ret_at_once = at_once;
    return answer.check.err;
}

static void key_is_found_and_then_remembered(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1];
    struct principal principal;
    bool at_once;
    make_key(place, "key_user", ROLE_USER, 0, key);
    assert_int_equal(ask(place, key, "127.0.0.1:1", &principal, &at_once), 0);
    assert_false(at_once);
    assert_int_equal(principal.role, ROLE_USER);
    assert_int_equal(principal.account, place->account);
    assert_string_equal(principal.user, "key_user");
    assert_int_equal(ask(place, key, "127.0.0.1:1", &principal, &at_once), 0);
    assert_true(at_once);
    assert_string_equal(principal.user, "key_user");
}

static void other_roles_are_nobody_in_particular(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1];
    struct principal principal;
    make_key(place, "key_service", ROLE_SERVICE, 0, key);
    assert_int_equal(ask(place, key, "127.0.0.1:1", &principal, NULL), 0);
    assert_string_equal(principal.user, "");
    assert_true(principal.key_row > 0);
}

static void unknown_key_is_refused(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1];
    uint8_t hash[32];
    api_key_make(key, hash);
    assert_int_equal(ask(place, key, "127.0.0.1:1", NULL, NULL), ERR_UNAUTHORIZED);
}

static void time_is_up(void *arg)
{
    loop_stop(arg);
}

static void let_pass(struct place *place, uint64_t ms)
{
    struct timer *timer = timer_new(place->loop, time_is_up, place->loop);
    timer_start(timer, ms);
    loop_run(place->loop);
    timer_free(&timer);
}

static void expired_key_is_refused_also_when_remembered(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1], soon[API_KEY_LEN + 1];
    make_key(place, "key_old", ROLE_VIEWER, clock_real_ms() - 1, key);
    assert_int_equal(ask(place, key, "127.0.0.1:1", NULL, NULL), ERR_UNAUTHORIZED);
    int64_t expires_ms = clock_real_ms() + 1000;
    make_key(place, "key_soon", ROLE_VIEWER, expires_ms, soon);
    assert_int_equal(ask(place, soon, "127.0.0.1:1", NULL, NULL), 0);
    let_pass(place, (uint64_t)(expires_ms - clock_real_ms()) + 1);
    assert_int_equal(ask(place, soon, "127.0.0.1:1", NULL, NULL), ERR_UNAUTHORIZED);
}

static void revoked_key_is_refused_at_once(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1];
    make_key(place, "key_gone", ROLE_VIEWER, 0, key);
    assert_int_equal(ask(place, key, "127.0.0.1:1", NULL, NULL), 0);
    auth_revoked(place->auth, revoke_in_store(place, "key_gone"));
    assert_int_equal(ask(place, key, "127.0.0.1:1", NULL, NULL), ERR_UNAUTHORIZED);
}

// The store's answer was read before the revocation and arrives after it.
static void revocation_that_overtakes_a_query_wins(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1];
    struct principal principal;
    make_key(place, "key_race", ROLE_VIEWER, 0, key);
    assert_int_equal(ask(place, key, "127.0.0.1:1", &principal, NULL), 0);
    char other[API_KEY_LEN + 1];
    make_key(place, "key_other", ROLE_VIEWER, 0, other);
    struct answer answer = {.loop = place->loop, .waited = true};
    auth_check(place->auth, &answer.check, place->loop, &(struct credential){str_of(other), CREDENTIAL_IN_HEADER, {0}},
               "127.0.0.1:1", answered);
    assert_false(answer.done);
    auth_revoked(place->auth, principal.key_row + 1);
    loop_run(place->loop);
    assert_int_equal(answer.check.err, ERR_UNAUTHORIZED);
}

static void good_key_is_let_in_while_its_address_is_refused(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1], fresh[API_KEY_LEN + 1], wrong[API_KEY_LEN + 1];
    uint8_t hash[32];
    make_key(place, "key_known", ROLE_VIEWER, 0, key);
    make_key(place, "key_fresh", ROLE_VIEWER, 0, fresh);
    assert_int_equal(ask(place, key, "10.0.0.9:1", NULL, NULL), 0);
    for (int i = 0; i < 3; i++) {
        api_key_make(wrong, hash);
        assert_int_equal(ask(place, wrong, "10.0.0.9:1", NULL, NULL), ERR_UNAUTHORIZED);
    }
    assert_int_equal(ask(place, wrong, "10.0.0.9:1", NULL, NULL), ERR_RATE);
    assert_int_equal(ask(place, fresh, "10.0.0.9:1", NULL, NULL), 0); // never seen before, and good
    assert_int_equal(ask(place, key, "10.0.0.9:1", NULL, NULL), 0);
    assert_int_equal(ask(place, wrong, "10.0.0.9:1", NULL, NULL), ERR_RATE);
    assert_int_equal(ask(place, wrong, "10.0.0.8:1", NULL, NULL), ERR_UNAUTHORIZED);
}

static int64_t change_account(struct place *place, enum account_state state, uint64_t *ret_change)
{
    struct store_account_change change = {.name = STR("b"), .state = state};
    submit(place, &change.op, STORE_ACCOUNT_CHANGE);
    assert_int_equal(change.op.err, 0);
    *ret_change = change.ret_change;
    return change.ret_account.row;
}

// Also for keys that nobody has asked for since the account was suspended, as after a restart.
static void key_of_a_suspended_account_is_refused_as_that_and_good_when_it_is_resumed(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1], unseen[API_KEY_LEN + 1];
    uint64_t change;
    struct store_account_create create = {.name = STR("b")};
    submit(place, &create.op, STORE_ACCOUNT_CREATE);
    assert_int_equal(create.op.err, 0);
    place->account = create.ret_account.row;
    make_key(place, "key_b", ROLE_VIEWER, 0, key);
    make_key(place, "key_c", ROLE_VIEWER, 0, unseen);
    assert_int_equal(ask(place, key, "127.0.0.1:1", NULL, NULL), 0);
    int64_t row = change_account(place, ACCOUNT_SUSPENDED, &change);
    assert_int_equal(ask(place, unseen, "127.0.0.1:1", NULL, NULL), ERR_SUSPENDED);
    auth_account_changed(place->auth, row, ACCOUNT_SUSPENDED, change);
    for (int i = 0; i < 5; i++) // no failed logins
        assert_int_equal(ask(place, key, "127.0.0.1:1", NULL, NULL), ERR_SUSPENDED);
    change_account(place, ACCOUNT_ACTIVE, &change);
    auth_account_changed(place->auth, row, ACCOUNT_ACTIVE, change);
    assert_int_equal(ask(place, key, "127.0.0.1:1", NULL, NULL), 0);
    assert_int_equal(ask(place, unseen, "127.0.0.1:1", NULL, NULL), 0);
}

static void last_use_is_written_down(void **state)
{
    struct place *place = *state;
    char key[API_KEY_LEN + 1];
    int64_t before = clock_real_ms();
    make_key(place, "key_used", ROLE_VIEWER, 0, key);
    assert_int_equal(ask(place, key, "127.0.0.1:1", NULL, NULL), 0);
    // Commits keep their order, so after this one the use is in.
    struct store_account_ensure later = {.name = STR("default")};
    submit(place, &later.op, STORE_ACCOUNT_ENSURE);
    store_op_release(&later.op);
    struct store_key_list list = {.account = place->account};
    submit(place, &list.op, STORE_KEY_LIST);
    assert_int_equal(list.ret_count, 1);
    assert_true(list.ret_keys[0].last_used_ms >= before);
    store_op_release(&list.op);
}

int main(void)
{
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        WITH_PLACE(key_is_found_and_then_remembered),
        WITH_PLACE(other_roles_are_nobody_in_particular),
        WITH_PLACE(unknown_key_is_refused),
        WITH_PLACE(expired_key_is_refused_also_when_remembered),
        WITH_PLACE(revoked_key_is_refused_at_once),
        WITH_PLACE(revocation_that_overtakes_a_query_wins),
        WITH_PLACE(good_key_is_let_in_while_its_address_is_refused),
        WITH_PLACE(key_of_a_suspended_account_is_refused_as_that_and_good_when_it_is_resumed),
        WITH_PLACE(last_use_is_written_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
