// A world of the queue: what is submitted, what goes wrong, and when it is over.
#include "queue.h"

// After the faults. Longer than a lease, its grace and all delays of retries:
#define PATIENCE_MS 1200000   // without any change of an outcome
#define LONGEST_MS  400000000 // for all attempts one after the other

// --- What is submitted

static void demands_make(struct queue *queue)
{
    const struct demand demands[QUEUE_DEMANDS] = {
        {.executor = STR("process")},
        {.executor = STR("process"), .labels = {STR("gpu")}, .label_count = 1},
        {.executor = STR("process"), .cpus_milli = 2000},
    };
    for (unsigned i = 0; i < QUEUE_DEMANDS; i++)
        demand_append(&demands[i], &queue->demands[i]);
}

static void rule_draw(struct world *world, struct retry_rule *rule)
{
    static const char *const words[] = {
        "", "failed", "lost", "failed,lost", "exit:3", "signal:9,timed_out", "lost,exit:1-5"};
    if (chance(world, 350))
        return;
    rule->retries = (unsigned)draw(world, 1, 4);
    rule->delay_ms = chance(world, 500) ? (int64_t)draw(world, 100, 5000) : 0;
    retry_rule_parse(str_of(words[draw(world, 0, ARRAY_LEN(words) - 1)]), rule);
}

static void fates_draw(struct world *world, struct task *task)
{
    static const struct task_fate bad[] = {
        {.status = STATUS_FAILED, .exit_code = 1},
        {.status = STATUS_FAILED, .exit_code = 3},
        {.status = STATUS_FAILED, .exit_code = 128 + 9},
        {.status = STATUS_TIMED_OUT, .exit_code = 143},
    };
    unsigned fails = chance(world, 400) ? 700 : 100;
    for (unsigned i = 0; i < TASK_FATES; i++) {
        struct task_fate *fate = &task->fates[i];
        *fate = (struct task_fate){.status = STATUS_COMPLETED};
        if (chance(world, fails))
            *fate = bad[draw(world, 0, ARRAY_LEN(bad) - 1)];
        fate->runs_ms = draw(world, 5, !chance(world, 150) ? 4000 : chance(world, 300) ? 300000 : 90000);
    }
}

// Of what is there already: another job, or a batch that it is not in, nor waits for its own.
static void waits_draw(struct queue *queue, struct task *task)
{
    struct world *world = &queue->world;
    unsigned most = chance(world, 400) ? (unsigned)draw(world, 1, TASK_PARENTS) : 0;
    for (unsigned i = 0; i < most && queue->store.last_row > 0; i++) {
        struct task_wait wait = {.wish = (enum dependency_wish)draw(world, 0, DEPENDENCY_WISH_COUNT - 1)};
        wait.of_batch = chance(world, 250) && queue->batch_count > 0;
        wait.parent = (int64_t)draw(world, 1, wait.of_batch ? queue->batch_count : (uint64_t)queue->store.last_row);
        if (!wait.of_batch)
            wait.parent = queue->store.jobs[wait.parent].root;
        // A batch's job waits for earlier batches alone, and for jobs of those, so that there is no circle.
        int64_t of = wait.of_batch ? wait.parent : queue->store.jobs[wait.parent].task->batch;
        if (task->batch != 0 && (of == 0 || of >= task->batch))
            continue;
        bool same = false;
        for (unsigned j = 0; j < task->wait_count; j++)
            same |= task->waits[j].of_batch == wait.of_batch && task->waits[j].parent == wait.parent;
        if (!same)
            task->waits[task->wait_count++] = wait;
    }
}

static void submit(struct world *world, void *arg, uint64_t life)
{
    struct queue *queue = QUEUE_OF(world);
    struct task *task = &queue->tasks[queue->submitted++];
    (void)arg;
    (void)life;
    task->batch = queue->batch_count > 0 && chance(world, 600) ? (int64_t)draw(world, 1, queue->batch_count) : 0;
    task->account = task->batch ? queue->store.batches[task->batch].account : (int64_t)draw(world, 1, QUEUE_ACCOUNTS);
    task->demand = chance(world, 600) ? 0 : (unsigned)draw(world, 0, QUEUE_DEMANDS - 1);
    task->priority = chance(world, 200) ? (int)draw(world, 0, 2) : 0;
    rule_draw(world, &task->retry);
    fates_draw(world, task);
    waits_draw(queue, task);
    queue_submit_task(queue, task);
    if (queue->submitted < queue->task_count) {
        later(world, chance(world, 600) ? 0 : draw(world, 1, 4000), submit, NULL, 0);
        return;
    }
    for (unsigned i = 1; i <= queue->batch_count; i++)
        queue_close_batch(queue, i);
}

static void batches_draw(struct queue *queue)
{
    struct world *world = &queue->world;
    queue->batch_count = (unsigned)draw(world, 0, QUEUE_BATCHES);
    for (unsigned i = 1; i <= queue->batch_count; i++) {
        struct queue_batch *batch = &queue->store.batches[i];
        *batch = (struct queue_batch){.exists = true, .open = true, .account = (int64_t)draw(world, 1, QUEUE_ACCOUNTS)};
        batch->limits.parallel = chance(world, 600) ? (unsigned)draw(world, 1, 4) : 0;
        batch->limits.has_max_fails = chance(world, 400);
        batch->limits.max_fails_is_percent = chance(world, 300);
        batch->limits.max_fails = draw(world, 0, batch->limits.max_fails_is_percent ? 60 : 3);
    }
}

