#include "model/node.h"

#include "util/error.h"

int64_t node_silent_before(int64_t now_ms)
{
    return now_ms - NODE_SILENT_MS;
}

bool node_may_fence(int64_t own_heartbeat_before_ms, int64_t now_ms)
{
    return now_ms - own_heartbeat_before_ms <= 2 * NODE_BEAT_MS;
}

bool node_may_vouch(uint64_t taken_ms, uint64_t now_ms)
{
    return now_ms < taken_ms + NODE_SILENT_MS;
}

bool node_may_judge(uint64_t taken_ms, uint64_t now_ms)
{
    return now_ms - taken_ms <= 2 * NODE_BEAT_MS;
}

bool node_lease_held(const struct node_lease *lease, const struct node_sign *holder, int64_t now_ms)
{
    if (lease->node == 0 || holder->fenced)
        return false;
    return lease->deadline_ms == 0 || now_ms < lease->deadline_ms;
}

// Whoever has the subject's own epoch may well live when the node does not, and comes back. So somebody takes the lease
// over first, and it runs out there.
static bool outlives_its_node(const struct node_lease *now, const struct node_lease_ask *ask)
{
    return ask->epoch > 0 && now->node != 0 && now->deadline_ms == 0;
}

// Its holder has come to another node since it has asked for this.
static bool is_overtaken(const struct node_lease *now, const struct node_lease_ask *ask)
{
    int64_t older_ms = now->asked_ms - ask->asked_ms;
    return ask->asked_ms > 0 && now->node != ask->node && older_ms > 0 && older_ms < NODE_OVERTAKEN_MS;
}

// Silence alone ends nothing: first somebody fences the node, so that all agree on it.
static int refusal(const struct node_lease *now, const struct node_sign *holder, const struct node_lease_ask *ask,
                   int64_t now_ms)
{
    bool own = now->node == ask->node;
    switch (ask->cause) {
    case NODE_LEASE_CLAIM:
        return !own && (node_lease_held(now, holder, now_ms) || outlives_its_node(now, ask)) ? ERR_HELD : 0;
    case NODE_LEASE_RETURN:
        if (now->epoch != ask->epoch)
            return ERR_FENCED;
        return is_overtaken(now, ask) ? ERR_HELD : 0;
    case NODE_LEASE_ADOPT:
        if (now->epoch == 0)
            return ERR_FENCED; // there is nothing
        return !own && now->node != 0 && !holder->fenced ? ERR_HELD : 0;
    case NODE_LEASE_RENEW:
    case NODE_LEASE_RELEASE:
        break;
    }
    return own && now->epoch == ask->epoch ? 0 : ERR_FENCED;
}

int node_lease_next(const struct node_lease *now, const struct node_sign *holder, const struct node_lease_ask *ask,
                    int64_t now_ms, struct node_lease *ret)
{
    int err = refusal(now, holder, ask, now_ms);
    if (err < 0)
        return err;
    struct node_lease next = *now;
    next.node = ask->cause == NODE_LEASE_RELEASE ? 0 : ask->node;
    if (ask->cause == NODE_LEASE_CLAIM)
        next.epoch = ask->epoch > 0 ? ask->epoch : now->epoch + 1;
    if (ask->cause == NODE_LEASE_CLAIM || ask->cause == NODE_LEASE_RENEW)
        next.deadline_ms = ask->deadline_ms;
    if (ask->cause == NODE_LEASE_CLAIM || ask->cause == NODE_LEASE_RETURN)
        next.asked_ms = ask->asked_ms;
    *ret = next;
    return 0;
}
