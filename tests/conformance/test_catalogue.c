// What the catalogue keeps, on every engine that its statements are written for.
#include "store/catalogue/test_catalogue.h"

// --- Accounts

static void an_account_is_made_once_and_its_name_is_taken_for_ever(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a");
    assert_int_equal(make_account(sql, "a"), account);
    assert_int_not_equal(make_account(sql, "A"), account);
    struct store_account_create again = {.name = STR("a")};
    assert_int_equal(CHANGE(sql, catalogue_account_create(sql, &again, NOW)), ERR_CONFLICT);
    assert_int_equal(change_account(sql, "a", ACCOUNT_DELETED, false), 0);
    assert_int_equal(CHANGE(sql, catalogue_account_create(sql, &again, NOW)), ERR_EXPIRED);
    assert_int_equal(change_account(sql, "a", ACCOUNT_ACTIVE, false), ERR_EXPIRED);
    assert_int_equal(change_account(sql, "none", ACCOUNT_SUSPENDED, false), ERR_NOT_FOUND);
    assert_int_equal(catalogue_account_resolve(sql, STR("a"), &account), ERR_EXPIRED);
    assert_int_equal(catalogue_account_resolve(sql, STR("none"), &account), ERR_NOT_FOUND);
}

static void accounts_are_listed_in_the_order_of_their_making(void **state)
{
    struct sql *sql = *state;
    static const char *const names[] = {"z", "b", "Z", "a"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        make_account(sql, names[i]);
    assert_int_equal(change_account(sql, "b", ACCOUNT_DELETED, false), 0);
    struct store_account_list list = {.op.kind = STORE_ACCOUNT_LIST, .limit = 2};
    assert_int_equal(catalogue_account_list(sql, &list), 0);
    assert_int_equal(list.ret_count, 2);
    assert_string_equal(list.ret_accounts[0].name, "z");
    assert_string_equal(list.ret_accounts[1].name, "Z");
    assert_int_equal(list.ret_next_row, list.ret_accounts[1].row);
    free(list.ret_accounts);
    struct store_account_list rest = {.op.kind = STORE_ACCOUNT_LIST, .after_row = list.ret_next_row};
    assert_int_equal(catalogue_account_list(sql, &rest), 0);
    assert_int_equal(rest.ret_count, 1);
    assert_string_equal(rest.ret_accounts[0].name, "a");
    assert_int_equal(rest.ret_next_row, 0);
    free(rest.ret_accounts);
}

static void a_suspended_account_gives_nothing_up_until_it_has_been_back_for_the_grace(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a");
    assert_int_equal(CHANGE(sql, catalogue_account_may_give_up(sql, account, 1000, NOW)), 0);
    assert_int_equal(change_account(sql, "a", ACCOUNT_SUSPENDED, false), 0);
    assert_int_equal(CHANGE(sql, catalogue_account_may_give_up(sql, account, 1000, NOW + DAY)), ERR_SUSPENDED);
    assert_int_equal(change_account(sql, "a", ACCOUNT_ACTIVE, false), 0);
    assert_int_equal(CHANGE(sql, catalogue_account_may_give_up(sql, account, 1000, NOW + 999)), ERR_SUSPENDED);
    assert_int_equal(CHANGE(sql, catalogue_account_may_give_up(sql, account, 1000, NOW + 1000)), 0);
}

static void a_deleted_account_is_purged_of_what_it_holds(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), rows[8], purging = 0;
    size_t count;
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof(name), "e%d", i);
        make_execution(sql, account, name, NULL);
    }
    assert_int_equal(change_account(sql, "a", ACCOUNT_DELETED, false), ERR_CONFLICT);
    assert_int_equal(catalogue_account_purging(sql, &purging), 0);
    assert_int_equal(purging, 0);
    assert_int_equal(change_account(sql, "a", ACCOUNT_DELETED, true), 0);
    assert_int_equal(catalogue_account_purging(sql, &purging), 0);
    assert_int_equal(purging, account);
    assert_int_equal(catalogue_account_holds(sql, account, 3, rows, &count), 0);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, rows[i])), 0);
    assert_int_equal(catalogue_account_holds(sql, account, 8, rows, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(CHANGE(sql, catalogue_account_purged(sql, account)), 0);
    assert_int_equal(catalogue_account_purging(sql, &purging), 0);
    assert_int_equal(purging, 0);
    assert_int_equal(create(sql, described(account, "late", NULL), NULL), ERR_UNAUTHORIZED);
}

// --- Keys

static void a_key_comes_back_as_it_was_made(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a");
    assert_int_equal(make_key(sql, account, "key_1", ROLE_SERVICE), 0);
    struct store_key_find find = {.hash = "key_1"};
    memset(find.hash + 5, 0xff, sizeof(find.hash) - 5);
    assert_int_equal(catalogue_key_find(sql, &find), 0);
    struct api_key *key = &find.ret_key;
    assert_string_equal(key->key_id, "key_1");
    assert_string_equal(key->name, "Zoë");
    assert_int_equal(key->role, ROLE_SERVICE);
    assert_int_equal(key->account, account);
    assert_int_equal(key->created_ms, NOW);
    assert_memory_equal(key->hash, find.hash, sizeof(find.hash));
    assert_false(key->account_suspended);
    int64_t row = key->row;
    api_key_release(key);
    assert_int_equal(change_account(sql, "a", ACCOUNT_SUSPENDED, false), 0);
    assert_int_equal(CHANGE(sql, catalogue_key_used(sql, &(struct store_key_used){.row = row, .used_ms = 7})), 0);
    assert_int_equal(CHANGE(sql, catalogue_key_used(sql, &(struct store_key_used){.row = row, .used_ms = 5})), 0);
    assert_int_equal(catalogue_key_find(sql, &find), 0);
    assert_true(key->account_suspended);
    assert_int_equal(key->last_used_ms, 7);
    api_key_release(key);
    find.hash[31] = 0;
    assert_int_equal(catalogue_key_find(sql, &find), ERR_NOT_FOUND);
}

static void a_key_is_made_once_and_listed_in_order(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), other = make_account(sql, "b");
    static const char *const ids[] = {"key_z", "key_a", "key_m"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_int_equal(make_key(sql, account, ids[i], ROLE_USER), 0);
    assert_int_equal(make_key(sql, other, "key_a", ROLE_USER), ERR_CONFLICT);
    struct store_key_list list = {.account_name = STR("a")};
    assert_int_equal(catalogue_key_list(sql, &list), 0);
    assert_int_equal(list.ret_count, ARRAY_LEN(ids));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_string_equal(list.ret_keys[i].key_id, ids[i]);
        api_key_release(&list.ret_keys[i]);
    }
    free(list.ret_keys);
    assert_int_equal(revoke_key(sql, other, "key_z"), ERR_NOT_FOUND);
    assert_int_equal(revoke_key(sql, account, "key_z"), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM api_keys WHERE revoked_ms > 0"), 1);
}

static void the_last_operator_stays(void **state)
{
    struct sql *sql = *state;
    int64_t a = make_account(sql, "a"), b = make_account(sql, "b");
    assert_int_equal(make_key(sql, a, "key_a", ROLE_OPERATOR), 0);
    assert_int_equal(revoke_key(sql, a, "key_a"), ERR_LAST_OPERATOR);
    assert_int_equal(make_key(sql, b, "key_b", ROLE_OPERATOR), 0);
    assert_int_equal(revoke_key(sql, a, "key_a"), 0);
    assert_int_equal(change_account(sql, "b", ACCOUNT_SUSPENDED, false), ERR_LAST_OPERATOR);
    assert_int_equal(change_account(sql, "b", ACCOUNT_DELETED, true), ERR_LAST_OPERATOR);
    assert_int_equal(change_account(sql, "a", ACCOUNT_SUSPENDED, false), 0);
}

// --- Executions

static void an_execution_comes_back_as_it_was_made(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), row;
    struct execution made = described(account, "one", "{\"team\":\"x\"}");
    made.owner = xstrdup("");
    made.script_filename = xstrdup("job.py");
    made.batch_id = xstrdup("b");
    made.spec_json = xstrdup("{\"env\":{},\"command\":[\"ls\",\"-l\"]}");
    made.restored_from = UINT64_MAX - 1;
    assert_int_equal(create(sql, made, &row), 0);
    CLEANUP(execution_release) struct execution got = {0};
    assert_int_equal(catalogue_execution_get(sql, row, &got), 0);
    assert_int_equal(got.row, row);
    assert_string_equal(got.execution_id, "one");
    assert_int_equal(got.status, STATUS_QUEUED);
    assert_string_equal(got.owner, "");
    assert_string_equal(got.script_filename, "job.py");
    assert_null(got.runtime);
    assert_null(got.workflow_id);
    assert_string_equal(got.batch_id, "b");
    assert_string_equal(got.command_json, "[\"ls\",\"-l\"]");
    assert_string_equal(got.metadata_json, "{\"team\":\"x\"}");
    assert_false(got.has_exit_code);
    assert_true(got.restored_from == UINT64_MAX - 1);
    assert_int_equal(got.created_ms, NOW);
    assert_int_equal(catalogue_execution_get(sql, row + 1, &got), ERR_NOT_FOUND);
}

