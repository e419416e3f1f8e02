// Lists of executions, keys, groups of operations, and who watches them, as every adapter of the store's port does
// them.
#include "store/store_fixture.h"

// --- Groups

#define GROUP 200

static void one_failure_harms_no_other_operation(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t good = fixture_create(fixture, account, "good", STATUS_RUNNING);
    int64_t bad = fixture_create(fixture, account, "bad", STATUS_RUNNING);
    fixture_complete_err(fixture, bad, "", -1);
    struct store_append *appends = xcalloc(GROUP, sizeof(*appends));
    struct store_op *ops[GROUP];
    for (uint64_t i = 0; i < GROUP; i++) {
        appends[i] = (struct store_append){
            .op.kind = STORE_APPEND,
            .row = i % 3 == 0 ? bad : good,
            .producer = i % 3 == 1 ? STR("p") : (struct str){0},
            .first = i / 3,
            .chunk = fixture_chunk(i / 3, 1, 40, 0),
        };
        ops[i] = &appends[i].op;
    }
    fixture_run_all(fixture, ops, GROUP);
    uint64_t sequence = 0;
    for (uint64_t i = 0; i < GROUP; i++) {
        assert_int_equal(appends[i].op.err, i % 3 == 0 ? ERR_SEALED : 0);
        if (i % 3 != 0)
            assert_int_equal(appends[i].ret_first_sequence, sequence++);
        chunk_unref(&appends[i].chunk);
    }
    assert_int_equal(fixture_read(fixture, good, 0, 1 << 20, NULL, NULL), sequence);
    free(appends);
}

struct watched {
    int64_t row;
    _Atomic uint64_t next;
    _Atomic bool wrong, sealed;
};

static void watch_one(void *arg, const struct store_change *changes, size_t count)
{
    struct watched *watched = arg;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].row != watched->row)
            continue;
        uint64_t records = changes[i].chunk ? chunk_count(changes[i].chunk) : 0;
        if (changes[i].first != atomic_load(&watched->next) || changes[i].next != changes[i].first + records)
            atomic_store(&watched->wrong, true);
        atomic_store(&watched->next, changes[i].next);
        atomic_store(&watched->sealed, changes[i].sealed);
    }
}

static void the_watcher_sees_every_change_in_order_before_the_answers(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    struct watched watched = {.row = row};
    assert_int_equal(store_watch(fixture->store, watch_one, &watched), 0);
    for (uint64_t i = 0; i < 20; i++) {
        struct store_append appended = fixture_append_lines(fixture, row, "p", i * 3, 4); // one record repeats
        assert_int_equal(appended.op.err, 0);
        assert_int_equal(atomic_load(&watched.next), appended.ret_next);
    }
    struct store_complete end = fixture_complete(fixture, row, "p", 60);
    assert_true(atomic_load(&watched.sealed));
    assert_false(atomic_load(&watched.wrong));
    store_op_release(&end.op);
}

struct belonging {
    int64_t account;
    char batch_id[16], workflow_id[16];
    _Atomic unsigned seen;
    _Atomic bool wrong;
};

static void watch_belonging(void *arg, const struct store_change *changes, size_t count)
{
    struct belonging *it = arg;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].elsewhere)
            continue;
        if (changes[i].account != it->account || !str_eq(changes[i].batch_id, str_of(it->batch_id)) ||
            !str_eq(changes[i].workflow_id, str_of(it->workflow_id)))
            atomic_store(&it->wrong, true);
        atomic_fetch_add(&it->seen, 1);
    }
}

