#include "model/outcome.h"

#include "model/quiet.h"
#include "util/error.h"

// What each cause asks for by itself.
static const struct {
    bool fixed; // the cause decides the status
    enum execution_status status;
    bool seals, yields; // yields: an outcome that was told before wins
} causes[OUTCOME_CAUSES] = {
    [OUTCOME_CANCELLED] = {.fixed = true, .status = STATUS_CANCELLED},
    [OUTCOME_CLAIMED] = {.fixed = true, .status = STATUS_RUNNING},
    [OUTCOME_ENDED] = {.seals = true, .yields = true},
    [OUTCOME_SILENT] = {.fixed = true, .status = STATUS_LOST},
    [OUTCOME_GIVEN_UP] = {.fixed = true, .status = STATUS_LOST, .seals = true, .yields = true},
    [OUTCOME_BACK] = {.fixed = true, .status = STATUS_RUNNING},
    [OUTCOME_SKIPPED] = {.fixed = true, .status = STATUS_SKIPPED},
    [OUTCOME_RETURNED] = {.fixed = true, .status = STATUS_QUEUED},
    [OUTCOME_ANSWERED] = {.fixed = true, .status = STATUS_RUNNING},
    [OUTCOME_UNANSWERED] = {.fixed = true, .status = STATUS_TIMED_OUT},
    [OUTCOME_QUIET] = {.fixed = true, .status = STATUS_LOST, .seals = true, .yields = true},
};

bool outcome_equal(const struct outcome *a, const struct outcome *b)
{
    return a->status == b->status && a->sealed == b->sealed && a->has_exit_code == b->has_exit_code &&
           a->waits == b->waits && (!a->has_exit_code || a->exit_code == b->exit_code) && a->epoch == b->epoch &&
           a->started_ms == b->started_ms && a->completed_ms == b->completed_ms && a->sealed_ms == b->sealed_ms;
}

bool outcome_over(const struct outcome *outcome)
{
    return outcome->sealed || status_terminal(outcome->status);
}

static bool waits(const struct outcome *now)
{
    return now->status == STATUS_WAITING || (now->status == STATUS_LOST && now->waits && !now->sealed);
}

static bool ends_a_wait(const struct outcome_ask *ask)
{
    return ask->cause == OUTCOME_ANSWERED || ask->cause == OUTCOME_UNANSWERED;
}

// What a fixed cause leads to.
static enum execution_status leads_to(const struct outcome *now, enum outcome_cause cause)
{
    if (cause == OUTCOME_BACK && waits(now))
        return STATUS_WAITING;
    if (cause == OUTCOME_ANSWERED && now->status == STATUS_LOST)
        return STATUS_LOST;
    return causes[cause].status;
}

// Whether both tell the same outcome, as far as each says. An exit code may be added to a status that had none.
static bool agrees(const struct outcome *now, const struct outcome_ask *ask)
{
    if (now->status != ask->status)
        return false;
    return !now->has_exit_code || !ask->has_exit_code || now->exit_code == ask->exit_code;
}

// Whether a runner reports its end again because it has not heard the acknowledgement. Its status may have yielded to
// another.
static bool repeats_the_end(const struct outcome *now, const struct outcome_ask *ask)
{
    bool both = now->has_exit_code && ask->has_exit_code;
    return ask->cause == OUTCOME_ENDED && both && now->exit_code == ask->exit_code;
}

// Whether the ask ends it, because no runner exists that could say that the log is complete.
static bool ends_for_nobody(const struct outcome *now, const struct outcome_ask *ask)
{
    if (ask->cause != OUTCOME_TOLD && ask->cause != OUTCOME_CANCELLED && ask->cause != OUTCOME_SKIPPED &&
        ask->cause != OUTCOME_UNANSWERED)
        return false;
    bool lost = now->status == STATUS_LOST && ask->status == STATUS_CANCELLED;
    bool nobody = now->epoch == 0 || now->status == STATUS_QUEUED;
    return lost || (nobody && status_terminal(ask->status));
}

