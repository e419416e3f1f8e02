#include "store/postgres/random/faults.h"

#include "store/postgres/random/work.h"

void world_cut_connections(struct world *world)
{
    struct world_server *server = world_open_server(world);
    world_note(world, "server %zu: its connections end", server->number);
    postgres_gate_cut(server->gate);
    world_excuse(server);
}

void world_lose_commit(struct world *world)
{
    static const enum postgres_gate_loss losses[] = {GATE_LOSES_COMMIT, GATE_LOSES_ANSWER};
    struct model_log *log = world_any_log(world);
    struct world_server *server = world_server_of(world, log);
    struct model_append asked = world_fresh(world, log, world_any_producer(world));
    bool answer = world_one_in(world, 2);
    world_note(world, "server %zu: %s", server->number, answer ? "an answer will be lost" : "a commit will be lost");
    world_excuse(server);
    postgres_gate_lose(server->gate, losses[answer], false);
    world_append(world, server, log, &asked);
}

void world_cut_off(struct world *world)
{
    struct world_server *server = world_open_server(world);
    if (world_count_open(world) == 1)
        return;
    world_note(world, "server %zu is cut off", server->number);
    world_shut(server, true);
}

void world_let_in(struct world *world)
{
    struct world_server *server = &world->servers[world_draw(world, SERVERS)];
    if (!server->shut)
        return;
    world_note(world, "server %zu is let in again", server->number);
    world_shut(server, false);
}

void world_replace(struct world *world)
{
    struct world_server *server = world_open_server(world);
    bool dies = !world_one_in(world, 4);
    if (dies)
        postgres_gate_shut(server->gate, true);
    world_close_store(world, server);
    postgres_gate_shut(server->gate, false);
    world_note(world, "server %zu %s, and there is another one", server->number, dies ? "dies" : "goes");
    world_open_store(world, server);
}

void world_take_for_dead(struct world *world)
{
    world_note(world, "all are taken for dead that have said nothing since");
    world_number(world,
                 "WITH w AS (UPDATE writers SET touched_ms = 0 WHERE EXISTS (SELECT 1 FROM journals j WHERE j.sender = "
                 "writers.sender) RETURNING 1) SELECT count(*) FROM w");
}

void world_forget_writers(struct world *world)
{
    world_note(world, "who has no journal is forgotten");
    world_number(
        world,
        "WITH w AS (DELETE FROM writers WHERE NOT EXISTS (SELECT 1 FROM journals j WHERE j.sender = writers.sender) "
        "RETURNING 1) SELECT count(*) FROM w");
}

void world_crash_database(struct world *world)
{
    if (!world_one_in(world, 4)) // it takes a while
        return;
    world_note(world, "the database crashes");
    sql_fixture_close(&world->sql);
    sql_fixture_restart(postgres_fixture_engine());
    world->sql = postgres_fixture_beside(world->fixture);
    for (size_t i = 0; i < SERVERS; i++)
        world_excuse(&world->servers[i]);
}

void world_doubt(struct world *world)
{
    struct model_log *log = world_any_log(world);
    struct world_server *server = world_server_of(world, log);
    if (world_count_open(world) == 1 || log->outcome.sealed || log->purged)
        return;
    struct model_append asked = world_fresh(world, log, world_any_producer(world));
    if (world_append(world, server, log, &asked) < 0) // it may not be connected yet, and then commits nothing
        return;
    asked = world_fresh(world, log, asked.producer);
    struct model_answer wanted = model_judge(log, &asked);
    const struct store_append *append = &world->calls[0].append;
    size_t lost = postgres_gate_lost(server->gate);
    postgres_gate_lose(server->gate, world_one_in(world, 2) ? GATE_LOSES_COMMIT : GATE_LOSES_ANSWER, true);
    world_call(world, &world->calls[0], server, log, &asked);
    assert_true(postgres_gate_await_loss(server->gate, lost));
    server->shut = true;
    world_excuse(server);
    bool there = world_row_number(world, "coalesce(log_end(id), 0)", log) == wanted.next;
    world_note_append(world, server, log, &asked, there ? "has not heard of" : "has lost", 0);
    if (there)
        model_apply(log, &asked, &wanted);
    world_work(world, 4);
    world_shut(server, false);
    world_await(world, 1);
    world_note_append(world, server, log, &asked, "has heard of", append->op.err);
    if (!there && append->op.err == ERR_UNAVAILABLE)
        return;
    if (!there)
        wanted = model_judge(log, &asked);
    world_check_append(append, &wanted);
    if (!there && wanted.err == 0)
        model_apply(log, &asked, &wanted);
}
