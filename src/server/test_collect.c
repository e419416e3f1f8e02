#include "server/collect.h"
#include "store/store_stub.h"
#include "util/testing.h"

// What is exported of the store, as lines.
static void export_of(struct store *store, struct buf *out)
{
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new(1, NULL);
    collect_store(store, metrics);
    collect_store(store, metrics);
    metrics_export(metrics, out);
}

static const char *const names[] = {"store_bytes",         "store_wal_lost_bytes", "store_queue",
                                    "store_commits_total", "commit_seconds",       "fsync_seconds"};

static void a_store_without_figures_shows_none(void **state)
{
    (void)state;
    struct store_stub stub;
    CLEANUP(buf_release) struct buf text = {0};
    stub_init(&stub);
    export_of(&stub.base, &text);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(free_ptr) char *name = xasprintf("runnel_%s", names[i]);
        assert_null(strstr(buf_cstr(&text), name));
    }
    assert_non_null(strstr(buf_cstr(&text), "\nrunnel_connections 0\n"));
}

static void count(struct store *store, struct store_stats *ret)
{
    (void)store;
    *ret = (struct store_stats){.in_files = true,
                                .commits = 3,
                                .commit_ns_sum = 2000000,
                                .bytes = 4096,
                                .wal_lost = 7,
                                .queue = 5,
                                .commit_buckets = {[1] = 3},
                                .fsync_buckets = {[0] = 2},
                                .fsync_ns_sum = 1000000,
                                .summaries = 8,
                                .summary_chunks = 9,
                                .journaled = 2,
                                .journals_lost = 1};
}

static void a_stores_figures_are_shown(void **state)
{
    (void)state;
    static const struct store_vtable vtable = {.name = "figures", .submit = stub_submit, .stats = count};
    static const char *const lines[] = {"store_bytes 4096",
                                        "store_wal_lost_bytes 7",
                                        "store_queue 5",
                                        "store_commits_total 3",
                                        "commit_seconds_count 3",
                                        "commit_seconds_sum 0.002",
                                        "fsync_seconds_count 2",
                                        "fsync_seconds_sum 0.001",
                                        "summaries_stored_total 8",
                                        "summary_chunks_read_total 9",
                                        "store_journaled_total 2",
                                        "store_journals_lost_total 1"};
    struct store_stub stub;
    CLEANUP(buf_release) struct buf text = {0};
    stub_init(&stub);
    stub.base.vtable = &vtable;
    export_of(&stub.base, &text);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        CLEANUP(free_ptr) char *line = xasprintf("\nrunnel_%s\n", lines[i]);
        if (!strstr(buf_cstr(&text), line))
            fail_msg("%s is missing", lines[i]);
    }
}

static void count_without_files(struct store *store, struct store_stats *ret)
{
    count(store, ret);
    ret->in_files = false;
}

static void of_a_database_nothing_is_shown_of_files(void **state)
{
    (void)state;
    static const struct store_vtable vtable = {.name = "figures", .submit = stub_submit, .stats = count_without_files};
    static const char *const of_files[] = {"store_bytes", "store_wal_lost_bytes", "fsync_seconds"};
    struct store_stub stub;
    CLEANUP(buf_release) struct buf text = {0};
    stub_init(&stub);
    stub.base.vtable = &vtable;
    export_of(&stub.base, &text);
    for (size_t i = 0; i < ARRAY_LEN(of_files); i++) {
        CLEANUP(free_ptr) char *name = xasprintf("runnel_%s", of_files[i]);
        assert_null(strstr(buf_cstr(&text), name));
    }
    assert_non_null(strstr(buf_cstr(&text), "\nrunnel_store_commits_total 3\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_without_figures_shows_none),
        cmocka_unit_test(a_stores_figures_are_shown),
        cmocka_unit_test(of_a_database_nothing_is_shown_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