static void a_change_tells_whose_it_is_and_what_it_belongs_to(void **state)
{
    struct fixture *fixture = *state;
    fixture_account(fixture, "a");
    struct belonging it = {.account = fixture_account(fixture, "b"), .batch_id = "night", .workflow_id = "w7"};
    struct store_create create = {.op.kind = STORE_CREATE,
                                  .execution = {.account = it.account,
                                                .execution_id = xstrdup("e"),
                                                .status = STATUS_QUEUED,
                                                .batch_id = xstrdup(it.batch_id),
                                                .workflow_id = xstrdup(it.workflow_id)}};
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    int64_t row = create.execution.row;
    store_op_release(&create.op);
    fixture_reopen(fixture); // what is kept of it in memory is read again
    assert_int_equal(store_watch(fixture->store, watch_belonging, &it), 0);
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = row};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    store_op_release(&claim.op);
    assert_int_equal(fixture_append_lines(fixture, row, "p", 0, 3).op.err, 0);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 2), 0);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_false(atomic_load(&it.wrong));
    assert_true(atomic_load(&it.seen) >= 4);
    it = (struct belonging){.account = it.account}; // of one that belongs to nothing, the two are empty
    row = fixture_create(fixture, it.account, "alone", STATUS_RUNNING);
    assert_int_equal(fixture_append_lines(fixture, row, "p", 0, 3).op.err, 0);
    assert_false(atomic_load(&it.wrong));
    assert_true(atomic_load(&it.seen) >= 1);
}

// --- Lists

#define LISTED 10

// LISTED executions of the account, oldest first, and one of another account that would fit every filter.
static void make_listed(struct fixture *fixture, int64_t account, int64_t rows[LISTED])
{
    int64_t other = fixture_account(fixture, "b");
    struct store_create others = {
        .op.kind = STORE_CREATE,
        .execution = {.account = other,
                      .status = STATUS_RUNNING,
                      .owner = xstrdup("ada"),
                      .batch_id = xstrdup("b"),
                      .workflow_id = xstrdup("w"),
                      .metadata_json = xstrdup("{\"n\":7,\"even\":true}")},
    };
    assert_int_equal(fixture_run(fixture, &others.op), 0);
    store_op_release(&others.op);
    for (int i = 0; i < LISTED; i++) {
        atomic_fetch_add(&fixture->now_ms, 1000);
        struct store_create create = {
            .op.kind = STORE_CREATE,
            .execution =
                {
                    .account = account,
                    .status = i % 2 ? STATUS_RUNNING : STATUS_QUEUED,
                    .owner = i < 3 ? xstrdup("ada") : NULL,
                    .batch_id = i < 4 ? xstrdup("b") : NULL,
                    .workflow_id = i < 5 ? xstrdup("w") : NULL,
                    .metadata_json = xasprintf("{\"n\":%d,\"even\":%s,\"o\":{}}", i, i % 2 ? "false" : "true"),
                },
        };
        assert_int_equal(fixture_run(fixture, &create.op), 0);
        rows[i] = create.execution.row;
        store_op_release(&create.op);
    }
}

static void lists_are_paged_newest_first(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[LISTED];
    make_listed(fixture, account, rows);
    struct store_list page = {.op.kind = STORE_LIST, .account = account, .limit = 4};
    int next = LISTED - 1;
    do {
        assert_int_equal(fixture_run(fixture, &page.op), 0);
        for (size_t i = 0; i < page.ret_count; i++)
            assert_int_equal(page.ret_executions[i].row, rows[next--]);
        page.before = page.ret_next;
        store_op_release(&page.op);
    } while (page.before.rows[0] != 0);
    assert_int_equal(next, -1);
}

#define LONG_PAGE 150 // more than are read with one statement

static void a_long_page_has_all_in_order_and_ends_at_its_bytes(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[LONG_PAGE];
    char name[8];
    for (int i = 0; i < LONG_PAGE; i++) {
        snprintf(name, sizeof(name), "e%03d", i);
        rows[i] = fixture_create(fixture, account, name, STATUS_RUNNING);
    }
    const struct {
        size_t max_bytes, expected;
    } cases[] = {{0, 140}, {70 * 4, 70}, {70 * 4 - 1, 70}, {70 * 4 + 1, 71}, {1, 1}, {64 * 4, 64}};
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct store_list page = {
            .op.kind = STORE_LIST, .account = account, .limit = 140, .max_bytes = cases[c].max_bytes};
        assert_int_equal(fixture_run(fixture, &page.op), 0);
        assert_int_equal(page.ret_count, cases[c].expected);
        for (size_t i = 0; i < page.ret_count; i++) {
            snprintf(name, sizeof(name), "e%03zu", LONG_PAGE - 1 - i);
            assert_int_equal(page.ret_executions[i].row, rows[LONG_PAGE - 1 - i]);
            assert_string_equal(page.ret_executions[i].execution_id, name);
        }
        assert_int_not_equal(page.ret_next.rows[0], 0); // there are more
        store_op_release(&page.op);
    }
}

