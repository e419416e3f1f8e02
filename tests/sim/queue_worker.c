// Workers and the runners of their jobs. A runner is a process of its own: it outlives its worker.
#include "queue.h"

static void connect_to_some(struct world *world, void *arg, uint64_t life);

static bool lives(const struct queue_worker *worker, uint64_t life)
{
    return worker->up && worker->life == life;
}

static struct queue_run *run_of(struct queue_worker *worker, int64_t row)
{
    for (unsigned i = 0; i < WORKER_RUNS; i++)
        if (worker->runs[i].used && worker->runs[i].row == row)
            return &worker->runs[i];
    return NULL;
}

static void say(struct queue *queue, const struct queue_worker *worker, const struct queue_message *message)
{
    if (worker->session)
        session_say(queue, worker->session, true, message);
}

// --- A runner

struct process { // an event for one of a worker's runs
    struct queue_worker *worker;
    struct queue_run *run;
};

static void tell_end(struct queue *queue, struct queue_worker *worker, const struct queue_run *run)
{
    if (!worker->up || !run->ended || !run->life.open || worker->paused_until_ms > queue->world.now_ms)
        return;
    struct queue_job *job = &queue->store.jobs[run->row];
    job->told = true;
    job->told_status = run->outcome.status;
    say(queue, worker,
        &(struct queue_message){.kind = SAYS_COMPLETE, .row = run->row, .epoch = run->epoch, .outcome = run->outcome});
}

static void process_end(struct queue *queue, struct queue_worker *worker, struct queue_run *run,
                        enum execution_status status, int exit_code)
{
    if (!run->running)
        return;
    run->running = false;
    run->ended = true;
    run->outcome = (struct outcome_ask){.cause = OUTCOME_ENDED,
                                        .status = status,
                                        .has_exit_code = status != STATUS_LOST,
                                        .exit_code = exit_code,
                                        .completed_ms = (int64_t)queue->world.now_ms};
    queue->store.jobs[run->row].processes--;
    trace(&queue->world, "worker %u: the process of job %lld ends, %s", worker->number, (long long)run->row,
          status_word(status));
    tell_end(queue, worker, run);
}

// A machine that stands still does nothing; what was due is done when it goes on.
static bool stands_still(struct world *world, const struct process *process, event_fn *fire, uint64_t life)
{
    uint64_t until_ms = process->worker->machine_paused_until_ms;
    if (until_ms <= world->now_ms)
        return false;
    later(world, until_ms - world->now_ms + draw(world, 0, 5), fire, (void *)(uintptr_t)process, life);
    return true;
}

static void finish(struct world *world, void *arg, uint64_t life)
{
    const struct process *process = arg;
    struct queue_run *run = process->run;
    if (run->number != life || stands_still(world, process, finish, life))
        return;
    const struct queue_job *job = &QUEUE_OF(world)->store.jobs[run->row];
    const struct task_fate *fate = &job->task->fates[MIN(job->tries, (unsigned)TASK_FATES) - 1];
    process_end(QUEUE_OF(world), process->worker, run, fate->status, fate->exit_code);
}

static void cancelled(struct world *world, void *arg, uint64_t life)
{
    const struct process *process = arg;
    if (process->run->number == life && !stands_still(world, process, cancelled, life))
        process_end(QUEUE_OF(world), process->worker, process->run, STATUS_CANCELLED, 143);
}

// It is to be run again when it is lost: without a word of a server for the length of a lease it ends.
static void watch_server(struct world *world, void *arg, uint64_t life)
{
    const struct process *process = arg;
    struct queue_run *run = process->run;
    if (run->number != life || !run->running || stands_still(world, process, watch_server, life))
        return;
    uint64_t until_ms = life_until_ms(&run->life, LEASE_MS);
    if (world->now_ms >= until_ms)
        process_end(QUEUE_OF(world), process->worker, run, STATUS_LOST, 0);
    else
        later(world, until_ms - world->now_ms, watch_server, arg, life);
}

