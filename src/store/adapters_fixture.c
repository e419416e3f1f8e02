// The adapters of the port, for the tests that hold for each of them.
#include "store/postgres/postgres_store.h"
#include "store/shards/shards.h"
#include "store/sql_fixture.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <sys/stat.h>

static int open_sqlite(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    const struct sqlite_tuning tuning = {.now_ms = fixture_clock, .now_arg = now_ms};
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    CLEANUP(buf_release) struct buf error = {0};
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 2, .mirrors = true, .tuning = &tuning},
                             &error, ret);
}

// Merges everything as soon as it is there.
static int open_sqlite_merging(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    const struct sqlite_tuning tuning = {
        .now_ms = fixture_clock, .now_arg = now_ms, .hot_pieces = 1, .merge_after_ms = 1, .page_size = 8192};
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    CLEANUP(buf_release) struct buf error = {0};
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 2, .mirrors = true, .tuning = &tuning},
                             &error, ret);
}

// One server for all tests of the program; each has a database of its own.
static struct sql_fixture *postgres;

static int open_postgres_merging(const char *folder, _Atomic int64_t *now_ms, bool always, struct store **ret)
{
    CLEANUP(free_ptr) char *name = xstrdup(strrchr(folder, '/') + 1);
    CLEANUP(buf_release) struct buf error = {0};
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    CLEANUP(free_ptr) char *where = sql_fixture_database(postgres, name);
    const struct postgres_options options = {.conninfo = where,
                                             .readers = 2,
                                             .mirrors = true,
                                             .merge_always = always,
                                             .now_ms = fixture_clock,
                                             .now_arg = now_ms};
    int err = postgres_store_open(&options, &error, ret);
    if (err < 0)
        print_message("%s\n", buf_cstr(&error));
    return err;
}

static int open_postgres(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    return open_postgres_merging(folder, now_ms, false, ret);
}

static int open_postgres_always(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    return open_postgres_merging(folder, now_ms, true, ret);
}

// Two stores as one. Nothing but jobs is made in the first one, so that all rows are other numbers inside.
static int open_shards(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    CLEANUP(free_ptr) char *second = xasprintf("%s/second", folder);
    struct shards_member members[] = {{.name = "first", .closed = true}, {.name = "second"}};
    int err = mkdir(second, 0700) < 0 && errno != EEXIST ? -errno : open_sqlite(folder, now_ms, &members[0].store);
    if (err == 0)
        err = open_sqlite(second, now_ms, &members[1].store);
    if (err < 0)
        store_free(&members[0].store);
    else
        err = shards_open(&(struct shards_options){.members = members, .count = ARRAY_LEN(members)}, &error, ret);
    if (err < 0)
        print_message("%s\n", buf_cstr(&error));
    return err;
}

static const struct fixture_adapter adapters[] = {
    {"sqlite", open_sqlite},     {"sqlite, merging always", open_sqlite_merging},    {"shards", open_shards},
    {"postgres", open_postgres}, {"postgres, merging always", open_postgres_always},
};

static const struct fixture_adapter *adapter_under_test;

int fixture_set_up(void **state)
{
    *state = fixture_new(adapter_under_test);
    return 0;
}

int fixture_tear_down(void **state)
{
    fixture_free((struct fixture **)state);
    return 0;
}

static const char *missing;

static void an_engine_that_is_not_here(void **state)
{
    (void)state;
    print_message("skipped: %s\n", missing);
    skip();
}

static int run_each(const struct CMUnitTest *tests, size_t count, bool merging)
{
    static const struct CMUnitTest none[] = {cmocka_unit_test(an_engine_that_is_not_here)};
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(adapters); i++) {
        adapter_under_test = &adapters[i];
        if (merging && adapters[i].open != open_sqlite_merging && adapters[i].open != open_postgres_always)
            continue;
        bool is_postgres = adapters[i].open == open_postgres || adapters[i].open == open_postgres_always;
        postgres = is_postgres ? sql_fixture_new(SQL_POSTGRES, &missing) : NULL;
        bool here = !is_postgres || postgres;
        failed +=
            _cmocka_run_group_tests(adapters[i].name, here ? tests : none, here ? count : ARRAY_LEN(none), NULL, NULL);
        sql_fixture_free(&postgres);
    }
    return failed;
}

int fixture_each(const struct CMUnitTest *tests, size_t count)
{
    return run_each(tests, count, false);
}

int fixture_each_merging(const struct CMUnitTest *tests, size_t count)
{
    return run_each(tests, count, true);
}
