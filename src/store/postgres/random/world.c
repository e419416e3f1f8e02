#include "store/postgres/random/world.h"

#include "store/postgres/journal.h"
#include "store/postgres/postgres_private.h"

#define IN_TIME_MS   25000 // before it is given up to learn what has become of a commit
#define EXCUSES      6     // after a server's connections were lost
#define HOME_SOON_MS 3

// --- What is drawn

uint64_t world_draw(struct world *world, uint64_t below)
{
    return test_random(&world->random) % below;
}

bool world_one_in(struct world *world, uint64_t count)
{
    return world_draw(world, count) == 0;
}

struct world_server *world_open_server(struct world *world)
{
    struct world_server *server;
    do
        server = &world->servers[world_draw(world, SERVERS)];
    while (server->shut);
    return server;
}

// Most of what a log gets it gets at one server, which therefore keeps it, beside others. One that is taken from it is
// not kept for a while, so some are hardly ever.
struct world_server *world_server_of(struct world *world, const struct model_log *log)
{
    static const struct {
        size_t server;
        uint64_t stays;
    } usual[LOGS] = {{0, 200}, {0, 200}, {0, 50}, {1, 25}, {2, 4}};
    size_t at = world_index(world, log);
    struct world_server *server = &world->servers[usual[at].server];
    return server->shut || world_one_in(world, usual[at].stays) ? world_open_server(world) : server;
}

struct model_log *world_any_log(struct world *world)
{
    return &world->logs[world_draw(world, LOGS)];
}

void world_take_one(struct world *world, const struct world_step *steps, size_t count)
{
    uint64_t total = 1, drawn; // what is beyond is nothing
    for (size_t i = 0; i < count; i++)
        total += steps[i].weight;
    drawn = world_draw(world, total);
    for (size_t i = 0; i < count; i++) {
        if (drawn < steps[i].weight) {
            steps[i].take(world);
            return;
        }
        drawn -= steps[i].weight;
    }
}

// --- What it notes

size_t world_index(const struct world *world, const struct model_log *log)
{
    return (size_t)(log - world->logs);
}

const char *world_answer(int err)
{
    return err < 0 ? error_word(err) : "done";
}

void world_note(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(world->notes[world->noted++ % NOTES], sizeof(world->notes[0]), format, args);
    va_end(args);
}

static void tell(const struct world *world)
{
    print_message("RUNNEL_FAULT_SEED=%llu: after %zu notes, of which the last are\n", (unsigned long long)world->seed,
                  world->noted);
    for (size_t i = world->noted - MIN(world->noted, NOTES); i < world->noted; i++)
        print_message("  %zu %s\n", i, world->notes[i % NOTES]);
}

// --- Its database

int64_t world_number(const struct world *world, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fixture_number(world->sql, text);
}

uint64_t world_row_number(const struct world *world, const char *what, const struct model_log *log)
{
    return (uint64_t)world_number(world, "SELECT %s FROM executions WHERE id = %lld", what, (long long)log->row);
}

// --- Its servers

size_t world_count_open(const struct world *world)
{
    size_t count = 0;
    for (size_t i = 0; i < SERVERS; i++)
        count += !world->servers[i].shut;
    return count;
}

void world_open_store(struct world *world, struct world_server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    struct postgres_options options = postgres_fixture_options(server->conninfo, &world->fixture->now_ms);
    options.home_ms = &server->home_ms;
    options.merge_always = server->number == 0; // each such merger is busy all the time
    if (postgres_store_open(&options, &error, &server->fixture.store) < 0)
        fail_msg("%s", buf_cstr(&error));
    server->sender = postgres_store_of(server->fixture.store)->sender;
    server->excuses = 0;
}

void world_close_store(struct world *world, struct world_server *server)
{
    struct store_stats stats;
    store_stats(server->fixture.store, &stats);
    world->journaled += stats.journaled;
    world->journals_lost += stats.journals_lost;
    store_free(&server->fixture.store);
}

void world_shut(struct world_server *server, bool shuts)
{
    postgres_gate_shut(server->gate, shuts);
    server->shut = shuts;
    world_excuse(server);
}

void world_excuse(struct world_server *server)
{
    server->excuses = EXCUSES;
}

int world_run(struct world_server *server, struct store_op *op)
{
    uint64_t began_ms = clock_mono_ms();
    int err = fixture_run(&server->fixture, op);
    if (err != ERR_UNAVAILABLE)
        return err;
    // At one that is cut off it may have waited behind a commit of the server's own, of which nobody can tell.
    assert_true(server->shut || clock_mono_ms() < began_ms + IN_TIME_MS);
    assert_true(server->shut || server->excuses > 0);
    server->excuses -= server->excuses > 0;
    return err;
}

// --- Worlds

static char *folder_of_server(struct sql *sql)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *find = sql_prepare(sql, "SELECT current_setting('unix_socket_directories')");
    assert_int_equal(sql_row(find), 1);
    return sql_dup(find, 0);
}

static void add_server(struct world *world, size_t number, const char *folder, const char *database)
{
    struct world_server *server = &world->servers[number];
    server->fixture = *world->fixture;
    server->number = number;
    server->gate = postgres_gate_new(folder);
    server->conninfo = xasprintf("host=%s user=postgres dbname=%s", postgres_gate_folder(server->gate), database);
    server->home_usual_ms = world_one_in(world, 4) ? HOME_SOON_MS : JOURNAL_HOME_MS;
    server->home_ms = server->home_usual_ms;
    world_open_store(world, server);
}

int world_set_up(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    world->seed = world->random = *(const uint64_t *)*state;
    void *fixture;
    postgres_fixture_set_up(&fixture);
    world->fixture = fixture;
    world->account = fixture_account(world->fixture, "a");
    store_free(&world->fixture->store);
    world->sql = postgres_fixture_beside(world->fixture);
    CLEANUP(free_ptr) char *folder = folder_of_server(world->sql);
    CLEANUP(free_ptr) char *where = postgres_fixture_conninfo(world->fixture);
    for (size_t i = 0; i < SERVERS; i++)
        add_server(world, i, folder, strstr(where, "dbname=") + strlen("dbname="));
    *state = world;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *world = *state;
    if (!world->over)
        tell(world);
    for (struct world_server *server = world->servers; server < world->servers + SERVERS; server++) {
        store_free(&server->fixture.store);
        postgres_gate_free(&server->gate);
        free(server->conninfo);
    }
    for (size_t i = 0; i < LOGS; i++)
        model_log_release(&world->logs[i]);
    sql_fixture_close(&world->sql);
    fixture_free(&world->fixture);
    free(world);
    return 0;
}
