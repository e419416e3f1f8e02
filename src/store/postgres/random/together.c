// Appends that are under way together, and among them a claim or an end.
#include "store/postgres/random/work.h"

static void arrived(struct world_under_way *under_way, const struct store_op *op)
{
    if (--under_way->count == 0 && under_way->awaited)
        loop_stop(op->reply_to);
}

static void call_done(struct store_op *op)
{
    arrived(CONTAINER_OF(CONTAINER_OF(op, struct store_append, op), struct world_call, append)->under_way, op);
}

static void claim_done(struct store_op *op)
{
    arrived(CONTAINER_OF(CONTAINER_OF(op, struct store_claim, op), struct world_between, claim)->under_way, op);
}

static void end_done(struct store_op *op)
{
    arrived(CONTAINER_OF(CONTAINER_OF(op, struct store_complete, op), struct world_between, end)->under_way, op);
}

static void submit(struct world *world, struct world_server *server, struct store_op *op,
                   void (*done)(struct store_op *op))
{
    world->under_way.count++;
    op->reply_to = server->fixture.loop;
    op->done = done;
    store_submit(server->fixture.store, op);
}

void world_call(struct world *world, struct world_call *call, struct world_server *server, struct model_log *log,
                const struct model_append *asked)
{
    struct chunk *chunk = model_chunk(asked);
    *call = (struct world_call){.append = world_append_of(log, asked, chunk),
                                .asked = *asked,
                                .log = log,
                                .server = server,
                                .under_way = &world->under_way};
    submit(world, server, &call->append.op, call_done);
}

void world_await(struct world *world, size_t calls)
{
    world->under_way.awaited = true;
    while (world->under_way.count > 0)
        assert_int_equal(loop_run(world->fixture->loop), 0);
    world->under_way.awaited = false;
    for (size_t i = 0; i < calls; i++)
        chunk_unref(&world->calls[i].append.chunk);
}

static bool is_called(const struct world *world, size_t count, const struct model_log *log, int producer)
{
    for (size_t i = 0; i < count; i++)
        if (world->calls[i].log == log && world->calls[i].asked.producer == producer)
            return true;
    return false;
}

static void ask_between(struct world *world)
{
    struct world_between *between = &world->between;
    *between = (struct world_between){.log = world_any_log(world), .under_way = &world->under_way};
    between->server = world_server_of(world, between->log);
    between->claim = (struct store_claim){.op.kind = STORE_CLAIM, .row = between->log->row};
    between->end = (struct store_complete){
        .op.kind = STORE_COMPLETE, .row = between->log->row, .status = STATUS_COMPLETED, .has_exit_code = true};
    if (world_one_in(world, 2))
        submit(world, between->server, &between->claim.op, claim_done);
    else
        submit(world, between->server, &between->end.op, end_done);
}

// Each append succeeds, as there are several producers, unless it came behind the end. In which order they were, is to
// be seen in what they were told.
static void check_call(struct world *world, const struct world_call *call)
{
    const struct world_between *between = &world->between;
    int err = call->append.op.err;
    world_note_append(world, call->server, call->log, &call->asked, "appends at once", err);
    if (err == ERR_UNAVAILABLE && call->server->excuses > 0)
        return;
    if (err == ERR_SEALED && between->log == call->log && between->end.ret_execution.sealed)
        return;
    struct model_answer wanted = model_judge(call->log, &call->asked);
    assert_int_equal(wanted.err, 0);
    world_check_append(&call->append, &wanted);
    model_apply(call->log, &call->asked, &wanted);
}

static void check_between(struct world *world)
{
    struct world_between *between = &world->between;
    bool claims = between->claim.op.done != NULL;
    int err = claims ? between->claim.op.err : between->end.op.err;
    struct outcome_ask ask = claims ? (struct outcome_ask){.cause = OUTCOME_CLAIMED} : world_ask_of_end(&between->end);
    world_note(world, "server %zu at once %s log %zu: %s", between->server->number, claims ? "claims" : "ends",
               world_index(world, between->log), world_answer(err));
    if (err == ERR_UNAVAILABLE)
        assert_true(between->server->excuses > 0);
    world_expect_outcome(world, between->log, &ask, err);
    if (err == 0 && !claims) {
        assert_int_equal(between->end.ret_execution.next_sequence, between->log->next);
        assert_int_equal(between->end.ret_execution.digest, between->log->digest);
    }
    if (claims)
        store_op_release(&between->claim.op);
    else
        store_op_release(&between->end.op);
}

static int compare_calls(const void *left, const void *right)
{
    uint64_t a = ((const struct world_call *)left)->append.ret_first_sequence;
    uint64_t b = ((const struct world_call *)right)->append.ret_first_sequence;
    return (a > b) - (a < b);
}

void world_append_together(struct world *world)
{
    size_t count = 0, when = world_draw(world, 2 * CALLS); // or not
    world->between.log = NULL;
    for (size_t i = 0; i < CALLS; i++) {
        struct model_log *log = world_any_log(world);
        int producer = (int)world_draw(world, MODEL_PRODUCERS);
        struct model_append asked = world_fresh(world, log, producer);
        asked.epoch = 0;
        if (i == when)
            ask_between(world);
        if (!log->outcome.sealed && !log->purged && !is_called(world, count, log, producer))
            world_call(world, &world->calls[count++], world_server_of(world, log), log, &asked);
    }
    world_await(world, count);
    qsort(world->calls, count, sizeof(struct world_call), compare_calls);
    for (size_t i = 0; i < count; i++)
        check_call(world, &world->calls[i]);
    if (world->between.log)
        check_between(world);
}