static void a_request_without_a_command_has_none(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), row;
    static const char *const specs[] = {NULL, "{}", "{\"command\":null}"};
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        struct execution made = described(account, specs[i] ? specs[i] : "none", NULL);
        made.spec_json = specs[i] ? xstrdup(specs[i]) : NULL;
        assert_int_equal(create(sql, made, &row), 0);
        struct execution got;
        assert_int_equal(catalogue_execution_get(sql, row, &got), 0);
        assert_null(got.command_json);
        assert_true(got.restored_from == UINT64_MAX);
        execution_release(&got);
    }
}

static void an_identifier_is_taken_once_per_account_also_after_a_purge(void **state)
{
    struct sql *sql = *state;
    int64_t a = make_account(sql, "a"), b = make_account(sql, "b"), found;
    int64_t row = make_execution(sql, a, "same", "{\"k\":1}");
    make_execution(sql, b, "same", NULL);
    make_execution(sql, a, "Same", NULL);
    assert_int_equal(create(sql, described(a, "same", NULL), NULL), ERR_CONFLICT);
    assert_int_equal(catalogue_execution_find(sql, a, STR("same"), &found), 0);
    assert_int_equal(found, row);
    assert_int_equal(catalogue_execution_find(sql, a, STR("sam"), &found), ERR_NOT_FOUND);
    assert_int_equal(CHANGE(sql, catalogue_result_set(sql, row, STR("{\"n\":1}"), STR(""))), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, row)), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM results"), 0);
    assert_int_equal(create(sql, described(a, "same", NULL), NULL), ERR_EXPIRED);
    assert_int_equal(ask(sql, "SELECT count(*) FROM labels"), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM documents"), 0);
}

