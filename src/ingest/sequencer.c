#include "ingest/sequencer.h"

void sequencer_init(struct sequencer *sequencer, uint64_t next)
{
    *sequencer = (struct sequencer){.state = SEQUENCER_OPEN, .accepted = next, .durable = next, .acked = next};
}

int sequencer_offer(struct sequencer *sequencer, uint64_t first, uint64_t count)
{
    if (sequencer->state != SEQUENCER_OPEN)
        return ERR_UNAVAILABLE;
    if (first > sequencer->accepted)
        return ERR_GAP;
    sequencer->accepted = MAX(sequencer->accepted, first + count);
    sequencer->under_way++;
    return 0;
}

static void sequencer_answered(struct sequencer *sequencer)
{
    sequencer->under_way--;
    if (sequencer->state == SEQUENCER_DRAINING && sequencer->under_way == 0)
        sequencer->state = SEQUENCER_REREAD;
}

void sequencer_committed(struct sequencer *sequencer, uint64_t next)
{
    sequencer->durable = MAX(sequencer->durable, next);
    sequencer_answered(sequencer);
}

void sequencer_failed(struct sequencer *sequencer)
{
    sequencer->state = SEQUENCER_DRAINING;
    sequencer_answered(sequencer);
}

void sequencer_reread(struct sequencer *sequencer, uint64_t next)
{
    sequencer_init(sequencer, next);
}

bool sequencer_take_ack(struct sequencer *sequencer, uint64_t *ret_next)
{
    if (sequencer->acked == sequencer->durable)
        return false;
    *ret_next = sequencer->acked = sequencer->durable;
    return true;
}

void sequencer_ack_again(struct sequencer *sequencer)
{
    if (sequencer->durable > 0)
        sequencer->acked = sequencer->durable - 1;
}
