// A runner: its job, its spool, and the driver of its uplink, as runner/delivery.c, runner_events.c and resume.c have
// them.
#include "model/config_limits.h"
#include "sim.h"

#define TICK_MS     1000
#define GREETING_MS 20000
#define PENDING_MAX 8
#define TURNS_MAX   10000

static void step(struct world *world, struct runner *runner);
static void job_ends(struct world *world, struct runner *runner);

// --- What its spool holds

static unsigned producer_of(const struct runner *runner)
{
    return 2 * runner->number + (runner->phase == RUNNER_INTERRUPTION);
}

static struct content content_at(const struct runner *runner, uint64_t counter)
{
    if (runner->phase == RUNNER_INTERRUPTION)
        return (struct content){CONTENT_INTERRUPTED, runner->number, 0};
    return (struct content){CONTENT_LINE, runner->number, counter};
}

static uint64_t digest_below(const struct runner *runner, uint64_t next)
{
    uint64_t digest = 0;
    for (uint64_t i = 0; i < next; i++) {
        struct content line = {CONTENT_LINE, runner->number, i};
        digest = content_digest(&line, digest);
    }
    return digest;
}

// Of the whole log, as it should be.
static uint64_t digest_of(const struct runner *runner)
{
    uint64_t digest = digest_below(runner, runner->spool_next);
    struct content interrupted = content_at(runner, 0);
    return runner->phase == RUNNER_INTERRUPTION ? content_digest(&interrupted, digest) : digest;
}

static void tell_job_ended(struct runner *runner)
{
    struct content interrupted = content_at(runner, 0);
    bool prefix = runner->phase != RUNNER_INTERRUPTION;
    uplink_job_ended(&runner->uplink,
                     prefix ? digest_below(runner, runner->spool_next) : content_digest(&interrupted, 0));
}

static void tell_spool(struct runner *runner)
{
    if (runner->phase != RUNNER_INTERRUPTION)
        uplink_spooled(&runner->uplink, runner->spool_first, runner->spool_next);
}

static bool is_running(const struct runner *runner)
{
    return runner->phase >= RUNNER_LIVE && runner->phase <= RUNNER_PROOF;
}

static bool is_awake(const struct world *world, const struct runner *runner, uint64_t life)
{
    return runner->life == life && is_running(runner) && world->now_ms >= runner->paused_until_ms;
}

// --- Sending

static void say(struct world *world, struct runner *runner, const struct message *message)
{
    runner->last_send_ms = world->now_ms;
    link_send(world, runner->link, END_CLIENT, message);
}

static void disconnect(struct world *world, struct runner *runner)
{
    if (runner->link)
        link_close(world, runner->link, END_CLIENT);
    runner->link = NULL;
}

static void closed(struct world *world, void *owner)
{
    struct runner *runner = owner;
    runner->link = NULL;
    uplink_lost(&runner->uplink, world->now_ms);
    step(world, runner);
}

static void receive(struct world *world, void *owner, const struct message *message);

static void drained(struct world *world, void *owner)
{
    step(world, owner);
}

static void connection_refused(struct world *world, void *arg, uint64_t life)
{
    struct runner *runner = arg;
    if (runner->life != life || !is_running(runner) || runner->uplink.state != UPLINK_CONNECTING)
        return;
    uplink_lost(&runner->uplink, world->now_ms);
    step(world, runner);
}

static void connect_now(struct world *world, struct runner *runner)
{
    struct server *server = server_any(world);
    if (!server_answers(server)) {
        later(world, draw(world, 1, 3000), connection_refused, runner, runner->life);
        return;
    }
    runner->link = link_open(world, server, runner, runner->life);
    runner->link->ends[END_CLIENT].receive = receive;
    runner->link->ends[END_CLIENT].closed = closed;
    runner->link->ends[END_CLIENT].drained = drained;
    runner->opened_ms = world->now_ms;
    say(world, runner,
        &(struct message){.type = MESSAGE_CONNECT,
                          .producer = producer_of(runner),
                          .key = runner->number + 1,
                          .epoch = runner->run.epoch,
                          .incarnation = runner->run.incarnation,
                          .register_first = !runner->run.registered});
}

