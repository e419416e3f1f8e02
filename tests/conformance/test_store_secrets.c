// Secrets, as every adapter of the store's port keeps them: sealed bytes, by account and name; and which jobs have
// them.
#include "store/store_fixture.h"

static struct store_secret_set set(struct fixture *fixture, int64_t account, const char *name, const char *sealed,
                                   uint64_t max)
{
    struct store_secret_set set = {
        .op.kind = STORE_SECRET_SET, .account = account, .name = str_of(name), .sealed = str_of(sealed), .max = max};
    fixture_run(fixture, &set.op);
    return set;
}

static int take(struct fixture *fixture, int64_t account, const struct str *names, size_t count,
                struct store_secret_take *ret)
{
    *ret = (struct store_secret_take){.op.kind = STORE_SECRET_TAKE, .account = account, .names = names, .count = count};
    return fixture_run(fixture, &ret->op);
}

static void assert_sealed(struct fixture *fixture, int64_t account, const char *name, const char *expected)
{
    struct store_secret_take taken;
    const struct str names[] = {str_of(name)};
    assert_int_equal(take(fixture, account, names, 1, &taken), 0);
    assert_true(str_eq(buf_str(&taken.ret_sealed[0]), str_of(expected)));
    store_op_release(&taken.op);
}

static struct store_secret_list list(struct fixture *fixture, struct store_secret_list wanted)
{
    wanted.op.kind = STORE_SECRET_LIST;
    fixture_run(fixture, &wanted.op);
    return wanted;
}

static int forget(struct fixture *fixture, int64_t account, const char *name)
{
    struct store_secret_delete gone = {.op.kind = STORE_SECRET_DELETE, .account = account, .name = str_of(name)};
    return fixture_run(fixture, &gone.op);
}

// --- Values

static void a_secret_is_made_changed_used_and_deleted(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), made_ms = atomic_load(&fixture->now_ms);
    struct store_secret_set first = set(fixture, account, "PW", "sealed one", 0);
    assert_int_equal(first.op.err, 0);
    assert_true(first.ret_created);
    assert_string_equal(first.ret_secret.name, "PW");
    assert_int_equal(first.ret_secret.version, 1);
    assert_int_equal(first.ret_secret.created_ms, made_ms);
    assert_int_equal(first.ret_secret.used_ms, 0);
    atomic_fetch_add(&fixture->now_ms, 1000);
    struct store_secret_set second = set(fixture, account, "PW", "sealed two", 0);
    assert_int_equal(second.op.err, 0);
    assert_false(second.ret_created);
    assert_int_equal(second.ret_secret.version, 2);
    assert_int_equal(second.ret_secret.created_ms, made_ms);
    assert_int_equal(second.ret_secret.changed_ms, made_ms + 1000);
    atomic_fetch_add(&fixture->now_ms, 1000);
    assert_sealed(fixture, account, "PW", "sealed two");
    fixture_reopen(fixture);
    struct store_secret_list found = list(fixture, (struct store_secret_list){.account = account, .name = STR("PW")});
    assert_int_equal(found.op.err, 0);
    assert_int_equal(found.ret_count, 1);
    assert_int_equal(found.ret_secrets[0].version, 2);
    assert_int_equal(found.ret_secrets[0].used_ms, made_ms + 2000);
    store_op_release(&found.op);
    assert_int_equal(forget(fixture, account, "PW"), 0);
    assert_int_equal(forget(fixture, account, "PW"), ERR_NOT_FOUND);
    struct store_secret_set anew = set(fixture, account, "PW", "sealed three", 0);
    assert_true(anew.ret_created);
    assert_int_equal(anew.ret_secret.version, 1);
}

static void what_is_sealed_anew_is_the_same_value_of_the_same_times(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), made_ms = atomic_load(&fixture->now_ms);
    struct store_secret_set anew = {.op.kind = STORE_SECRET_SET,
                                    .account = account,
                                    .name = STR("PW"),
                                    .sealed = STR("by the new key"),
                                    .former = STR("by the old key")};
    assert_int_equal(fixture_run(fixture, &anew.op), ERR_NOT_FOUND);
    set(fixture, account, "PW", "by the old key", 0);
    atomic_fetch_add(&fixture->now_ms, 1000);
    assert_int_equal(fixture_run(fixture, &anew.op), 0);
    assert_int_equal(fixture_run(fixture, &anew.op), ERR_CONFLICT); // it is not sealed so any more
    struct store_secret_take look = {.op.kind = STORE_SECRET_TAKE, .account = account, .count = 1, .looks = true};
    const struct str names[] = {STR("PW")};
    look.names = names;
    assert_int_equal(fixture_run(fixture, &look.op), 0);
    assert_true(str_eq(buf_str(&look.ret_sealed[0]), STR("by the new key")));
    store_op_release(&look.op);
    struct store_secret_list found = list(fixture, (struct store_secret_list){.account = account});
    assert_int_equal(found.ret_secrets[0].version, 1);
    assert_int_equal(found.ret_secrets[0].changed_ms, made_ms);
    assert_int_equal(found.ret_secrets[0].used_ms, 0);
    store_op_release(&found.op);
}

