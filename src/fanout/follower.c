#include "fanout/follower.h"

void follower_init(struct follower *follower, uint64_t cursor, bool follow, uint64_t end_now)
{
    *follower = (struct follower){.cursor = cursor, .told = cursor, .until = follow ? UINT64_MAX : end_now};
}

static enum follower_step follower_gap(struct follower *follower, uint64_t from, uint64_t to, const char *reason)
{
    follower->gap_from = from;
    follower->gap_to = to;
    follower->gap_reason = reason;
    return FOLLOWER_GAP;
}

static enum follower_step follower_position(struct follower *follower, uint64_t considered, uint64_t now_ms)
{
    follower->told = MAX(follower->told, considered);
    follower->told_anything = true;
    follower->position = (int64_t)considered - 1;
    follower->position_due_ms = now_ms + FOLLOWER_POSITION_MS;
    return FOLLOWER_POSITION;
}

// Everything durable was considered, and the log is open.
static enum follower_step follower_caught_up(struct follower *follower, const struct follower_view *view)
{
    if (!follower->wants_position)
        return FOLLOWER_WAIT;
    bool past_end = follower->cursor > view->next;
    if (past_end && !follower->told_past_end) {
        follower->told_past_end = true;
        return follower_position(follower, view->next, view->now_ms);
    }
    if (!follower->told_anything)
        return follower_position(follower, MIN(follower->cursor, view->next), view->now_ms);
    if (!past_end && follower->told < follower->cursor && view->now_ms >= follower->position_due_ms)
        return follower_position(follower, follower->cursor, view->now_ms);
    return FOLLOWER_WAIT;
}

enum follower_step follower_next(struct follower *follower, const struct follower_view *view)
{
    if (follower->ended)
        return FOLLOWER_END;
    if (view->purged) {
        follower->ended = true;
        return FOLLOWER_PURGED;
    }
    if (follower->restored) {
        // What the reader has from that record on is void, even if the log has grown beyond the cursor again.
        uint64_t from = MIN(view->restored_from, view->next), to = follower->cursor - 1;
        bool void_ones = follower->cursor > from;
        follower->restored = false;
        if (void_ones) {
            follower->cursor = follower->told = from;
            return follower_gap(follower, from, to, "restored");
        }
    }
    if (follower->wants_state && (!follower->told_state || follower->status != view->status ||
                                  follower->runner_connected != view->runner_connected)) {
        follower->told_state = true;
        follower->status = view->status;
        follower->runner_connected = view->runner_connected;
        return FOLLOWER_STATE;
    }
    if (follower->wants_front && view->first > 0) {
        follower->wants_front = false;
        follower->cursor = follower->told = MAX(follower->cursor, view->first);
        return follower_gap(follower, 0, view->first - 1, "retention");
    }
    if (follower->cursor < view->first) {
        uint64_t from = follower->cursor;
        follower->cursor = follower->told = view->first;
        return follower_gap(follower, from, view->first - 1, "retention");
    }
    follower->limit = MIN(view->next, follower->until);
    if (follower->cursor < follower->limit) {
        // A reader whose filter lets nothing pass must learn where it stands, also while it is catching up.
        if (follower->wants_position && follower->told < follower->cursor && view->now_ms >= follower->position_due_ms)
            return follower_position(follower, follower->cursor, view->now_ms);
        return FOLLOWER_READ;
    }
    if (follower->cursor >= follower->until) {
        follower->ended = true;
        return FOLLOWER_END;
    }
    if (!view->sealed)
        return follower_caught_up(follower, view);
    if (follower->wants_position && follower->told < MIN(follower->cursor, view->next))
        return follower_position(follower, MIN(follower->cursor, view->next), view->now_ms);
    follower->ended = true;
    return FOLLOWER_COMPLETE;
}

void follower_finish(struct follower *follower, uint64_t end_now)
{
    follower->until = MIN(follower->until, end_now);
}

void follower_go_on(struct follower *follower)
{
    follower->until = UINT64_MAX;
    follower->ended = false;
}

void follower_advance(struct follower *follower, uint64_t cursor, bool sent_last)
{
    follower->cursor = cursor;
    if (!sent_last)
        return;
    follower->told = cursor;
    follower->told_anything = true;
}
