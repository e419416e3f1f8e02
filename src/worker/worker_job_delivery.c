// The delivery of a job's log, as its runner spools it, and what the runner is told of it.
#include "worker/worker_private.h"

// --- What the runner is told

static void tell(struct worker_job *job, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void tell(struct worker_job *job, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    control_say(job->control, str_n(text, (size_t)len));
}

static void cancel(struct worker_job *job, const char *reason, uint64_t grace_ms)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct json_writer json = json_writer_to(&message);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "cancel");
    json_add_text(&json, "reason", reason ? reason : "it was cancelled");
    json_add_u64(&json, "grace_ms", grace_ms);
    json_close(&json);
    control_say(job->control, buf_str(&message));
}

// If it is tried again when it is lost, its runner must know how long its lease lasts.
static void on_alive(void *arg, const struct life *life)
{
    struct worker_job *job = arg;
    if (job->retry_on_lost && job->state <= JOB_RUNNING)
        tell(job, "{\"type\":\"alive\",\"until\":%llu}",
             (unsigned long long)life_until_ms(life, job->worker->lease_ms));
}

// Looks at what is new in the spool, and asks to be told when there is more.
static void take_turn(struct worker_job *job)
{
    uint64_t before = spool_next(job->spool);
    bool more = false;
    int err = job->control ? spool_follow(job->spool, &more) : 0;
    if (err < 0)
        log_warn(worker_job_logger(job), "a spool cannot be read", LOG_S("execution_id", job->id),
                 LOG_S("reason", error_text(err)));
    if (spool_next(job->spool) != before && job->delivery)
        delivery_spooled(job->delivery);
    if (more) {
        loop_defer(job->worker->loop, &job->turn);
        return;
    }
    uint64_t acked = spool_acked_below(job->spool);
    if (acked != job->acked)
        tell(job, "{\"type\":\"acked\",\"counter\":%llu}", (unsigned long long)acked);
    job->acked = acked;
    uint64_t end = MAX(spool_notice_end(job->spool), spool_end(job->spool) + 1);
    if (job->notice_end == 0 || end < job->notice_end) {
        job->notice_end = end;
        tell(job, "{\"type\":\"notice\",\"end\":%llu}", (unsigned long long)end);
    }
}

void worker_job_turn(struct worker_job *job)
{
    if (job->dead || !job->spool)
        return;
    if (job->delivered || job->refused < 0)
        worker_job_settle(job);
    else
        take_turn(job);
}

void worker_job_turn_soon(struct worker_job *job)
{
    loop_defer(job->worker->loop, &job->turn);
}

// --- The delivery

static void on_acked(void *arg)
{
    worker_job_turn_soon(arg);
}

static void on_changed(void *arg)
{
    (void)arg; // while the runner lives, run.json belongs to it; afterwards it is saved with the outcome
}

static void on_cancel(void *arg, const char *reason, uint64_t grace_ms)
{
    struct worker_job *job = arg;
    outputs_give_up(job->outputs, "the execution was cancelled while it was uploaded");
    cancel(job, reason, grace_ms);
}

static void on_delivered(void *arg)
{
    (void)arg;
}

static void on_trouble(void *arg, int err, const char *text)
{
    struct worker_job *job = arg;
    if (!job->told_trouble)
        log_warn(worker_job_logger(job), "a log is not delivered yet", LOG_S("execution_id", job->id),
                 LOG_S("reason", text ? text : error_text(err)));
    job->told_trouble = true;
}

// The server will never take it. Then nobody waits for the job either.
static void on_ended(void *arg, int err, const char *text)
{
    struct worker_job *job = arg;
    job->delivered = err == 0;
    job->refused = err;
    if (err < 0 && job->state < JOB_ENDED) {
        CLEANUP(free_ptr)
        char *reason = xasprintf("the server does not take its log: %s", text ? text : error_text(err));
        cancel(job, reason, JOB_GRACE_MS);
    }
    worker_job_turn_soon(job);
}

static const struct delivery_events delivery_events = {on_acked,     on_changed, on_cancel,
                                                       on_delivered, on_trouble, on_ended};

void worker_job_deliver(struct worker_job *job)
{
    struct worker *worker = job->worker;
    struct delivery_options options = {
        .loop = worker->loop,
        .pool = worker->pool,
        .run = &job->run,
        .link = worker_link_stream(worker->link, &job->run, NULL),
        .spool = job->spool,
        .events = &delivery_events,
        .arg = job,
    };
    worker_link_watch_life(options.link, on_alive, job);
    job->delivery = delivery_new(&options);
}