static void what_is_sealed_may_hold_any_bytes(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    char bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    struct store_secret_set made = {
        .op.kind = STORE_SECRET_SET, .account = account, .name = STR("PW"), .sealed = str_n(bytes, sizeof(bytes))};
    assert_int_equal(fixture_run(fixture, &made.op), 0);
    struct store_secret_take taken;
    const struct str names[] = {STR("PW")};
    assert_int_equal(take(fixture, account, names, 1, &taken), 0);
    assert_true(str_eq(buf_str(&taken.ret_sealed[0]), str_n(bytes, sizeof(bytes))));
    store_op_release(&taken.op);
}

static void one_that_is_missing_is_named_and_none_counts_as_used(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    set(fixture, account, "A", "1", 0);
    set(fixture, account, "C", "3", 0);
    const struct str names[] = {STR("A"), STR("C"), STR("B"), STR("D")};
    struct store_secret_take taken;
    assert_int_equal(take(fixture, account, names, ARRAY_LEN(names), &taken), ERR_NOT_FOUND);
    assert_int_equal(taken.ret_missing, 2);
    store_op_release(&taken.op);
    struct store_secret_list found = list(fixture, (struct store_secret_list){.account = account});
    assert_int_equal(found.ret_count, 2);
    assert_int_equal(found.ret_secrets[0].used_ms, 0);
    store_op_release(&found.op);
    assert_int_equal(take(fixture, account, names, 2, &taken), 0);
    assert_true(str_eq(buf_str(&taken.ret_sealed[1]), STR("3")));
    store_op_release(&taken.op);
}

static void accounts_have_secrets_of_their_own_and_so_many(void **state)
{
    struct fixture *fixture = *state;
    int64_t a = fixture_account(fixture, "a"), b = fixture_account(fixture, "b");
    assert_int_equal(set(fixture, a, "PW", "of a", 2).op.err, 0);
    assert_int_equal(set(fixture, b, "PW", "of b", 2).op.err, 0);
    assert_int_equal(set(fixture, a, "TWO", "x", 2).op.err, 0);
    assert_int_equal(set(fixture, a, "THREE", "x", 2).op.err, ERR_RATE);
    assert_int_equal(set(fixture, a, "TWO", "y", 2).op.err, 0); // it is there already
    assert_sealed(fixture, a, "PW", "of a");
    assert_sealed(fixture, b, "PW", "of b");
    assert_int_equal(forget(fixture, b, "TWO"), ERR_NOT_FOUND);
    assert_int_equal(forget(fixture, b, "PW"), 0);
    assert_sealed(fixture, a, "PW", "of a");
}

