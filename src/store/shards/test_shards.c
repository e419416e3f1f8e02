// Several stores as one, beyond what the conformance suite shows of every adapter: rows of each store, lists over both,
// and what may not be mixed.
#include "store/shards/shards.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <sys/stat.h>

static int open_in(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    const struct sqlite_tuning tuning = {.now_ms = fixture_clock, .now_arg = now_ms};
    CLEANUP(buf_release) struct buf error = {0};
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 1, .tuning = &tuning}, &error, ret);
}

// `order`: of the folders beneath, a letter each.
static int open_order(const char *folder, const char *order, _Atomic int64_t *now_ms, struct store **ret)
{
    struct shards_member members[STORE_SHARDS_MAX] = {0};
    CLEANUP(buf_release) struct buf error = {0};
    size_t count = 0;
    for (; order[count]; count++) {
        CLEANUP(free_ptr) char *one = xasprintf("%s/%c", folder, order[count]);
        assert_int_equal(open_in(one, now_ms, &members[count].store), 0);
        members[count].name = "store";
    }
    return shards_open(&(struct shards_options){.members = members, .count = count}, &error, ret);
}

struct waiting { // for the second one, which is away until it is there
    atomic_bool there;
    atomic_uint opened; // how often
};

struct away {
    char folder[256];
    _Atomic int64_t *now_ms;
    struct waiting *waiting;
};

static int open_if_there(void *arg, struct buf *ret_error, struct store **ret)
{
    const struct away *away = arg;
    buf_append_text(ret_error, "cannot be reached");
    if (!atomic_load(&away->waiting->there))
        return ERR_UNAVAILABLE;
    atomic_fetch_add(&away->waiting->opened, 1);
    return open_in(away->folder, away->now_ms, ret);
}

static int open_with_away(struct fixture *fixture, const char *first, const char *second, struct waiting *waiting)
{
    struct shards_member members[] = {{.name = "store"}, {.name = "store 1", .open = open_if_there}};
    CLEANUP(free_ptr) char *one = xasprintf("%s/%s", fixture->folder, first);
    CLEANUP(buf_release) struct buf error = {0};
    struct away *away = xcalloc(1, sizeof(*away));
    *away = (struct away){.now_ms = &fixture->now_ms, .waiting = waiting};
    snprintf(away->folder, sizeof(away->folder), "%s/%s", fixture->folder, second);
    members[1].open_arg = away;
    assert_int_equal(open_in(one, &fixture->now_ms, &members[0].store), 0);
    const struct shards_options options = {.members = members, .count = ARRAY_LEN(members), .again_ms = 1};
    return shards_open(&options, &error, &fixture->store);
}

static int open_three(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    return open_order(folder, "abc", now_ms, ret);
}

static const struct fixture_adapter three = {"three stores", open_three};

static int set_up(void **state)
{
    *state = fixture_new(&three);
    return 0;
}

#define MADE 60

static void make(struct fixture *fixture, int64_t account, int64_t rows[MADE])
{
    for (int i = 0; i < MADE; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("e%d", i);
        fixture->now_ms += 1;
        rows[i] = fixture_create(fixture, account, id, STATUS_RUNNING);
    }
}