static void run_begin(struct queue *queue, struct queue_worker *worker, struct queue_run *run)
{
    struct world *world = &queue->world;
    struct queue_job *job = &queue->store.jobs[run->row];
    struct process *process = make(world, sizeof(*process));
    *process = (struct process){worker, run};
    check_begun(queue, worker, run->row, run->epoch);
    run->running = true;
    life_begin(&run->life, worker->proved_ms);
    job->processes++;
    trace(world, "worker %u: begins job %lld, epoch %llu", worker->number, (long long)run->row,
          (unsigned long long)run->epoch);
    later(world, job->task->fates[MIN(job->tries, (unsigned)TASK_FATES) - 1].runs_ms, finish, process, run->number);
    if (run->retry_on_lost)
        watch_server(world, process, run->number);
}

static void run_drop(struct queue *queue, struct queue_run *run)
{
    if (run->running)
        queue->store.jobs[run->row].processes--;
    *run = (struct queue_run){.number = run->number + 1};
}

// --- What the server says

static void give_back(struct queue *queue, const struct queue_worker *worker, const struct queue_message *job)
{
    trace(&queue->world, "worker %u: gives job %lld back", worker->number, (long long)job->row);
    say(queue, worker, &(struct queue_message){.kind = SAYS_RETURN, .row = job->row, .epoch = job->epoch});
}

static void open_stream(struct queue *queue, const struct queue_worker *worker, struct queue_run *run)
{
    run->asked = true;
    life_asked(&run->life, queue->world.now_ms);
    say(queue, worker, &(struct queue_message){.kind = SAYS_OPEN, .row = run->row, .epoch = run->epoch});
}

static void job_came(struct queue *queue, struct queue_worker *worker, const struct queue_message *message)
{
    const struct queue_run *held = run_of(worker, message->row);
    struct queue_run *run = worker->runs;
    if (held && held->epoch == message->epoch)
        return;
    while (run < worker->runs + WORKER_RUNS && run->used)
        run++;
    bool late = message->retry_on_lost && life_too_late(worker->proved_ms, LEASE_MS, queue->world.now_ms);
    if (held || late || worker->draining || run == worker->runs + WORKER_RUNS || chance(&queue->world, 30)) {
        give_back(queue, worker, message);
        return;
    }
    *run = (struct queue_run){.used = true,
                              .number = run->number + 1,
                              .row = message->row,
                              .epoch = message->epoch,
                              .retry_on_lost = message->retry_on_lost};
    run_begin(queue, worker, run);
    open_stream(queue, worker, run);
}

static void stop(struct queue *queue, struct queue_worker *worker, struct queue_run *run)
{
    struct process *process;
    if (!run->running || run->stopping)
        return;
    run->stopping = true;
    process = make(&queue->world, sizeof(*process));
    *process = (struct process){worker, run};
    later(&queue->world, draw(&queue->world, 1, STOP_MS), cancelled, process, run->number);
}

static void closed(struct queue *queue, struct queue_run *run, int err)
{
    run->asked = false;
    life_closed(&run->life);
    run->again_ms = queue->world.now_ms + 1000;
    if (err == 0 || err == ERR_FENCED)
        run_drop(queue, run);
}

static void heard_alive(struct queue_worker *worker, uint64_t at_ms)
{
    worker->proved_ms = MAX(worker->proved_ms, at_ms);
    for (unsigned i = 0; i < WORKER_RUNS; i++)
        life_answered(&worker->runs[i].life, at_ms);
}

void queue_worker_heard(struct queue *queue, struct queue_session *session, const struct queue_message *message)
{
    struct queue_worker *worker = session->worker;
    struct queue_run *run = run_of(worker, message->row);
    if (session != worker->session)
        return;
    if (message->kind == SAYS_ALIVE)
        heard_alive(worker, message->at_ms);
    else if (message->kind == SAYS_JOB)
        job_came(queue, worker, message);
    else if (run && message->kind == SAYS_CANCEL)
        stop(queue, worker, run);
    else if (run && message->kind == SAYS_CLOSED && run->epoch == message->epoch)
        closed(queue, run, message->err);
    else if (run && message->kind == SAYS_READY && run->epoch == message->epoch) {
        life_opened(&run->life);
        tell_end(queue, worker, run);
    }
}

// --- Connecting