static bool send_records(struct world *world, struct runner *runner, uint64_t from, uint64_t to)
{
    if (runner->link->in_flight[END_SERVER] > PENDING_MAX)
        return false;
    struct message message = {.type = MESSAGE_RECORDS, .first = from};
    uint64_t first = runner->phase == RUNNER_INTERRUPTION ? 0 : runner->spool_first;
    if (from < first) {
        violate(world, "runner %u is to send %llu, which its spool has no more", runner->number,
                (unsigned long long)from);
        return false;
    }
    uint64_t count = draw(world, 1, BATCH_MAX);
    count = MIN(count, to - from);
    for (; message.count < count; message.count++)
        message.contents[message.count] = content_at(runner, from + message.count);
    say(world, runner, &message);
    uplink_sent(&runner->uplink, from + count);
    return true;
}

static void send_complete(struct world *world, struct runner *runner)
{
    bool interrupted = runner->phase == RUNNER_INTERRUPTION || runner->phase == RUNNER_PROOF;
    say(world, runner,
        &(struct message){.type = MESSAGE_COMPLETE,
                          .next = runner->phase == RUNNER_INTERRUPTION ? 1 : runner->spool_next,
                          .with_digest = runner->uplink.with_digest,
                          .digest = digest_of(runner),
                          .status = interrupted              ? STATUS_LOST
                                    : runner->exit_code == 0 ? STATUS_COMPLETED
                                                             : STATUS_FAILED,
                          .has_exit_code = !interrupted,
                          .exit_code = (int)runner->exit_code});
    uplink_complete_sent(&runner->uplink);
}

static void wake(struct world *world, void *arg, uint64_t life)
{
    struct runner *runner = arg;
    if (is_awake(world, runner, life))
        step(world, runner);
}

// True if there may be more to do at once.
static bool carry_out(struct world *world, struct runner *runner, const struct uplink_action *action)
{
    switch (action->kind) {
    case UPLINK_WAIT:
        if (action->at_ms > world->now_ms)
            later(world, action->at_ms - world->now_ms, wake, runner, runner->life);
        return false;
    case UPLINK_CONNECT:
        connect_now(world, runner);
        return true;
    case UPLINK_SEND:
        return send_records(world, runner, action->from, action->to);
    case UPLINK_SEND_SKIP:
        trace(world, "runner %u: skips to %llu", runner->number, (unsigned long long)action->to);
        say(world, runner,
            &(struct message){.type = MESSAGE_SKIP, .next = action->to, .digest = digest_below(runner, action->to)});
        uplink_sent(&runner->uplink, action->to);
        return true;
    case UPLINK_SEND_COMPLETE:
        send_complete(world, runner);
        return true;
    case UPLINK_CLOSE:
        disconnect(world, runner);
        return true;
    }
    return false;
}

// --- The next phase

static void begin_uplink(struct world *world, struct runner *runner, uint64_t first, uint64_t next)
{
    disconnect(world, runner);
    uplink_init(&runner->uplink, first, next, runner->run.epoch, draw(world, 0, UINT32_MAX));
    runner->uplink.window = draw(world, 4, 40);
    runner->uplink.tail_lost =
        runner->forgot && !runner->run.ended && (runner->phase == RUNNER_PREFIX || runner->phase == RUNNER_PROOF);
}

