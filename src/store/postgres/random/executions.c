// Executions are made, cut by retention, and purged.
#include "store/postgres/random/work.h"

#define RECORDS_KEPT 8

void world_make(struct world *world, struct model_log *log)
{
    struct world_server *server = world_open_server(world);
    model_log_release(log);
    snprintf(log->id, sizeof(log->id), "e%llu", (unsigned long long)world->made++);
    log->outcome.status = world_one_in(world, 4) ? STATUS_QUEUED : STATUS_RUNNING;
    int err;
    do {
        struct store_create create = {
            .op.kind = STORE_CREATE,
            .execution = {.account = world->account, .execution_id = xstrdup(log->id), .status = log->outcome.status}};
        err = world_run(server, &create.op);
        log->row = create.execution.row;
        store_op_release(&create.op);
    } while (err == ERR_UNAVAILABLE);
    assert_int_equal(err, 0);
    world_note(world, "server %zu makes log %zu", server->number, world_index(world, log));
}

void world_make_another(struct world *world)
{
    struct model_log *log = world_any_log(world);
    if (!log->outcome.sealed && !log->purged)
        return;
    if (!log->purged)
        world_read_from(world_open_server(world), log, log->front);
    world_make(world, log);
}

void world_purge(struct world *world)
{
    struct model_log *log = world_any_log(world);
    struct world_server *server = world_open_server(world);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = log->row};
    int err = world_run(server, &purge.op);
    world_note(world, "server %zu purges log %zu: %s", server->number, world_index(world, log), world_answer(err));
    if (err == ERR_UNAVAILABLE)
        return;
    assert_int_equal(err, log->outcome.sealed || log->purged ? 0 : ERR_CONFLICT);
    if (err < 0)
        return;
    log->purged = true;
    log->front = log->next;
}

void world_cut(struct world *world)
{
    static const struct retention rules = {.log.records_max = RECORDS_KEPT};
    struct model_log *log = world_any_log(world);
    struct world_server *server = world_open_server(world);
    struct store_front front = {.op.kind = STORE_FRONT, .row = log->row, .rules = &rules};
    if (log->purged || world_run(server, &front.op) < 0)
        return;
    assert_int_equal(front.ret_before.first, log->front);
    if (front.ret_after.first == log->front)
        return;
    struct store_cut cut = {
        .op.kind = STORE_CUT, .row = log->row, .rules = &rules, .before = front.ret_before, .after = front.ret_after};
    server = world_server_of(world, log);
    int err = world_run(server, &cut.op);
    world_note(world, "server %zu cuts log %zu before %llu: %s", server->number, world_index(world, log),
               (unsigned long long)cut.after.first, world_answer(err));
    if (err == ERR_UNAVAILABLE || err == ERR_CONFLICT || err == ERR_HELD) // it was merged meanwhile
        return;
    assert_int_equal(err, 0);
    log->front = cut.after.first;
    assert_true(log->next - log->front >= RECORDS_KEPT);
    assert_int_equal(cut.after.digest, model_digest_of_front(log));
}
