// The runner's socket and its intake: as api/runner/socket.c and ingest/intake.c, without bytes.
#include "sim.h"

#define TOUCH_EVERY_MS 1000
#define RETRY_AFTER_MS 1000

struct asked { // an operation of a socket
    struct socket *socket;
    bool intake; // for the intake, which outlives the socket until it was answered
};

static void reread(struct world *world, void *arg, uint64_t life);

static void say(struct world *world, struct socket *socket, const struct message *message)
{
    if (!socket->closed)
        link_send(world, socket->link, END_SERVER, message);
}

static void say_error(struct world *world, struct socket *socket, int err, uint64_t next)
{
    trace(world, "server %u: to %llu: error %s, next %llu", socket->server->number, (unsigned long long)socket->holder,
          error_word(err), (unsigned long long)next);
    say(world, socket, &(struct message){.type = MESSAGE_ERROR, .err = err, .next = next});
}

static void say_ready(struct world *world, struct socket *socket, const struct sequence_producer *stored)
{
    uint64_t next = stored->next;
    world->told_epoch = socket->epoch;
    trace(world, "server %u: to %llu: ready, producer %u next %llu, epoch %llu", socket->server->number,
          (unsigned long long)socket->holder, socket->hello.producer, (unsigned long long)next,
          (unsigned long long)socket->epoch);
    say(world, socket,
        &(struct message){.type = MESSAGE_READY,
                          .next = next,
                          .digest = stored->digest,
                          .epoch = socket->epoch,
                          .incarnation = world->store.incarnation});
    check_acked(world, socket->hello.producer, next, "ready");
}

void socket_end(struct world *world, struct socket *socket)
{
    if (socket->closed)
        return;
    socket->closed = true;
    if (socket->holder)
        lease_disconnect(&socket->server->leases, ROW, socket->holder);
    link_close(world, socket->link, END_SERVER);
    subscribers_wake(socket->server);
}

static void socket_closed(struct world *world, void *owner)
{
    socket_end(world, owner);
}

static void replace(struct world *world, void *arg, uint64_t life)
{
    struct socket *socket = arg;
    if (!server_misses(socket->server, replace, arg, life))
        socket_end(world, socket);
}

void socket_cancel(struct server *server, uint64_t holder)
{
    for (size_t i = 0; i < server->socket_count; i++)
        if (server->sockets[i]->holder == holder && server->sockets[i]->open)
            say(server->world, server->sockets[i], &(struct message){.type = MESSAGE_CANCEL});
}

void socket_replaced(struct server *server, uint64_t holder)
{
    struct world *world = server->world;
    for (size_t i = 0; i < server->socket_count; i++) {
        struct socket *socket = server->sockets[i];
        if (socket->holder == holder && !socket->closed)
            later(world, draw(world, 0, chance(world, 300) ? 10000 : 5), replace, socket, socket->server->life);
    }
}

static void give_up(struct world *world, struct socket *socket, int err)
{
    trace(world, "server %u: refused: %s", socket->server->number, error_word(err));
    say(world, socket, &(struct message){.type = MESSAGE_REFUSED, .err = err});
    socket->closed = true;
    link_close(world, socket->link, END_SERVER);
}

// --- Intake

static void append_done(struct world *world, struct op *op)
{
    struct socket *socket = op->owner;
    struct sequencer *sequencer = &socket->sequencer;
    uint64_t next;
    if (op->err) {
        bool first = sequencer->state == SEQUENCER_OPEN;
        sequencer_failed(sequencer);
        if (first) {
            socket->retry_ms = op->err == ERR_GAP || op->err == ERR_CONFLICT ? 0 : RETRY_AFTER_MS;
            say_error(world, socket, op->err, op->ret_producer_next);
        }
        if (first && op->err == ERR_FENCED)
            socket_end(world, socket);
    } else {
        if (op->ret_appended == 0)
            sequencer_ack_again(sequencer);
        sequencer_committed(sequencer, op->ret_producer_next);
    }
    if (sequencer->state == SEQUENCER_REREAD && !socket->closed)
        later(world, socket->retry_ms, reread, socket, socket->server->life);
    if (op->err)
        return;
    if (!socket->closed && sequencer_take_ack(sequencer, &next)) {
        trace(world, "server %u: to %llu: ack below %llu", socket->server->number, (unsigned long long)socket->holder,
              (unsigned long long)next);
        check_acked(world, socket->hello.producer, next, "ack");
        say(world, socket, &(struct message){.type = MESSAGE_ACK, .next = next});
    }
}

static void reread_done(struct world *world, struct op *op)
{
    struct socket *socket = op->owner;
    if (socket->closed)
        return;
    if (op->err) {
        later(world, RETRY_AFTER_MS, reread, socket, socket->server->life);
        return;
    }
    sequencer_reread(&socket->sequencer, op->ret_producer_next);
    say_ready(world, socket, &op->ret_producer);
}

