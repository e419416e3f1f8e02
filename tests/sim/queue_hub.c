// A server's leases, as ingest/hub.c, ingest/node.c and api/runner/stream.c do it around ingest/lease.h.
#include "queue.h"

static struct queue_stream *stream_by_holder(struct queue_server *server, uint64_t holder,
                                             struct queue_session **ret_session)
{
    struct queue *queue = server->queue;
    for (size_t i = 0; i < queue->session_count; i++) {
        struct queue_session *session = queue->open_sessions[i];
        if (session->server != server || session->server_life != server->life || !session->at_server)
            continue;
        for (unsigned j = 0; j < WORKER_RUNS; j++)
            if (session->streams[j].used && session->streams[j].holder == holder) {
                *ret_session = session;
                return &session->streams[j];
            }
    }
    return NULL;
}

static void stream_end(struct queue *queue, struct queue_session *session, struct queue_stream *stream, int err)
{
    session_say(queue, session, false,
                &(struct queue_message){.kind = SAYS_CLOSED, .row = stream->row, .epoch = stream->epoch, .err = err});
    if (stream->holder)
        lease_disconnect(&session->server->leases, stream->row, stream->holder);
    if (stream->open && err == 0)
        dispatch_model_ended(queue, session, stream->row, stream->epoch);
    stream->used = false;
}

// Another connection has it, or another server.
static void replaced(struct queue_server *server, uint64_t holder)
{
    struct queue_session *session;
    struct queue_stream *stream = holder ? stream_by_holder(server, holder, &session) : NULL;
    if (stream)
        stream_end(server->queue, session, stream, ERR_HELD);
}

// --- Changes by the lease

static void look_whose(struct queue *queue, struct queue_server *server, int64_t row, uint64_t epoch,
                       enum outcome_cause cause);

static void changed(struct queue *queue, struct queue_op *op)
{
    struct queue_server *server = op->server;
    bool seals = op->outcome.cause == OUTCOME_GIVEN_UP;
    if ((op->err == 0 && seals) || op->err == ERR_SEALED)
        lease_end(&server->leases, op->row);
    if (op->err == ERR_FENCED)
        look_whose(queue, server, op->row, op->epoch, op->outcome.cause);
    if (!seals && op->err == ERR_UNAVAILABLE)
        lease_change_failed(&server->leases, op->row, op->epoch, op->outcome.cause == OUTCOME_SILENT,
                            queue->world.now_ms);
}

static void change_outcome(struct queue_server *server, int64_t row, uint64_t epoch, enum outcome_cause cause)
{
    struct queue_op *op = queue_op(server, QUEUE_UPDATE, changed);
    op->row = row;
    op->epoch = epoch;
    op->node = server->node;
    op->outcome.cause = cause;
    op->heard_ms = server->queue->store.jobs[row].heard_ms[server->number];
    op->asked_ms = server->queue->world.now_ms;
    queue_submit_op(server->queue, op);
}

static void looked(struct queue *queue, struct queue_op *op)
{
    struct queue_server *server = op->server;
    const struct node_lease *now = &op->ret_job.lease;
    bool others = op->err == ERR_HELD || op->err == ERR_FENCED || op->err == ERR_NODE_FENCED;
    if (!others && op->err != 0) {
        if (op->outcome.cause != OUTCOME_GIVEN_UP)
            lease_change_failed(&server->leases, op->row, op->epoch, op->outcome.cause == OUTCOME_SILENT,
                                queue->world.now_ms);
        return;
    }
    bool same = !others && now->epoch == op->epoch;
    bool forgotten = !same && lease_forget(&server->leases, op->row, op->epoch, op->holder);
    if (!others)
        lease_restore(&server->leases, op->row, now->epoch, now->deadline_ms > 0, queue->world.now_ms);
    if (!others)
        queue->store.jobs[op->row].heard_ms[server->number] = queue->world.now_ms;
    if (forgotten)
        replaced(server, op->holder);
}