static void the_first_result_stays_and_is_read_with_its_execution(void **state)
{
    struct sql *sql = *state;
    int64_t a = make_account(sql, "a"), row = make_execution(sql, a, "e", NULL);
    CLEANUP(execution_release) struct execution found = {0};
    assert_int_equal(CHANGE(sql, catalogue_result_set(sql, row, STR(""), STR("[1.50]"))), 0);
    assert_int_equal(CHANGE(sql, catalogue_result_set(sql, row, STR("{}"), STR("2"))), 0);
    assert_int_equal(catalogue_execution_get(sql, row, &found), 0);
    assert_string_equal(found.result_json, "[1.50]");
    assert_null(found.details_json);
}

static void an_outcome_and_the_end_of_the_log_are_kept_bit_for_bit(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), row = make_execution(sql, account, "one", NULL);
    const struct outcome outcome = {STATUS_FAILED, true, true, -7, UINT64_MAX, 1, 2, 3, false, false};
    const struct log_state log = {12, UINT64_MAX - 5, (uint64_t)1 << 63};
    assert_int_equal(CHANGE(sql, catalogue_execution_outcome(sql, row, &outcome, &log)), 0);
    struct catalogue_head head;
    assert_int_equal(CHANGE(sql, catalogue_execution_head(sql, row, &head)), 0);
    assert_true(outcome_equal(&head.outcome, &outcome));
    assert_int_equal(head.account, account);
    assert_int_equal(head.log.next, log.next);
    assert_true(head.log.digest == log.digest && head.log.message_bytes == log.message_bytes);
    assert_int_equal(CHANGE(sql, catalogue_execution_head(sql, row + 1, &head)), ERR_NOT_FOUND);
    CLEANUP(execution_release) struct execution got = {0};
    assert_int_equal(catalogue_execution_get(sql, row, &got), 0);
    assert_true(got.has_exit_code && got.exit_code == -7 && got.epoch == UINT64_MAX && got.sealed);
    uint64_t open = 9;
    assert_int_equal(catalogue_executions_open(sql, account, &open), 0);
    assert_int_equal(open, 0);
}

