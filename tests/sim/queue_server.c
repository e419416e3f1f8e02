// A server's dispatcher, as jobs/dispatch.c does it around jobs/match.h, and its end of the workers' sockets.
#include "queue.h"

struct queue_op *queue_op(struct queue_server *server, enum queue_op_kind kind,
                          void (*done)(struct queue *queue, struct queue_op *op))
{
    struct queue_op *op = make(&server->queue->world, sizeof(*op));
    op->kind = kind;
    op->done = done;
    op->server = server;
    op->life = server->life;
    return op;
}

static void pump(struct queue *queue, struct queue_server *server);
static void look(struct queue *queue, struct queue_server *server);

static struct queue_session *session_of(const struct queue_server *server, unsigned worker)
{
    return server->sessions[worker];
}

static unsigned worker_number(struct str id)
{
    return (unsigned)(id.data[1] - '0');
}

// --- What was given

static void over(struct queue_server *server, int64_t row)
{
    server->gifts[row] = (struct queue_gift){0};
    match_over(&server->match, row);
}

static void given_back(struct queue *queue, struct queue_op *op)
{
    over(op->server, op->row);
    if (op->err == 0)
        lease_end(&op->server->leases, op->row); // it has no lease any more
    look(queue, op->server);
}

static void return_job(struct queue *queue, struct queue_server *server, int64_t row, uint64_t epoch)
{
    struct queue_op *op = queue_op(server, QUEUE_RETURN, given_back);
    op->row = row;
    op->epoch = epoch;
    queue_submit_op(queue, op);
}

// --- Claims

static void claimed(struct queue *queue, struct queue_op *op)
{
    struct queue_server *server = op->server;
    const struct queue_job *job = &op->ret_job;
    server->claiming--;
    if (op->err < 0) {
        match_over(&server->match, op->row);
        if (op->err != ERR_CONFLICT)
            match_hint(&server->match, op->account, buf_str(&queue->demands[op->demand]));
        else
            pump(queue, server);
        return;
    }
    hub_model_claimed(queue, server, op->row, op->node, job->outcome.epoch);
    if (session_of(server, op->worker) != op->session) { // that connection has ended meanwhile: it was never told
        return_job(queue, server, op->row, job->outcome.epoch);
        return;
    }
    server->gifts[op->row] = (struct queue_gift){.worker = op->worker, .epoch = job->outcome.epoch};
    check_given(queue, op->session->worker, op->row, job->outcome.epoch);
    session_say(queue, op->session, false,
                &(struct queue_message){.kind = SAYS_JOB,
                                        .row = op->row,
                                        .epoch = job->outcome.epoch,
                                        .retry_on_lost = retry_after_lost(&job->task->retry, job->tries)});
    pump(queue, server);
}

static unsigned demand_number(const struct queue *queue, struct str demand)
{
    unsigned number = 0;
    while (!str_eq(buf_str(&queue->demands[number]), demand))
        number++;
    return number;
}

static void claim(struct queue *queue, struct queue_server *server, const struct match_action *action)
{
    struct queue_op *op = queue_op(server, QUEUE_CLAIM, claimed);
    op->row = action->row;
    op->account = action->account;
    op->demand = demand_number(queue, action->demand);
    op->node = server->node;
    op->worker = worker_number(action->worker_id);
    op->session = session_of(server, op->worker);
    check_rested(queue, server, op->row, op->worker);
    server->claiming++;
    queue_submit_op(queue, op);
}

static void window_read(struct queue *queue, struct queue_op *op)
{
    struct str demand = buf_str(&queue->demands[op->demand]);
    if (op->err < 0) {
        match_read_failed(&op->server->match, op->account, demand);
        return;
    }
    match_window(&op->server->match, op->account, demand, op->ret_jobs, op->ret_count, op->ret_count < MATCH_WINDOW);
    pump(queue, op->server);
}

static void read_line(struct queue *queue, struct queue_server *server, const struct match_action *action)
{
    struct queue_op *op = queue_op(server, QUEUE_READY, window_read);
    op->account = action->account;
    op->demand = demand_number(queue, action->demand);
    queue_submit_op(queue, op);
}

static void pump(struct queue *queue, struct queue_server *server)
{
    struct match_action action;
    while (server->node != 0 && match_next(&server->match, &action) != MATCH_WAIT) {
        if (action.kind == MATCH_READ)
            read_line(queue, server, &action);
        else
            claim(queue, server, &action);
    }
}

static void lines_read(struct queue *queue, struct queue_op *op)
{
    for (size_t i = 0; i < op->ret_count && op->err == 0; i++) {
        const struct task *task = queue->store.jobs[op->ret_jobs[i].row].task;
        match_hint(&op->server->match, task->account, buf_str(&queue->demands[task->demand]));
    }
    pump(queue, op->server);
}

static void look(struct queue *queue, struct queue_server *server)
{
    queue_submit_op(queue, queue_op(server, QUEUE_LINES, lines_read));
}

