// What must hold where servers share a store.
#include "sim.h"

#define PATIENCE_MS 24000 // more than two heartbeats, and what stands still in the midst of a transaction
#define STUCK_MS    45000 // one after the other may stand still in the midst of a transaction
#define BEHIND_MS   6000
#define CUT_OFF_MS  (3 * NODE_BEAT_MS) // its last heartbeat that was taken is elder than two beats then

// Nobody is fenced that was heard of, nor who has done nothing wrong for a while.
void check_fenced(struct world *world, int64_t node)
{
    uint64_t silent_ms = world->now_ms - world->store.database->heard_ms[node];
    if (silent_ms <= NODE_SILENT_MS)
        violate(world, "node %lld was fenced after %llu ms of silence", (long long)node, (unsigned long long)silent_ms);
    for (unsigned i = 0; i < world->server_count; i++) {
        const struct server *server = &world->servers[i];
        const struct peer *peer = &server->peer;
        if (!server->up || server->node != node)
            continue;
        if (world->now_ms - peer->fine_ms > PATIENCE_MS)
            violate(world, "server %u is there, and was fenced", server->number);
    }
}

void check_taken_over(const struct op *op, const struct node_lease *lease, const struct outcome *before)
{
    struct world *world = op->server->world;
    bool ran_out = before->status == STATUS_LOST || lease->deadline_ms > 0;
    if (before->epoch == 0 || ran_out || before->status == STATUS_QUEUED)
        return;
    if (lease->node != op->node)
        violate(world, "server %u takes epoch %llu over from node %lld, whose runner was not lost", op->server->number,
                (unsigned long long)before->epoch, (long long)lease->node);
    else
        check_claim(op->server);
}

void check_by_lease(const struct op *op)
{
    struct world *world = op->server->world;
    uint64_t silent_ms = op->asked_ms - op->heard_ms;
    int64_t holder = world->store.disk.lease.node;
    if (holder != op->node)
        violate(world, "server %u tells of a runner that node %lld has", op->server->number, (long long)holder);
    uint64_t least_ms = op->outcome.cause == OUTCOME_SILENT     ? LEASE_MS
                        : op->outcome.cause == OUTCOME_GIVEN_UP ? world->profile.lost_seal_ms
                                                                : 0;
    if (silent_ms + 1000 < least_ms)
        violate(world, "server %u: %s after %llu ms of silence", op->server->number,
                op->outcome.cause == OUTCOME_SILENT ? "lost" : "sealed as lost", (unsigned long long)silent_ms);
    uint64_t back_ms = op->asked_ms - op->cut_off_ms;
    uint64_t unnoticed_ms = 2 * NODE_BEAT_MS; // it may have stood still for so long until the store was back
    if (op->outcome.cause == OUTCOME_SILENT && op->cut_off_ms > 0 && back_ms + 1000 + unnoticed_ms < LEASE_MS)
        violate(world, "server %u: lost %llu ms after the store was away for long", op->server->number,
                (unsigned long long)back_ms);
}

void check_doubt(struct server *server, bool committed)
{
    struct world *world = server->world;
    const struct database *database = world->store.database;
    const struct writer *writer = &server->writer;
    bool will_be = writer->primary == database->primary && database->held == writer->number && database->commits_later;
    bool there = writer->applied || will_be;
    if (committed != writer->applied || (!committed && there))
        violate(world, "server %u: transaction %lld %s there, and is said %s", server->number,
                (long long)writer->number, there ? "is" : "is not", committed ? "to be" : "to have failed");
}

// Nothing is wrong with it, nor with what it needs.
static bool is_fine(const struct server *server)
{
    const struct world *world = server->world;
    const struct store *store = &world->store;
    return server->up && server->node != 0 && !server->peer.leaving && world->now_ms >= server->peer.paused_until_ms &&
           database_reached(server) && world->now_ms >= store->full_until_ms && world->now_ms >= store->slow_until_ms &&
           world->now_ms >= store->failing_until_ms;
}

// Somebody takes over what a node has left.
static void check_left(struct server *server)
{
    struct world *world = server->world;
    const struct database *database = world->store.database;
    const struct node_lease *lease = &world->store.disk.lease;
    uint64_t fine_ms = world->now_ms - server->peer.fine_ms;
    if (lease->epoch == 0 || lease->node == 0)
        return;
    uint64_t left_ms = database->left_ms[lease->node], heard_ms = database->heard_ms[lease->node];
    if (left_ms > 0 && world->now_ms - left_ms > PATIENCE_MS && fine_ms > PATIENCE_MS)
        violate(world, "node %lld has left, and still has the lease", (long long)lease->node);
    uint64_t most_ms = NODE_SILENT_MS + PATIENCE_MS;
    if (world->now_ms - heard_ms > most_ms && fine_ms > most_ms)
        violate(world, "node %lld was not heard of for %llu ms, and still has the lease", (long long)lease->node,
                (unsigned long long)(world->now_ms - heard_ms));
    if (server->peer.former_node != 0 && lease->node == server->peer.former_node && fine_ms > PATIENCE_MS)
        violate(world, "server %u is back, and the node that it was has the lease", server->number);
}

static void check_followed(struct server *server)
{
    struct world *world = server->world;
    const struct peer *peer = &server->peer;
    uint64_t since_ms = MAX(peer->fine_ms, peer->topic_ms);
    if (!peer->topic || !subscribers_any(server) || world->now_ms - since_ms < BEHIND_MS + 1000)
        return;
    uint64_t next = world->nexts[(world->now_ms - BEHIND_MS) / 1000 % ARRAY_LEN(world->nexts)];
    if (peer->known.next_sequence < next)
        violate(world, "server %u: %llu were there %u ms ago, and followers know of %llu", server->number,
                (unsigned long long)next, BEHIND_MS, (unsigned long long)peer->known.next_sequence);
}

void check_peer(struct server *server)
{
    struct world *world = server->world;
    struct peer *peer = &server->peer;
    if (!server->up || server->node == 0 || database_reached(server))
        peer->reached_ms = world->now_ms;
    if (world->now_ms - peer->reached_ms > CUT_OFF_MS)
        peer->cut_off_ms = world->now_ms;
    if (!is_fine(server)) {
        peer->fine_ms = world->now_ms;
        return;
    }
    uint64_t fine_ms = world->now_ms - peer->fine_ms;
    if (server->writer.batch && fine_ms > STUCK_MS && world->now_ms - server->writer.began_ms > STUCK_MS)
        violate(world, "server %u: a transaction waits since %llu ms", server->number,
                (unsigned long long)server->writer.began_ms);
    check_left(server);
    check_followed(server);
}
