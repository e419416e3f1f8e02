#include "runner/uplink.h"

// What each refusal means for the connection. Refusals that are not listed may be temporary: the server is asked again
// later.
static const struct {
    int err;
    enum { REFUSAL_FINAL, REFUSAL_SEALED, REFUSAL_DIGEST, REFUSAL_RESEND } meaning;
} refusals[] = {
    {ERR_FENCED, REFUSAL_FINAL},         {ERR_CONFLICT, REFUSAL_FINAL},     {ERR_EXPIRED, REFUSAL_FINAL},
    {ERR_BAD_TRANSITION, REFUSAL_FINAL}, {ERR_TOO_LONG, REFUSAL_FINAL},     {ERR_TOO_LARGE, REFUSAL_FINAL},
    {ERR_MALFORMED, REFUSAL_FINAL},      {ERR_INVALID, REFUSAL_FINAL},      {ERR_CORRUPT, REFUSAL_FINAL},
    {ERR_IDEMPOTENCY, REFUSAL_FINAL},    {ERR_UNAUTHORIZED, REFUSAL_FINAL}, {ERR_FORBIDDEN, REFUSAL_FINAL},
    {ERR_UNPROVEN, REFUSAL_FINAL},       {ERR_SEALED, REFUSAL_SEALED},      {ERR_DIGEST, REFUSAL_DIGEST},
    {ERR_GAP, REFUSAL_RESEND},           {ERR_WRONG_SERVER, REFUSAL_FINAL}, {ERR_TOKEN_EXPIRED, REFUSAL_FINAL},
};

static bool is_over(const struct uplink *uplink)
{
    return uplink->state == UPLINK_DONE || uplink->state == UPLINK_FAILED;
}

static bool is_talking(const struct uplink *uplink)
{
    return uplink->state == UPLINK_STREAMING || uplink->state == UPLINK_COMPLETING;
}

void uplink_init(struct uplink *uplink, uint64_t spool_first, uint64_t spool_next, uint64_t epoch, uint64_t random_seed)
{
    *uplink = (struct uplink){
        .spool_first = spool_first,
        .spool_next = spool_next,
        .window = UPLINK_WINDOW,
        .epoch = epoch,
        .with_digest = true,
        .backoff.random = random_seed,
    };
}

// Whether everything that was recorded is stored. Only this allows a spool to be deleted.
static bool proves(const struct uplink *uplink, const struct uplink_stored *stored)
{
    if (!uplink->job_ended)
        return false;
    // The spool has nothing to compare the rest with.
    if (stored->next > uplink->spool_next)
        return uplink->tail_lost;
    return stored->next == uplink->spool_next && stored->has_digest && stored->digest == uplink->spool_digest;
}

static void fail(struct uplink *uplink, int err)
{
    uplink->close_wanted = is_talking(uplink) || uplink->state == UPLINK_GREETING;
    uplink->state = UPLINK_FAILED;
    uplink->error = err;
}

// Gives up the connection; a new one is made after a while.
static void begin_anew(struct uplink *uplink, int err, uint64_t now_ms)
{
    bool was_open = is_talking(uplink) || uplink->state == UPLINK_GREETING;
    uplink_lost(uplink, now_ms);
    uplink->close_wanted = was_open;
    uplink->error = err;
}

static struct uplink_action next_of_stream(struct uplink *uplink, uint64_t now_ms)
{
    if (uplink->ready_at_ms == 0)
        uplink->ready_at_ms = now_ms;
    if (uplink->sent < uplink->spool_first)
        return (struct uplink_action){.kind = UPLINK_SEND_SKIP, .from = uplink->sent, .to = uplink->spool_first};
    uint64_t limit = MIN(uplink->spool_next, uplink->acked + uplink->window);
    if (uplink->sent < limit)
        return (struct uplink_action){.kind = UPLINK_SEND, .from = uplink->sent, .to = limit};
    if (uplink->job_ended && uplink->acked >= uplink->spool_next)
        return (struct uplink_action){.kind = UPLINK_SEND_COMPLETE};
    return (struct uplink_action){.kind = UPLINK_WAIT};
}

struct uplink_action uplink_next(struct uplink *uplink, uint64_t now_ms)
{
    if (uplink->close_wanted) {
        uplink->close_wanted = false;
        return (struct uplink_action){.kind = UPLINK_CLOSE};
    }
    switch (uplink->state) {
    case UPLINK_OFFLINE:
        if (now_ms < uplink->retry_at_ms)
            return (struct uplink_action){.kind = UPLINK_WAIT, .at_ms = uplink->retry_at_ms};
        uplink->state = UPLINK_CONNECTING;
        return (struct uplink_action){.kind = UPLINK_CONNECT};
    case UPLINK_STREAMING:
        return next_of_stream(uplink, now_ms);
    case UPLINK_CONNECTING:
    case UPLINK_GREETING:
    case UPLINK_COMPLETING:
    case UPLINK_DONE:
    case UPLINK_FAILED:
        break;
    }
    return (struct uplink_action){.kind = UPLINK_WAIT};
}

void uplink_spooled(struct uplink *uplink, uint64_t spool_first, uint64_t spool_next)
{
    uplink->spool_first = spool_first;
    uplink->spool_next = spool_next;
}

