// Somebody who says from outside what an execution's status is, or cancels it, as api/executions/change.c does; and who
// answers what it waits for, or does not in time, as api/workflows/waiting.c and ingest/timeouts.c do.
#include "sim.h"

static void change(struct world *world, void *arg, uint64_t life);

// What it decided may be decided already, or be forbidden by now.
static bool may_pass(int err)
{
    return err == ERR_UNAVAILABLE || err == ERR_STORE_FULL || err == ERR_NOT_FOUND;
}

static const char *does(enum outcome_cause cause)
{
    static const char *const words[OUTCOME_CAUSES] = {
        [OUTCOME_TOLD] = "says",
        [OUTCOME_CANCELLED] = "cancels",
        [OUTCOME_ANSWERED] = "answers",
        [OUTCOME_UNANSWERED] = "does not answer",
    };
    return words[cause];
}

// Another answer may come, too; nobody has to give one.
static void answer_later(struct world *world, struct changer *changer)
{
    changer->ask = (struct outcome_ask){.cause = chance(world, 800) ? OUTCOME_ANSWERED : OUTCOME_UNANSWERED};
    if (chance(world, 900))
        later(world, draw(world, 0, 90000), change, changer, 0);
}

static void changed(struct world *world, struct op *op)
{
    struct changer *changer = op->owner;
    const struct sequence_head *head = &op->ret_state.head;
    trace(world, "changer %u: %s %s: %s, status %s%s", changer->number, does(op->outcome.cause),
          op->outcome.cause == OUTCOME_TOLD ? status_word(op->outcome.status) : "it",
          op->err ? error_word(op->err) : "ok", status_word(head->status), head->sealed ? ", sealed" : "");
    if (may_pass(op->err) && chance(world, 700))
        later(world, draw(world, 1, 3000), change, changer, 0);
    if (op->err == 0 && changer->asks)
        answer_later(world, changer);
    if (op->err == 0 && world->shared && op->outcome.cause == OUTCOME_CANCELLED && op->ret_state.cancel_asked)
        server_cancel(op->server);
    if (op->err || !head->sealed)
        return;
    const struct lease *lease = lease_find(&op->server->leases, ROW);
    uint64_t holder = lease ? lease->holder : 0;
    lease_end(&op->server->leases, ROW);
    if (holder)
        socket_replaced(op->server, holder);
}

static void change(struct world *world, void *arg, uint64_t life)
{
    struct changer *changer = arg;
    (void)life;
    struct server *server = server_any(world);
    if (!server_answers(server)) {
        later(world, draw(world, 100, 3000), change, changer, 0);
        return;
    }
    struct op *op = server_op(server, OP_UPDATE, changer, changed);
    op->outcome = changer->ask;
    store_submit_op(world, op);
}

void changer_start(struct world *world, struct changer *changer)
{
    static const enum execution_status told[] = {STATUS_COMPLETED, STATUS_FAILED,  STATUS_CANCELLED, STATUS_PAUSED,
                                                 STATUS_TIMED_OUT, STATUS_RUNNING, STATUS_WAITING,   STATUS_WAITING};
    if (chance(world, 500))
        changer->ask.cause = OUTCOME_CANCELLED;
    else
        changer->ask.status = told[draw(world, 0, ARRAY_LEN(told) - 1)];
    changer->asks = changer->ask.cause == OUTCOME_TOLD && changer->ask.status == STATUS_WAITING;
    // Many of them about when the first runner comes.
    uint64_t latest = chance(world, 500) ? 2500 : world->profile.faults_for_ms;
    later(world, draw(world, 0, latest), change, changer, 0);
}