// --- Workers

static void workers_make(struct queue *queue)
{
    static const struct str executors[] = {STR("process")}, labels[] = {STR("gpu")};
    struct world *world = &queue->world;
    queue->worker_count = (unsigned)draw(world, 1, QUEUE_WORKERS);
    for (unsigned i = 0; i < queue->worker_count; i++) {
        struct queue_worker *worker = &queue->workers[i];
        bool all = i == 0; // one that takes everything, so that in the end nothing has to wait
        worker->queue = queue;
        worker->number = i;
        snprintf(worker->id, sizeof(worker->id), "w%u", i);
        worker->account = all || chance(world, 500) ? 0 : (int64_t)draw(world, 1, QUEUE_ACCOUNTS);
        worker->offer = (struct offer){
            .slots = (unsigned)draw(world, 1, SLOTS_MAX),
            .cpus_milli = all ? 4000 : (uint32_t)draw(world, 0, 3000),
            .memory_bytes = 1 << 30,
            .executors = executors,
            .executor_count = 1,
            .labels = labels,
            .label_count = all || chance(world, 300),
        };
        queue_worker_start(queue, worker);
    }
}

// --- Faults

static void server_again(struct world *world, void *arg, uint64_t life)
{
    struct queue_server *server = arg;
    if (!server->up && server->life == life)
        queue_server_start(QUEUE_OF(world), server);
}

static void worker_again(struct world *world, void *arg, uint64_t life)
{
    struct queue_worker *worker = arg;
    if (!worker->up && worker->life == life)
        queue_worker_start(QUEUE_OF(world), worker);
}

static uint64_t away_ms(struct world *world)
{
    return chance(world, 300) ? draw(world, 1000, 90000) : draw(world, 10, 5000);
}

static void strike_servers(struct queue *queue)
{
    struct world *world = &queue->world;
    for (unsigned i = 0; i < queue->server_count; i++) {
        struct queue_server *server = &queue->servers[i];
        if (chance(world, queue->profile.store_away))
            server->away_until_ms = world->now_ms + draw(world, 10000, 150000);
        if (!server->up || !chance(world, queue->profile.server_crash))
            continue;
        queue_server_crash(queue, server);
        later(world, away_ms(world), server_again, server, server->life);
    }
}

static void strike_worker(struct queue *queue, struct queue_worker *worker)
{
    struct world *world = &queue->world;
    const struct queue_profile *profile = &queue->profile;
    if (!worker->up)
        return;
    if (chance(world, profile->worker_crash)) {
        queue_worker_crash(queue, worker);
        later(world, away_ms(world), worker_again, worker, worker->life);
    } else if (chance(world, profile->pause)) {
        uint64_t until_ms = world->now_ms + draw(world, 1000, 80000);
        worker->paused_until_ms = MAX(worker->paused_until_ms, until_ms);
        if (chance(world, 500))
            worker->machine_paused_until_ms = worker->paused_until_ms;
        trace(world, "worker %u: stands still until %llu", worker->number, (unsigned long long)worker->paused_until_ms);
    } else if (chance(world, profile->drain) && !worker->draining) {
        trace(world, "worker %u: drains", worker->number);
        worker->draining = true;
        if (worker->session)
            session_say(queue, worker->session, true, &(struct queue_message){.kind = SAYS_DRAIN});
    }
}

static void strike_sessions(struct queue *queue)
{
    struct world *world = &queue->world;
    size_t kept = 0;
    for (size_t i = 0; i < queue->session_count; i++) {
        struct queue_session *session = queue->open_sessions[i];
        if (session->cut && !session->at_worker && !session->at_server)
            continue;
        queue->open_sessions[kept++] = session;
        if (chance(world, queue->profile.cut)) {
            session_cut(queue, session);
        } else if (chance(world, queue->profile.stall)) {
            uint64_t until_ms = world->now_ms + draw(world, 100, chance(world, 300) ? 70000 : 3000);
            bool one_way = chance(world, 500), which = chance(world, 500);
            for (int end = 0; end < 2; end++)
                if (!one_way || which == (end == 1))
                    session->stalled_until_ms[end] = until_ms;
        }
    }
    queue->session_count = kept;
}

static void strike_people(struct queue *queue)
{
    struct world *world = &queue->world;
    if (!chance(world, queue->profile.cancel) || queue->store.last_row == 0)
        return;
    if (chance(world, 150) && queue->batch_count > 0)
        queue_cancel_batch(queue, (int64_t)draw(world, 1, queue->batch_count));
    else
        queue_cancel_job(queue, (int64_t)draw(world, 1, (uint64_t)queue->store.last_row));
}