static void a_fold_never_goes_back(void **state)
{
    struct sql *sql = *state;
    int64_t row = make_execution(sql, make_account(sql, "a"), "one", NULL);
    uint64_t next = 0, first = 0;
    static const struct {
        struct log_state log;
        uint64_t next;
    } steps[] = {{{5, 1, 1}, 5}, {{3, 2, 2}, 5}, {{9, 3, 3}, 9}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(CHANGE(sql, catalogue_execution_fold(sql, row, &steps[i].log)), 0);
        assert_int_equal(catalogue_execution_extent(sql, row, &next, &first, NULL), 0);
        assert_int_equal(next, steps[i].next);
    }
    bool sealed = true, purged = true;
    assert_int_equal(catalogue_execution_closed(sql, row, &sealed, &purged), 0);
    assert_false(sealed || purged);
    assert_int_equal(CHANGE(sql, catalogue_executions_restored(sql)), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_fold(sql, row, &(struct log_state){11, 0, 0})), 0);
    assert_int_equal(CHANGE(sql, catalogue_executions_restored(sql)), 0);
    assert_int_equal(ask(sql, "SELECT restored_from FROM executions"), 9); // the earliest
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, row)), 0);
    assert_int_equal(catalogue_execution_extent(sql, row, &next, &first, NULL), ERR_EXPIRED);
    assert_int_equal(first, 11);
    assert_int_equal(catalogue_execution_closed(sql, row, &sealed, &purged), 0);
    assert_true(purged);
    assert_int_equal(catalogue_execution_closed(sql, row + 1, &sealed, &purged), 0);
    assert_true(purged);
}

static void what_is_told_of_an_execution_is_kept(void **state)
{
    struct sql *sql = *state;
    int64_t row = make_execution(sql, make_account(sql, "a"), "one", NULL);
    static const struct {
        const char *worker_id, *worker_hostname, *key;
    } claims[] = {{"w1", "h1", ""}, {"", "h2", "k"}, {"w3", "", ""}, {"", "", ""}};
    for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
        const struct store_claim claim = {.row = row,
                                          .worker_id = str_of(claims[i].worker_id),
                                          .worker_hostname = str_of(claims[i].worker_hostname),
                                          .key = str_of(claims[i].key)};
        assert_int_equal(CHANGE(sql, catalogue_execution_claimed(sql, &claim, 7)), 0);
    }
    assert_int_equal(CHANGE(sql, catalogue_execution_pin(sql, row, true)), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_cancel(sql, row, STR("first"))), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_cancel(sql, row, STR("second"))), 0);
    CLEANUP(execution_release) struct execution got = {0};
    assert_int_equal(catalogue_execution_get(sql, row, &got), 0);
    assert_string_equal(got.worker_id, "w3");
    assert_string_equal(got.worker_hostname, "h2");
    assert_int_equal(got.claim_mark, execution_claim_mark(STR("k"), 7));
    assert_string_equal(got.cancel_reason, "first");
    assert_true(got.pinned);
}

// --- Idempotency

static int repeat(struct sql *sql, int64_t account, const char *key, uint64_t hash, int64_t now_ms, int64_t *ret_row)
{
    const struct store_create asked = {
        .execution.account = account, .idempotency_key = str_of(key), .request_hash = hash};
    return CHANGE(sql, catalogue_create_repeated(sql, &asked, now_ms, ret_row));
}