static void lists_are_filtered(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[LISTED];
    make_listed(fixture, account, rows);
    assert_int_equal(fixture_list_count(fixture, (struct store_list){.account = account, .owner = STR("ada")}), 3);
    assert_int_equal(fixture_list_count(fixture, (struct store_list){.account = account, .batch_ids = {{STR("b")}, 1}}),
                     4);
    assert_int_equal(
        fixture_list_count(fixture, (struct store_list){.account = account, .workflow_ids = {{STR("w")}, 1}}), 5);
    assert_int_equal(
        fixture_list_count(fixture, (struct store_list){.account = account, .statuses = 1u << STATUS_RUNNING}), 5);
    assert_int_equal(fixture_list_count(fixture, (struct store_list){.account = account,
                                                                     .since_ms = atomic_load(&fixture->now_ms) - 1000}),
                     2);
    struct store_list labelled = {.account = account, .labels = {{STR("n"), STR("7")}}, .label_count = 1};
    assert_int_equal(fixture_list_count(fixture, labelled), 1);
    labelled.labels[0] = (struct store_label){STR("even"), STR("true")};
    assert_int_equal(fixture_list_count(fixture, labelled), 5);
    labelled.labels[0].value = (struct str){0};
    assert_int_equal(fixture_list_count(fixture, labelled), 10);
    assert_int_equal(fixture_list_count(fixture, (struct store_list){.account = account,
                                                                     .labels = {{STR("n"), STR("7")},
                                                                                {STR("even"), STR("false")},
                                                                                {STR("n"), STR("8")},
                                                                                {STR("n"), STR("9")}},
                                                                     .label_count = 4}),
                     2);
    assert_int_equal(
        fixture_list_count(fixture, (struct store_list){.account = account,
                                                        .batch_ids = {{STR("b"), STR("none")}, 2},
                                                        .statuses = 1u << STATUS_RUNNING | 1u << STATUS_LOST}),
        2);
    fixture_complete_err(fixture, rows[1], "", -1);
    assert_int_equal(fixture_list_count(fixture, (struct store_list){.unsealed_only = true}), 10);
}

static uint64_t total_of(struct fixture *fixture, struct store_list list)
{
    list.op.kind = STORE_LIST;
    list.limit = 1;
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    assert_int_equal(list.ret_count, 1);
    store_op_release(&list.op);
    return list.ret_total;
}

static void what_meets_the_conditions_is_counted_no_further_than_is_wanted(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[LISTED];
    make_listed(fixture, account, rows);
    struct store_list list = {.account = account, .workflow_ids = {{STR("w")}, 1}};
    static const struct {
        uint64_t count_max, total;
    } cases[] = {{0, 0}, {1, 2}, {4, 5}, {5, 5}, {1000, 5}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        list.count_max = cases[i].count_max;
        uint64_t total = total_of(fixture, list); // several stores may each have counted as far
        assert_int_equal(MIN(total, list.count_max > 0 ? list.count_max + 1 : 0), cases[i].total);
    }
    list.owner = STR("ada");
    assert_int_equal(total_of(fixture, list), 3);
    fixture_complete_err(fixture, rows[1], "", -1);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = rows[1]};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_int_equal(total_of(fixture, list), 2);
}

static void executions_are_found_by_the_beginning_of_their_identifiers(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), other = fixture_account(fixture, "b");
    static const char *const ids[] = {"job", "job-1", "job-2", "jobs", "joz", "ZZ"};
    static const struct {
        const char *prefix;
        size_t count;
    } cases[] = {{"job", 4}, {"job-", 2}, {"jobs", 1}, {"jo", 5}, {"Z", 1}, {"z", 0}, {"job-12", 0}, {"%", 0}};
    fixture_create(fixture, other, "job-3", STATUS_RUNNING);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        fixture_create(fixture, account, ids[i], STATUS_RUNNING);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(
            fixture_list_count(fixture, (struct store_list){.account = account, .id_prefix = str_of(cases[i].prefix)}),
            cases[i].count);
}

// --- Keys