static void look_at_end(struct world *world, struct runner *runner)
{
    const struct uplink *uplink = &runner->uplink;
    if (runner->phase == RUNNER_PREFIX && !uplink->job_ended && uplink_delivered(uplink)) {
        trace(world, "runner %u: the prefix is delivered", runner->number);
        runner->phase = RUNNER_INTERRUPTION;
        runner->life++;
        begin_uplink(world, runner, 0, 1);
        tell_job_ended(runner);
        later(world, 0, wake, runner, runner->life);
        return;
    }
    if (uplink->state != UPLINK_DONE && uplink->state != UPLINK_FAILED)
        return;
    trace(world, "runner %u: over: %s", runner->number,
          uplink->state == UPLINK_DONE ? "sealed" : error_word(uplink->error));
    runner->failed = uplink->state == UPLINK_FAILED ? uplink->error : 0;
    if (runner->phase == RUNNER_INTERRUPTION && runner->failed == ERR_SEALED && uplink->ready_at_ms > 0)
        runner->failed = 0; // it was closed before
    else if (runner->phase == RUNNER_INTERRUPTION)
        runner->interrupted = true;
    if (runner->phase == RUNNER_INTERRUPTION && !runner->failed) {
        runner->phase = RUNNER_PROOF;
        runner->life++;
        begin_uplink(world, runner, runner->spool_first, runner->spool_next);
        tell_job_ended(runner);
        later(world, 0, wake, runner, runner->life);
        return;
    }
    check_deleted(world, runner);
    runner->late = world->store.disk.head.sealed && world->given_up;
    runner->over_incarnation = world->store.incarnation;
    runner->phase = RUNNER_OVER;
    disconnect(world, runner);
}

static void step(struct world *world, struct runner *runner)
{
    if (!is_awake(world, runner, runner->life))
        return;
    for (unsigned turns = 0; !world->failed; turns++) {
        if (turns > TURNS_MAX)
            violate(world, "runner %u goes round and round", runner->number);
        struct uplink_action action = uplink_next(&runner->uplink, world->now_ms);
        if (!carry_out(world, runner, &action))
            break;
    }
    look_at_end(world, runner);
}

// --- Listening

static void heard_ready(struct world *world, struct runner *runner, const struct message *message)
{
    char incarnation[32];
    struct uplink_stored stored = {message->next, true, message->digest};
    bool follows = runner->phase == RUNNER_INTERRUPTION || runner->phase == RUNNER_PROOF;
    if (follows && runner->run.incarnation != message->incarnation) {
        trace(world, "runner %u: the store was restored, and may lack the prefix", runner->number);
        runner->run.epoch = message->epoch;
        runner->run.incarnation = message->incarnation;
        runner_resume(world, runner);
        return;
    }
    snprintf(incarnation, sizeof(incarnation), "%llu", (unsigned long long)message->incarnation);
    uplink_ready(&runner->uplink, &stored, message->epoch, incarnation);
    runner->run.epoch = message->epoch;
    runner->run.incarnation = message->incarnation;
}

static void heard_refusal(struct world *world, struct runner *runner, int err)
{
    if (err == ERR_NOT_FOUND)
        runner->run.registered = false; // a store restored from before it was
    disconnect(world, runner);
    uplink_refused(&runner->uplink, err, false, 0, world->now_ms);
}

struct held_back {
    struct runner *runner;
    struct link *link;
    struct message message;
};

static void receive_later(struct world *world, void *arg, uint64_t life)
{
    struct held_back *it = arg;
    if (it->runner->life == life && it->runner->link == it->link)
        receive(world, it->runner, &it->message);
}

static void heard_cancel(struct world *world, struct runner *runner)
{
    trace(world, "runner %u: is told to end", runner->number);
    runner->cancelled = true;
    if (runner->phase != RUNNER_LIVE || runner->job_over)
        return;
    runner->exit_code = 143;
    runner->lines = runner->spool_next;
    job_ends(world, runner);
}