static void an_idempotency_key_finds_what_it_made_for_a_day(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), other = make_account(sql, "b"), row;
    for (int day = 0; day < 2; day++) { // the second one takes the place of the first
        int64_t now_ms = NOW + day * (DAY + 1);
        struct store_create made = {
            .execution = {.account = account, .status = STATUS_QUEUED, .restored_from = UINT64_MAX},
            .idempotency_key = STR("key"),
            .request_hash = UINT64_MAX};
        assert_int_equal(repeat(sql, account, "key", UINT64_MAX, now_ms, &row), 0);
        assert_int_equal(row, 0);
        assert_int_equal(CHANGE(sql, catalogue_create(sql, &made, now_ms)), 0);
        assert_int_equal(repeat(sql, account, "key", UINT64_MAX, now_ms + DAY, &row), 0);
        assert_int_equal(row, made.execution.row);
        assert_int_equal(repeat(sql, account, "key", 1, now_ms, &row), ERR_IDEMPOTENCY);
        assert_int_equal(repeat(sql, other, "key", 1, now_ms, &row), 0);
        assert_int_equal(row, 0);
        assert_int_equal(strlen(made.execution.execution_id), 31);
        execution_release(&made.execution);
    }
    assert_int_equal(repeat(sql, other, "other", 1, NOW + 9 * DAY, &row), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM idempotency"), 0); // what is old goes along
}

// --- Metadata and labels

static void labels_follow_the_metadata(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a");
    int64_t row =
        make_execution(sql, account, "one", "{\"n\":7,\"yes\":true,\"half\":0.5,\"in\":{\"x\":1},\"text\":\"Ä\"}");
    static const struct {
        const char *name, *value;
    } found[] = {{"n", "7"}, {"yes", "true"}, {"half", "0.5"}, {"text", "Ä"}, {"text", ""}},
      missing[] = {{"n", "8"}, {"in", ""}, {"x", "1"}, {"text", "ä"}, {"N", "7"}};
    for (size_t i = 0; i < ARRAY_LEN(found); i++) {
        struct store_list list = {.account = account, .label_count = 1};
        list.labels[0] = (struct store_label){str_of(found[i].name), str_of(found[i].value)};
        assert_int_equal(list_count(sql, list), 1);
        list.labels[0] = (struct store_label){str_of(missing[i].name), str_of(missing[i].value)};
        assert_int_equal(list_count(sql, list), 0);
    }
    assert_int_equal(CHANGE(sql, patch(sql, account, row, "{\"n\":8,\"yes\":null}")), 0);
    assert_int_equal(
        list_count(sql, (struct store_list){.account = account, .labels = {{STR("n"), STR("8")}}, .label_count = 1}),
        1);
    assert_int_equal(
        list_count(sql, (struct store_list){.account = account, .labels = {{STR("yes"), {0}}}, .label_count = 1}), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM labels"), 3);
    CLEANUP(execution_release) struct execution got = {0};
    assert_int_equal(catalogue_execution_get(sql, row, &got), 0);
    assert_string_equal(got.metadata_json, "{\"n\":8,\"half\":0.5,\"in\":{\"x\":1},\"text\":\"Ä\"}");
}

// --- Lists

static void lists_are_filtered_and_go_on_where_they_ended(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), other = make_account(sql, "b"), rows[64], all[20];
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof(id), "%c-%02d", i % 2 ? 'x' : 'X', i);
        struct execution made =
            described(i == 7 ? other : account, id, i % 3 ? "{\"third\":false}" : "{\"third\":true}");
        made.status = i % 4 ? STATUS_QUEUED : STATUS_RUNNING;
        made.owner = i < 10 ? xstrdup("ada") : NULL;
        made.batch_id = i < 5 ? xstrdup("b1") : i < 8 ? xstrdup("b2") : NULL;
        made.workflow_id = i == 3 ? xstrdup("w") : NULL;
        assert_int_equal(create(sql, made, &all[i]), 0);
    }
    const struct {
        struct store_list list;
        size_t count;
    } cases[] = {
        {{.account = account}, 19},
        {{.account = other}, 1},
        {{.account = account, .owner = STR("ada")}, 9},
        {{.account = account, .owner = STR("Ada")}, 0},
        {{.account = account, .statuses = 1u << STATUS_RUNNING}, 5},
        {{.account = account, .statuses = 1u << STATUS_RUNNING | 1u << STATUS_QUEUED}, 19},
        {{.account = account, .batch_ids = {{STR("b1"), STR("b2")}, 2}}, 7},
        {{.account = account, .batch_ids = {{STR("b2")}, 1}, .workflow_ids = {{STR("w")}, 1}}, 0},
        {{.account = account, .workflow_ids = {{STR("w")}, 1}}, 1},
        {{.account = account, .id_prefix = STR("x-")}, 9},
        {{.account = account, .id_prefix = STR("x-1")}, 5},
        {{.account = account, .since_ms = NOW}, 19},
        {{.account = account, .since_ms = NOW + 1}, 0},
        {{.account = account, .before_row = all[10]}, 9},
        {{.account = account, .labels = {{STR("third"), STR("true")}}, .label_count = 1}, 7},
        {{.account = account, .labels = {{STR("third"), STR("true")}, {STR("third"), STR("false")}}, .label_count = 2},
         19},
        {{.unsealed_only = true}, 20},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(list_count(sql, cases[i].list), cases[i].count);
    const struct outcome over = {.status = STATUS_COMPLETED, .sealed = true};
    assert_int_equal(CHANGE(sql, catalogue_execution_outcome(sql, all[0], &over, &(struct log_state){0})), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, all[1])), 0);
    assert_int_equal(list_count(sql, (struct store_list){.unsealed_only = true}), 18);
    assert_int_equal(list_count(sql, (struct store_list){.account = account}), 18);
    size_t count = 0;
    assert_int_equal(catalogue_list_rows(sql, &(struct store_list){.account = account}, 4, rows, &count), 0);
    assert_int_equal(count, 5); // one more
    assert_int_equal(rows[0], all[19]);
}