static void keys_are_found_by_hash_and_revoked(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct store_key_create create = {
        .op.kind = STORE_KEY_CREATE,
        .key = {.account = account,
                .key_id = xstrdup("key_1"),
                .name = xstrdup(""),
                .role = ROLE_SERVICE,
                .created_ms = 5},
    };
    memset(create.key.hash, 9, sizeof(create.key.hash));
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    assert_int_equal(fixture_run(fixture, &create.op), ERR_CONFLICT);
    struct store_key_used used = {.op.kind = STORE_KEY_USED, .row = create.key.row, .used_ms = 77};
    assert_int_equal(fixture_run(fixture, &used.op), 0);
    struct store_key_revoke revoke = {
        .op.kind = STORE_KEY_REVOKE, .account = account, .key_id = STR("key_2"), .role = ROLE_ADMIN};
    assert_int_equal(fixture_run(fixture, &revoke.op), ERR_NOT_FOUND);
    revoke.key_id = STR("key_1");
    revoke.account = fixture_account(fixture, "b");
    assert_int_equal(fixture_run(fixture, &revoke.op), ERR_NOT_FOUND); // another account's
    revoke.account = account;
    assert_int_equal(fixture_run(fixture, &revoke.op), 0);
    assert_int_equal(revoke.ret_row, create.key.row);
    fixture_reopen(fixture);
    struct store_key_find find = {.op.kind = STORE_KEY_FIND};
    assert_int_equal(fixture_run(fixture, &find.op), ERR_NOT_FOUND);
    memset(find.hash, 9, sizeof(find.hash));
    assert_int_equal(fixture_run(fixture, &find.op), 0);
    assert_int_equal(find.ret_key.role, ROLE_SERVICE);
    assert_int_equal(find.ret_key.last_used_ms, 77);
    assert_int_equal(find.ret_key.revoked_ms, atomic_load(&fixture->now_ms));
    assert_string_equal(find.ret_key.key_id, "key_1");
    struct store_key_list list = {.op.kind = STORE_KEY_LIST, .account = account};
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    assert_int_equal(list.ret_count, 1);
    store_op_release(&list.op);
    store_op_release(&find.op);
    store_op_release(&create.op);
}

static void where_many_executions_stand_is_told_at_once(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t rows[3] = {fixture_create(fixture, account, "one", STATUS_RUNNING), 999999,
                       fixture_create(fixture, account, "two", STATUS_RUNNING)};
    assert_int_equal(fixture_append_lines(fixture, rows[0], "p", 0, 3).op.err, 0);
    assert_int_equal(fixture_complete_err(fixture, rows[2], "p", -1), 0);
    struct store_look look = {.op.kind = STORE_LOOK, .rows = rows, .count = ARRAY_LEN(rows)};
    assert_int_equal(fixture_run(fixture, &look.op), 0);
    assert_int_equal(look.ret_count, 2);
    for (size_t i = 0; i < look.ret_count; i++) {
        const struct store_change *change = &look.ret_changes[i];
        bool first = change->row == rows[0];
        assert_true(change->elsewhere && (first || change->row == rows[2]));
        assert_int_equal(change->account, account);
        assert_int_equal(change->next, first ? 3 : 0);
        assert_int_equal(change->sealed, !first);
        assert_int_equal(change->status, first ? STATUS_RUNNING : STATUS_COMPLETED);
    }
    store_op_release(&look.op);
    look.count = 0;
    assert_int_equal(fixture_run(fixture, &look.op), 0);
    assert_int_equal(look.ret_count, 0);
    store_op_release(&look.op);
    look.count = STORE_LOOK_MAX + 1;
    assert_int_equal(fixture_run(fixture, &look.op), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(one_failure_harms_no_other_operation),
        ON_EACH(the_watcher_sees_every_change_in_order_before_the_answers),
        ON_EACH(a_change_tells_whose_it_is_and_what_it_belongs_to),
        ON_EACH(where_many_executions_stand_is_told_at_once),
        ON_EACH(lists_are_paged_newest_first),
        ON_EACH(a_long_page_has_all_in_order_and_ends_at_its_bytes),
        ON_EACH(lists_are_filtered),
        ON_EACH(what_meets_the_conditions_is_counted_no_further_than_is_wanted),
        ON_EACH(executions_are_found_by_the_beginning_of_their_identifiers),
        ON_EACH(keys_are_found_by_hash_and_revoked),
    };
    return FIXTURE_EACH(tests);
}