static void peace(struct queue *queue)
{
    struct world *world = &queue->world;
    trace(world, "peace");
    queue->quiet = true;
    queue->quiet_ms = world->now_ms;
    queue->store.failing_until_ms = queue->store.slow_until_ms = 0;
    for (unsigned i = 0; i < queue->server_count; i++)
        queue->servers[i].away_until_ms = 0;
    for (unsigned i = 0; i < queue->worker_count; i++)
        if (!queue->workers[i].up)
            queue_worker_start(queue, &queue->workers[i]);
}

static void worker_comes_again(struct queue *queue, struct queue_worker *worker)
{
    if (!worker->up) // it has drained
        later(&queue->world, away_ms(&queue->world), worker_again, worker, worker->life);
}

static void second(struct world *world, void *arg, uint64_t life)
{
    struct queue *queue = QUEUE_OF(world);
    const struct queue_profile *profile = &queue->profile;
    (void)arg;
    (void)life;
    for (unsigned i = 0; i < queue->worker_count; i++)
        worker_comes_again(queue, &queue->workers[i]);
    later(world, 1000, second, NULL, 0);
    check_running(queue);
    if (queue->quiet)
        return;
    if (world->now_ms >= profile->faults_for_ms && queue->submitted == queue->task_count) {
        peace(queue);
        return;
    }
    strike_servers(queue);
    for (unsigned i = 0; i < queue->worker_count; i++)
        strike_worker(queue, &queue->workers[i]);
    strike_sessions(queue);
    strike_people(queue);
    if (chance(world, profile->commit_fails))
        queue->store.failing_until_ms = world->now_ms + draw(world, 10, 3000);
    if (chance(world, profile->store_slow))
        queue->store.slow_until_ms = world->now_ms + draw(world, 100, 10000);
}

// --- The whole

static void set_up(struct queue *queue)
{
    struct world *world = &queue->world;
    struct queue_profile *profile = &queue->profile;
    unsigned *const rates[] = {
        &profile->cut,          &profile->stall, &profile->server_crash, &profile->pause,  &profile->worker_crash,
        &profile->commit_fails, &profile->drain, &profile->store_slow,   &profile->cancel, &profile->store_away};
    static const unsigned highest[] = {80, 60, 30, 30, 40, 100, 30, 60, 200, 150};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        *rates[i] = chance(world, 500) ? (unsigned)draw(world, 1, highest[i]) : 0;
    profile->faults_for_ms = draw(world, 10000, 200000);
    queue->latency_ms = chance(world, 200) ? draw(world, 100, 3000) : 20;
    queue->lost_seal_ms = draw(world, 60000, 300000);
    queue->store.endings_max = chance(world, 300) ? (unsigned)draw(world, 1, 3) : 256;
    queue->store.steps_max = chance(world, 300) ? (unsigned)draw(world, 1, 4) : 1024;
    demands_make(queue);
    batches_draw(queue);
    queue->task_count = (unsigned)draw(world, 1, QUEUE_TASKS);
    queue->server_count = chance(world, 500) ? 2 : 1;
    for (unsigned i = 0; i < queue->server_count; i++) {
        queue->servers[i].number = i;
        queue_server_start(queue, &queue->servers[i]);
    }
    workers_make(queue);
    later(world, 0, submit, NULL, 0);
    later(world, draw(world, 1, 1000), second, NULL, 0);
}

static void tear_down(struct queue *queue)
{
    for (unsigned i = 0; i < queue->server_count; i++) {
        lease_table_release(&queue->servers[i].leases);
        if (queue->servers[i].up)
            match_release(&queue->servers[i].match);
    }
    for (unsigned i = 0; i < QUEUE_DEMANDS; i++)
        buf_release(&queue->demands[i]);
    free(queue->open_sessions);
    free(queue->world.events);
    arena_release(&queue->world.arena);
}

// A server may find out only when a worker comes to it that others have run what it remembers as ready: until the store
// has refused that, a slot is taken.
static bool claims_are_answered(const struct queue *queue)
{
    for (unsigned i = 0; i < queue->server_count; i++)
        if (queue->servers[i].up && queue->servers[i].claiming > 0)
            return false;
    return true;
}

bool queue_run(uint64_t seed, bool tracing)
{
    struct queue *queue = xcalloc(1, sizeof(*queue));
    struct world *world = &queue->world;
    *world = (struct world){.seed = seed, .random = seed, .now_ms = 1000, .tracing = tracing};
    set_up(queue);
    uint64_t over_ms = 0; // since then all is settled
    while (!world->failed && (over_ms == 0 || world->now_ms < over_ms + 5000 || !claims_are_answered(queue))) {
        world_step(world);
        bool settled = queue->quiet && queue_settled(queue);
        over_ms = !settled ? 0 : over_ms ? over_ms : world->now_ms;
        if (queue->quiet && world->now_ms > MAX(queue->quiet_ms, queue->store.changed_ms) + PATIENCE_MS)
            break;
        if (world->now_ms > LONGEST_MS)
            break;
    }
    if (!world->failed)
        check_queue_end(queue);
    trace(world, "%llu steps", (unsigned long long)world->steps);
    bool good = !world->failed;
    tear_down(queue);
    free(queue);
    return good;
}