// More than are looked through at once for a page of one.
#define LONG_LIST 400
#define HOUR      (3600 * 1000LL)

static void make_long_list(struct sql *sql, int64_t account, int64_t rows[LONG_LIST])
{
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    for (int i = 0; i < LONG_LIST; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%s-%d", i < 3 ? "rare" : i % 2 ? "odd" : "even", i);
        struct store_create make = {.execution = described(account, name, NULL)};
        int64_t made_ms = i == LONG_LIST / 2 ? 1 : NOW + i * HOUR - (i % 3 == 0) * 5 * HOUR;
        assert_int_equal(catalogue_create(sql, &make, made_ms), 0);
        rows[i] = make.execution.row;
        execution_release(&make.execution);
    }
    assert_int_equal(sql_commit(sql), 0);
}

// Page by page of one, and in one page.
static void check_list(struct sql *sql, struct store_list list, const int64_t *expected, size_t count)
{
    int64_t rows[LONG_LIST + 1];
    size_t found;
    assert_int_equal(catalogue_list_rows(sql, &list, LONG_LIST, rows, &found), 0);
    assert_int_equal(found, count);
    assert_memory_equal(rows, expected, count * sizeof(*rows));
    for (size_t i = 0; i <= count; i++) {
        assert_int_equal(catalogue_list_rows(sql, &list, 1, rows, &found), 0);
        assert_int_equal(found, MIN(count - i, (size_t)2));
        assert_true(i == count || rows[0] == expected[i]);
        list.before_row = rows[0];
    }
}

static void what_is_young_or_begins_so_is_found_however_far_back_it_is(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), rows[LONG_LIST], expected[LONG_LIST];
    make_long_list(sql, account, rows);
    static const char *const prefixes[] = {"rare-", "odd-", "even-", "none-", "odd-399", "rare-1"};
    for (size_t p = 0; p < ARRAY_LEN(prefixes); p++) {
        size_t count = 0;
        for (int i = LONG_LIST; i-- > 0;) {
            char name[16];
            snprintf(name, sizeof(name), "%s-%d", i < 3 ? "rare" : i % 2 ? "odd" : "even", i);
            if (strncmp(name, prefixes[p], strlen(prefixes[p])) == 0)
                expected[count++] = rows[i];
        }
        check_list(sql, (struct store_list){.account = account, .id_prefix = str_of(prefixes[p])}, expected, count);
    }
    for (int hours = -10; hours <= LONG_LIST; hours += 41) {
        int64_t since_ms = NOW + hours * HOUR;
        size_t count = 0;
        for (int i = LONG_LIST; i-- > 0;)
            if (i != LONG_LIST / 2 && NOW + i * HOUR - (i % 3 == 0) * 5 * HOUR >= since_ms)
                expected[count++] = rows[i];
        check_list(sql, (struct store_list){.account = account, .since_ms = since_ms}, expected, count);
    }
}