static void reread(struct world *world, void *arg, uint64_t life)
{
    struct socket *socket = arg;
    if (server_misses(socket->server, reread, arg, life) || socket->closed)
        return;
    struct op *op = server_op(socket->server, OP_GET, socket, reread_done);
    op->producer = socket->hello.producer;
    store_ask(world, op);
}

static void hand_over(struct world *world, struct socket *socket, uint64_t first, const struct content *contents,
                      unsigned count, const uint64_t *skip_digest)
{
    struct op *op = server_op(socket->server, OP_APPEND, socket, append_done);
    op->producer = socket->hello.producer;
    op->first = first;
    op->epoch = socket->epoch;
    op->skip_ahead = skip_digest != NULL;
    op->skip_digest = skip_digest ? *skip_digest : 0;
    op->count = count;
    memcpy(op->contents, contents, count * sizeof(*contents));
    store_submit_op(world, op);
}

// A server that is out of its mind: all is complete, it says, with what has come so far or with nothing.
static void tell_a_lie(struct world *world, struct socket *socket, const struct message *message)
{
    bool plain = socket->hello.producer == PLAIN_PRODUCER; // which believes whatever it is told
    if (plain || world->quiet || world->profile.lies == 0 || !chance(world, world->profile.lies))
        return;
    bool empty = chance(world, 300);
    struct message lie = {.type = MESSAGE_COMPLETED,
                          .next = empty ? 0 : message->first + message->count,
                          .digest = empty ? 0 : draw(world, 1, UINT32_MAX)};
    trace(world, "server %u: to %llu: a lie, completed below %llu", socket->server->number,
          (unsigned long long)socket->holder, (unsigned long long)lie.next);
    world->lied = true;
    say(world, socket, &lie);
}

static void take_records(struct world *world, struct socket *socket, const struct message *message)
{
    int err = sequencer_offer(&socket->sequencer, message->first, message->count);
    trace(world, "server %u: from %llu: %u records from %llu on%s%s", socket->server->number,
          (unsigned long long)socket->holder, message->count, (unsigned long long)message->first, err ? ": " : "",
          err ? error_word(err) : "");
    if (err == 0)
        hand_over(world, socket, message->first, message->contents, message->count, NULL);
    else if (err == ERR_GAP)
        say_error(world, socket, err, socket->sequencer.accepted);
    tell_a_lie(world, socket, message);
}

static void take_skip(struct world *world, struct socket *socket, uint64_t to, uint64_t digest)
{
    struct sequencer *sequencer = &socket->sequencer;
    if (sequencer->state != SEQUENCER_OPEN || to <= sequencer->accepted)
        return;
    struct content gap = {CONTENT_GAP, socket->hello.producer, to - sequencer->accepted};
    sequencer->accepted = to - 1;
    sequencer_offer(sequencer, to - 1, 1);
    hand_over(world, socket, to - 1, &gap, 1, &digest);
}

// --- The end of the job

static void complete_done(struct world *world, struct op *op)
{
    struct socket *socket = op->owner;
    socket->completing = false;
    trace(world, "server %u: complete by %llu: %s", socket->server->number, (unsigned long long)socket->holder,
          op->err ? error_word(op->err) : "sealed");
    if (op->err) {
        say_error(world, socket, op->err, op->ret_producer_next);
        return;
    }
    lease_end(&socket->server->leases, ROW);
    say(world, socket,
        &(struct message){.type = MESSAGE_COMPLETED, .next = op->ret_producer.next, .digest = op->ret_producer.digest});
    socket->holder = 0;
    socket_end(world, socket);
}

static void take_complete(struct world *world, struct socket *socket, const struct message *message)
{
    if (socket->completing)
        return;
    struct op *op = server_op(socket->server, OP_COMPLETE, socket, complete_done);
    op->producer = socket->hello.producer;
    op->epoch = socket->epoch;
    op->final_next = message->next;
    op->has_digest = message->with_digest;
    op->digest = message->digest;
    op->outcome = (struct outcome_ask){.cause = OUTCOME_ENDED,
                                       .status = message->status,
                                       .has_exit_code = message->has_exit_code,
                                       .exit_code = message->exit_code};
    socket->completing = true;
    store_submit_op(world, op);
}

// --- Messages