static void hello(struct queue *queue, struct queue_worker *worker)
{
    struct queue_message message = {.kind = SAYS_HELLO, .at_ms = queue->world.now_ms};
    for (unsigned i = 0; i < WORKER_RUNS; i++)
        if (worker->runs[i].used)
            message.held[message.held_count++] = (struct queue_held){worker->runs[i].row, worker->runs[i].epoch};
    say(queue, worker, &message);
    for (unsigned i = 0; i < WORKER_RUNS; i++)
        if (worker->runs[i].used)
            open_stream(queue, worker, &worker->runs[i]);
    if (worker->draining)
        say(queue, worker, &(struct queue_message){.kind = SAYS_DRAIN});
}

static void connect_to_some(struct world *world, void *arg, uint64_t life)
{
    struct queue *queue = QUEUE_OF(world);
    struct queue_worker *worker = arg;
    if (!lives(worker, life) || worker->session)
        return;
    struct queue_server *server = &queue->servers[draw(world, 0, queue->server_count - 1)];
    if (!server->up || server->node == 0 || worker->paused_until_ms > world->now_ms) {
        later(world, draw(world, 100, 2000), connect_to_some, worker, life);
        return;
    }
    worker->session = session_open(queue, worker, server);
    trace(world, "worker %u: connects to server %u", worker->number, server->number);
    hello(queue, worker);
}

static void close_streams(struct queue_worker *worker)
{
    for (unsigned i = 0; i < WORKER_RUNS; i++) {
        worker->runs[i].asked = false;
        life_closed(&worker->runs[i].life);
    }
}

void queue_worker_lost_connection(struct queue *queue, struct queue_session *session)
{
    struct queue_worker *worker = session->worker;
    if (worker->session != session)
        return;
    worker->session = NULL;
    close_streams(worker);
    later(&queue->world, draw(&queue->world, 10, 1000), connect_to_some, worker, worker->life);
}

// --- Life

static void leave_if_drained(struct queue *queue, struct queue_worker *worker)
{
    for (unsigned i = 0; i < WORKER_RUNS; i++)
        if (worker->runs[i].used)
            return;
    trace(&queue->world, "worker %u: has drained", worker->number);
    queue_worker_crash(queue, worker);
}

static void work(struct world *world, void *arg, uint64_t life)
{
    struct queue *queue = QUEUE_OF(world);
    struct queue_worker *worker = arg;
    if (!lives(worker, life))
        return;
    later(world, 1000, work, worker, life);
    if (worker->paused_until_ms > world->now_ms)
        return;
    for (unsigned i = 0; i < WORKER_RUNS; i++) {
        struct queue_run *run = &worker->runs[i];
        if (run->used && worker->session && !run->life.open && !run->asked && run->again_ms <= world->now_ms)
            open_stream(queue, worker, run);
        tell_end(queue, worker, run); // those that could not be told
    }
    if (worker->draining)
        leave_if_drained(queue, worker);
}

static void heartbeat(struct world *world, void *arg, uint64_t life)
{
    struct queue_worker *worker = arg;
    if (!lives(worker, life))
        return;
    later(world, HEARTBEAT_EVERY, heartbeat, worker, life);
    if (worker->paused_until_ms <= world->now_ms)
        say(QUEUE_OF(world), worker, &(struct queue_message){.kind = SAYS_HEARTBEAT, .at_ms = world->now_ms});
}

void queue_worker_start(struct queue *queue, struct queue_worker *worker)
{
    worker->up = true;
    worker->draining = false;
    worker->life++;
    worker->session = NULL;
    trace(&queue->world, "worker %u: starts", worker->number);
    close_streams(worker);
    connect_to_some(&queue->world, worker, worker->life);
    work(&queue->world, worker, worker->life);
    heartbeat(&queue->world, worker, worker->life);
}

void queue_worker_crash(struct queue *queue, struct queue_worker *worker)
{
    trace(&queue->world, "worker %u: is gone; its jobs go on", worker->number);
    if (worker->session)
        session_cut(queue, worker->session);
    worker->session = NULL;
    worker->up = false;
    worker->paused_until_ms = worker->machine_paused_until_ms;
}