static void as_many_conditions_as_may_be_are_one_statement(void **state)
{
    struct sql *sql = *state;
    int64_t rows[64];
    size_t count = 9;
    char names[STORE_LIST_VALUES_MAX][8];
    struct store_list list = {
        .account = 1, .owner = STR("o"), .id_prefix = STR("p"), .statuses = ~0u, .since_ms = 1, .before_row = 9};
    for (size_t i = 0; i < STORE_LIST_VALUES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "v%zu", i);
        struct str value = str_of(names[i]);
        list.batch_ids.items[list.batch_ids.count++] = list.workflow_ids.items[list.workflow_ids.count++] = value;
        list.labels[list.label_count++] = (struct store_label){value, value};
    }
    assert_int_equal(catalogue_list_rows(sql, &list, 63, rows, &count), 0);
    assert_int_equal(count, 0);
}

// --- Secrets

static int set_secret(struct sql *sql, int64_t account, const char *name, struct str sealed, struct secret *ret)
{
    struct store_secret_set set = {.account = account, .name = str_of(name), .sealed = sealed, .max = 2};
    int err = CHANGE(sql, catalogue_secret_set(sql, &set, NOW));
    *ret = set.ret_secret;
    return err;
}

static void a_secret_is_kept_sealed_counted_and_listed_by_its_bytes(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), other = make_account(sql, "b");
    struct secret secret;
    const struct str sealed = str_n("\0\xff'\\", 4), names[] = {STR("B"), STR("_"), STR("C")};
    assert_int_equal(set_secret(sql, account, "_", STR("1"), &secret), 0);
    assert_int_equal(set_secret(sql, account, "B", STR("2"), &secret), 0);
    assert_int_equal(set_secret(sql, account, "B", sealed, &secret), 0);
    assert_int_equal(secret.version, 2);
    assert_int_equal(secret.created_ms, NOW);
    assert_int_equal(set_secret(sql, account, "C", STR("3"), &secret), ERR_RATE);
    assert_int_equal(set_secret(sql, other, "C", STR("3"), &secret), 0);
    struct store_secret_take take = {.op.kind = STORE_SECRET_TAKE, .account = account, .names = names, .count = 2};
    assert_int_equal(CHANGE(sql, catalogue_secret_take(sql, &take, NOW + 5)), 0);
    assert_true(str_eq(buf_str(&take.ret_sealed[0]), sealed));
    assert_true(str_eq(buf_str(&take.ret_sealed[1]), STR("1")));
    take.count = 3;
    assert_int_equal(CHANGE(sql, catalogue_secret_take(sql, &take, NOW + 9)), ERR_NOT_FOUND);
    assert_int_equal(take.ret_missing, 2);
    store_op_release(&take.op);
    struct store_secret_list list = {.op.kind = STORE_SECRET_LIST, .account = account};
    assert_int_equal(catalogue_secret_list(sql, &list), 0);
    assert_int_equal(list.ret_count, 2);
    assert_string_equal(list.ret_secrets[0].name, "B"); // before _ on every engine
    assert_int_equal(list.ret_secrets[0].used_ms, NOW + 5);
    store_op_release(&list.op);
    struct store_secret_delete gone = {.account = account, .name = STR("B")};
    assert_int_equal(CHANGE(sql, catalogue_secret_delete(sql, &gone)), 0);
    assert_int_equal(CHANGE(sql, catalogue_secret_delete(sql, &gone)), ERR_NOT_FOUND);
    assert_int_equal(change_account(sql, "a", ACCOUNT_DELETED, false), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM secrets"), 1);
}

// --- Transactions