static void receive(struct world *world, void *owner, const struct message *message)
{
    struct runner *runner = owner;
    if (!is_running(runner))
        return;
    if (world->now_ms < runner->paused_until_ms) {
        struct held_back *it = make(world, sizeof(*it));
        *it = (struct held_back){runner, runner->link, *message};
        later(world, runner->paused_until_ms - world->now_ms, receive_later, it, runner->life);
        return;
    }
    switch (message->type) {
    case MESSAGE_OPENED:
        runner->run.registered = true;
        uplink_opened(&runner->uplink);
        break;
    case MESSAGE_READY:
        heard_ready(world, runner, message);
        break;
    case MESSAGE_ACK:
        uplink_acked(&runner->uplink, message->next - 1);
        break;
    case MESSAGE_ERROR:
        uplink_refused(&runner->uplink, message->err, true, message->next, world->now_ms);
        break;
    case MESSAGE_CANCEL:
        heard_cancel(world, runner);
        return;
    case MESSAGE_REFUSED:
        heard_refusal(world, runner, message->err);
        break;
    default:
        uplink_completed(&runner->uplink, &(struct uplink_stored){message->next, true, message->digest}, world->now_ms);
        break;
    }
    if (runner->phase != RUNNER_INTERRUPTION)
        runner->spool_acked = runner->uplink.acked;
    step(world, runner);
}

// --- Its clock: durability, heartbeats, the job

static void spool_durable(struct world *world, void *arg, uint64_t life)
{
    struct runner *runner = arg;
    (void)world;
    if (runner->life != life || !is_running(runner))
        return;
    runner->spool_synced = runner->spool_next;
    // Acked ones are given back, but for what is kept.
    uint64_t held = runner->spool_next - runner->spool_first;
    uint64_t keep = runner->spool_full ? 0 : runner->spool_keep;
    uint64_t acked = MIN(runner->spool_acked, runner->spool_next);
    runner->spool_full = false;
    if (held > keep && acked > runner->spool_first && runner->phase == RUNNER_LIVE)
        runner->spool_first += MIN(held - keep, acked - runner->spool_first);
    tell_spool(runner);
}

static void tick(struct world *world, void *arg, uint64_t life)
{
    struct runner *runner = arg;
    if (runner->life != life || !is_running(runner))
        return;
    if (world->now_ms < runner->paused_until_ms) {
        later(world, runner->paused_until_ms - world->now_ms, tick, runner, life);
        return;
    }
    later(world, TICK_MS, tick, runner, life);
    runner->run_synced = runner->run;
    later(world, draw(world, 0, 50), spool_durable, runner, life);
    bool greeted = runner->uplink.state == UPLINK_STREAMING || runner->uplink.state == UPLINK_COMPLETING;
    if (runner->link && !greeted && world->now_ms - runner->opened_ms > GREETING_MS) {
        disconnect(world, runner);
        uplink_lost(&runner->uplink, world->now_ms);
    } else if (runner->link && greeted && world->now_ms - runner->last_send_ms >= HEARTBEAT_MS) {
        say(world, runner, &(struct message){.type = MESSAGE_HEARTBEAT});
    }
    step(world, runner);
}

static void job_ends(struct world *world, struct runner *runner)
{
    trace(world, "runner %u: its job has ended after %llu lines", runner->number,
          (unsigned long long)runner->spool_next);
    runner->job_over = true;
    runner->run.ended = true;
    runner->run.records = runner->spool_next;
    tell_job_ended(runner);
    step(world, runner);
}

static void job_goes_on(struct world *world, void *arg, uint64_t life)
{
    struct runner *runner = arg;
    if (runner->life != life || runner->phase != RUNNER_LIVE || runner->job_over)
        return;
    if (world->now_ms < runner->paused_until_ms) {
        later(world, runner->paused_until_ms - world->now_ms, job_goes_on, runner, life);
        return;
    }
    const struct state *disk = &world->store.disk;
    if (world->shared && disk->cancel_asked && !disk->head.sealed && runner->lines - runner->spool_next < BATCH_MAX) {
        later(world, 1000, job_goes_on, runner, life); // it goes on for as long as nobody tells it to end
        return;
    }
    uint64_t wanted = draw(world, 1, 6);
    wanted = MIN(wanted, runner->lines - runner->spool_next);
    uint64_t room = runner->spool_cap - MIN(runner->spool_cap, runner->spool_next - runner->spool_first);
    runner->spool_full |= room < wanted;
    runner->spool_next += MIN(wanted, room); // a full spool holds the job up
    runner->captured = runner->spool_next;
    tell_spool(runner);
    if (runner->spool_next == runner->lines) {
        job_ends(world, runner);
        return;
    }
    step(world, runner);
    uint64_t pause = MIN(world->profile.faults_for_ms * 4 / (runner->lines + 1) + 1, 20000u);
    later(world, draw(world, 1, world->quiet ? 100 : pause), job_goes_on, runner, life);
}

