#include "fanout/heard.h"

unsigned heard_elsewhere(struct execution *known, const struct store_change *change)
{
    unsigned heard = 0;
    uint64_t end = known->sealed ? known->next_sequence : UINT64_MAX; // a sealed log does not grow
    if (change->next > known->next_sequence) {
        known->next_sequence = MIN(change->next, end);
        heard |= HEARD_WAKE;
    }
    if (change->status != known->status || change->sealed > known->sealed || change->purged > known->purged ||
        change->front > known->first_sequence)
        heard |= HEARD_READ;
    return heard;
}

static bool same_state(const struct execution *known, const struct store_change *change)
{
    return known->status == change->status && known->has_exit_code == change->has_exit_code &&
           known->exit_code == change->exit_code && known->started_ms == change->started_ms &&
           known->completed_ms == change->completed_ms && known->sealed_ms == change->sealed_ms;
}

// Where others write, too, a later change of theirs may be known already, so it is read once more. But a log that grows
// must not keep a read from counting for ever.
static unsigned state_changed(const struct execution *known, const struct store_change *change, bool shared)
{
    if (!shared)
        return HEARD_CHANGED;
    return same_state(known, change) ? 0 : HEARD_CHANGED | HEARD_READ;
}

unsigned heard_commit(struct execution *known, const struct store_change *change, bool shared)
{
    unsigned heard = HEARD_WAKE;
    bool over = known->sealed && !change->sealed; // and told late
    if (!over) {
        heard |= state_changed(known, change, shared);
        known->status = change->status;
        known->has_exit_code = change->has_exit_code;
        known->exit_code = change->exit_code;
        known->started_ms = change->started_ms;
        known->completed_ms = change->completed_ms;
        known->sealed_ms = change->sealed_ms;
    }
    known->next_sequence = MAX(known->next_sequence, change->next);
    known->sealed |= change->sealed;
    known->purged |= change->purged;
    return heard;
}

void heard_read(struct execution *known, const struct execution *now, bool current)
{
    known->next_sequence = MAX(known->next_sequence, now->next_sequence);
    if (now->sealed) // then it has the last one, and a hint may have said more
        known->next_sequence = now->next_sequence;
    known->sealed |= now->sealed;
    known->purged |= now->purged;
    if (!current)
        return;
    known->status = now->status;
    known->has_exit_code = now->has_exit_code;
    known->exit_code = now->exit_code;
    known->started_ms = now->started_ms;
    known->completed_ms = now->completed_ms;
    known->sealed_ms = now->sealed_ms;
}