static void secrets_are_listed_by_name_in_pages(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    static const char *const names[] = {"b", "_", "B", "A"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        set(fixture, account, names[i], "x", 0);
    struct store_secret_list page = list(fixture, (struct store_secret_list){.account = account, .limit = 3});
    assert_int_equal(page.ret_count, 3);
    assert_string_equal(page.ret_secrets[0].name, "A");
    assert_string_equal(page.ret_secrets[1].name, "B");
    assert_string_equal(page.ret_secrets[2].name, "_");
    store_op_release(&page.op);
    page = list(fixture, (struct store_secret_list){.account = account, .limit = 3, .after = STR("_")});
    assert_int_equal(page.ret_count, 1);
    assert_string_equal(page.ret_secrets[0].name, "b");
    store_op_release(&page.op);
    page = list(fixture, (struct store_secret_list){.account = account, .name = STR("none")});
    assert_int_equal(page.op.err, ERR_NOT_FOUND);
    store_op_release(&page.op);
}

static void a_deleted_account_takes_its_secrets_with_it(void **state)
{
    struct fixture *fixture = *state;
    int64_t a = fixture_account(fixture, "a"), b = fixture_account(fixture, "b");
    set(fixture, a, "PW", "x", 0);
    set(fixture, b, "PW", "x", 0);
    struct store_account_change change = {
        .op.kind = STORE_ACCOUNT_CHANGE, .name = STR("a"), .state = ACCOUNT_DELETED, .purge = true};
    assert_int_equal(fixture_run(fixture, &change.op), 0);
    struct store_secret_list found = list(fixture, (struct store_secret_list){.account = a});
    assert_int_equal(found.ret_count, 0);
    store_op_release(&found.op);
    assert_int_equal(set(fixture, a, "PW", "x", 0).op.err, ERR_EXPIRED);
    assert_sealed(fixture, b, "PW", "x");
}

// --- Jobs

static struct store_create create(struct fixture *fixture, int64_t account, const char *id, const char *secrets)
{
    const struct job_new job = {.demand = STR("process"), .secrets = str_of(secrets)};
    struct store_create made = {
        .op.kind = STORE_CREATE,
        .execution = {.account = account, .execution_id = xstrdup(id), .status = STATUS_QUEUED},
        .job = &job,
    };
    fixture_run(fixture, &made.op);
    made.job = NULL;
    return made;
}

static void a_job_that_names_an_unknown_secret_is_refused(void **state)
{
    struct fixture *fixture = *state;
    int64_t a = fixture_account(fixture, "a"), b = fixture_account(fixture, "b");
    set(fixture, a, "PW", "x", 0);
    set(fixture, b, "OTHER", "x", 0);
    struct store_create made = create(fixture, a, "e", "PW OTHER=X");
    assert_int_equal(made.op.err, ERR_NOT_FOUND);
    assert_string_equal(made.ret_field, "secrets");
    assert_non_null(strstr(made.ret_reason, "\"OTHER\""));
    store_op_release(&made.op);
    made = create(fixture, a, "e", "PW PW=X");
    assert_int_equal(made.op.err, 0);
    assert_string_equal(made.execution.job.secrets, "PW PW=X");
    store_op_release(&made.op);
    made = create(fixture, a, "f", "");
    assert_int_equal(made.op.err, 0);
    assert_null(made.execution.job.secrets);
    store_op_release(&made.op);
}

static void each_attempt_of_a_job_has_its_secrets_whether_they_still_exist_or_not(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    set(fixture, account, "PW", "x", 0);
    struct store_create made = create(fixture, account, "e", "PW=X");
    assert_int_equal(made.op.err, 0);
    int64_t row = made.execution.row;
    store_op_release(&made.op);
    struct store_job_claim claim = {
        .op.kind = STORE_JOB_CLAIM, .row = row, .worker_id = STR("w1"), .worker_hostname = STR("host")};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    assert_string_equal(claim.ret_execution.job.secrets, "PW=X");
    assert_int_equal(claim.ret_execution.account, account);
    store_op_release(&claim.op);
    struct store_complete end = {
        .op.kind = STORE_COMPLETE, .row = row, .status = STATUS_FAILED, .has_exit_code = true, .exit_code = 1};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    struct store_job_settle settle = {.op.kind = STORE_JOB_SETTLE};
    assert_int_equal(fixture_run(fixture, &settle.op), 0);
    assert_int_equal(forget(fixture, account, "PW"), 0);
    struct store_job_retry retry = {.op.kind = STORE_JOB_RETRY, .row = row};
    assert_int_equal(fixture_run(fixture, &retry.op), 0);
    assert_string_equal(retry.ret_execution.job.secrets, "PW=X");
    store_op_release(&retry.op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(a_secret_is_made_changed_used_and_deleted),
        ON_EACH(what_is_sealed_anew_is_the_same_value_of_the_same_times),
        ON_EACH(what_is_sealed_may_hold_any_bytes),
        ON_EACH(one_that_is_missing_is_named_and_none_counts_as_used),
        ON_EACH(accounts_have_secrets_of_their_own_and_so_many),
        ON_EACH(secrets_are_listed_by_name_in_pages),
        ON_EACH(a_deleted_account_takes_its_secrets_with_it),
        ON_EACH(a_job_that_names_an_unknown_secret_is_refused),
        ON_EACH(each_attempt_of_a_job_has_its_secrets_whether_they_still_exist_or_not),
    };
    return FIXTURE_EACH(tests);
}