// --- Life

static void born(struct world *world, void *arg, uint64_t life)
{
    struct runner *runner = arg;
    (void)life;
    trace(world, "runner %u: starts a job of %llu lines", runner->number, (unsigned long long)runner->lines);
    runner->phase = RUNNER_LIVE;
    runner->run.exists = true;
    begin_uplink(world, runner, 0, 0);
    later(world, 0, tick, runner, runner->life);
    later(world, draw(world, 0, 500), job_goes_on, runner, runner->life);
    step(world, runner);
}

void runner_start(struct world *world, struct runner *runner)
{
    runner->lines = chance(world, 50) ? 0 : draw(world, 1, 150);
    runner->exit_code = chance(world, 300) ? 1 : 0;
    runner->spool_cap = chance(world, 300) ? draw(world, 8, 40) : 1000000;
    runner->spool_keep = chance(world, 300) ? draw(world, 0, 30) : 1000000;
    uint64_t latest = runner->number == 0 ? 2000 : world->profile.duel ? 20000 : world->profile.faults_for_ms;
    later(world, draw(world, 0, latest), born, runner, 0);
}

static void resume_later(struct world *world, void *arg, uint64_t life)
{
    struct runner *runner = arg;
    (void)life;
    if (runner->phase == RUNNER_DEAD)
        runner_resume(world, runner);
}

void runner_crash(struct world *world, struct runner *runner, bool machine)
{
    trace(world, "runner %u: %s crashes", runner->number, machine ? "its machine" : "it");
    runner->life++;
    runner->paused_until_ms = 0;
    if (runner->link) {
        runner->link->ends[END_CLIENT].owner = NULL;
        link_cut(world, runner->link);
        runner->link = NULL;
    }
    runner->phase = RUNNER_DEAD;
    if (machine) {
        runner->forgot = true;
        // What was not synced may have reached the disk or not, each file on its own.
        runner->spool_next = draw(world, MIN(runner->spool_synced, runner->spool_next), runner->spool_next);
        if (chance(world, 500))
            runner->run = runner->run_synced;
    }
    runner->spool_synced = runner->spool_next;
    runner->spool_first = MIN(runner->spool_first, runner->spool_next);
    if (!runner->run.exists || chance(world, 100)) {
        trace(world, "runner %u: nobody will resume it", runner->number);
        runner->phase = RUNNER_GONE;
        return;
    }
    later(world, draw(world, 200, chance(world, 600) ? 3000 : 60000), resume_later, runner, 0);
}

void runner_resume(struct world *world, struct runner *runner)
{
    trace(world, "runner %u: resumed with %llu lines%s", runner->number, (unsigned long long)runner->spool_next,
          runner->run.ended ? ", job ended" : "");
    runner->phase = RUNNER_PREFIX;
    runner->interrupted = false;
    runner->life++;
    runner->run.ended = runner->run.ended && runner->spool_next >= runner->run.records;
    begin_uplink(world, runner, runner->spool_first, runner->spool_next);
    if (runner->run.ended)
        tell_job_ended(runner);
    later(world, 0, tick, runner, runner->life);
    step(world, runner);
}

void runner_pause(struct world *world, struct runner *runner, uint64_t for_ms)
{
    trace(world, "runner %u: stands still for %llu ms", runner->number, (unsigned long long)for_ms);
    runner->paused_until_ms = world->now_ms + for_ms;
    // It answers no pings.
    if (runner->link && for_ms > 60000)
        link_cut(world, runner->link);
    later(world, for_ms, wake, runner, runner->life);
}
