// What the port does before and beside its adapters.
#include "store/execution_cache.h"
#include "store/store_stub.h"

// --- Watchers

struct told {
    const char *order; // of who was told
    size_t count;
};

struct watcher {
    struct told *told;
    char letter;
    char seen[32];
};

static void watch(void *arg, const struct store_change *changes, size_t count)
{
    struct watcher *it = arg;
    assert_true(it->told->count < strlen(it->told->order));
    assert_int_equal(it->told->order[it->told->count++], it->letter);
    for (size_t i = 0; i < count; i++)
        snprintf(it->seen + strlen(it->seen), sizeof(it->seen) - strlen(it->seen), "%d ", (int)changes[i].row);
}

static void every_watcher_is_told_of_every_commit_in_the_order_of_their_coming(void **state)
{
    (void)state;
    struct store_stub stub;
    struct told told = {.order = "abcabc"};
    struct watcher watchers[] = {{.told = &told, .letter = 'a'}, {.told = &told, .letter = 'b'}, {&told, 'c', ""}};
    const struct store_change changes[] = {{.row = 1}, {.row = 2}, {.row = 3}};
    stub_init(&stub);
    for (size_t i = 0; i < ARRAY_LEN(watchers); i++)
        assert_int_equal(store_watch(&stub.base, watch, &watchers[i]), 0);
    store_publish(&stub.base, changes, 2);
    store_publish(&stub.base, changes, 0); // nothing changed: nobody is told
    store_publish(&stub.base, changes + 2, 1);
    assert_int_equal(told.count, 6);
    for (size_t i = 0; i < ARRAY_LEN(watchers); i++)
        assert_string_equal(watchers[i].seen, "1 2 3 ");
}

static void one_watcher_too_many_is_refused_and_the_others_stay(void **state)
{
    (void)state;
    struct store_stub stub;
    struct told told = {.order = "aaaaaaaa"};
    struct watcher watcher = {.told = &told, .letter = 'a'};
    stub_init(&stub);
    for (size_t i = 0; i < STORE_WATCHERS_MAX; i++)
        assert_int_equal(store_watch(&stub.base, watch, &watcher), 0);
    assert_int_equal(store_watch(&stub.base, watch, &watcher), ERR_OVERLOADED);
    store_publish(&stub.base, &(struct store_change){.row = 5}, 1);
    assert_int_equal(told.count, STORE_WATCHERS_MAX);
}

// --- What a store may not be able to do

static void stop_loop(struct store_op *op)
{
    loop_stop(op->reply_to);
}

static void a_store_that_makes_no_backups_says_so(void **state)
{
    (void)state;
    struct store_stub stub;
    struct loop *loop;
    stub_init(&stub);
    assert_int_equal(loop_new(&loop), 0);
    struct store_backup backup = {.op = {.kind = STORE_BACKUP, .reply_to = loop, .done = stop_loop},
                                  .folder = STR("/tmp"),
                                  .name = STR("copy.db")};
    store_submit(&stub.base, &backup.op);
    assert_int_equal(backup.op.err, ERR_UNSUPPORTED);
    assert_int_equal(loop_run(loop), 0); // `done` comes by the loop
    assert_int_equal(stub.count, 0);
    assert_null(backup.ret_path);
    assert_string_equal(backup.ret_reason, "this server's store (stub) makes no backups; use the tools of that store");
    store_op_release(&backup.op);
    assert_null(backup.ret_reason);
    loop_free(&loop);
}

static void a_store_without_figures_tells_none(void **state)
{
    (void)state;
    struct store_stub stub;
    struct store_stats stats;
    stub_init(&stub);
    memset(&stats, 0xff, sizeof(stats));
    assert_false(store_stats(&stub.base, &stats));
    assert_memory_equal(&stats, &(struct store_stats){0}, sizeof(stats));
}

static void of_a_store_that_others_write_to_no_execution_is_kept(void **state)
{
    (void)state;
    static const bool alone[] = {true, false};
    for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
        struct store_stub stub;
        stub_init(&stub);
        stub.base.one_writer = alone[i];
        struct execution_cache *cache = execution_cache_new(&stub.base, 4);
        struct store_get got = {.ret_version = store_version(&stub.base, 7)};
        got.ret_execution = (struct execution){.row = 7, .account = 3, .execution_id = xstrdup("e")};
        struct kept_execution *kept = execution_cache_keep(cache, &got);
        kept_execution_unref(&kept);
        kept = execution_cache_find(cache, 3, STR("e"));
        assert_int_equal(kept != NULL, alone[i]);
        kept_execution_unref(&kept);
        execution_cache_free(&cache);
    }
}

// --- Operations

static void an_operation_takes_the_turn_of_the_account_that_it_names_unless_told_another(void **state)
{
    (void)state;
    struct store_stub stub;
    stub_init(&stub);
    struct store_create create = {.op.kind = STORE_CREATE, .execution.account = 3};
    struct store_list list = {.op = {.kind = STORE_LIST, .account = 9}, .account = 4};
    struct store_append append = {.op.kind = STORE_APPEND, .row = 5};
    store_submit(&stub.base, &create.op);
    store_submit(&stub.base, &list.op);
    store_submit(&stub.base, &append.op);
    assert_int_equal(create.op.account, 3);
    assert_int_equal(list.op.account, 9);
    assert_int_equal(append.op.account, 0);
}

static void a_commit_steps_the_version_of_the_execution_that_it_names(void **state)
{
    (void)state;
    static struct store_claim claim = {.op.kind = STORE_CLAIM, .row = 7};
    static struct store_append append = {.op.kind = STORE_APPEND, .row = 7};
    static struct store_complete complete = {.op.kind = STORE_COMPLETE, .row = 7};
    static struct store_update update = {.op.kind = STORE_UPDATE, .row = 7};
    static struct store_purge purge = {.op.kind = STORE_PURGE, .row = 7};
    struct store_op *ops[] = {&claim.op, &append.op, &complete.op, &update.op, &purge.op};
    struct store_stub stub;
    stub_init(&stub);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        uint64_t before = store_version(&stub.base, 7);
        store_versions_begin(&stub.base, &ops[i], 1);
        assert_int_equal(store_version(&stub.base, 7), before + 1);
        store_versions_end(&stub.base, &ops[i], 1);
        assert_int_equal(store_version(&stub.base, 7), before + 2);
        assert_int_equal(store_version(&stub.base, 8), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_watcher_is_told_of_every_commit_in_the_order_of_their_coming),
        cmocka_unit_test(one_watcher_too_many_is_refused_and_the_others_stay),
        cmocka_unit_test(a_store_that_makes_no_backups_says_so),
        cmocka_unit_test(a_store_without_figures_tells_none),
        cmocka_unit_test(of_a_store_that_others_write_to_no_execution_is_kept),
        cmocka_unit_test(an_operation_takes_the_turn_of_the_account_that_it_names_unless_told_another),
        cmocka_unit_test(a_commit_steps_the_version_of_the_execution_that_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
