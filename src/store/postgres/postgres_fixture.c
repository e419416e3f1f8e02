#include "store/postgres/postgres_fixture.h"

#include "store/postgres/statements.h"
#include "store/sql/postgres.h"

static struct sql_fixture *engine;

static int open_with_pauses(const char *folder, _Atomic int64_t *now_ms, struct store **ret);

static const struct fixture_adapter adapter = {"postgres", postgres_fixture_open};
static const struct fixture_adapter with_pauses = {"postgres, which merges what is due", open_with_pauses};

struct sql_fixture *postgres_fixture_engine(void)
{
    return engine;
}

static char *database_of(const char *folder)
{
    char *name = xstrdup(strrchr(folder, '/') + 1);
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    return name;
}

struct postgres_options postgres_fixture_options(const char *conninfo, _Atomic int64_t *now_ms)
{
    return (struct postgres_options){
        .conninfo = conninfo, .readers = 2, .merge_always = true, .now_ms = fixture_clock, .now_arg = now_ms};
}

static int open_store(const char *folder, _Atomic int64_t *now_ms, bool merge_always, struct store **ret)
{
    CLEANUP(free_ptr) char *name = database_of(folder);
    CLEANUP(free_ptr) char *where = sql_fixture_database(engine, name);
    CLEANUP(buf_release) struct buf error = {0};
    struct postgres_options options = postgres_fixture_options(where, now_ms);
    options.merge_always = merge_always;
    return postgres_store_open(&options, &error, ret);
}

int postgres_fixture_open(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    return open_store(folder, now_ms, true, ret);
}

static int open_with_pauses(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    return open_store(folder, now_ms, false, ret);
}

int postgres_fixture_set_up(void **state)
{
    *state = fixture_new(&adapter);
    return 0;
}

int postgres_fixture_set_up_with_pauses(void **state)
{
    *state = fixture_new(&with_pauses);
    return 0;
}

int postgres_fixture_set_up_pair(void **state)
{
    struct fixture **servers = xcalloc(2, sizeof(struct fixture *)), *first = fixture_new(&adapter);
    servers[0] = first;
    servers[1] = xmalloc(sizeof(*first));
    *servers[1] = *first;
    *state = servers;
    return open_with_pauses(first->folder, &first->now_ms, &servers[1]->store);
}

int postgres_fixture_tear_down_pair(void **state)
{
    struct fixture **servers = *state;
    store_free(&servers[1]->store);
    free(servers[1]);
    fixture_free(&servers[0]);
    free(servers);
    return 0;
}

char *postgres_fixture_conninfo(const struct fixture *fixture)
{
    CLEANUP(free_ptr) char *name = database_of(fixture->folder);
    return sql_fixture_database(engine, name);
}

struct sql *postgres_fixture_connect(const char *name)
{
    CLEANUP(free_ptr) char *where = sql_fixture_database(engine, name);
    CLEANUP(buf_release) struct buf reason = {0};
    struct sql *sql = NULL;
    assert_int_equal(sql_postgres_open(where, postgres_texts, &sql, &reason), 0);
    return sql;
}

struct sql *postgres_fixture_beside(const struct fixture *fixture)
{
    CLEANUP(free_ptr) char *name = database_of(fixture->folder);
    return postgres_fixture_connect(name);
}

int64_t fixture_number(struct sql *sql, const char *text)
{
    CLEANUP(sql_statement_free) struct sql_statement *get = sql_prepare(sql, text);
    int64_t number = 0;
    assert_int_equal(sql_number(get, &number), 0);
    return number;
}

int postgres_fixture_run(const struct CMUnitTest *tests, size_t count)
{
    const char *missing = NULL;
    engine = sql_fixture_new(SQL_POSTGRES, &missing);
    if (!engine) {
        print_message("skipped: %s\n", missing);
        return 77;
    }
    int failed = _cmocka_run_group_tests("postgres", tests, count, NULL, NULL);
    sql_fixture_free(&engine);
    return failed;
}