static void look_whose(struct queue *queue, struct queue_server *server, int64_t row, uint64_t epoch,
                       enum outcome_cause cause)
{
    struct queue_op *op = queue_op(server, QUEUE_LEASE, looked);
    const struct lease *lease = lease_find(&server->leases, row);
    op->row = row;
    op->epoch = epoch;
    op->outcome.cause = cause;
    op->holder = lease ? lease->holder : 0;
    op->ask = (struct node_lease_ask){.cause = NODE_LEASE_ADOPT, .node = server->node};
    queue_submit_op(queue, op);
}

static void expired(void *arg, struct lease *lease, enum lease_expiry what)
{
    struct queue_server *server = arg;
    change_outcome(server, lease->row, lease->epoch, what == LEASE_TO_BE_SEALED ? OUTCOME_GIVEN_UP : OUTCOME_SILENT);
}

void hub_model_expire(struct queue *queue, struct queue_server *server)
{
    bool may_judge = server->node != 0 && node_may_judge(server->taken_ms, queue->world.now_ms);
    lease_expire(&server->leases, queue->world.now_ms, may_judge, expired, server);
}

void hub_model_claimed(struct queue *queue, struct queue_server *server, int64_t row, int64_t node, uint64_t epoch)
{
    if (node != server->node)
        return;
    lease_end(&server->leases, row); // of an earlier claim, which was given back
    lease_restore(&server->leases, row, epoch, false, queue->world.now_ms);
    queue->store.jobs[row].heard_ms[server->number] = queue->world.now_ms;
}

// --- The node

static void adopt(struct queue *queue, struct queue_server *server);

struct forgetting {
    size_t count;
    uint64_t holders[QUEUE_JOBS];
};

static void forgotten(void *arg, int64_t row, uint64_t holder)
{
    struct forgetting *forgetting = arg;
    (void)row;
    forgetting->holders[forgetting->count++] = holder;
}

static void leases_init(struct queue *queue, struct queue_server *server)
{
    server->leases.leases.seed[0] = server->leases.leases.seed[1] = queue->world.seed; // the order of visits follows it
}

static void joined(struct queue *queue, struct queue_op *op)
{
    op->server->asks = false;
    if (op->err < 0)
        return;
    op->server->node = op->node;
    op->server->taken_ms = op->server->asked_ms;
    adopt(queue, op->server);
}

static void join(struct queue *queue, struct queue_server *server)
{
    server->asks = true;
    server->asked_ms = queue->world.now_ms;
    queue_submit_op(queue, queue_op(server, QUEUE_JOIN, joined));
}

static void fenced(struct queue *queue, struct queue_server *server)
{
    trace(&queue->world, "server %u was fenced", server->number);
    server->node = 0;
    struct forgetting forgetting = {0};
    lease_forget_all(&server->leases, forgotten, &forgetting);
    leases_init(queue, server);
    for (size_t i = 0; i < forgetting.count; i++)
        replaced(server, forgetting.holders[i]);
    join(queue, server);
}

static void adopted(struct queue *queue, struct queue_op *op)
{
    op->server->asks = false;
    if (op->err == ERR_NODE_FENCED)
        fenced(queue, op->server);
    for (size_t i = 0; i < op->ret_count && op->err == 0; i++) {
        struct queue_job *job = &queue->store.jobs[op->ret_rows[i]];
        bool lost = job->lease.deadline_ms > 0;
        lease_restore(&op->server->leases, job->row, job->lease.epoch, lost, queue->world.now_ms);
        job->heard_ms[op->server->number] = queue->world.now_ms;
    }
}

static void adopt(struct queue *queue, struct queue_server *server)
{
    struct queue_op *op = queue_op(server, QUEUE_ADOPT, adopted);
    server->asks = true;
    op->node = server->node;
    queue_submit_op(queue, op);
}

static void beaten(struct queue *queue, struct queue_op *op)
{
    op->server->asks = false;
    if (op->err == ERR_NODE_FENCED)
        fenced(queue, op->server);
    if (op->err < 0)
        return;
    op->server->taken_ms = op->server->asked_ms;
    adopt(queue, op->server);
}

static void beat(struct world *world, void *arg, uint64_t life)
{
    struct queue *queue = QUEUE_OF(world);
    struct queue_server *server = arg;
    if (!server->up || server->life != life)
        return;
    later(world, NODE_BEAT_MS, beat, server, life);
    if (server->asks)
        return;
    if (server->node == 0) {
        join(queue, server);
        return;
    }
    struct queue_op *op = queue_op(server, QUEUE_BEAT, beaten);
    server->asks = true;
    server->asked_ms = world->now_ms;
    op->node = server->node;
    queue_submit_op(queue, op);
}

