#include "model/sequence.h"

// The contract sets the order of the checks. A purged execution is gone for everyone. A stale runner learns that it is
// stale before anything else. A repetition must be the same. A repetition of what is stored is acknowledged again, even
// when the log is sealed.
int sequence_admit(const struct sequence_head *head, const struct sequence_producer *producer,
                   const struct sequence_offer *offer, uint64_t *ret_repeated)
{
    uint64_t end, total;
    if (head->purged)
        return ERR_EXPIRED;
    if (offer->epoch != 0 && offer->epoch != head->epoch)
        return ERR_FENCED;
    if (__builtin_add_overflow(offer->first, offer->count, &end))
        return ERR_GAP;

    uint64_t repeated = 0;
    if (producer->next > offer->first)
        repeated = MIN(producer->next - offer->first, offer->count);
    // Only the hash of the last stored record is kept. A repetition that includes that record is checked against it.
    bool reaches_last = repeated > 0 && end >= producer->next;
    if (reaches_last && offer->has_repeat_hash && offer->repeat_hash != producer->last_hash)
        return ERR_CONFLICT;
    if (repeated < offer->count) {
        if (head->sealed)
            return ERR_SEALED;
        if (offer->first > producer->next && !offer->skip_ahead)
            return ERR_GAP;
        if (__builtin_add_overflow(head->next, offer->count - repeated, &total))
            return ERR_GAP;
    }
    *ret_repeated = repeated;
    return 0;
}

void sequence_skip_digest(struct sequence_producer *producer, const uint64_t *said)
{
    producer->digest = said ? *said : 0;
    producer->digest_unknown = !said;
}
