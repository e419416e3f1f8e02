#include "model/quiet.h"

#include "util/error.h"

bool quiet_applies(const struct outcome *outcome)
{
    return !outcome->sealed && outcome->epoch == 0 && outcome->status != STATUS_QUEUED &&
           outcome->status != STATUS_WAITING;
}

bool quiet_look(struct quiet_seen *seen, uint64_t next, enum execution_status status, uint64_t quiet_ms,
                uint64_t now_ms)
{
    bool same = seen->since_ms > 0 && seen->next == next && seen->status == status;
    if (!same)
        *seen = (struct quiet_seen){.next = next, .status = status, .since_ms = now_ms};
    return same && now_ms - seen->since_ms >= quiet_ms;
}

int quiet_judge(const struct quiet_seen *seen, uint64_t next, enum execution_status status)
{
    return next == seen->next && status == seen->status ? 0 : ERR_CONFLICT;
}