void hub_model_start(struct queue *queue, struct queue_server *server)
{
    lease_table_init(&server->leases, LEASE_MS, queue->lost_seal_ms);
    server->leases.shared = queue->server_count > 1;
    leases_init(queue, server);
    server->node = 0;
    server->asks = false;
    join(queue, server);
    later(&queue->world, NODE_BEAT_MS, beat, server, server->life);
}

// --- Streams: one execution of a worker

static void opened(struct queue *queue, struct queue_session *session, struct queue_stream *stream)
{
    if (stream->holder && !hub_model_touch(queue, session, stream)) {
        stream_end(queue, session, stream, ERR_HELD);
        return;
    }
    stream->open = true;
    if (stream->holder) // else it has ended, and takes no place
        dispatch_model_opened(queue, session, stream->row);
    session_say(queue, session, false,
                &(struct queue_message){.kind = SAYS_READY, .row = stream->row, .epoch = stream->epoch});
    if (queue->store.jobs[stream->row].cancel_asked)
        session_say(queue, session, false, &(struct queue_message){.kind = SAYS_CANCEL, .row = stream->row});
}

static void resume(struct queue *queue, struct queue_op *op, enum lease_verdict verdict)
{
    if (verdict == LEASE_RESUME)
        opened(queue, op->session, op->stream);
    else
        stream_end(queue, op->session, op->stream, verdict == LEASE_FENCED ? ERR_FENCED : ERR_HELD);
}

// It is here only to hear that all has ended, if it has.
static void found_end(struct queue *queue, struct queue_op *op);

static void find_end(struct queue *queue, const struct queue_op *fenced)
{
    struct queue_op *op = queue_op(fenced->server, QUEUE_GET, found_end);
    op->row = fenced->row;
    op->session = fenced->session;
    op->stream = fenced->stream;
    op->stream->holder = op->holder = 0;
    queue_submit_op(queue, op);
}

static bool stream_stands(const struct queue_op *op)
{
    return op->session->at_server && op->stream->used && op->stream->row == op->row && op->stream->holder == op->holder;
}

static void returned(struct queue *queue, struct queue_op *op)
{
    struct queue_server *server = op->server;
    const struct node_lease *lease = &op->ret_job.lease;
    uint64_t former = 0;
    enum lease_verdict verdict = LEASE_TAKEN;
    if (op->err == 0 && op->ask.node == server->node) {
        queue->store.jobs[op->row].heard_ms[server->number] = queue->world.now_ms;
        verdict = lease_returned(&server->leases, op->row, lease->epoch, lease->deadline_ms > 0, op->holder,
                                 queue->world.now_ms, &former);
    }
    if (former && former != op->holder)
        replaced(server, former);
    if (!stream_stands(op))
        lease_disconnect(&server->leases, op->row, op->holder);
    else if (op->err == ERR_FENCED)
        find_end(queue, op);
    else if (op->err < 0)
        stream_end(queue, op->session, op->stream, op->err);
    else
        resume(queue, op, verdict);
}

static void found_end(struct queue *queue, struct queue_op *op)
{
    const struct outcome *outcome = &op->ret_job.outcome;
    bool ended = outcome->sealed && outcome->epoch == op->stream->epoch;
    if (!stream_stands(op))
        return;
    if (op->err == 0 && ended)
        opened(queue, op->session, op->stream);
    else
        stream_end(queue, op->session, op->stream, op->err < 0 ? op->err : ERR_FENCED);
}

static void take_back(struct queue *queue, const struct queue_op *found)
{
    struct queue_op *op = queue_op(found->server, QUEUE_LEASE, returned);
    op->row = found->row;
    op->session = found->session;
    op->stream = found->stream;
    op->holder = found->holder;
    op->ask = (struct node_lease_ask){.cause = NODE_LEASE_RETURN,
                                      .node = found->server->node,
                                      .epoch = found->stream->epoch,
                                      .asked_ms = (int64_t)found->session->asked_ms};
    queue_submit_op(queue, op);
}