// What a cause alone may do, beside the table of statuses.
static bool may_become(const struct outcome *now, const struct outcome_ask *ask)
{
    switch (ask->cause) {
    case OUTCOME_BACK:
        return now->status == STATUS_LOST;
    case OUTCOME_SILENT:
    case OUTCOME_GIVEN_UP: // nobody has it who could be silent, also if somebody had and gave it back
        return now->status != STATUS_QUEUED && status_may_become(now->status, ask->status);
    case OUTCOME_QUIET:
        return quiet_applies(now);
    case OUTCOME_RETURNED:
        return now->status == STATUS_RUNNING || now->status == STATUS_LOST;
    default:
        return status_may_become(now->status, ask->status);
    }
}

static int refusal(const struct outcome *now, const struct outcome_ask *ask)
{
    if (ends_a_wait(ask) && !waits(now))
        return now->sealed ? ERR_SEALED : ERR_BAD_TRANSITION;
    if (now->sealed)
        return agrees(now, ask) || repeats_the_end(now, ask) ? 0 : ERR_SEALED;
    if (!may_become(now, ask))
        return ERR_BAD_TRANSITION;
    return status_terminal(now->status) && !agrees(now, ask) ? ERR_BAD_TRANSITION : 0;
}

static int64_t completed_at(const struct outcome *now, const struct outcome_ask *ask, int64_t now_ms)
{
    if (now->completed_ms)
        return now->completed_ms;
    return ask->completed_ms > 0 && ask->completed_ms >= now->started_ms ? ask->completed_ms : now_ms;
}

static struct outcome apply(const struct outcome *now, const struct outcome_ask *ask, bool seal, int64_t now_ms)
{
    struct outcome next = *now;
    next.status = ask->status;
    next.sealed = seal;
    next.waits = next.status == STATUS_WAITING ||
                 (next.status == STATUS_LOST && waits(now) && !seal && ask->cause != OUTCOME_ANSWERED);
    if (ask->has_exit_code) {
        next.has_exit_code = true;
        next.exit_code = ask->exit_code;
    }
    if (next.status == STATUS_RUNNING && next.started_ms == 0)
        next.started_ms = now_ms;
    if (outcome_over(&next)) {
        next.completed_ms = completed_at(now, ask, now_ms);
    } else {
        // A job that goes on after it was lost has no exit code any more.
        next.has_exit_code = ask->has_exit_code;
        next.completed_ms = 0;
    }
    if (ask->cause == OUTCOME_RETURNED)
        next.started_ms = 0;
    if (seal)
        next.sealed_ms = now_ms;
    return next;
}

int outcome_next(const struct outcome *now, const struct outcome_ask *ask, int64_t now_ms, struct outcome *ret)
{
    struct outcome_ask wanted = *ask;
    if (causes[ask->cause].fixed)
        wanted.status = leads_to(now, ask->cause);
    bool for_nobody = ends_for_nobody(now, &wanted);
    bool stays_open = now->late && now->epoch == 0;
    if (ask->cause == OUTCOME_CANCELLED && (outcome_over(now) || !for_nobody)) {
        *ret = *now;
        return 0;
    }
    if (ask->cause == OUTCOME_CLAIMED && now->sealed)
        return ERR_SEALED;
    if (causes[ask->cause].yields && !now->sealed && status_terminal(now->status)) {
        wanted.status = now->status;
        wanted.has_exit_code = ask->has_exit_code && !now->has_exit_code;
    }
    int err = refusal(now, &wanted);
    if (err < 0)
        return err;
    if (now->sealed) { // the same report again
        *ret = *now;
        return 0;
    }
    bool takes_over = ask->cause == OUTCOME_CLAIMED || (for_nobody && now->epoch > 0);
    *ret = apply(now, &wanted, causes[ask->cause].seals || (for_nobody && !stays_open), now_ms);
    ret->epoch += takes_over;
    return 0;
}