// --- Settling

static void settle(struct queue *queue, struct queue_server *server);

static void settled(struct queue *queue, struct queue_op *op)
{
    op->server->settles = false;
    if ((op->err == 0 && op->ret_settled > 0) || op->server->settles_again)
        settle(queue, op->server);
}

static void settle(struct queue *queue, struct queue_server *server)
{
    server->settles_again = server->settles;
    if (server->settles)
        return;
    server->settles = true;
    queue_submit_op(queue, queue_op(server, QUEUE_SETTLE, settled));
}

// --- What the store says

struct hint {
    struct queue_server *server;
    bool ready, unsettled;
    size_t count;
    int64_t over[];
};

static void hear(struct world *world, void *arg, uint64_t life)
{
    const struct hint *hint = arg;
    struct queue_server *server = hint->server;
    if (!server->up || server->life != life)
        return;
    for (size_t i = 0; i < hint->count; i++)
        over(server, hint->over[i]);
    if (hint->unsettled)
        settle(server->queue, server);
    if (hint->ready)
        look(server->queue, server);
    pump(QUEUE_OF(world), server);
}

void queue_server_told(struct queue *queue, struct queue_server *server, bool ready, bool unsettled,
                       const int64_t *over_rows, size_t over_count)
{
    if (!server->up || (!ready && !unsettled && over_count == 0))
        return;
    struct hint *hint = make(&queue->world, sizeof(*hint) + over_count * sizeof(hint->over[0]));
    hint->server = server;
    hint->ready = ready && !chance(&queue->world, 100); // a lost hint costs a tick
    hint->unsettled = unsettled && !chance(&queue->world, 100);
    hint->count = over_count;
    memcpy(hint->over, over_rows, over_count * sizeof(hint->over[0]));
    later(&queue->world, draw(&queue->world, 0, 3), hear, hint, server->life);
}

// --- Workers

static bool holds(const struct queue_message *hello, int64_t row, uint64_t epoch)
{
    for (unsigned i = 0; i < hello->held_count; i++)
        if (hello->held[i].row == row && hello->held[i].epoch == epoch)
            return true;
    return false;
}

static void say_alive(struct queue *queue, struct queue_session *session, uint64_t at_ms)
{
    if (session->server->node != 0 && node_may_vouch(session->server->taken_ms, queue->world.now_ms))
        session_say(queue, session, false, &(struct queue_message){.kind = SAYS_ALIVE, .at_ms = at_ms});
}

static void claimed_judge(struct queue *queue, struct queue_op *op, int64_t row)
{
    struct queue_server *server = op->server;
    const struct queue_job *job = &queue->store.jobs[row];
    struct demand demand;
    if (match_has(&server->match, row))
        return;                                       // given here
    if (!holds(op->hello, row, job->outcome.epoch)) { // nothing of it has come
        return_job(queue, server, row, job->outcome.epoch);
        return;
    }
    if (job->state != JOB_CLAIMED)
        return; // it takes no place before its stream begins
    server->gifts[row] = (struct queue_gift){.worker = op->worker, .epoch = job->outcome.epoch, .known = true};
    demand_parse(buf_str(&queue->demands[job->task->demand]), &demand);
    match_held(&server->match, str_of(queue->workers[op->worker].id), job->task->account, row, &demand);
}

// The store has said what the worker has: now it may get more.
static void known(struct queue *queue, struct queue_op *op)
{
    struct queue_server *server = op->server;
    struct queue_session *session = op->session;
    const struct queue_worker *worker = session->worker;
    if (session_of(server, op->worker) != session)
        return; // it has left, or is connected anew
    check_known(queue, worker->number);
    for (size_t i = 0; i < op->ret_count; i++)
        claimed_judge(queue, op, op->ret_rows[i]);
    session->known = true;
    match_join(&server->match, str_of(worker->id), worker->account, &worker->offer);
    if (session->drains)
        match_drain(&server->match, str_of(worker->id));
    look(queue, server);
    pump(queue, server);
}

static void joined(struct queue *queue, struct queue_session *session, const struct queue_message *hello)
{
    struct queue_server *server = session->server;
    const struct queue_worker *worker = session->worker;
    struct queue_message *said = make(&queue->world, sizeof(*said));
    server->sessions[worker->number] = session;
    session->asked_ms = hello->at_ms;
    for (int64_t row = 1; row <= queue->store.last_row; row++) {
        const struct queue_gift *gift = &server->gifts[row];
        if (gift->epoch != 0 && gift->worker == worker->number && !gift->known && !holds(hello, row, gift->epoch))
            return_job(queue, server, row, gift->epoch);
    }
    say_alive(queue, session, hello->at_ms);
    struct queue_op *op = queue_op(server, QUEUE_CLAIMED, known);
    *said = *hello;
    op->node = server->node;
    op->worker = worker->number;
    op->session = session;
    op->hello = said;
    queue_submit_op(queue, op);
}