static void each_store_gets_a_share_and_what_is_in_it_is_found(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[MADE];
    size_t shares[STORE_SHARDS_MAX] = {0};
    make(fixture, account, rows);
    for (int i = 0; i < MADE; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("e%d", i);
        shares[store_shard_of(rows[i])]++;
        assert_int_equal(fixture_append_lines(fixture, rows[i], "p", 0, 3).op.err, 0);
        struct execution found = fixture_get(fixture, account, id);
        assert_true(found.row == rows[i] && found.next_sequence == 3);
        execution_release(&found);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(shares[i] > 0);
    assert_int_equal(shares[0] + shares[1] + shares[2], MADE);
    struct store_append gone = fixture_append_lines(fixture, (int64_t)3 << STORE_SHARD_SHIFT | 1, "p", 0, 1);
    assert_int_equal(gone.op.err, ERR_NOT_FOUND); // of a store that there is not
}

static void pages_of_any_length_are_the_same_list(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[MADE];
    make(fixture, account, rows);
    for (unsigned limit = 1; limit <= MADE + 1; limit = limit * 2 + 1) {
        struct store_list page = {.op.kind = STORE_LIST, .account = account, .limit = limit};
        int next = MADE;
        do {
            assert_int_equal(fixture_run(fixture, &page.op), 0);
            assert_true(page.ret_count > 0 && page.ret_count <= limit);
            for (size_t i = 0; i < page.ret_count; i++)
                assert_int_equal(page.ret_executions[i].row, rows[--next]);
            page.before = page.ret_next;
            store_op_release(&page.op);
        } while (page.before.rows[0] != 0);
        assert_int_equal(next, 0);
    }
}

static void the_place_behind_a_row_begins_with_the_next_one(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[MADE];
    make(fixture, account, rows);
    struct store_list all = {.op.kind = STORE_LIST, .account = account, .limit = MADE};
    assert_int_equal(fixture_run(fixture, &all.op), 0);
    struct list_place place = all.ret_before;
    store_op_release(&all.op);
    for (int i = MADE - 1; i > 0; i--) {
        list_place_pass(&place, rows[i]);
        struct store_list one = {.op.kind = STORE_LIST, .account = account, .limit = 1, .before = place};
        assert_int_equal(fixture_run(fixture, &one.op), 0);
        assert_true(one.ret_count == 1 && one.ret_executions[0].row == rows[i - 1]);
        store_op_release(&one.op);
    }
}

static void the_limit_of_open_executions_is_over_all(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    for (int i = 0; i < 7; i++) {
        struct store_create create = {.op.kind = STORE_CREATE, .execution.account = account, .open_max = 6};
        create.execution.status = STATUS_RUNNING;
        assert_int_equal(fixture_run(fixture, &create.op), i < 6 ? 0 : ERR_RATE);
        assert_int_equal(create.open_max, 6);
        store_op_release(&create.op);
    }
}

static void a_key_and_an_identifier_count_in_all_also_after_a_store_came(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[MADE], by_key[MADE];
    make(fixture, account, rows);
    for (int i = 0; i < 2 * MADE; i++) {
        CLEANUP(free_ptr) char *key = xasprintf("key%d", i % MADE);
        struct store_create create = {.op.kind = STORE_CREATE,
                                      .execution = {.account = account, .status = STATUS_RUNNING},
                                      .idempotency_key = str_of(key),
                                      .request_hash = 7};
        if (i == MADE) {
            store_free(&fixture->store);
            assert_int_equal(open_order(fixture->folder, "abcd", &fixture->now_ms, &fixture->store), 0);
        }
        assert_int_equal(fixture_run(fixture, &create.op), 0);
        assert_int_equal(create.ret_existed, i >= MADE);
        if (i < MADE)
            by_key[i] = create.execution.row;
        else
            assert_int_equal(create.execution.row, by_key[i - MADE]);
        store_op_release(&create.op);
    }
    for (int i = 0; i < MADE; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("e%d", i);
        struct store_create again = {.op.kind = STORE_CREATE,
                                     .execution = {.account = account, .execution_id = xstrdup(id)}};
        assert_int_equal(fixture_run(fixture, &again.op), ERR_CONFLICT);
        store_op_release(&again.op);
        struct execution found = fixture_get(fixture, account, id);
        assert_int_equal(found.row, rows[i]); // it stays where it was made
        execution_release(&found);
    }
}

static void stores_are_not_mixed(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = NULL;
    fixture_account(fixture, "a");
    store_free(&fixture->store);
    static const char *const refused[] = {"ab", "acb", "bac", "bc", "a"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        assert_int_equal(open_order(fixture->folder, refused[i], &fixture->now_ms, &store), ERR_CONFLICT);
    CLEANUP(free_ptr) char *second = xasprintf("%s/b", fixture->folder);
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(open_in(second, &fixture->now_ms, &store), 0);
    assert_int_equal(shards_check_alone(store, "b", &error), ERR_CONFLICT);
    assert_non_null(strstr(buf_cstr(&error), "store 1 of several"));
    store_free(&store);
    assert_int_equal(open_order(fixture->folder, "abc", &fixture->now_ms, &fixture->store), 0);
}

static void open_two(struct fixture *fixture, const char *order)
{
    store_free(&fixture->store);
    assert_int_equal(open_order(fixture->folder, order, &fixture->now_ms, &fixture->store), 0);
}

static void one_that_is_away_at_the_start_is_taken_in_when_it_is_there(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting = {0};
    open_two(fixture, "hi");
    int64_t account = fixture_account(fixture, "a"), rows[MADE];
    make(fixture, account, rows);
    store_free(&fixture->store);
    assert_int_equal(open_with_away(fixture, "h", "i", &waiting), 0);
    CLEANUP(buf_release) struct buf which = {0};
    assert_true(store_away(fixture->store, &which));
    assert_non_null(strstr(buf_cstr(&which), "store 1"));
    for (int i = 0; i < MADE; i++) {
        int err = fixture_append_lines(fixture, rows[i], "p", 0, 1).op.err;
        assert_int_equal(err, store_shard_of(rows[i]) == 0 ? 0 : ERR_UNAVAILABLE);
    }
    for (int i = 0; i < MADE / 2; i++) {
        struct store_create made = {.op.kind = STORE_CREATE, .execution.account = account};
        assert_int_equal(fixture_run(fixture, &made.op), 0);
        assert_int_equal(store_shard_of(made.execution.row), 0);
        store_op_release(&made.op);
    }
    struct store_get unknown = {.op.kind = STORE_GET, .account = account, .execution_id = STR("unknown")};
    assert_int_equal(fixture_run(fixture, &unknown.op), ERR_UNAVAILABLE); // it may lie there
    struct store_list list = {.op.kind = STORE_LIST, .account = account};
    assert_int_equal(fixture_run(fixture, &list.op), ERR_UNAVAILABLE);
    atomic_store(&waiting.there, true);
    while (fixture_run(fixture, &list.op) == ERR_UNAVAILABLE)
        store_op_release(&list.op);
    store_op_release(&list.op);
    assert_false(store_away(fixture->store, &which));
    assert_int_equal(fixture_list_count(fixture, (struct store_list){.account = account}), MADE + MADE / 2);
    for (int i = 0; i < MADE; i++)
        assert_int_equal(fixture_append_lines(fixture, rows[i], "p", store_shard_of(rows[i]) == 0, 1).op.err, 0);
}

static void one_that_is_not_what_was_there_stays_away(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting = {.there = true};
    open_two(fixture, "hi");
    open_two(fixture, "jk");
    store_free(&fixture->store);
    static const char *const others[] = {"k", "empty"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(open_with_away(fixture, "h", others[i], &waiting), 0);
        struct store_list list = {.op.kind = STORE_LIST, .account = 1};
        for (unsigned before = atomic_load(&waiting.opened); atomic_load(&waiting.opened) < before + 2;)
            assert_int_equal(fixture_run(fixture, &list.op), ERR_UNAVAILABLE);
        store_free(&fixture->store);
    }
    struct store *store = NULL;
    // An empty one in the place of one that was there.
    assert_int_equal(open_order(fixture->folder, "hx", &fixture->now_ms, &store), ERR_CONFLICT);
    atomic_store(&waiting.there, false);
    assert_int_equal(open_with_away(fixture, "n", "o", &waiting), ERR_UNAVAILABLE); // which nobody knows yet
    open_two(fixture, "hi");
}

static int64_t node_start(struct fixture *fixture)
{
    struct store_node_start start = {.op.kind = STORE_NODE_START, .node_kind = NODE_SERVER};
    assert_int_equal(fixture_run(fixture, &start.op), 0);
    return start.ret_node;
}

static int mover_asks(struct fixture *fixture, enum node_lease_cause cause, int64_t node, uint64_t *epoch)
{
    struct store_lease lease = {.op.kind = STORE_LEASE,
                                .lease_kind = LEASE_COLD,
                                .subject = STORE_COLD_SUBJECT,
                                .ask = {.cause = cause, .node = node, .epoch = *epoch}};
    int err = fixture_run(fixture, &lease.op);
    if (err == 0)
        *epoch = lease.ret_lease.epoch;
    return err;
}

static int mover_swaps(struct fixture *fixture, const int64_t *rows, size_t count, int64_t node, uint64_t epoch)
{
    struct store_cold_swap swap = {.op.kind = STORE_COLD_SWAP,
                                   .node = node,
                                   .epoch = epoch,
                                   .object = "v1/0/20250101/a.pack",
                                   .made_ms = fixture->now_ms,
                                   .rows = rows,
                                   .row_count = count};
    return fixture_run(fixture, &swap.op);
}

static void the_mover_of_cold_chunks_is_fenced_in_every_store(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[MADE], node = node_start(fixture);
    make(fixture, account, rows);
    uint64_t epoch = 0, late = 0;
    assert_int_equal(mover_asks(fixture, NODE_LEASE_CLAIM, node, &epoch), 0);
    assert_int_equal(mover_asks(fixture, NODE_LEASE_RENEW, node, &epoch), 0);
    for (int i = 0; i < MADE; i++)
        assert_int_equal(mover_swaps(fixture, &rows[i], 1, node, epoch), 0);
    assert_int_equal(mover_swaps(fixture, rows, MADE, node, epoch), ERR_INTERNAL); // a pack is of one store
    open_two(fixture, "abc");
    for (int i = 0; i < MADE; i++) // who begins anew has claimed nothing
        assert_int_equal(mover_swaps(fixture, &rows[i], 1, node, epoch), store_shard_of(rows[i]) == 0 ? 0 : ERR_FENCED);
    assert_int_equal(mover_asks(fixture, NODE_LEASE_RENEW, node, &epoch), ERR_FENCED);
    int64_t next = node_start(fixture);
    assert_int_equal(mover_asks(fixture, NODE_LEASE_CLAIM, next, &late), 0);
    assert_true(late > epoch);
    for (int i = 0; i < MADE; i++) {
        assert_int_equal(mover_swaps(fixture, &rows[i], 1, node, epoch), ERR_FENCED);
        assert_int_equal(mover_swaps(fixture, &rows[i], 1, next, late), 0);
    }
    assert_int_equal(mover_asks(fixture, NODE_LEASE_RENEW, node, &epoch), ERR_NODE_FENCED);
}

static void nobody_moves_cold_chunks_who_has_not_all_stores(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting = {0};
    open_two(fixture, "hi");
    store_free(&fixture->store);
    assert_int_equal(open_with_away(fixture, "h", "i", &waiting), 0);
    uint64_t epoch = 0;
    int64_t node = node_start(fixture);
    assert_int_equal(mover_asks(fixture, NODE_LEASE_CLAIM, node, &epoch), ERR_UNAVAILABLE);
    atomic_store(&waiting.there, true);
    int err;
    do
        err = mover_asks(fixture, NODE_LEASE_CLAIM, node, &epoch);
    while (err == ERR_UNAVAILABLE);
    assert_int_equal(err, 0);
}

static void a_deleted_account_is_purged_in_every_store(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[MADE];
    make(fixture, account, rows);
    struct store_account_change change = {.op.kind = STORE_ACCOUNT_CHANGE, .name = STR("a"), .state = ACCOUNT_DELETED};
    for (int i = 0; i < MADE; i++)
        if (store_shard_of(rows[i]) == 0) {
            assert_int_equal(fixture_complete_err(fixture, rows[i], "p", -1), 0);
            struct store_purge purge = {.op.kind = STORE_PURGE, .row = rows[i]};
            assert_int_equal(fixture_run(fixture, &purge.op), 0);
        }
    assert_int_equal(fixture_run(fixture, &change.op), ERR_CONFLICT); // others have some still
    change.purge = true;
    assert_int_equal(fixture_run(fixture, &change.op), 0);
    size_t left;
    do // in the background; each look waits for the stores
        left = fixture_list_count(fixture, (struct store_list){.account = account});
    while (left > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_THREE(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
        WITH_THREE(each_store_gets_a_share_and_what_is_in_it_is_found),
        WITH_THREE(pages_of_any_length_are_the_same_list),
        WITH_THREE(the_place_behind_a_row_begins_with_the_next_one),
        WITH_THREE(the_limit_of_open_executions_is_over_all),
        WITH_THREE(a_key_and_an_identifier_count_in_all_also_after_a_store_came),
        WITH_THREE(stores_are_not_mixed),
        WITH_THREE(one_that_is_away_at_the_start_is_taken_in_when_it_is_there),
        WITH_THREE(one_that_is_not_what_was_there_stays_away),
        WITH_THREE(the_mover_of_cold_chunks_is_fenced_in_every_store),
        WITH_THREE(nobody_moves_cold_chunks_who_has_not_all_stores),
        WITH_THREE(a_deleted_account_is_purged_in_every_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