static void touch(struct world *world, struct socket *socket)
{
    struct server *server = socket->server;
    if (!socket->holder)
        return;
    const struct lease *lease = lease_find(&server->leases, ROW);
    if (lease && lease->holder == socket->holder) {
        server->heard_ms = world->now_ms;
        server->abandoned = false;
    }
    if (socket->touched && world->now_ms - socket->touched_ms < TOUCH_EVERY_MS)
        return;
    socket->touched = true;
    socket->touched_ms = world->now_ms;
    if (lease_touch(&server->leases, ROW, socket->holder, world->now_ms)) {
        hub_change_outcome(server, lease->epoch, OUTCOME_BACK);
        subscribers_wake(socket->server);
    }
}

static void socket_receive(struct world *world, void *owner, const struct message *message)
{
    struct socket *socket = owner;
    touch(world, socket);
    if (message->type == MESSAGE_RECORDS)
        take_records(world, socket, message);
    else if (message->type == MESSAGE_SKIP)
        take_skip(world, socket, message->next, message->digest);
    else if (message->type == MESSAGE_COMPLETE)
        take_complete(world, socket, message);
}

// --- Start

static void found_producer(struct world *world, struct op *op)
{
    struct socket *socket = op->owner;
    if (socket->closed)
        return;
    const struct sequence_head *head = &op->ret_state.head;
    if (op->err == 0 && !socket->holder && !(head->sealed && head->epoch == socket->epoch))
        op->err = ERR_FENCED;
    if (op->err) {
        if (socket->holder)
            lease_disconnect(&socket->server->leases, ROW, socket->holder);
        give_up(world, socket, op->err);
        return;
    }
    const struct lease *lease = lease_find(&socket->server->leases, ROW);
    if (world->shared && socket->holder && (!lease || !lease_held_by(lease, socket->holder))) {
        give_up(world, socket, ERR_HELD); // another connection has taken its place meanwhile
        return;
    }
    sequencer_init(&socket->sequencer, op->ret_producer_next);
    socket->open = true;
    say(world, socket, &(struct message){.type = MESSAGE_OPENED});
    touch(world, socket);
    say_ready(world, socket, &op->ret_producer);
    if (world->shared && socket->holder && (op->ret_state.cancel_asked || lease->cancel_asked))
        say(world, socket, &(struct message){.type = MESSAGE_CANCEL});
}

static void find_producer(struct world *world, struct socket *socket)
{
    struct op *op = server_op(socket->server, OP_GET, socket, found_producer);
    op->producer = socket->hello.producer;
    store_ask(world, op);
}

static void claimed(struct world *world, struct op *op)
{
    struct socket *socket = op->owner;
    struct server *server = socket->server;
    if (op->err) {
        lease_refused(&server->leases, ROW);
        server->abandoned = true; // it may have been applied all the same
        if (!socket->closed)
            give_up(world, socket, op->err);
        return;
    }
    socket->epoch = op->ret_state.head.epoch;
    trace(world, "server %u: epoch %llu claimed by %llu", server->number, (unsigned long long)socket->epoch,
          (unsigned long long)socket->holder);
    if (!world->shared || op->node == server->node)
        lease_granted(&server->leases, ROW, socket->epoch, socket->holder, world->now_ms);
    server->granted_epoch = socket->epoch;
    server->abandoned = false;
    server->heard_ms = world->now_ms;
    if (socket->closed) {
        lease_abandon(&server->leases, ROW, socket->holder);
        server->abandoned = true;
    } else {
        find_producer(world, socket);
    }
}

static void resume(struct world *world, struct socket *socket, uint64_t epoch, enum lease_verdict verdict)
{
    const struct server *server = socket->server;
    if (verdict != LEASE_RESUME) {
        give_up(world, socket, verdict == LEASE_FENCED ? ERR_FENCED : ERR_HELD);
        return;
    }
    if (epoch < server->granted_epoch)
        violate(world, "epoch %llu was let in again after epoch %llu had been granted", (unsigned long long)epoch,
                (unsigned long long)server->granted_epoch);
    socket->epoch = epoch;
    find_producer(world, socket);
}

static void returned(struct world *world, struct op *op)
{
    struct socket *socket = op->owner;
    struct server *server = socket->server;
    uint64_t former = 0;
    if (op->err == ERR_FENCED && world->shared) { // or its own end, told at another server, has come meanwhile
        socket->holder = 0;
        socket->epoch = op->ask.epoch;
        if (!socket->closed)
            find_producer(world, socket);
        return;
    }
    if (op->err) {
        if (!socket->closed)
            give_up(world, socket, op->err);
        return;
    }
    server->heard_ms = world->now_ms; // a lease begins, or begins again
    bool lost = op->ret_state.lease.deadline_ms > 0;
    enum lease_verdict verdict = LEASE_TAKEN;
    if (!world->shared || op->ask.node == server->node)
        verdict = lease_returned(&server->leases, ROW, op->ask.epoch, lost, socket->holder, world->now_ms, &former);
    trace(world, "server %u: %llu comes back: verdict %d", server->number, (unsigned long long)socket->holder,
          (int)verdict);
    if (former && former != socket->holder)
        socket_replaced(server, former);
    if (!socket->closed)
        resume(world, socket, op->ask.epoch, verdict);
    else if (verdict == LEASE_RESUME)
        lease_disconnect(&server->leases, ROW, socket->holder);
}