void queue_server_left(struct queue *queue, struct queue_session *session)
{
    struct queue_server *server = session->server;
    (void)queue;
    hub_model_left(session);
    if (server->sessions[session->worker->number] != session)
        return;
    server->sessions[session->worker->number] = NULL;
    match_leave(&server->match, str_of(session->worker->id));
}

void dispatch_model_opened(struct queue *queue, struct queue_session *session, int64_t row)
{
    static const struct demand nothing = {.executor = STR("process")};
    struct queue_server *server = session->server;
    (void)queue;
    if (server->gifts[row].epoch != 0)
        server->gifts[row].known = true;
    match_held(&server->match, str_of(session->worker->id), session->worker->account, row, &nothing);
}

void dispatch_model_ended(struct queue *queue, struct queue_session *session, int64_t row, uint64_t epoch)
{
    struct queue_server *server = session->server;
    const struct queue_gift *gift = &server->gifts[row];
    (void)queue;
    if (gift->epoch == 0 || gift->epoch == epoch) // else it was given to another meanwhile
        over(server, row);
}

static void returned(struct queue *queue, struct queue_session *session, const struct queue_message *message)
{
    const struct queue_gift *gift = &session->server->gifts[message->row];
    if (gift->epoch != message->epoch || gift->worker != session->worker->number)
        return;
    match_returned(&session->server->match, str_of(session->worker->id), message->row, STR(""), queue->world.now_ms);
    queue->store.jobs[message->row].returned_ms[session->server->number][gift->worker] = queue->world.now_ms;
    return_job(queue, session->server, message->row, message->epoch);
}

static void drains(struct queue_session *session)
{
    session->drains = true;
    if (session->known && session_of(session->server, session->worker->number) == session)
        match_drain(&session->server->match, str_of(session->worker->id));
}

void queue_server_heard(struct queue *queue, struct queue_session *session, const struct queue_message *message)
{
    switch (message->kind) {
    case SAYS_HELLO:
        joined(queue, session, message);
        break;
    case SAYS_HEARTBEAT:
        hub_model_renew(queue, session);
        say_alive(queue, session, message->at_ms);
        break;
    case SAYS_RETURN:
        returned(queue, session, message);
        break;
    case SAYS_DRAIN:
        drains(session);
        break;
    case SAYS_OPEN:
        hub_model_open(queue, session, message->row, message->epoch);
        break;
    case SAYS_COMPLETE:
        hub_model_complete(queue, session, message);
        break;
    default:
        break;
    }
}

// --- Life

// Of one that is told that its execution is to be cancelled, later ones hear when their stream opens.
static void pass_on_cancels(struct queue *queue, const struct queue_server *server)
{
    for (unsigned i = 0; i < QUEUE_WORKERS; i++) {
        struct queue_session *session = server->sessions[i];
        for (unsigned j = 0; session && j < WORKER_RUNS; j++) {
            const struct queue_stream *stream = &session->streams[j];
            if (stream->used && stream->open && queue->store.jobs[stream->row].cancel_asked)
                session_say(queue, session, false, &(struct queue_message){.kind = SAYS_CANCEL, .row = stream->row});
        }
    }
}

static void tick(struct world *world, void *arg, uint64_t life)
{
    struct queue *queue = QUEUE_OF(world);
    struct queue_server *server = arg;
    if (!server->up || server->life != life)
        return;
    hub_model_expire(queue, server);
    match_wake(&server->match, world->now_ms);
    pass_on_cancels(queue, server);
    look(queue, server);
    settle(queue, server);
    pump(queue, server);
    later(world, 1000, tick, server, life);
}

void queue_server_start(struct queue *queue, struct queue_server *server)
{
    uint64_t life = server->life + 1;
    *server = (struct queue_server){.queue = queue, .number = server->number, .up = true, .life = life};
    trace(&queue->world, "server %u starts", server->number);
    for (int64_t row = 1; row <= queue->store.last_row; row++)
        memset(queue->store.jobs[row].returned_ms[server->number], 0, sizeof(queue->store.jobs[row].returned_ms[0]));
    match_init(&server->match, 0);
    // The order in which workers are visited follows from the seed.
    struct map *const maps[] = {&server->match.accounts, &server->match.claims, &server->match.workers,
                                &server->match.returns};
    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        maps[i]->seed[0] = maps[i]->seed[1] = queue->world.seed;
    hub_model_start(queue, server);
    tick(&queue->world, server, life);
}

void queue_server_crash(struct queue *queue, struct queue_server *server)
{
    trace(&queue->world, "server %u crashes", server->number);
    server->up = false;
    server->life++;
    lease_table_release(&server->leases);
    match_release(&server->match);
    for (size_t i = 0; i < queue->session_count; i++)
        if (queue->open_sessions[i]->server == server)
            session_cut(queue, queue->open_sessions[i]);
}