static void found(struct queue *queue, struct queue_op *op)
{
    struct queue_server *server = op->server;
    const struct outcome *outcome = &op->ret_job.outcome;
    uint64_t former = 0;
    if (!stream_stands(op))
        return;
    if (op->err < 0) {
        stream_end(queue, op->session, op->stream, op->err);
        return;
    }
    if (outcome->sealed) { // it is here only to hear that all has ended
        op->stream->holder = 0;
        if (op->stream->epoch == outcome->epoch)
            opened(queue, op->session, op->stream);
        else
            stream_end(queue, op->session, op->stream, ERR_FENCED);
        return;
    }
    const struct lease_stored stored = {
        .epoch = outcome->epoch, .lost = outcome->status == STATUS_LOST, .ended = status_terminal(outcome->status)};
    enum lease_verdict verdict =
        lease_connect(&server->leases, op->row, op->stream->epoch, stored, op->holder, queue->world.now_ms, &former);
    if (former && former != op->holder)
        replaced(server, former);
    if (verdict == LEASE_RETURN)
        take_back(queue, op);
    else
        resume(queue, op, verdict);
}

void hub_model_open(struct queue *queue, struct queue_session *session, int64_t row, uint64_t epoch)
{
    struct queue_server *server = session->server;
    struct queue_stream *stream = session->streams;
    while (stream < session->streams + WORKER_RUNS && stream->used)
        stream++;
    if (stream == session->streams + WORKER_RUNS) {
        violate(&queue->world, "a worker has more streams than runs");
        return;
    }
    *stream = (struct queue_stream){.row = row, .epoch = epoch, .holder = ++server->last_holder, .used = true};
    struct queue_op *op = queue_op(server, QUEUE_GET, found);
    op->row = row;
    op->session = session;
    op->stream = stream;
    op->holder = stream->holder;
    queue_submit_op(queue, op);
}

bool hub_model_touch(struct queue *queue, struct queue_session *session, struct queue_stream *stream)
{
    struct queue_server *server = session->server;
    struct lease *lease = lease_find(&server->leases, stream->row);
    if (!lease || !lease_held_by(lease, stream->holder))
        return false;
    queue->store.jobs[stream->row].heard_ms[server->number] = queue->world.now_ms;
    if (lease_touch(&server->leases, stream->row, stream->holder, queue->world.now_ms))
        change_outcome(server, stream->row, stream->epoch, OUTCOME_BACK);
    return true;
}

void hub_model_renew(struct queue *queue, struct queue_session *session)
{
    for (unsigned i = 0; i < WORKER_RUNS; i++) {
        struct queue_stream *stream = &session->streams[i];
        if (stream->used && stream->open && stream->holder && !hub_model_touch(queue, session, stream))
            stream_end(queue, session, stream, ERR_HELD);
    }
}

// --- The end

static void completed(struct queue *queue, struct queue_op *op)
{
    bool over = op->err == 0 || op->err == ERR_SEALED;
    if (over)
        lease_end(&op->server->leases, op->row);
    if (stream_stands(op))
        stream_end(queue, op->session, op->stream, over ? 0 : op->err);
}

void hub_model_complete(struct queue *queue, struct queue_session *session, const struct queue_message *message)
{
    for (unsigned i = 0; i < WORKER_RUNS; i++) {
        struct queue_stream *stream = &session->streams[i];
        if (!stream->used || !stream->open || stream->row != message->row)
            continue;
        hub_model_touch(queue, session, stream);
        struct queue_op *op = queue_op(session->server, QUEUE_COMPLETE, completed);
        op->row = message->row;
        op->epoch = stream->epoch;
        op->outcome = message->outcome;
        op->session = session;
        op->stream = stream;
        op->holder = stream->holder;
        queue_submit_op(queue, op);
    }
}

void hub_model_left(struct queue_session *session)
{
    for (unsigned i = 0; i < WORKER_RUNS; i++) {
        struct queue_stream *stream = &session->streams[i];
        if (stream->used && stream->holder)
            lease_disconnect(&session->server->leases, stream->row, stream->holder);
        stream->used = false;
    }
}