static void what_is_rolled_back_leaves_nothing(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a");
    struct store_create made = {.execution = described(account, "gone", "{\"a\":1}"), .idempotency_key = STR("k")};
    struct store_account_ensure ensure = {.name = STR("b")};
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0);
    assert_int_equal(catalogue_account_ensure(sql, &ensure, NOW), 0);
    assert_int_equal(catalogue_create(sql, &made, NOW), 0);
    assert_int_equal(sql_rollback(sql), 0);
    execution_release(&made.execution);
    static const char *const tables[] = {"executions", "documents", "labels", "idempotency"};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        CLEANUP(free_ptr) char *count = xasprintf("SELECT count(*) FROM %s", tables[i]);
        assert_int_equal(ask(sql, count), 0);
    }
    assert_int_equal(ask(sql, "SELECT count(*) FROM accounts"), 1);
}

// --- Summaries

static int get_summary(struct sql *sql, int64_t row, struct buf *ret)
{
    buf_reset(ret);
    return catalogue_summary_get(sql, row, ret);
}

static void a_summary_is_replaced_by_one_that_counts_more(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), row = make_execution(sql, account, "e", NULL);
    int64_t other = make_execution(sql, account, "other", NULL);
    CLEANUP(buf_release) struct buf found = {0};
    assert_int_equal(get_summary(sql, row, &found), 0);
    assert_int_equal(found.len, 0);
    assert_int_equal(CHANGE(sql, catalogue_summary_set(sql, row, 10, STR("\1\0ten"))), 0);
    assert_int_equal(CHANGE(sql, catalogue_summary_set(sql, other, 3, STR("three"))), 0);
    assert_int_equal(CHANGE(sql, catalogue_summary_set(sql, row, 9, STR("nine"))), 0);
    assert_int_equal(get_summary(sql, row, &found), 0);
    assert_int_equal(found.len, 5);
    assert_memory_equal(found.data, "\1\0ten", 5);
    assert_int_equal(CHANGE(sql, catalogue_summary_set(sql, row, 11, STR("eleven"))), 0);
    assert_int_equal(get_summary(sql, row, &found), 0);
    assert_str(buf_str(&found), "eleven");
}

static void a_purge_takes_the_summary_along(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a"), row = make_execution(sql, account, "e", NULL);
    int64_t other = make_execution(sql, account, "other", NULL);
    CLEANUP(buf_release) struct buf found = {0};
    assert_int_equal(CHANGE(sql, catalogue_summary_set(sql, row, 10, STR("ten"))), 0);
    assert_int_equal(CHANGE(sql, catalogue_summary_set(sql, other, 3, STR("three"))), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, row)), 0);
    assert_int_equal(get_summary(sql, row, &found), 0);
    assert_int_equal(found.len, 0);
    assert_int_equal(get_summary(sql, other, &found), 0);
    assert_str(buf_str(&found), "three");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_account_is_made_once_and_its_name_is_taken_for_ever),
        TEST(accounts_are_listed_in_the_order_of_their_making),
        TEST(a_suspended_account_gives_nothing_up_until_it_has_been_back_for_the_grace),
        TEST(a_deleted_account_is_purged_of_what_it_holds),
        TEST(a_key_comes_back_as_it_was_made),
        TEST(a_key_is_made_once_and_listed_in_order),
        TEST(the_last_operator_stays),
        TEST(an_execution_comes_back_as_it_was_made),
        TEST(a_request_without_a_command_has_none),
        TEST(an_identifier_is_taken_once_per_account_also_after_a_purge),
        TEST(the_first_result_stays_and_is_read_with_its_execution),
        TEST(an_outcome_and_the_end_of_the_log_are_kept_bit_for_bit),
        TEST(a_fold_never_goes_back),
        TEST(what_is_told_of_an_execution_is_kept),
        TEST(an_idempotency_key_finds_what_it_made_for_a_day),
        TEST(labels_follow_the_metadata),
        TEST(lists_are_filtered_and_go_on_where_they_ended),
        TEST(what_is_young_or_begins_so_is_found_however_far_back_it_is),
        TEST(as_many_conditions_as_may_be_are_one_statement),
        TEST(a_secret_is_kept_sealed_counted_and_listed_by_its_bytes),
        TEST(a_summary_is_replaced_by_one_that_counts_more),
        TEST(a_purge_takes_the_summary_along),
        TEST(what_is_rolled_back_leaves_nothing),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
