#include "model/job.h"

static const char *const words[JOB_STATES] = {
    [JOB_HELD] = "held", [JOB_DELAYED] = "delayed", [JOB_READY] = "ready", [JOB_CLAIMED] = "claimed",
    [JOB_LOST] = "lost", [JOB_OVER] = "over",       [JOB_ENDED] = "ended",
};

const char *job_state_word(enum job_state state)
{
    return words[state];
}

static bool ended_or_lost(const struct outcome *outcome)
{
    return outcome_over(outcome) || outcome->status == STATUS_LOST;
}

struct job_step job_step(enum job_state now, const struct outcome *before, const struct outcome *after)
{
    bool sealed_as_lost = after->status == STATUS_LOST && after->sealed && !before->sealed;
    if (ended_or_lost(after)) {
        bool ends = !ended_or_lost(before) || before->status != after->status || sealed_as_lost;
        return (struct job_step){ends ? JOB_OVER : now, ends};
    }
    if (after->status != STATUS_QUEUED)
        return (struct job_step){JOB_CLAIMED, false};
    if (now < JOB_CLAIMED)
        return (struct job_step){now, false};
    // Given back. One that was lost meanwhile has lost its place in the batch, too.
    return (struct job_step){job_takes_place(now) ? JOB_READY : JOB_HELD, false};
}

bool job_takes_place(enum job_state state)
{
    return state == JOB_READY || state == JOB_CLAIMED;
}
