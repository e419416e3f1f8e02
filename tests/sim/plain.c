// A runner that is not ours: it keeps what it wrote in memory, stays connected whatever it is told, and begins again
// where `ready` says, or, when hasty, wherever it stopped itself, without waiting.
#include "sim.h"

static void connect_now(struct world *world, void *arg, uint64_t life);
static void go_on(struct world *world, struct plain *plain);

static void lost(struct world *world, struct plain *plain)
{
    plain->link = NULL;
    plain->life++;
    later(world, draw(world, 50, 5000), connect_now, plain, plain->life);
}

static void closed(struct world *world, void *owner)
{
    lost(world, owner);
}

static void drained(struct world *world, void *owner)
{
    go_on(world, owner);
}

static void finish(struct world *world, struct plain *plain, int err)
{
    trace(world, "plain runner: over: %s", err ? error_word(err) : "sealed");
    plain->over = true;
    plain->failed = err;
    plain->over_incarnation = world->store.incarnation;
    plain->late = world->store.disk.head.sealed && world->given_up;
    if (plain->link)
        link_close(world, plain->link, END_CLIENT);
    plain->link = NULL;
}

static void go_on(struct world *world, struct plain *plain)
{
    while (plain->link && plain->sending && plain->sent < plain->written && plain->link->in_flight[END_SERVER] <= 8) {
        struct message message = {.type = MESSAGE_RECORDS, .first = plain->sent};
        uint64_t count = draw(world, 1, BATCH_MAX);
        count = MIN(count, plain->written - plain->sent);
        for (; message.count < count; message.count++)
            message.contents[message.count] = (struct content){CONTENT_LINE, RUNNERS, plain->sent + message.count};
        plain->sent += count;
        link_send(world, plain->link, END_CLIENT, &message);
    }
    if (plain->link && plain->sending && plain->acked == plain->lines && !plain->completing) {
        plain->completing = true;
        link_send(
            world, plain->link, END_CLIENT,
            &(struct message){
                .type = MESSAGE_COMPLETE, .next = plain->lines, .status = STATUS_COMPLETED, .has_exit_code = true});
    }
}

static void again(struct world *world, void *arg, uint64_t life)
{
    struct plain *plain = arg;
    if (life != plain->life)
        return;
    plain->completing = false;
    go_on(world, plain);
}

static void heard_error(struct world *world, struct plain *plain, const struct message *message)
{
    if (message->err == ERR_FENCED || message->err == ERR_SEALED || message->err == ERR_CONFLICT) {
        finish(world, plain, message->err);
    } else if (message->err == ERR_GAP) {
        plain->completing = false;
        plain->sent = plain->acked = message->next;
    } else if (plain->completing) {
        later(world, 1000, again, plain, plain->life);
    } else {
        plain->sending = plain->hasty; // `ready` will be said again
    }
}

static void receive(struct world *world, void *owner, const struct message *message)
{
    struct plain *plain = owner;
    switch (message->type) {
    case MESSAGE_OPENED:
        plain->sending = plain->hasty;
        plain->sent = plain->acked;
        break;
    case MESSAGE_READY:
        plain->epoch = message->epoch;
        plain->incarnation = message->incarnation;
        // What it sent meanwhile is not taken when the server begins anew, and known when it does not.
        if (!plain->hasty || plain->was_ready)
            plain->sent = plain->acked = message->next;
        plain->was_ready = plain->sending = true;
        plain->completing = false;
        break;
    case MESSAGE_ACK:
        plain->acked = MAX(plain->acked, message->next);
        break;
    case MESSAGE_ERROR:
        heard_error(world, plain, message);
        break;
    case MESSAGE_CANCEL:
        return; // it does not care
    case MESSAGE_REFUSED:
        plain->registered = message->err != ERR_NOT_FOUND;
        if (message->err == ERR_FENCED || message->err == ERR_SEALED || message->err == ERR_BAD_TRANSITION)
            finish(world, plain, message->err);
        break;
    default:
        finish(world, plain, 0);
        break;
    }
    if (!plain->over)
        go_on(world, plain);
}

static void connect_now(struct world *world, void *arg, uint64_t life)
{
    struct plain *plain = arg;
    if (life != plain->life || plain->over)
        return;
    struct server *server = server_any(world);
    if (!server_answers(server)) {
        lost(world, plain);
        return;
    }
    plain->sending = plain->was_ready = plain->completing = false;
    plain->link = link_open(world, server, plain, plain->life);
    plain->link->ends[END_CLIENT].receive = receive;
    plain->link->ends[END_CLIENT].closed = closed;
    plain->link->ends[END_CLIENT].drained = drained;
    link_send(world, plain->link, END_CLIENT,
              &(struct message){.type = MESSAGE_CONNECT,
                                .producer = PLAIN_PRODUCER,
                                .epoch = plain->epoch,
                                .incarnation = plain->incarnation,
                                .register_first = !plain->registered});
}

static void heartbeat(struct world *world, void *arg, uint64_t life)
{
    struct plain *plain = arg;
    (void)life;
    if (plain->over)
        return;
    if (plain->link)
        link_send(world, plain->link, END_CLIENT, &(struct message){.type = MESSAGE_HEARTBEAT});
    later(world, 10000, heartbeat, plain, 0);
}

static void job_goes_on(struct world *world, void *arg, uint64_t life)
{
    struct plain *plain = arg;
    (void)life;
    if (plain->over || plain->written == plain->lines)
        return;
    uint64_t wrote = draw(world, 1, 6);
    plain->written = MIN(plain->written + wrote, plain->lines);
    go_on(world, plain);
    uint64_t pause = MIN(world->profile.faults_for_ms * 4 / (plain->lines + 1) + 1, 20000u);
    later(world, draw(world, 1, world->quiet ? 100 : pause), job_goes_on, plain, 0);
}

void plain_start(struct world *world, struct plain *plain)
{
    plain->lines = draw(world, 1, 100);
    plain->hasty = chance(world, 500);
    uint64_t begins = draw(world, 0, 2000);
    later(world, begins, connect_now, plain, plain->life);
    later(world, begins, heartbeat, plain, 0);
    later(world, begins, job_goes_on, plain, 0);
}
