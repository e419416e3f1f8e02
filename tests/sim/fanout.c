// Followers at the server: as fanout/subscriber.c, with the store in the place of the log cache.
#include "sim.h"

#define PENDING_MAX 8 // messages under way before the follower waits
#define TURNS_MAX   10000

static void pump(struct world *world, struct subscriber *subscriber);

static void pump_now(struct world *world, void *arg, uint64_t life)
{
    struct subscriber *subscriber = arg;
    if (server_misses(subscriber->server, pump_now, arg, life) || subscriber->closed)
        return;
    subscriber->timer_ms = 0;
    pump(world, subscriber);
}

static struct follower_view view_now(const struct server *server)
{
    const struct state *known = &server->known;
    const struct lease *lease = lease_find(&server->leases, ROW);
    return (struct follower_view){
        .next = known->head.next,
        .first = known->first,
        .restored_from = known->restored_from,
        .sealed = known->head.sealed,
        .status = known->head.status,
        .runner_connected = lease && lease->holder,
        .now_ms = server->world->now_ms,
    };
}

static void send_records(struct world *world, struct subscriber *subscriber)
{
    struct follower *follower = &subscriber->follower;
    const struct state *disk = &world->store.disk;
    struct message message = {.type = MESSAGE_LOG, .incarnation = world->store.incarnation};
    uint64_t end = MIN(follower->limit, follower->cursor + BATCH_MAX);
    bool last = false;
    if (world->shared && !database_reached(subscriber->server)) {
        subscriber_end(world, subscriber); // what is to be read cannot be
        return;
    }
    if (end > disk->head.next) {
        violate(world, "a follower is to be given %llu, which is not durable", (unsigned long long)end - 1);
        return;
    }
    for (uint64_t sequence = follower->cursor; sequence < end; sequence++) {
        const struct entry *entry = &disk->log[sequence];
        if (sequence < subscriber->server->known.first)
            violate(world, "a follower is to be given %llu, which has expired", (unsigned long long)sequence);
        last = reader_wants(subscriber->filtered, &entry->content);
        if (!last)
            continue;
        message.sequences[message.count] = sequence;
        message.contents[message.count++] = entry->content;
    }
    if (message.count > 0)
        link_send(world, subscriber->link, END_SERVER, &message);
    follower_advance(follower, end, last);
}

void subscriber_end(struct world *world, struct subscriber *subscriber)
{
    subscriber->closed = true;
    link_close(world, subscriber->link, END_SERVER);
}

static void tell(struct world *world, struct subscriber *subscriber, enum follower_step step)
{
    const struct follower *follower = &subscriber->follower;
    const struct state *known = &subscriber->server->known;
    struct message message = {
        .next = follower->gap_to + 1, .first = follower->gap_from, .incarnation = world->store.incarnation};
    switch (step) {
    case FOLLOWER_GAP:
        message.type = MESSAGE_GAP;
        message.restored = strcmp(follower->gap_reason, "restored") == 0;
        break;
    case FOLLOWER_POSITION:
        message.type = MESSAGE_POSITION;
        message.position = follower->position;
        break;
    case FOLLOWER_STATE:
        message.type = MESSAGE_STATE;
        message.status = follower->status;
        break;
    default:
        message.type = MESSAGE_END;
        message.next = known->head.next;
        break;
    }
    link_send(world, subscriber->link, END_SERVER, &message);
    if (message.type == MESSAGE_END)
        subscriber_end(world, subscriber);
}

static void pump(struct world *world, struct subscriber *subscriber)
{
    for (unsigned turns = 0; subscriber->open && !subscriber->closed && !world->failed; turns++) {
        if (turns > TURNS_MAX)
            violate(world, "a follower goes round and round");
        if (subscriber->link->in_flight[END_CLIENT] > PENDING_MAX)
            return;
        struct follower *follower = &subscriber->follower;
        struct follower_view view = view_now(subscriber->server);
        enum follower_step step = follower_next(follower, &view);
        if (step == FOLLOWER_READ) {
            send_records(world, subscriber);
        } else if (step == FOLLOWER_WAIT) {
            if (!follower->wants_position || follower->told >= follower->cursor || subscriber->timer_ms)
                return;
            uint64_t due = follower->position_due_ms;
            subscriber->timer_ms = MAX(due, world->now_ms + 1);
            later(world, subscriber->timer_ms - world->now_ms, pump_now, subscriber, subscriber->server->life);
            return;
        } else {
            tell(world, subscriber, step);
        }
    }
}

static void subscriber_drained(struct world *world, void *owner)
{
    pump(world, owner);
}

static void subscriber_closed(struct world *world, void *owner)
{
    struct subscriber *subscriber = owner;
    (void)world;
    subscriber->closed = true;
}

static void subscriber_receive(struct world *world, void *owner, const struct message *message)
{
    (void)world;
    (void)owner;
    (void)message;
}

bool subscribers_any(const struct server *server)
{
    for (size_t i = 0; i < server->subscriber_count; i++)
        if (server->subscribers[i]->open && !server->subscribers[i]->closed)
            return true;
    return false;
}

void subscribers_wake(struct server *server)
{
    for (size_t i = 0; i < server->subscriber_count; i++)
        pump(server->world, server->subscribers[i]);
}

static void found(struct world *world, struct op *op)
{
    struct subscriber *subscriber = op->owner;
    if (subscriber->closed)
        return;
    if (op->err) {
        subscriber_end(world, subscriber);
        return;
    }
    subscriber->open = true;
    if (world->shared) {
        topic_open_model(subscriber->server, &op->ret_state);
        pump(world, subscriber);
        return;
    }
    struct state state = op->ret_state;
    if (subscriber->server->told)
        state.head.status = subscriber->server->known.head.status; // it may be older than what the commits told
    server_changed(subscriber->server, &state);
    pump(world, subscriber);
}

void subscriber_follow(struct link *link, const struct message *hello)
{
    struct server *server = link->server;
    struct world *world = server->world;
    struct subscriber *subscriber = make(world, sizeof(*subscriber));
    subscriber->server = server;
    subscriber->link = link;
    subscriber->filtered = hello->filtered;
    follower_init(&subscriber->follower, hello->next, true, 0);
    subscriber->follower.restored = hello->incarnation && hello->incarnation != world->store.incarnation;
    subscriber->follower.wants_state = hello->websocket;
    subscriber->follower.wants_position = hello->websocket || hello->filtered;
    subscriber->follower.position_due_ms = world->now_ms + FOLLOWER_POSITION_MS;
    link->ends[END_SERVER] = (struct link_end){.owner = subscriber,
                                               .life = server->life,
                                               .receive = subscriber_receive,
                                               .closed = subscriber_closed,
                                               .drained = subscriber_drained};
    size_t kept = 0;
    for (size_t i = 0; i < server->subscriber_count; i++) {
        if (!server->subscribers[i]->closed)
            server->subscribers[kept++] = server->subscribers[i];
    }
    server->subscriber_count = kept;
    if (kept == SOCKETS_MAX || (world->shared && server->node == 0)) {
        subscriber_end(world, subscriber);
        return;
    }
    server->subscribers[server->subscriber_count++] = subscriber;
    // The response's head says which incarnation this is.
    link_send(world, link, END_SERVER,
              &(struct message){.type = MESSAGE_OPENED, .incarnation = world->store.incarnation});
    store_ask(world, server_op(server, OP_GET, subscriber, found));
}