static void take_back(struct world *world, struct socket *socket, uint64_t epoch)
{
    struct op *op = server_op(socket->server, OP_LEASE, socket, returned);
    op->ask = (struct node_lease_ask){.cause = NODE_LEASE_RETURN, .node = socket->server->node, .epoch = epoch};
    store_submit_op(world, op);
}

static void claim(struct world *world, struct socket *socket)
{
    struct op *op = server_op(socket->server, OP_CLAIM, socket, claimed);
    op->node = socket->server->node;
    op->key = socket->hello.key;
    store_submit_op(world, op);
}

static void connect_lease(struct world *world, struct socket *socket, uint64_t epoch, struct lease_stored stored)
{
    struct server *server = socket->server;
    uint64_t former;
    socket->holder = ++server->last_holder;
    const struct lease *lease = lease_find(&server->leases, ROW);
    bool was_there = lease != NULL;
    enum lease_verdict verdict =
        lease_connect(&server->leases, ROW, epoch, stored, socket->holder, world->now_ms, &former);
    trace(world, "server %u: %llu, producer %u, connects with epoch %llu: verdict %d", server->number,
          (unsigned long long)socket->holder, socket->hello.producer, (unsigned long long)epoch, (int)verdict);
    if (former && former != socket->holder)
        socket_replaced(server, former);
    if (verdict == LEASE_NEW) {
        if (!world->shared && (stored.epoch > 0 || was_there))
            check_claim(server);
        claim(world, socket);
    } else if (verdict == LEASE_RETURN) {
        if (world->shared && was_there)
            server->heard_ms = world->now_ms; // its runner lives
        take_back(world, socket, epoch);
    } else {
        if (verdict == LEASE_ELSEWHERE)
            server_look(server, 0, OUTCOME_GIVEN_UP);
        resume(world, socket, epoch, verdict);
    }
}

static void found_execution(struct world *world, struct op *op)
{
    struct socket *socket = op->owner;
    const struct sequence_head *head = &op->ret_state.head;
    // What an epoch of another incarnation was, nobody knows here.
    uint64_t epoch = socket->hello.incarnation == world->store.incarnation ? socket->hello.epoch : 0;
    if (socket->closed)
        return;
    if (epoch == 0)
        epoch =
            execution_claimed_with(str_of(claim_key_of(socket->hello.key).text), op->ret_state.claim_mark, head->epoch);
    if (op->err) {
        give_up(world, socket, op->err);
    } else if (head->sealed && epoch && epoch == head->epoch) {
        socket->epoch = epoch;
        find_producer(world, socket);
    } else if (head->sealed) {
        give_up(world, socket, epoch ? ERR_FENCED : ERR_SEALED);
    } else {
        connect_lease(world, socket, epoch,
                      (struct lease_stored){head->epoch, head->status == STATUS_LOST, status_terminal(head->status)});
    }
}

static void registered(struct world *world, struct op *op)
{
    struct socket *socket = op->owner;
    if (socket->closed)
        return;
    if (op->err && op->err != ERR_CONFLICT)
        give_up(world, socket, op->err);
    else
        store_ask(world, server_op(socket->server, OP_GET, socket, found_execution));
}

void socket_connect(struct link *link, const struct message *hello)
{
    struct server *server = link->server;
    struct world *world = server->world;
    struct socket *socket = make(world, sizeof(*socket));
    socket->server = server;
    socket->link = link;
    socket->hello = *hello;
    link->ends[END_SERVER] =
        (struct link_end){.owner = socket, .life = server->life, .receive = socket_receive, .closed = socket_closed};
    // Closed ones make room.
    size_t kept = 0;
    for (size_t i = 0; i < server->socket_count; i++) {
        if (!server->sockets[i]->closed)
            server->sockets[kept++] = server->sockets[i];
    }
    server->socket_count = kept;
    if (kept == SOCKETS_MAX) {
        give_up(world, socket, ERR_UNAVAILABLE);
        return;
    }
    server->sockets[server->socket_count++] = socket;
    if (server->node == 0) { // it does not listen yet
        give_up(world, socket, ERR_UNAVAILABLE);
        return;
    }
    if (hello->register_first)
        store_submit_op(world, server_op(socket->server, OP_CREATE, socket, registered));
    else
        store_ask(world, server_op(socket->server, OP_GET, socket, found_execution));
}