void uplink_opened(struct uplink *uplink)
{
    if (uplink->state == UPLINK_CONNECTING)
        uplink->state = UPLINK_GREETING;
}

void uplink_lost(struct uplink *uplink, uint64_t now_ms)
{
    if (is_over(uplink))
        return;
    uint64_t delay = backoff_lost(&uplink->backoff, uplink->ready_at_ms > 0 ? now_ms - uplink->ready_at_ms : 0);
    uplink->state = UPLINK_OFFLINE;
    uplink->retry_at_ms = now_ms + delay;
    uplink->ready_at_ms = 0;
    uplink->close_wanted = false;
}

void uplink_ready(struct uplink *uplink, const struct uplink_stored *stored, uint64_t epoch, const char *incarnation)
{
    // A later `ready` comes when the server could not keep what it had taken, and wants it again.
    if (uplink->state != UPLINK_GREETING && !is_talking(uplink))
        return;
    uplink->told = *stored;
    if (stored->next > uplink->spool_next && !uplink->tail_lost) {
        fail(uplink, ERR_UNPROVEN);
        return;
    }
    uplink->state = UPLINK_STREAMING;
    uplink->epoch = epoch;
    // The server's word counts, even if it is less than was acked before: a store may be restored from a backup.
    uplink->acked = uplink->sent = stored->next;
    uplink->error = 0;
    snprintf(uplink->incarnation, sizeof(uplink->incarnation), "%s", incarnation ? incarnation : "");
}

void uplink_sent(struct uplink *uplink, uint64_t next)
{
    if (uplink->state == UPLINK_STREAMING)
        uplink->sent = MAX(uplink->sent, next);
}

void uplink_acked(struct uplink *uplink, uint64_t sequence_number)
{
    if (!is_talking(uplink))
        return;
    // It may be about more than this connection has sent: an earlier connection had sent it, and a power loss took it
    // from the spool.
    uint64_t next = sequence_number < uplink->sent ? sequence_number + 1 : uplink->sent;
    uplink->acked = MAX(uplink->acked, next);
    backoff_reset(&uplink->backoff);
}

// The log is closed. If it has everything of ours, that is what we want, and only the answer got lost. What an earlier
// connection got acked may be gone, if the store was restored; `ready` tells what is there.
static void refused_sealed(struct uplink *uplink, uint64_t now_ms)
{
    bool all_acked = is_talking(uplink) && uplink->job_ended && uplink->acked >= uplink->spool_next;
    bool all_there = all_acked && proves(uplink, &uplink->told);
    if (all_acked && uplink->told.next < uplink->spool_next) {
        begin_anew(uplink, ERR_SEALED, now_ms); // the refusal was sent before our last records came
        return;
    }
    fail(uplink, all_acked ? ERR_UNPROVEN : ERR_SEALED);
    if (all_there)
        uplink->state = UPLINK_DONE;
}

void uplink_refused(struct uplink *uplink, int err, bool has_next, uint64_t next_sequence, uint64_t now_ms)
{
    int meaning = -1;
    if (is_over(uplink))
        return;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (refusals[i].err == err)
            meaning = (int)refusals[i].meaning;
    }
    if (meaning == REFUSAL_FINAL || (meaning == REFUSAL_DIGEST && !uplink->with_digest)) {
        fail(uplink, err);
    } else if (meaning == REFUSAL_SEALED) {
        refused_sealed(uplink, now_ms);
    } else if (meaning == REFUSAL_DIGEST) {
        // Other producers wrote to the log as well, so its digest is not ours. The count must still agree.
        uplink->with_digest = false;
        uplink->state = UPLINK_STREAMING;
    } else if (meaning == REFUSAL_RESEND && has_next && is_talking(uplink)) {
        uplink->state = UPLINK_STREAMING;
        uplink->acked = uplink->sent = next_sequence;
    } else {
        begin_anew(uplink, err, now_ms);
    }
}

void uplink_job_ended(struct uplink *uplink, uint64_t spool_digest)
{
    uplink->job_ended = true;
    uplink->spool_digest = spool_digest;
    if (uplink->state == UPLINK_OFFLINE)
        uplink->retry_at_ms = 0; // the caller waits for the delivery and wants to know now
}

void uplink_complete_sent(struct uplink *uplink)
{
    if (uplink->state == UPLINK_STREAMING)
        uplink->state = UPLINK_COMPLETING;
}

void uplink_completed(struct uplink *uplink, const struct uplink_stored *stored, uint64_t now_ms)
{
    if (!is_talking(uplink))
        return;
    uplink->told = *stored;
    if (proves(uplink, stored))
        uplink->state = UPLINK_DONE;
    else if (uplink->job_ended)
        fail(uplink, ERR_UNPROVEN);
    else
        begin_anew(uplink, ERR_UNPROVEN, now_ms);
}

uint64_t uplink_lag(const struct uplink *uplink)
{
    return uplink->spool_next > uplink->acked ? uplink->spool_next - uplink->acked : 0;
}

bool uplink_awaits_ack(const struct uplink *uplink)
{
    return is_talking(uplink) && uplink->sent > uplink->acked;
}

bool uplink_delivered(const struct uplink *uplink)
{
    return is_talking(uplink) && uplink->acked >= uplink->spool_next;
}
