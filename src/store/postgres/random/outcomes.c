// Executions are claimed, change, and end. What comes of it is the rules' of model/outcome.h.
#include "store/postgres/random/work.h"

struct outcome_ask world_ask_of_end(const struct store_complete *complete)
{
    return (struct outcome_ask){.cause = OUTCOME_ENDED,
                                .status = complete->status,
                                .has_exit_code = complete->has_exit_code,
                                .exit_code = complete->exit_code};
}

static int judge_end(struct world *world, const struct model_log *log, const struct store_complete *complete,
                     int producer, struct outcome *ret)
{
    const struct outcome_ask ask = world_ask_of_end(complete);
    uint64_t has = log->producers[producer].sequence.next, wanted = (uint64_t)(complete->final + 1);
    if (log->purged)
        return ERR_EXPIRED;
    if (complete->epoch != 0 && complete->epoch != log->outcome.epoch)
        return ERR_FENCED;
    if (!log->outcome.sealed && wanted != has)
        return wanted > has ? ERR_GAP : ERR_CONFLICT;
    if (!log->outcome.sealed && complete->digest != log->digest)
        return ERR_DIGEST;
    return outcome_next(&log->outcome, &ask, world->fixture->now_ms, ret);
}

void world_complete(struct world *world, struct world_server *server, struct model_log *log,
                    struct store_complete *complete, int producer)
{
    struct outcome next = log->outcome;
    int wanted = judge_end(world, log, complete, producer, &next), err = world_run(server, &complete->op);
    world_note(world, "server %zu ends log %zu: %s", server->number, world_index(world, log), world_answer(err));
    if (err != ERR_UNAVAILABLE)
        assert_int_equal(err, wanted);
    if (err == 0) {
        assert_true(complete->ret_execution.sealed);
        assert_int_equal(complete->ret_execution.next_sequence, log->next);
        assert_int_equal(complete->ret_execution.digest, log->digest);
        assert_false(complete->ret_execution.digest_unknown);
        assert_int_equal(complete->ret_producer.next, log->producers[producer].sequence.next);
        log->outcome = next;
    }
    store_op_release(&complete->op);
}

struct store_complete world_right_end(const struct model_log *log, int producer)
{
    return (struct store_complete){.op.kind = STORE_COMPLETE,
                                   .row = log->row,
                                   .producer = str_of(model_producer_name(producer)),
                                   .epoch = log->outcome.epoch,
                                   .has_final = true,
                                   .final = (int64_t)log->producers[producer].sequence.next - 1,
                                   .has_digest = true,
                                   .digest = log->digest,
                                   .status = STATUS_COMPLETED,
                                   .has_exit_code = true};
}

void world_end(struct world *world)
{
    struct model_log *log = world_any_log(world);
    int producer = (int)world_draw(world, MODEL_PRODUCERS);
    struct store_complete end = world_right_end(log, producer);
    switch (world_draw(world, 6)) {
    case 0:
        end.digest++;
        break;
    case 1:
        end.final++;
        break;
    case 2:
        end.final = MAX(end.final - 1, -1);
        break;
    case 3:
        end.epoch++;
        break;
    default:
        break;
    }
    world_complete(world, world_server_of(world, log), log, &end, producer);
}

void world_expect_outcome(struct world *world, struct model_log *log, const struct outcome_ask *ask, int err)
{
    struct outcome next;
    int wanted = log->purged ? ERR_EXPIRED : outcome_next(&log->outcome, ask, world->fixture->now_ms, &next);
    if (err == ERR_UNAVAILABLE)
        return;
    assert_int_equal(err, wanted);
    if (err == 0)
        log->outcome = next;
}

void world_claim(struct world *world)
{
    struct model_log *log = world_any_log(world);
    struct world_server *server = world_server_of(world, log);
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = log->row};
    int err = world_run(server, &claim.op);
    world_note(world, "server %zu claims log %zu: %s", server->number, world_index(world, log), world_answer(err));
    world_expect_outcome(world, log, &(struct outcome_ask){.cause = OUTCOME_CLAIMED}, err);
    if (err == 0) {
        assert_int_equal(claim.ret_execution.epoch, log->outcome.epoch);
        assert_int_equal(claim.ret_execution.next_sequence, log->next);
    }
    store_op_release(&claim.op);
}

void world_change(struct world *world)
{
    static const struct outcome_ask asks[] = {
        {.cause = OUTCOME_SILENT},
        {.cause = OUTCOME_BACK},
        {.cause = OUTCOME_BACK},
        {.cause = OUTCOME_TOLD, .status = STATUS_PAUSED},
        {.cause = OUTCOME_TOLD, .status = STATUS_RUNNING},
        {.cause = OUTCOME_TOLD, .status = STATUS_RUNNING},
        {.cause = OUTCOME_TOLD, .status = STATUS_FAILED, .has_exit_code = true, .exit_code = 1},
        {.cause = OUTCOME_CANCELLED},
    };
    size_t which = world_draw(world, ARRAY_LEN(asks));
    struct model_log *log = world_any_log(world);
    struct world_server *server = world_server_of(world, log);
    struct store_update update = {
        .op.kind = STORE_UPDATE, .row = log->row, .has_outcome = true, .outcome = asks[which]};
    int err = world_run(server, &update.op);
    world_note(world, "server %zu changes log %zu, %zu: %s", server->number, world_index(world, log), which,
               world_answer(err));
    world_expect_outcome(world, log, &asks[which], err);
    store_op_release(&update.op);
}
